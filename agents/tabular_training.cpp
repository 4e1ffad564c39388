// Tabular Q-learning, whole: environments in parallel choose by the table, then the table learns in
// the order of the environments, so the result does not depend on the number of threads.
#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "agents/trainer.h"
#include "env/base/check.h"
#include "env/rl/vector_env.h"
#include "policies/policy.h"

namespace yardmaster {
namespace {

// Decisions of each environment between two reports of progress.
constexpr std::uint64_t kTick = 256;

struct Rules {
  std::vector<std::unique_ptr<DispatchPolicy>> policies;
  std::vector<std::string> names;
};

Rules make_rules() {
  Rules rules;
  for (const std::string_view name : kTabularRules) {
    rules.policies.push_back(make_dispatch(name));
    rules.names.emplace_back(name);
    check(rules.policies.back() != nullptr, "a rule of the table is missing");
  }
  return rules;
}

// The node that a rule sends the present task to; a hold if every node is closed.
std::int32_t node_by(const DispatchPolicy& rule, Environment& world, std::vector<double>& scores) {
  const TaskView& task = world.task();
  const Draw draw{world.seed(), Purpose::tie, task.address};
  const std::span<const std::uint8_t> legal = world.legal().first(world.nodes());
  rule.score(task, world.view(), legal, draw, scores);
  const NodeId node = best_node(scores, legal, draw);
  return static_cast<std::int32_t>(node == kNoNode ? world.nodes() : index(node));
}

// A new table, or that of the checkpoint to resume.
Checkpoint begin(const Scenario& scenario, const TrainOptions& options, const Rules& rules) {
  Checkpoint checkpoint;
  if (options.resume.empty()) {
    checkpoint.algorithm = "tabular_q";
    checkpoint.discount_time_s = scenario.objective.discount_time.seconds();
    checkpoint.tabular = TabularAgent{QTable(kTabularStates, rules.names.size()), rules.names};
    checkpoint.training = begin_record(scenario, options, nullptr);
    return checkpoint;
  }
  checkpoint = load_checkpoint(options.resume);
  check_resumable(checkpoint, options, scenario);
  if (!checkpoint.tabular || checkpoint.tabular->rules != rules.names) {
    throw CheckpointError(options.resume +
                          ": does not hold a table over the rules of this program");
  }
  checkpoint.training = begin_record(scenario, options, &checkpoint);
  return checkpoint;
}

}  // namespace

Checkpoint train_tabular(const Scenario& scenario, const TrainOptions& options,
                         const ProgressFunction& progress) {
  const Rules rules = make_rules();
  Checkpoint checkpoint = begin(scenario, options, rules);
  QTable& table = checkpoint.tabular->table;
  const auto ordering = make_ordering(scenario.dispatch.ordering);
  EnvironmentOptions environment;
  environment.ordering = ordering.get();
  VectorEnv envs(scenario, options.envs, options.threads, environment);
  envs.reset(options.train);
  std::vector<std::size_t> state(envs.envs()), action(envs.envs());
  std::vector<std::vector<double>> scores(envs.envs(), std::vector<double>(envs.nodes()));
  const auto observe_state = [&](std::size_t e) {
    Environment& world = envs.environment(e);
    return tabular_state(world.task(), world.view());
  };

  double cost = 0, elapsed_s = 0;
  for (std::uint64_t step = 0; step < options.updates; ++step) {
    const double share = static_cast<double>(step) / static_cast<double>(options.updates);
    const double epsilon = std::max(options.epsilon_last, options.epsilon_first * (1 - 2 * share));
    envs.step([&](std::size_t e) {
      const Draw draw{
          Seed{options.seed}, Purpose::exploration,
          object_address(static_cast<std::uint32_t>(e), static_cast<std::uint32_t>(step))};
      state[e] = observe_state(e);
      action[e] = table.explore(state[e], epsilon, draw);
      return node_by(*rules.policies[action[e]], envs.environment(e), scores[e]);
    });
    const Batch& batch = envs.batch();
    for (std::size_t e = 0; e < envs.envs(); ++e) {
      cost -= static_cast<double>(batch.reward[e]);
      elapsed_s += batch.elapsed_s[e];
      if (batch.truncated[e] == 0) {  // the reward of a cut step is not whole
        table.update(state[e], action[e], static_cast<double>(batch.reward[e]), batch.discount[e],
                     observe_state(e));
      }
    }
    checkpoint.training.decisions += envs.envs();
    if ((step + 1) % kTick == 0 || step + 1 == options.updates) {
      const TrainProgress now{"training", step + 1, options.updates, 0,
                              elapsed_s > 0 ? -cost / elapsed_s : 0};
      cost = elapsed_s = 0;
      if (progress && !progress(now)) {
        break;
      }
    }
  }
  if (!options.output.empty()) {
    save_checkpoint(checkpoint, options.output);
  }
  return checkpoint;
}

}  // namespace yardmaster
