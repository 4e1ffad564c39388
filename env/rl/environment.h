// Dispatch as a reinforcement-learning environment: a Simulation with rewards.
//
// It is a semi-Markov decision process, because decisions come at uneven times. The reward of a
// decision is minus what the objective charges until the next one, discounted continuously to the
// instant of the decision:
//
//   r = -(1 / scale) [ latency_weight * integral exp(-s / discount_time) unfinished(s) ds
//                      + slo_weight * late seconds + reject_penalty * rejected ]
//
// where unfinished(s) is the sum of the weights of the unfinished tasks. A value that comes dt
// later counts exp(-dt / discount_time). Without discounting, the rewards of a drained episode sum
// to minus the weighted sum of the completion times, divided by scale (a test).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "env/base/random.h"
#include "env/rl/observation.h"
#include "env/scenario/scenario.h"
#include "env/simulation/simulation.h"

namespace yardmaster {

/// How an environment differs from the plain simulation.
struct EnvironmentOptions {
  /// REQUIRED, borrowed: orders the ready queue.
  const OrderingPolicy* ordering = nullptr;
  /// What an observation consists of.
  ObservationSpec columns = ObservationSpec::dispatch();
  /// Seconds of cost in one unit of reward.
  double scale = 1;
  /// false: the episode is cut at the scenario's duration while arrivals go on (training: always
  /// truncated, never terminated). true: arrivals stop there and the work drains (evaluation:
  /// terminated).
  bool drain = false;
  /// Whether hold is an action. It lasts for `hold`, or until something changes.
  bool offer_hold = false;
  /// Whether reject is an action, where the scenario allows it.
  bool offer_reject = false;
  Duration hold = Duration::from_seconds(0.1);
};

/// The result of a step.
struct StepOutcome {
  double reward = 0;
  double elapsed_s = 0;     // simulated time since the decision that was answered
  double discount = 1;      // exp(-elapsed / discount_time): what the next value counts
  bool terminated = false;  // everything that arrived has ended
  bool truncated = false;   // cut before that: there is no next decision
};

/// One world and its rewards, as a value: a copy has the same future.
///
/// An action is a node's index, `nodes` to hold or `nodes + 1` to reject. A decision with a single
/// legal action is answered here, and its cost joins the running reward.
class Environment {
 public:
  /// Borrows the scenario. Throws UsageError without an ordering or a positive scale.
  Environment(const Scenario& scenario, EnvironmentOptions options);

  /// Starts the episode of this seed and runs to its first decision. False if it has none.
  bool reset(Seed seed);
  /// Answers the present decision and runs to the next one. Throws UsageError, and changes
  /// nothing, if the action is not legal or the episode has ended.
  StepOutcome step(std::int32_t action);
  /// Throws UsageError if step(action) would.
  void check_action(std::int32_t action) const;

  /// The task that waits for a decision. After the end of an episode no task waits: there it is
  /// the task of the last decision, moved in time as if it had just arrived again.
  [[nodiscard]] const TaskView& task() const { return task_; }
  /// [nodes + 2] Actions that are offered now. After the end of an episode: the nodes which were
  /// legal in the last decision and are still open.
  [[nodiscard]] std::span<const std::uint8_t> legal() const { return legal_; }
  /// What may be known now.
  const FleetView& view() { return simulation_.view(); }
  /// Writes the observation of task() and legal(). After the end of an episode it is the final
  /// observation, whose value a learner may bootstrap from when the episode was truncated.
  void observe(ObservationRows rows);

  [[nodiscard]] const ObservationSpec& columns() const { return options_.columns; }
  [[nodiscard]] const Simulation& simulation() const { return simulation_; }
  [[nodiscard]] Seed seed() const { return seed_; }
  [[nodiscard]] std::size_t nodes() const { return scenario_->nodes(); }

 private:
  // Answers the decision, runs to the next stop and charges what happened on the way.
  void answer(std::int32_t action, StepOutcome& outcome);
  // Answers decisions without a choice until there is one. False at the end.
  bool run_to_choice(StepOutcome& outcome);
  void advance();
  // Masks actions that are not offered; returns the only action if there is just one, else -1.
  std::int32_t only_action();
  void show_end();
  [[nodiscard]] Action to_action(std::int32_t action) const;

  const Scenario* scenario_;
  EnvironmentOptions options_;
  Seed seed_;
  Simulation simulation_;
  bool ended_ = true;
  TaskView task_;
  Time asked_at_;                    // when task_ came up for decision
  std::vector<std::uint8_t> legal_;  // [nodes + 2]
  ObservationScratch scratch_;
};

}  // namespace yardmaster
