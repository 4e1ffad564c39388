// The world. advance() runs to the next decision and returns it; apply() answers it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "env/base/check.h"
#include "env/base/units.h"
#include "env/scenario/scenario.h"
#include "env/simulation/arrivals.h"
#include "env/simulation/cost_meter.h"
#include "env/simulation/decision_desk.h"
#include "env/simulation/event_queue.h"
#include "env/simulation/fleet.h"
#include "env/simulation/fleet_monitor.h"
#include "env/simulation/observer.h"
#include "env/simulation/task_table.h"
#include "env/view/fleet_view.h"
#include "env/view/ordering_policy.h"

namespace yardmaster {

/// Why the simulation stopped.
enum class DecisionKind : std::uint8_t {
  dispatch,  // the head of the ready queue needs a node
  end,       // nothing more will happen, or `until` of advance was reached
};

/// A question to the policy. Spans are valid until the next call of a non-const member.
struct Decision {
  DecisionKind kind = DecisionKind::end;
  Time now;
  std::uint64_t index = 0;  // decisions before this one
  TaskView task;
  std::span<const std::uint8_t> legal;  // [nodes + 2]: nodes, then hold, then reject
};

/// An answer.
struct Action {
  enum class Kind : std::uint8_t { send, hold, reject };
  Kind kind = Kind::send;
  // Of `send`.
  NodeId node = kNoNode;
  // Of `hold`: the task is offered again then, or earlier at a new report, a completion or a freed
  // place.
  Time until = Time::never();

  static Action send(NodeId node) { return {Kind::send, node, Time::never()}; }
  static Action hold(Time until) { return {Kind::hold, kNoNode, until}; }
  static Action reject() { return {Kind::reject, kNoNode, Time::never()}; }
};

/// Counts of a run, all since its start.
struct RunCounts {
  std::uint64_t arrived = 0;
  std::uint64_t sent = 0;
  std::uint64_t finished = 0;
  std::uint64_t rejected_too_long = 0;
  std::uint64_t rejected_by_policy = 0;
  std::uint64_t cancelled = 0;
  std::uint64_t retried = 0;
  std::uint64_t failures = 0;
  std::uint64_t events = 0;
  std::uint64_t segments = 0;
  std::uint64_t decisions = 0;
};

/// A world as a value: copying it copies everything, assigning over a used one allocates nothing.
/// The same (scenario, seed, ordering, actions) give the same bits on every machine.
///
/// Its parts own their state and never call upwards. This class owns the order in which things
/// happen: it takes the next event, passes it to the part that it concerns, and stops where a
/// decision is needed.
class Simulation {
 public:
  /// Borrows the scenario and the ordering, which sorts the ready queue. With `unread` the view's
  /// columns of reports stay as before the first report, and the run is faster by what reports
  /// cost.
  Simulation(const Scenario&, Seed, const OrderingPolicy* ordering, Reporting = Reporting::read);

  /// Runs to the next decision, or to the end. Calling it again before apply() returns the same
  /// decision. Arrivals stop at the scenario's duration; then work drains. With `until`, stops with
  /// `end` before the first event later than it (for training, which truncates).
  const Decision& advance(Observer* = nullptr, Time until = Time::never());
  /// Answers the decision. REQUIRES that it is legal. Like advance(), adds the seed and the
  /// decision to an InternalFault that passes through.
  void apply(const Action&);
  /// Abandons a live task, wherever it is; one that runs leaves at its node's next plan. Returns
  /// false when it has ended already. REQUIRES that it is not the one being decided.
  bool cancel(TaskSlot, Observer* = nullptr);

  /// What may be known now. Takes and shows the reports that are due; a run that never calls it
  /// does not pay for it.
  const FleetView& view();
  /// The integrals up to now.
  [[nodiscard]] CostIntegral cost() const {
    return cost_.integral(scenario_->objective.discount_time);
  }
  /// Redraws what has not been revealed and keeps the rest. Kept: everything that has happened,
  /// lengths of tasks as far as tokens have been seen, crashes that have happened (detected or
  /// not), nodes that are slow now, the window of a trace and its rows to come. Redrawn: the rest
  /// of each length, given its prediction, up to the task's max_tokens; generated arrivals; times
  /// of coming crashes, repairs and slow-downs.
  void imagine(Seed);

  [[nodiscard]] Time now() const { return now_; }
  /// Of the facts so far. Facts of plans that have not been made yet are missing before
  /// node_state() or the end.
  [[nodiscard]] std::uint64_t digest() const { return tasks_.facts().digest.value(); }
  [[nodiscard]] RunCounts counts() const;
  [[nodiscard]] std::uint64_t unfinished() const { return tasks_.live(); }
  [[nodiscard]] const Scenario& scenario() const { return *scenario_; }
  /// Brings the lazy state of the node up to now, which changes nothing that can be seen.
  NodeState node_state(NodeId);

 private:
  // The loop.
  void run_until(Time until, Observer* observer);
  void handle_node(NodeId n, Phase phase, Observer* observer);
  void collect_outputs(NodeId n, Observer* observer);
  void make_plans(NodeId n);
  void handle_health(NodeId n, Observer* observer);
  void retry(TaskSlot slot, Observer* observer);
  void arrive(std::size_t tenant, Observer* observer);
  void look_at_ready_queue();
  bool offer();
  [[noreturn]] void throw_with_place(const InternalFault&) const;

  // What happens to a task.
  void make_ready(TaskSlot slot);
  void carry_out(const Action&);
  void send(TaskSlot slot, NodeId n);
  void take_back(TaskSlot slot, NodeId n);
  void end_task(TaskSlot slot, NodeId n, Outcome outcome, Observer* observer);

  // What must precede and follow a change of a node.
  void before_change(NodeId n) { monitor_.before_change(n, now_, fleet_, tasks_.tables()); }
  void reschedule(NodeId n);
  void refresh_open(NodeId n) {
    desk_.set_open(n, monitor_.has_room(n, scenario_->dispatch.window));
  }

  void redraw_lengths();

  const Scenario* scenario_;
  Seed seed_;
  const OrderingPolicy* ordering_;
  Time now_;
  EventQueue events_;
  TaskTable tasks_;
  Arrivals arrivals_;
  FleetMonitor monitor_;
  Fleet fleet_;
  DecisionDesk desk_;
  CostMeter cost_;
  RunCounts counts_;
  Decision decision_;
  bool deciding_ = false;
  TaskSlot rejected_ = kNoTask;      // by the last action; its row waits for an observer
  std::vector<NodeOutput> outputs_;  // scratch, empty between events
};

}  // namespace yardmaster
