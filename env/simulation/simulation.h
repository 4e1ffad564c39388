// The world. advance() runs to the next decision and returns it; apply() answers it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "env/base/check.h"
#include "env/base/digest.h"
#include "env/base/piecewise.h"
#include "env/base/winner_tree.h"
#include "env/node/node.h"
#include "env/node/ring.h"
#include "env/scenario/scenario.h"
#include "env/simulation/observer.h"
#include "env/simulation/ready_queue.h"
#include "env/view/fleet_view.h"
#include "env/view/ledger.h"
#include "env/view/ordering_policy.h"
#include "env/view/prefix_index.h"
#include "env/view/report_board.h"

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
  std::uint64_t index = 0;  // decisions before this one
  TaskView task;
  std::span<const std::uint8_t> legal;  // [nodes + 2]: nodes, then hold, then reject
};

/// An answer.
struct Action {
  enum class Kind : std::uint8_t { send, hold, reject };
  Kind kind = Kind::send;
  NodeId node = kNoNode;  // send
  Time until =
      Time::never();  // hold: offered again then, or at a new report, a completion or a freed place

  static Action send(NodeId node) { return {Kind::send, node, Time::never()}; }
  static Action hold(Time until) { return {Kind::hold, kNoNode, until}; }
  static Action reject() { return {Kind::reject, kNoNode, Time::never()}; }
};

/// Integrals of what the objective charges. A reward is minus a difference of two of these.
struct CostIntegral {
  double unfinished_task_s = 0;  // weight x unfinished, integrated from the start, seconds
  double discounted_task_s =
      0;  // the same since the last decision, discounted to that instant by the objective
  double late_task_s = 0;  // weight x seconds beyond the E2E objective, of tasks that have ended
  double rejected = 0;     // weight x tasks rejected
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
  /// Borrows the scenario and the ordering of the ready queue; REQUIRES that both outlive it. With
  /// `unread` the view's columns of reports stay as before the first report, and the run is faster
  /// by what reports cost.
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

  /// What may be known now. Refreshes due reports; never called, it costs nothing.
  const FleetView& view();
  /// The integrals up to now.
  [[nodiscard]] CostIntegral cost() const;
  /// Redraws what has not been revealed (lengths beyond the tokens seen, arrivals, failures), keeps
  /// the rest.
  void imagine(Seed);

  [[nodiscard]] Time now() const { return now_; }
  /// Of the facts so far; those of plans that nothing has asked for yet are not in it before
  /// node_state() or the end.
  [[nodiscard]] std::uint64_t digest() const { return tables_.facts.digest.value(); }
  [[nodiscard]] RunCounts counts() const;
  [[nodiscard]] std::uint64_t unfinished() const { return live_; }
  [[nodiscard]] const Scenario& scenario() const { return *scenario_; }
  /// Brings the node's lazy state up to now, which nothing else can notice.
  NodeState node_state(NodeId);

 private:
  struct Health {
    bool slow = false;
    Time crash_at = Time::never(), detect_at = Time::never(), repair_at = Time::never(),
         slow_toggle_at = Time::never();
    std::uint32_t crashes = 0, toggles = 0;
    std::vector<TaskSlot> lost;  // sent to it since it crashed, or lost in the crash
  };

  /// What happens first in an instant.
  enum class Phase : std::uint8_t { output, health, arrival, offer, plan };

  // Slots of the dispatcher's events: the offer, then tenants.
  static constexpr std::size_t kOfferSlot = 0;
  static constexpr std::size_t arrival_slot(std::size_t tenant) { return 1 + tenant; }
  [[nodiscard]] bool prompts_share() const { return scenario_->workload.paths.runs() > 0; }
  [[nodiscard]] std::size_t node_count() const { return up_.size(); }
  [[nodiscard]] NodeContext context(NodeId n) { return {scenario_->kind(n).settings, tables_}; }

