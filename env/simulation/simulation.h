// The world. advance() runs to the next decision and returns it; apply() answers it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "env/base/digest.h"
#include "env/base/winner_tree.h"
#include "env/node/node.h"
#include "env/scenario/scenario.h"
#include "env/simulation/observer.h"
#include "env/view/fleet_view.h"

namespace yardmaster {

/// Why the simulation stopped.
enum class DecisionKind : std::uint8_t {
  dispatch,  // the head of the ready queue wants a node
  end,       // nothing more will happen, or `until` of advance was reached
};

/// A question to the policy. Spans are valid until the next call of a non-const member.
struct Decision {
  DecisionKind kind = DecisionKind::end;
  Time now;
  std::uint64_t index = 0;                // decisions before this one
  TaskView task;
  std::span<const std::uint8_t> legal;    // [nodes + 2]: nodes, then hold, then reject
};

/// An answer.
struct Action {
  enum class Kind : std::uint8_t { send, hold, reject };
  Kind kind = Kind::send;
  NodeId node = kNoNode;                  // send
  Time until = Time::never();             // hold: offered again then, or at a new report, a completion or a freed place

  static Action send(NodeId node) { return {Kind::send, node, Time::never()}; }
  static Action hold(Time until) { return {Kind::hold, kNoNode, until}; }
  static Action reject() { return {Kind::reject, kNoNode, Time::never()}; }
};

/// Integrals of what the objective charges. A reward is minus a difference of two of these.
struct CostIntegral {
  double unfinished_task_s = 0;  // weight x unfinished, integrated from the start, seconds
  double discounted_task_s = 0;  // the same since the last decision, discounted to that instant by the objective
  double late_task_s = 0;        // weight x seconds beyond the E2E objective, of tasks that have ended
  double rejected = 0;           // weight x tasks rejected
};

/// Counts of a run, all since its start.
struct RunCounts {
  std::uint64_t arrived = 0, sent = 0, finished = 0, rejected_too_long = 0, rejected_by_policy = 0,
                cancelled = 0, retried = 0, failures = 0, events = 0, segments = 0, decisions = 0;
};

/// State of a node as it is, for results and tests. No policy sees it.
struct NodeState {
  bool up = true;
  std::int32_t running = 0, waiting = 0;
  double kv_use = 0;
  NodeCounters counters;
};

/// A world as a value: copying it copies everything, assigning over a used one allocates nothing.
/// The same (scenario, seed, ordering, actions) give the same bits on every machine.
class Simulation {
 public:
  /// Borrows the scenario. `ordering` sorts the ready queue.
  Simulation(const Scenario&, Seed, OrderingKey ordering);

  /// Runs to the next decision, or to the end. Calling it again before apply() returns the same
  /// decision. Arrivals stop at the scenario's duration; then work drains. With `until`, stops with
  /// `end` before the first event later than it (for training, which truncates).
  const Decision& advance(Observer* = nullptr, Time until = Time::never());
  /// Answers the decision. REQUIRES that it is legal; otherwise aborts with seed and index.
  void apply(const Action&);
  /// Abandons a live task, wherever it is. Returns false when it has ended already.
  bool cancel(TaskSlot);

  /// What may be known now. Refreshes due reports; never called, it costs nothing.
  const FleetView& view();
  /// The integrals up to now.
  [[nodiscard]] CostIntegral cost() const;
  /// Redraws what has not been revealed (lengths beyond the tokens seen, arrivals, failures), keeps the rest.
  void imagine(Seed);

  [[nodiscard]] Time now() const { return now_; }
  [[nodiscard]] std::uint64_t digest() const { return digest_.value(); }
  [[nodiscard]] const RunCounts& counts() const { return counts_; }
  [[nodiscard]] std::uint64_t unfinished() const { return live_; }
  [[nodiscard]] const Scenario& scenario() const { return *scenario_; }
  [[nodiscard]] NodeState node_state(NodeId) const;

 private:
  // written in simulation.cpp
};

}  // namespace yardmaster
