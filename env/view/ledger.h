// The dispatcher's own record of tasks sent and returned.
#pragma once

#include <cstdint>
#include <vector>

#include "env/base/ids.h"
#include "env/base/units.h"
#include "env/view/columns.h"

namespace yardmaster {

/// The facts of a task that the ledger needs.
struct LedgerEntry {
  std::int32_t prompt_tokens = 0;
  std::int32_t predicted_tokens = 0;
  /// When the first token of this attempt passed the dispatcher; never() before.
  Time first_token = Time::never();
};

/// Columns over nodes, as FleetView shows them, and totals. A value.
struct Ledger {
  LedgerColumns<Kept> columns;
  /// [node] Tasks sent since the start.
  std::vector<std::int64_t> sent_total;
  /// [node] Tasks returned since the start.
  std::vector<std::int64_t> returned_total;
  NodeId last_sent = kNoNode;

  Ledger() = default;
  explicit Ledger(std::size_t nodes) : sent_total(nodes), returned_total(nodes) {
    LedgerColumns<Kept>::for_each([nodes](const char*, auto& column) { column.resize(nodes); },
                                  columns);
  }

  /// A task is sent to node `n`.
  void sent(NodeId n, const LedgerEntry& entry) {
    const std::size_t i = index(n);
    ++columns.in_flight[i];
    ++columns.awaiting_first[i];
    columns.awaiting_tokens[i] += entry.prompt_tokens;
    ++sent_total[i];
    last_sent = n;
  }
  /// Its first token passes the dispatcher now, at `entry.first_token`.
  void first_token(NodeId n, const LedgerEntry& entry) {
    const std::size_t i = index(n);
    --columns.awaiting_first[i];
    columns.awaiting_tokens[i] -= entry.prompt_tokens;
    columns.prompt_tokens[i] += entry.prompt_tokens;
    columns.predicted_tokens[i] += entry.predicted_tokens;
    columns.first_token_us[i] += entry.first_token.ps / kPsPerMicrosecond;
  }
  /// It has ended, failed or been abandoned.
  void returned(NodeId n, const LedgerEntry& entry) {
    const std::size_t i = index(n);
    --columns.in_flight[i];
    ++returned_total[i];
    if (entry.first_token.is_never()) {
      --columns.awaiting_first[i];
      columns.awaiting_tokens[i] -= entry.prompt_tokens;
    } else {
      columns.prompt_tokens[i] -= entry.prompt_tokens;
      columns.predicted_tokens[i] -= entry.predicted_tokens;
      columns.first_token_us[i] -= entry.first_token.ps / kPsPerMicrosecond;
    }
  }
};

}  // namespace yardmaster
