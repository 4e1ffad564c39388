// The part of the fleet's state that policies can see: reports, which are stale and may be lost,
// and the dispatcher's own ledger of tasks sent, first tokens and ends. It sees the last two,
// because it proxies the streams. The true state of the nodes is never visible.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "env/base/ids.h"
#include "env/base/units.h"
#include "env/view/columns.h"
#include "env/view/estimates.h"
#include "env/view/prefix_index.h"
#include "env/view/task_view.h"

namespace yardmaster {

/// Columns over nodes. Valid until the next call of a non-const member of the Simulation it came
/// from.
struct FleetView : ReportColumns<Shown>, LedgerColumns<Shown> {
  /// [node] Whether it is up, as far as has been detected.
  Shown<std::uint8_t> up;
  Time now;
  /// The node of the last task sent; kNoNode before the first.
  NodeId last_sent = kNoNode;
  /// Tasks in the dispatcher's queue, the one being decided included.
  std::int32_t ready = 0;
  const Estimates* estimates = nullptr;
  /// Null if the workload does not say what prompts share.
  const PrefixIndex* prefixes = nullptr;

  /// Calls visit(name, a.column, b.column, ...) for each column of the given views.
  template <class Visit, class... Views>
  static void for_each_column(const Visit& visit, Views&... views) {
    ReportColumns<Shown>::for_each(visit, views...);
    LedgerColumns<Shown>::for_each(visit, views...);
    visit("up", views.up...);
  }

  [[nodiscard]] std::size_t nodes() const { return up.size(); }
  /// Age of the newest report; the time since the start of the run if there is none.
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
  /// Blocks that PrefixIndex records for `n`.
  [[nodiscard]] std::int32_t prefix_blocks(NodeId n) const {
    return prefixes == nullptr ? 0 : prefixes->blocks(n);
  }
};

}  // namespace yardmaster
