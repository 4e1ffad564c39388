// The columns of a FleetView, declared once for the code that keeps them and the code that reads
// them.
// A new column is a member and a line of for_each().
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "env/base/units.h"

namespace yardmaster {

/// [node] A column as it is read.
template <class T>
using Shown = std::span<const T>;
/// [node] A column as it is kept.
template <class T>
using Kept = std::vector<T>;

/// The newest report of each node that has arrived. It shows the node when the report was taken.
template <template <class> class Column>
struct ReportColumns {
  /// never() before the first report.
  Column<Time> report_taken;
  Column<std::int32_t> running;
  Column<std::int32_t> waiting;
  /// Share of the KV blocks in use.
  Column<float> kv_use;
  /// Prompt tokens not yet computed. With `report.fields: dynamo` and `full`; else 0.
  Column<std::int64_t> reported_prefill_tokens;
  /// Computed tokens of running requests. With `report.fields: full`; else 0.
  Column<std::int64_t> reported_context_tokens;
  /// Tasks sent and returned since the report was taken, from the ledger.
  Column<std::int32_t> sent_since;
  Column<std::int32_t> returned_since;

  /// Calls visit(name, a.column, b.column, ...) for each column of the given sets.
  template <class Visit, class... Columns>
  static void for_each(const Visit& visit, Columns&... columns) {
    visit("report_taken", columns.report_taken...);
    visit("running", columns.running...);
    visit("waiting", columns.waiting...);
    visit("kv_use", columns.kv_use...);
    visit("reported_prefill_tokens", columns.reported_prefill_tokens...);
    visit("reported_context_tokens", columns.reported_context_tokens...);
    visit("sent_since", columns.sent_since...);
    visit("returned_since", columns.returned_since...);
  }
};

/// The dispatcher's own record of the tasks that it sent to each node. Exact.
template <template <class> class Column>
struct LedgerColumns {
  /// Tasks sent and not ended.
  Column<std::int32_t> in_flight;
  /// Of these, tasks without a first token yet, and their prompt tokens.
  Column<std::int32_t> awaiting_first;
  Column<std::int64_t> awaiting_tokens;
  /// Of the tasks with a first token: prompt tokens, predicted output tokens, and the sum of the
  /// times of their first tokens in microseconds.
  Column<std::int64_t> prompt_tokens;
  Column<std::int64_t> predicted_tokens;
  Column<std::int64_t> first_token_us;

  /// As ReportColumns::for_each().
  template <class Visit, class... Columns>
  static void for_each(const Visit& visit, Columns&... columns) {
    visit("in_flight", columns.in_flight...);
    visit("awaiting_first", columns.awaiting_first...);
    visit("awaiting_tokens", columns.awaiting_tokens...);
    visit("prompt_tokens", columns.prompt_tokens...);
    visit("predicted_tokens", columns.predicted_tokens...);
    visit("first_token_us", columns.first_token_us...);
  }
};

}  // namespace yardmaster
