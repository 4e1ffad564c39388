// The reports of the nodes. A report is not an event: its snapshot is taken just before the node
// changes or when the reports are read, whichever comes first.
#pragma once

#include <cstdint>
#include <vector>

#include "env/base/random.h"
#include "env/node/node.h"
#include "env/scenario/scenario.h"
#include "env/view/columns.h"

namespace yardmaster {

/// Whether the reports of a world are read.
enum class Reporting : std::uint8_t {
  read,
  /// No report is taken or shown.
  unread,
};

/// Report k of node n is taken at phase[n] + k interval and arrives `delay` later, unless it is
/// lost.
class ReportBoard {
 public:
  ReportBoard() = default;
  ReportBoard(const Scenario&, Seed, Reporting);

  /// Whether a report of `n` falls due by `t`: then `snapshot` must follow before the node changes.
  [[nodiscard]] bool due(NodeId n, Time t) const { return due_[index(n)] <= t; }
  /// Takes the reports up to `t` that may still be read. `node` has not changed since the first of
  /// them. If `up` is false, it reports nothing. `sent` and `returned` are the ledger's totals.
  void snapshot(NodeId n, Time t, const NodeRef& node, bool up, std::int64_t sent,
                std::int64_t returned);
  /// A node of which a newer report than the one shown may have arrived by `now`, or kNoNode. Call
  /// show_newest() for it, and repeat until kNoNode. O(1).
  [[nodiscard]] NodeId next_stale(Time now) const {
    const NodeId next = turn_[next_in_turn_];
    return clocks_[index(next)].next_arrival <= now ? next : kNoNode;
  }
  /// Shows the newest report that has arrived by `now`. Returns whether any was taken for this.
  /// REQUIRES that `n` is next_stale(now). Other arguments as for snapshot().
  bool show_newest(NodeId n, Time now, const NodeRef& node, bool up, std::int64_t sent,
                   std::int64_t returned);
  /// When the newest report of `n` was taken.
  [[nodiscard]] Time last_taken(NodeId n) const {
    return taken_at(index(n), clocks_[index(n)].last_taken);
  }
  /// When the first report that is taken after `t` arrives.
  [[nodiscard]] Time arrival_after(NodeId n, Time t) const {
    return taken_at(index(n), last_by(index(n), t) + 1) + delay_;
  }
  /// When the next report of any node arrives after `now`, lost ones included.
  [[nodiscard]] Time next_arrival_after(Time now) const;

  /// What is shown. Code that sends or returns a task must increment sent_since or returned_since.
  ReportColumns<Kept> columns;

 private:
  struct Snapshot {
    std::int64_t report = -1;
    std::int64_t sent = 0;
    std::int64_t returned = 0;
    NodeLoad load;
  };
  /// The schedule of a node's reports. Reports are numbered; -1: none.
  struct Clock {
    Duration phase;
    std::int64_t last_taken = -1;
    std::int64_t shown = -1;
    Time next_arrival;
  };
  [[nodiscard]] Time taken_at(std::size_t node, std::int64_t report) const {
    return Time{clocks_[node].phase.ps + report * interval_.ps};
  }
  [[nodiscard]] std::int64_t last_by(std::size_t node, Time t) const;
  [[nodiscard]] std::int64_t last_by(std::size_t node, Time t, std::int64_t guess) const;
  [[nodiscard]] bool lost(std::size_t node, std::int64_t report) const;
  void find_next_in_turn(Time now);
  void keep_arrived(std::size_t node, std::int64_t report);
  void show(NodeId n, std::int64_t report, std::int32_t kv_blocks, const NodeLoad&,
            std::int64_t sent_since, std::int64_t returned_since);
  void take_and_show(NodeId n, std::int64_t report, const NodeRef& node);
  [[nodiscard]] Snapshot& slot(std::size_t node, std::int64_t report) {
    return snapshots_[node * depth_ + (static_cast<std::size_t>(report) & (depth_ - 1))];
  }

  const Scenario* scenario_ = nullptr;
  Seed seed_;
  Reporting reporting_ = Reporting::read;
  Duration interval_{};
  Duration delay_{};
  double loss_ = 0;
  /// A power of two above the number of reports under way at once.
  std::size_t depth_ = 0;
  /// [node] When the next report is taken. Apart from the clocks because it is read at every event.
  std::vector<Time> due_;
  /// [node]
  std::vector<Clock> clocks_;
  /// Nodes in the order of their phases, in which reports arrive. The next report to arrive, or one
  /// of those that are due, is from turn_[next_in_turn_].
  std::vector<NodeId> turn_;
  std::size_t next_in_turn_ = 0;
  /// [node][depth_] Reports that were under way when the node's last report was taken.
  std::vector<Snapshot> snapshots_;
  /// [node] The newest report that had arrived at that time and was not yet shown.
  std::vector<Snapshot> arrived_;
};

}  // namespace yardmaster
