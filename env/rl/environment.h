// Dispatch as a reinforcement-learning environment: a Simulation with rewards.
//
// A semi-Markov decision process: decisions come at uneven times. The reward of a decision is minus
// what the objective charges until the next one, discounted continuously to the decision's instant:
//   r = -(1 / scale) [ latency_weight * integral exp(-s / discount_time) sum over unfinished tasks
//   of w ds
//                      + slo_weight * late seconds + reject_penalty * rejected ]
// and a later value counts exp(-dt / discount_time). Without discounting the rewards of a drained
// episode sum to minus the sum of weighted completion times / scale (a test).
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
  const OrderingPolicy* ordering = nullptr;  // REQUIRED, borrowed: orders the ready queue
  double scale = 1;                          // seconds of cost in one unit of reward
  /// false: cut at the scenario's duration with arrivals going on (training: truncated, never
  /// terminated). true: arrivals stop there and the work drains (evaluation: terminated).
  bool drain = false;
  bool offer_hold = false;    // hold is an action: for `hold`, or until something changes
  bool offer_reject = false;  // reject is an action, where the scenario allows it
  Duration hold = Duration::from_seconds(0.1);
};

/// What a step brought.
struct StepOutcome {
  double reward = 0;
  double elapsed_s = 0;     // simulated time since the decision that was answered
  double discount = 1;      // exp(-elapsed / discount_time): what the next value counts
  bool terminated = false;  // everything that arrived has ended
  bool truncated =
      false;  // cut: there is no next decision, and the last one is a state to bootstrap from
};

/// One world and its rewards. An action is a node's index, `nodes` to hold, `nodes + 1` to reject.
/// A decision with one legal action is none: it is answered here and its cost joins the running
/// reward.
class Environment {
 public:
  /// Borrows the scenario. REQUIRES options.ordering.
  Environment(const Scenario& scenario, EnvironmentOptions options);
  Environment(const Environment&) = delete;  // the present decision points into the world
  Environment& operator=(const Environment&) = delete;
  Environment(Environment&&) = default;
  Environment& operator=(Environment&&) = default;

  /// Starts the episode of this seed and runs to its first decision. False when it has none.
  bool reset(Seed seed);
  /// Answers the present decision and runs to the next one. REQUIRES a legal action and no end
  /// since reset.
  StepOutcome step(std::int32_t action);

  /// The present decision. REQUIRES that the episode has not ended.
  [[nodiscard]] const Decision& decision() const { return decision_; }
  /// [nodes + 2] Actions that are offered now.
  [[nodiscard]] std::span<const std::uint8_t> legal() const { return legal_; }
  /// What may be known now.
  const FleetView& view() { return simulation_.view(); }
  /// Writes the observation of the present decision.
  void observe(ObservationRows rows);

  [[nodiscard]] const Simulation& simulation() const { return simulation_; }
  [[nodiscard]] Seed seed() const { return seed_; }
  [[nodiscard]] std::size_t nodes() const { return scenario_->nodes(); }

 private:
  // Answers the decision, runs to the next stop and charges what happened on the way.
  void answer(std::int32_t action, StepOutcome& outcome);
  // Answers decisions without a choice until there is one. False at the end.
  bool run_to_choice(StepOutcome& outcome);
  void advance();
  // Fills legal_; returns the only action when there is just one, else -1.
  std::int32_t offer();
  [[nodiscard]] Action to_action(std::int32_t action) const;

  const Scenario* scenario_;
  EnvironmentOptions options_;
  Seed seed_;
  Simulation simulation_;
  Decision decision_;
  std::vector<std::uint8_t> legal_;  // [nodes + 2]
};

}  // namespace yardmaster
