// The serving nodes as they really are, up or down. Independent of the dispatcher.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "env/base/ids.h"
#include "env/base/random.h"
#include "env/base/units.h"
#include "env/node/node.h"
#include "env/scenario/scenario.h"
#include "env/simulation/place.h"

namespace yardmaster {

/// State of a node as it is, for results and tests. No policy sees it.
struct NodeState {
  bool up = true;
  std::int32_t running = 0, waiting = 0;
  double kv_use = 0;
  NodeCounters counters;
};

/// What happened to the health of a node.
enum class HealthChange : std::uint8_t {
  none,      // nothing that is due
  crashed,   // its KV cache and all its work are lost; the dispatcher does not know yet
  detected,  // the dispatcher learns of the crash
  repaired,  // it serves again
  slowed,    // its steps became slower or as fast as designed again
};

/// All nodes of a world, and their crashes, repairs and slow-downs. Borrows the scenario; the rows
/// of tasks are passed in.
class Fleet {
 public:
  /// With `log_kv_events` the nodes keep the changes of their prefix caches until they are drained.
  Fleet(const Scenario&, Seed, bool log_kv_events);

  [[nodiscard]] std::size_t size() const { return nodes_.size(); }
  /// Whether it is up in truth.
  [[nodiscard]] bool alive(NodeId n) const { return alive_[index(n)] != 0; }
  [[nodiscard]] const Node& node(NodeId n) const { return nodes_[index(n)]; }
  /// The node with what it may use, for the operations on it.
  NodeRef ref(NodeId n, NodeTables& tables) {
    const Place& place = places_[index(n)];
    const NodeSettings& settings = scenario_->kinds[place.kind].settings;
    return {nodes_[index(n)], settings.rules, settings.costs, place.grant, tables};
  }

  /// A task is on its way to the node and arrives at `at`. False: the node is down and loses it.
  bool deliver(NodeId, TaskSlot, Time at, Time now, NodeTables&);
  /// Abandons a task on the node. True: it is gone. False: it leaves at the node's next plan.
  bool cancel(NodeId, TaskSlot, Time now, NodeTables&);
  /// The state at `now`, for which the node's plans up to now are made.
  NodeState state(NodeId, Time now, NodeTables&);
  /// Gives the requests on the node new output lengths, [slot] of `output_tokens`.
  void redraw_lengths(NodeId n, Time now, const std::vector<std::int32_t>& output_tokens,
                      NodeTables& tables) {
    ref(n, tables).redraw_lengths(now, output_tokens);
  }

  // Health.
  /// When the health of the node changes next.
  [[nodiscard]] Time next_health_change(NodeId n) const { return health_due_[index(n)]; }
  /// What would change next, by `now`. Changes nothing.
  [[nodiscard]] HealthChange due_change(NodeId n, Time now) const;
  /// Carries out what due_change() names. REQUIRES that it is not `none`.
  void change_health(NodeId, Time now, Seed, NodeTables&);
  /// The tasks that were lost in the crash of the node, or sent to it since. They are removed here.
  std::vector<TaskSlot> take_lost(NodeId);
  /// Draws anew when the node crashes, is repaired, becomes slow or fast next.
  void redraw_health(NodeId, Time now, Seed);

 private:
  struct Health {
    bool slow = false;
    Time crash_at = Time::never();
    Time detect_at = Time::never();
    Time repair_at = Time::never();
    Time slow_toggle_at = Time::never();
    std::uint32_t crashes = 0;
    std::uint32_t toggles = 0;
    std::vector<TaskSlot> lost;
  };
  void crash(NodeId, Time now, Seed, NodeTables&);
  void repair(NodeId, Time now, Seed);
  void toggle_slow(NodeId, Time now, Seed, NodeTables&);
  void find_next_change(NodeId);

  const Scenario* scenario_;
  std::vector<Place> places_;        // [node]
  std::vector<Node> nodes_;          // [node]
  std::vector<Health> health_;       // [node]
  std::vector<Time> health_due_;     // [node] the first of the times in health_
  std::vector<std::uint8_t> alive_;  // [node]
};

}  // namespace yardmaster
