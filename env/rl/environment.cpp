#include "env/rl/environment.h"

#include <algorithm>
#include <string>
#include <utility>

#include "env/base/math.h"
#include "env/rl/usage_error.h"

namespace yardmaster {
namespace {

EnvironmentOptions checked(EnvironmentOptions options) {
  if (options.ordering == nullptr) {
    throw UsageError("an environment needs an ordering of the ready queue");
  }
  if (!(options.scale > 0)) {
    throw UsageError("the scale of rewards must be positive");
  }
  return options;
}

}  // namespace

Environment::Environment(const Scenario& scenario, EnvironmentOptions options)
    : scenario_(&scenario),
      options_(checked(std::move(options))),
      simulation_(scenario, Seed{}, options_.ordering),
      legal_(scenario.nodes() + 2, 0) {}

bool Environment::reset(Seed seed) {
  seed_ = seed;
  simulation_ = Simulation(*scenario_, seed, options_.ordering);
  advance();
  StepOutcome before_the_first;  // no action led here, so no action earns this reward
  return run_to_choice(before_the_first);
}

StepOutcome Environment::step(std::int32_t action) {
  check_action(action);
  StepOutcome outcome;
  answer(action, outcome);
  if (!run_to_choice(outcome)) {
    outcome.terminated = options_.drain;
    outcome.truncated = !options_.drain;
  }
  return outcome;
}

void Environment::check_action(std::int32_t action) const {
  if (ended_) {
    throw UsageError("the episode has ended: reset comes before the next step");
  }
  if (action < 0 || static_cast<std::size_t>(action) >= legal_.size()) {
    throw UsageError("action " + std::to_string(action) + " does not exist (expected 0 to " +
                     std::to_string(legal_.size() - 1) + ")");
  }
  if (legal_[static_cast<std::size_t>(action)] == 0) {
    throw UsageError("action " + std::to_string(action) + " is not legal in this decision");
  }
}

void Environment::observe(ObservationRows rows) {
  options_.columns.write(task_, simulation_.view(), legal_, rows, scratch_);
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
  while (!ended_) {
    const std::int32_t only = only_action();
    if (only < 0) {
      return true;
    }
    answer(only, outcome);
  }
  return false;
}

void Environment::advance() {
  const Decision& decision =
      simulation_.advance(nullptr, options_.drain ? Time::never() : Time{scenario_->duration.ps});
  ended_ = decision.kind == DecisionKind::end;
  if (ended_) {
    show_end();
    return;
  }
  task_ = decision.task;
  asked_at_ = decision.now;
  std::copy(decision.legal.begin(), decision.legal.end(), legal_.begin());
}

std::int32_t Environment::only_action() {
  const std::size_t nodes = scenario_->nodes();
  legal_[nodes] = options_.offer_hold ? legal_[nodes] : std::uint8_t{0};
  legal_[nodes + 1] = options_.offer_reject ? legal_[nodes + 1] : std::uint8_t{0};
  const auto offered =
      std::count_if(legal_.begin(), legal_.end(), [](std::uint8_t action) { return action != 0; });
  if (offered == 0) {  // every node is closed to this task: wait
    legal_[nodes] = 1;
    return static_cast<std::int32_t>(nodes);
  }
  const auto first =
      std::find_if(legal_.begin(), legal_.end(), [](std::uint8_t action) { return action != 0; });
  return offered == 1 ? static_cast<std::int32_t>(first - legal_.begin()) : -1;
}

void Environment::show_end() {
  const Duration later = simulation_.now() - asked_at_;
  task_.arrival = task_.arrival + later;
  task_.ready = task_.ready + later;
  const FleetView& fleet = simulation_.view();
  for (std::size_t n = 0; n < scenario_->nodes(); ++n) {
    const bool open = fleet.up[n] != 0 && fleet.in_flight[n] < scenario_->dispatch.window;
    legal_[n] = open ? legal_[n] : std::uint8_t{0};
  }
}

Action Environment::to_action(std::int32_t action) const {
  const auto i = static_cast<std::size_t>(action);
  if (i < scenario_->nodes()) {
    return Action::send(node_id(i));
  }
  if (i > scenario_->nodes()) {
    return Action::reject();
  }
  // A forced hold ends when something changes, as it does under the rules.
  return Action::hold(options_.offer_hold ? simulation_.now() + options_.hold : Time::never());
}

}  // namespace yardmaster
