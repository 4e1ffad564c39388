// What a policy may know of the fleet: reports, stale and perhaps lost, and the dispatcher's own
// ledger of what it sent and, since it proxies the streams, of first tokens and ends. Never the
// truth.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "env/base/ids.h"
#include "env/base/units.h"
#include "env/view/estimates.h"
#include "env/view/prefix_index.h"
#include "env/view/task_view.h"

namespace yardmaster {

/// Columns over nodes. Valid until the next call of a non-const member of the Simulation it came
/// from.
struct FleetView {
  Time now;
  NodeId last_sent = kNoNode;  // the node of the last task sent; kNoNode before the first
  std::int32_t ready = 0;      // tasks in the dispatcher's queue, this one included

  // [node] Reports: the state when the newest report that arrived was taken.
  std::span<const Time> report_taken;  // never() before the first
  std::span<const std::int32_t> running, waiting;
  std::span<const float> kv_use;  // share of KV blocks in use
  std::span<const std::int64_t>
      reported_prefill_tokens;  // dynamo, full: prompt tokens not yet computed; else 0
  std::span<const std::int64_t>
      reported_context_tokens;  // full: computed tokens of running requests; else 0

  // [node] Ledger: exact, for it is the dispatcher's own.
  std::span<const std::int32_t> sent_since, returned_since;  // since the newest report was taken
  std::span<const std::int32_t> in_flight;                   // sent and not ended
  std::span<const std::int32_t> awaiting_first;              // of these, without a first token yet
  std::span<const std::int64_t> awaiting_tokens;             // prompt tokens of those
  std::span<const std::int64_t> prompt_tokens;  // prompt tokens of those with a first token
  std::span<const std::int64_t>
      predicted_tokens;  // predicted output tokens of those with a first token
  std::span<const std::int64_t>
      first_token_us;  // sum over those of the time of their first token, us

  // [node] Health, as detected.
  std::span<const std::uint8_t> up;

  const Estimates* estimates = nullptr;
  const PrefixIndex* prefixes = nullptr;  // null: the workload does not tell what prompts share

  [[nodiscard]] std::size_t nodes() const { return up.size(); }
  /// How old the newest report is; the time of the run when there is none.
  [[nodiscard]] Duration age(NodeId n) const {
    return report_taken[index(n)].is_never() ? Duration{now.ps} : now - report_taken[index(n)];
  }
  /// Writes [node] the tokens of the task's prompt that the node should have in its prefix cache.
  void prefix_hit_tokens(const TaskView& task, std::span<double> out) const {
    if (prefixes == nullptr) {
      std::fill(out.begin(), out.end(), 0.0);
      return;
    }
    prefixes->hit_blocks(task.shared, out);
    for (double& hit : out) {
      hit *= kBlockTokens;
    }
  }
  /// Blocks that the dispatcher knows of in the prefix cache of `n`.
  [[nodiscard]] std::int32_t prefix_blocks(NodeId n) const {
    return prefixes == nullptr ? 0 : prefixes->blocks(n);
  }
};

}  // namespace yardmaster