  // The loop (simulation.cpp).
  void run_until(Time until, Observer* observer);
  void carry_out(const Action&);
  [[noreturn]] void tell_how_to_repeat(const InternalFault&) const;
  void handle_node(NodeId n, Phase phase, Observer* observer);
  void handle_dispatcher(std::size_t slot, Observer* observer);
  void collect_outputs(NodeId n, Observer* observer);
  void make_plans(NodeId n);
  void arrive(std::size_t tenant, Observer* observer);
  bool offer();
  void end_task(TaskSlot slot, NodeId n, Outcome outcome, Observer* observer);
  void send(TaskSlot slot, NodeId n);
  void returned(TaskSlot slot, NodeId n);
  TaskSlot new_task();
  void make_ready(TaskSlot slot);
  void release_held();
  void schedule_offer();
  void offer_at(Time at) {
    dispatcher_events_.set(kOfferSlot, at, static_cast<std::uint8_t>(Phase::offer));
  }
  [[nodiscard]] const WinnerTree& next_events() const {
    return node_events_.precedes(dispatcher_events_) ? node_events_ : dispatcher_events_;
  }
  void schedule_arrival(std::size_t tenant);
  void collect_kv_events(NodeId);
  void hear_kv_events(NodeId);
  void before_change(NodeId n);
  void reschedule(NodeId n);
  void refresh_open(NodeId n);
  [[nodiscard]] bool anybody_takes(TaskSlot slot);
  [[nodiscard]] std::span<const std::uint8_t> legal() const { return all_fit_ ? open_ : fitting_; }
  void bind_view();
  void show_report(NodeId n);
  void charge_until_now();
  void charge(Time from, Time until, double weight);
  [[nodiscard]] TaskView view_of(TaskSlot slot) const;
  [[nodiscard]] double weight(TaskSlot slot) const;
  [[nodiscard]] LedgerEntry entry_of(TaskSlot slot) const;

  // What imagine() redraws (imagine.cpp).
  void redraw_lengths();
  void redraw_arrivals();
  void redraw_failures();

  // Failures and slow-downs (health.cpp).
  void start_health();
  void find_next_health(NodeId n);
  void handle_health(NodeId n, Observer* observer);
  void crash(NodeId n);
  void detect(NodeId n, Observer* observer);
  void repair(NodeId n);
  void toggle_slow(NodeId n);
  void retry(TaskSlot slot, Observer* observer);
  [[nodiscard]] Time draw_after(NodeId n, Purpose purpose, std::uint32_t k, Duration mean) const;

  const Scenario* scenario_;
  Seed seed_;
  const OrderingPolicy* ordering_;
  Time now_;
  // What happens next is the first of these two: every request arrives, and among nodes its arrival
  // would have to climb the whole tree.
  WinnerTree node_events_, dispatcher_events_;
  std::vector<Node> nodes_;              // [node]
  std::vector<Health> health_;           // [node]
  std::vector<Time> health_due_;         // [node] the first of the times in health_
  std::vector<std::uint8_t> alive_;      // [node] in truth
  std::vector<std::uint8_t> up_;         // [node] as the dispatcher knows
  std::vector<std::int32_t> limits_;     // [node] tokens of prompt and max_tokens that it takes
  std::vector<ArrivalCursor> arrivals_;  // [tenant]
  NodeTables tables_;
  std::vector<TaskSlot> free_slots_;
  std::uint64_t live_ = 0;
  std::int32_t longest_limit_ = 0, shortest_limit_ = 0;  // of limits_
  ReadyQueue ready_;
  std::vector<std::pair<TaskSlot, Time>> held_;
  Ledger ledger_;
  ReportBoard board_;
  Estimates estimates_;
  PrefixIndex prefixes_;
  bool hears_kv_events_ = false;
  std::vector<Ring<KvEvent>> kv_mail_;  // [node] on their way to the dispatcher
  std::vector<KvEvent> kv_drained_;     // scratch
  RunCounts counts_;
  Decision decision_;
  bool deciding_ = false;
  TaskSlot rejected_ = kNoTask;  // by the last action; its row waits for an observer
  // [nodes + 2], as Decision::legal. `open_` is kept as nodes go down, come up, fill and empty;
  // `fitting_` is written for a prompt that is too long for some node, and holds for that decision.
  std::vector<std::uint8_t> open_, fitting_;
  std::size_t open_nodes_ = 0;
  bool all_fit_ = true;  // the decision under way is between all open nodes
  FleetView view_;
  // Cost.
  struct Charge {
    Time from, until;
    double weight = 0;  // unfinished in between
  };
  Time charged_until_, decided_at_;
  double unfinished_weight_ = 0;
  double unfinished_task_ps_ = 0;    // of CostIntegral, as yet in ps
  CostIntegral cost_;                // but for the first two
  std::vector<Charge> charges_;      // since the last decision
  std::vector<NodeOutput> outputs_;  // scratch, empty between events
};

}  // namespace yardmaster
