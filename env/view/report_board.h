// What the nodes have reported. A report is no event: a snapshot is taken just before its node
// changes, or when somebody reads, whichever comes first.
#pragma once

#include <cstdint>
#include <vector>

#include "env/base/random.h"
#include "env/node/node.h"
#include "env/scenario/scenario.h"
#include "env/view/columns.h"

namespace yardmaster {

/// Whether anybody reads the reports of a world.
enum class Reporting : std::uint8_t {
  read,
  unread,  // none is ever shown, and none costs anything
};

/// Report k of node n is taken at phase[n] + k interval and arrives `delay` later, unless it is
/// lost.
class ReportBoard {
 public:
  ReportBoard() = default;
  ReportBoard(const Scenario&, Seed, Reporting);

  /// Whether a report of `n` falls due by `t`: then `snapshot` must follow before the node changes.
  [[nodiscard]] bool due(NodeId n, Time t) const { return due_[index(n)] <= t; }
  /// Takes what reports up to `t` show and somebody may yet read. `node` has not changed since the
  /// first of them; `up` false: it reports nothing. `sent` and `returned`: the ledger's totals.
  void snapshot(NodeId n, Time t, const NodeRef& node, bool up, std::int64_t sent,
                std::int64_t returned);
  /// A node of which a newer report than the one shown may have arrived by `now`: `show` it, and
  /// ask again until kNoNode. O(1).
  [[nodiscard]] NodeId next_stale(Time now) const {
    const NodeId next = turn_[next_in_turn_];
    return clocks_[index(next)].next_arrival <= now ? next : kNoNode;
  }
  /// Shows the newest report that has arrived by `now`, and returns whether any was taken for that.
  /// REQUIRES that `n` is next_stale(now); for the rest see `snapshot`.
  bool show_newest(NodeId n, Time now, const NodeRef& node, bool up, std::int64_t sent,
                   std::int64_t returned);
  /// When the newest report that was taken shows its node; and when the first that is taken after
  /// `t` arrives.
  [[nodiscard]] Time last_taken(NodeId n) const {
    return taken_at(index(n), clocks_[index(n)].last_taken);
  }
  [[nodiscard]] Time arrival_after(NodeId n, Time t) const {
    return taken_at(index(n), last_by(index(n), t) + 1) + delay_;
  }
  /// When the next report of any node arrives after `now`, lost ones included.
  [[nodiscard]] Time next_arrival_after(Time now) const;

  /// What is shown. Whoever sends or takes back a task counts on in sent_since and returned_since.
  ReportColumns<Kept> columns;

 private:
  struct Snapshot {
    std::int64_t report = -1;
    std::int64_t sent = 0, returned = 0;
    NodeLoad load;
  };
  // When a node's reports are taken, and how far they are.
  struct Clock {
    Duration phase;
    std::int64_t last_taken = -1, shown = -1;  // numbers of reports; -1: none
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
  Duration interval_{}, delay_{};
  double loss_ = 0;
  std::size_t depth_ = 0;      // a power of two above the number of reports under way at once
  std::vector<Time> due_;      // [node] when the next report is taken: asked at every event
  std::vector<Clock> clocks_;  // [node]
  // Reports arrive in turn, in the order of their phases: the next, or one of those that are due,
  // is that of turn_[next_in_turn_].
  std::vector<NodeId> turn_;
  std::size_t next_in_turn_ = 0;
  std::vector<Snapshot> snapshots_;  // [node][depth_]: under way when last taken
  std::vector<Snapshot> arrived_;    // [node] the newest that had arrived when last taken, if late
};

}  // namespace yardmaster
