#include "agents/collector.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "env/scenario/load.h"
#include "tests/support/orderings.h"

namespace yardmaster {
namespace {

Scenario short_scenario() {
  return load_scenario("scenarios/quickstart.yaml", {{"duration", "4 s"}, {"warm_up", "0 s"}});
}

TrainOptions options_with(int threads) {
  TrainOptions options;
  options.envs = 4;
  options.threads = threads;
  return options;
}

StepBlock play(const Scenario& scenario, int threads, double epsilon) {
  const auto base = make_dispatch("marginal_cost");
  const ObservationSpec columns = ObservationSpec::dispatch();
  Collector collector(scenario, options_with(threads), base.get(), columns);
  collector.set_scales(collector.measure(4, 80));
  NetworkWeights weights =
      NetworkWeights::initial({columns.node_width(), columns.shared_width(), 16}, 1);
  weights.score.assign(16, 0.05F);
  StepBlock block(collector.shape(), 300);
  collector.collect(weights, epsilon, 300, block);
  return block;
}

TEST(Collector, PlaysTheSameBlockOnOneAndOnTwoThreads) {
  const Scenario scenario = short_scenario();
  const StepBlock one = play(scenario, 1, 0.3), two = play(scenario, 2, 0.3);
  EXPECT_EQ(one.action, two.action);
  EXPECT_EQ(one.node, two.node);
  EXPECT_EQ(one.base, two.base);
  EXPECT_EQ(one.reward, two.reward);
  EXPECT_EQ(one.truncated, two.truncated);
  EXPECT_GT(std::count(one.truncated.begin(), one.truncated.end(), 1), 0)
      << "no episode was cut: too short a test";
}

TEST(Collector, StoresLegalActionsAndABaseThatIsZeroForItsBestNode) {
  const Scenario scenario = short_scenario();
  const StepBlock block = play(scenario, 2, 1.0);
  const std::size_t nodes = block.shape.nodes;
  std::size_t off_base = 0;
  for (std::size_t row = 0; row < block.action.size(); ++row) {
    const auto action = static_cast<std::size_t>(block.action[row]);
    ASSERT_LT(action, nodes);
    EXPECT_EQ(block.legal[row * nodes + action], 1);
    const auto first = block.base.begin() + static_cast<std::ptrdiff_t>(row * nodes);
    EXPECT_EQ(*std::max_element(first, first + static_cast<std::ptrdiff_t>(nodes)), 0.0F);
    off_base += block.base[row * nodes + action] < 0 ? 1 : 0;
  }
  EXPECT_GT(off_base, block.action.size() / 10) << "exploration never left the base's choice";
}

TEST(Collector, StandardisedFeaturesHaveMeanNearZero) {
  const Scenario scenario = short_scenario();
  const StepBlock block = play(scenario, 1, 0.1);
  double sum = 0;
  for (const float x : block.node) {
    EXPECT_LE(std::abs(x), 6.0F);
    sum += static_cast<double>(x);
  }
  EXPECT_NEAR(sum / static_cast<double>(block.node.size()), 0, 0.3);
}

// Steps that end an episode. Each arrival is a decision, whatever is decided, so their number does
// not depend on the policy.
std::size_t cut_steps(const Scenario& scenario, const TrainOptions& options) {
  EnvironmentOptions environment;
  environment.ordering = find_ordering(scenario.dispatch.ordering);
  VectorEnv envs(scenario, options.envs, 1, environment);
  envs.reset(options.train);
  std::size_t cut = 0;
  for (std::uint64_t step = 0; step < options.updates; ++step) {
    envs.step([](std::size_t) { return 0; });
    const std::span<const std::uint8_t> truncated = envs.batch().truncated;
    cut += static_cast<std::size_t>(std::count(truncated.begin(), truncated.end(), 1));
  }
  return cut;
}

TEST(TabularTraining, GivesTheSameTableOnAnyThreadsAndAUsablePolicy) {
  const Scenario scenario = short_scenario();
  TrainOptions options = options_with(1);
  options.updates = 400;
  const Checkpoint one = train_tabular(scenario, options, nullptr);
  options.threads = 2;
  const Checkpoint two = train_tabular(scenario, options, nullptr);
  std::uint64_t visits = 0;
  for (std::size_t s = 0; s < kTabularStates; ++s) {
    for (std::size_t a = 0; a < kTabularRules.size(); ++a) {
      EXPECT_EQ(one.tabular->table.value(s, a), two.tabular->table.value(s, a));
      visits += one.tabular->table.visits(s, a);
    }
  }
  const std::size_t cut = cut_steps(scenario, options);
  EXPECT_GT(cut, 4U);
  EXPECT_EQ(visits, 4 * options.updates - cut) << "a cut step must not be learnt from";
  EXPECT_NE(make_learned_policy(one), nullptr);
}

}  // namespace
}  // namespace yardmaster
