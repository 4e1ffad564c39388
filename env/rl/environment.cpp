#include "env/rl/environment.h"

#include "env/base/check.h"
#include "env/base/math.h"

namespace yardmaster {

Environment::Environment(const Scenario& scenario, EnvironmentOptions options)
    : scenario_(&scenario),
      options_(options),
      simulation_(scenario, Seed{}, options.ordering),
      legal_(scenario.nodes() + 2, 0) {
  check(options.ordering != nullptr, "an environment needs an ordering");
  check(options.scale > 0, "the scale of rewards must be positive");
}

bool Environment::reset(Seed seed) {
  seed_ = seed;
  simulation_ = Simulation(*scenario_, seed, options_.ordering);
  advance();
  StepOutcome before_the_first;  // decided by nobody, so nobody's reward
  return run_to_choice(before_the_first);
}

StepOutcome Environment::step(std::int32_t action) {
  check(decision_.kind != DecisionKind::end, "a step after the end of an episode");
  check(action >= 0 && static_cast<std::size_t>(action) < legal_.size() &&
            legal_[static_cast<std::size_t>(action)] != 0,
        "an action that is not offered");
  StepOutcome outcome;
  answer(action, outcome);
  if (!run_to_choice(outcome)) {
    outcome.terminated = options_.drain;
    outcome.truncated = !options_.drain;
  }
  return outcome;
}

void Environment::observe(ObservationRows rows) {
  yardmaster::observe(decision_.task, simulation_.view(), legal_, rows);
}

void Environment::answer(std::int32_t action, StepOutcome& outcome) {
  const Objective& objective = scenario_->objective;
  const Time from = simulation_.now();
  const CostIntegral before = simulation_.cost();
  simulation_.apply(to_action(action));
  advance();
  const CostIntegral after = simulation_.cost();
  const double elapsed_s = (simulation_.now() - from).seconds();
  const double kept = objective.discount_time.ps > 0
                          ? math::exp(-elapsed_s / objective.discount_time.seconds())
                          : 1.0;
  const double charged = objective.latency_weight * after.discounted_task_s +
                         objective.slo_weight * (after.late_task_s - before.late_task_s) +
                         objective.reject_penalty.seconds() * (after.rejected - before.rejected);
  outcome.reward -= outcome.discount * charged / options_.scale;
  outcome.discount *= kept;
  outcome.elapsed_s += elapsed_s;
}

bool Environment::run_to_choice(StepOutcome& outcome) {
  while (decision_.kind != DecisionKind::end) {
    const std::int32_t only = offer();
    if (only < 0) {
      return true;
    }
    answer(only, outcome);
  }
  return false;
}

void Environment::advance() {
  decision_ =
      simulation_.advance(nullptr, options_.drain ? Time::never() : Time{scenario_->duration.ps});
}

std::int32_t Environment::offer() {
  const std::size_t nodes = scenario_->nodes();
  std::size_t offered = 0;
  std::size_t last = 0;
  for (std::size_t i = 0; i < nodes + 2; ++i) {
    const bool kept = i < nodes || (i == nodes ? options_.offer_hold : options_.offer_reject);
    legal_[i] = kept ? decision_.legal[i] : std::uint8_t{0};
    offered += legal_[i];
    last = legal_[i] != 0 ? i : last;
  }
  if (offered == 0) {  // every node is closed to this task: wait
    legal_[nodes] = 1;
    return static_cast<std::int32_t>(nodes);
  }
  return offered == 1 ? static_cast<std::int32_t>(last) : -1;
}

Action Environment::to_action(std::int32_t action) const {
  const auto i = static_cast<std::size_t>(action);
  if (i < scenario_->nodes()) {
    return Action::send(node_id(i));
  }
  if (i > scenario_->nodes()) {
    return Action::reject();
  }
  // A forced hold ends when something changes, as the rules' does.
  return Action::hold(options_.offer_hold ? simulation_.now() + options_.hold : Time::never());
}

}  // namespace yardmaster
