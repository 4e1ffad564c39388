#include "env/rl/environment.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "env/rl/usage_error.h"
#include "tests/support/environments.h"

namespace yardmaster {
namespace {

class CompletionTimes final : public Observer {
 public:
  explicit CompletionTimes(const Scenario& scenario) : scenario_(scenario) {}
  void on_task(const TaskRow& row) override {
    ASSERT_EQ(row.outcome, Outcome::finished);
    sum_ += scenario_.workload.tenants[row.address.tenant].weight *
            (row.last_token - row.arrival).seconds();
  }
  [[nodiscard]] double sum() const { return sum_; }

 private:
  const Scenario& scenario_;
  double sum_ = 0;
};

TEST(Environment, UndiscountedRewardsSumToMinusTheCompletionTimes) {
  // Practically no discount: exp(-dt / 50 days) differs from 1 by less than 1e-6 over this episode.
  const Scenario scenario = small_scenario({{"objective.discount_time", "50 d"}});
  Environment world(scenario, drained());
  Simulation same(scenario, Seed{5}, truncated().ordering);
  CompletionTimes times(scenario);
  ASSERT_TRUE(world.reset(Seed{5}));
  double rewards = 0;
  StepOutcome last;
  for (std::size_t k = 0; !last.terminated; ++k) {
    const Decision& decision = same.advance(&times);
    ASSERT_EQ(decision.kind, DecisionKind::dispatch);
    const std::int32_t action = nth_legal(world.legal(), k);
    same.apply(Action::send(node_id(static_cast<std::size_t>(action))));
    last = world.step(action);
    rewards += last.reward;
    EXPECT_LE(last.reward, 0);
  }
  ASSERT_EQ(same.advance(&times).kind, DecisionKind::end);
  EXPECT_GT(times.sum(), 10);
  // The frontend's latency of the first task passes before the first decision, so no reward holds
  // it. The rest is an identity up to rounding.
  EXPECT_NEAR(rewards * truncated().scale, -times.sum(), 1e-5 * times.sum());
}

TEST(Environment, DiscountedRewardIsTheIntegralOfWhatIsUnfinished) {
  const Scenario scenario = small_scenario({{"objective.discount_time", "2 s"}});
  Environment world(scenario, truncated());
  ASSERT_TRUE(world.reset(Seed{5}));
  for (int k = 0; k < 20; ++k) {
    const double before = world.simulation().cost().unfinished_task_s;
    const StepOutcome out = world.step(nth_legal(world.legal(), 0));
    const double unfinished = world.simulation().cost().unfinished_task_s - before;
    EXPECT_NEAR(out.discount, std::exp(-out.elapsed_s / 2), 1e-12);
    // Between no discount at all and the discount of the whole step.
    EXPECT_LE(-out.reward * truncated().scale, unfinished * (1 + 1e-12));
    EXPECT_GE(-out.reward * truncated().scale, unfinished * out.discount * (1 - 1e-12));
  }
}

TEST(Environment, TrainingEpisodesAreTruncatedAndEvaluationTerminates) {
  const Scenario scenario = small_scenario();
  for (const bool drain : {false, true}) {
    Environment world(scenario, drain ? drained() : truncated());
    ASSERT_TRUE(world.reset(Seed{3}));
    StepOutcome last;
    for (std::size_t k = 0; !last.terminated && !last.truncated; ++k) {
      last = world.step(nth_legal(world.legal(), k));
    }
    EXPECT_EQ(last.terminated, drain);
    EXPECT_EQ(last.truncated, !drain);
    if (drain) {
      EXPECT_EQ(world.simulation().unfinished(), 0U);
    } else {
      EXPECT_GT(world.simulation().unfinished(), 0U) << "work is in flight when an episode is cut";
      EXPECT_LE(world.simulation().now().ps, scenario.duration.ps);
    }
  }
}

TEST(Environment, OffersNodesAloneUnlessAskedAndNeverASingleAction) {
  const Scenario scenario = small_scenario({{"dispatch.window", "6"}, {"workload.load", "1.2"}});
  Environment world(scenario, drained());
  ASSERT_TRUE(world.reset(Seed{3}));
  StepOutcome last;
  std::size_t closed = 0;
  for (std::size_t k = 0; !last.terminated; ++k) {
    const std::span<const std::uint8_t> legal = world.legal();
    const auto offered = std::count(legal.begin(), legal.end(), 1);
    EXPECT_GE(offered, 2);
    EXPECT_EQ(legal[world.nodes()], 0);
    EXPECT_EQ(legal[world.nodes() + 1], 0);
    closed += offered < static_cast<std::ptrdiff_t>(world.nodes()) ? 1 : 0;
    last = world.step(nth_legal(legal, k));
  }
  EXPECT_GT(closed, 0U) << "the window never closed a node: the mask was not tested";
}

struct Future {
  std::vector<double> rewards;
  std::vector<float> rows;
  std::uint64_t digest = 0;
  bool operator==(const Future&) const = default;
};

// Plays an episode to its end by arbitrary actions.
Future play_to_end(Environment& world) {
  Future future;
  StepOutcome last;
  for (std::size_t k = 0; !last.terminated && !last.truncated; ++k) {
    const Observation seen = observation_of(world);
    future.rows.insert(future.rows.end(), seen.node.begin(), seen.node.end());
    last = world.step(nth_legal(world.legal(), k * k));
    future.rewards.push_back(last.reward);
  }
  future.digest = world.simulation().digest();
  return future;
}

TEST(Environment, ACopyMadeMidEpisodeHasTheSameFuture) {
  const Scenario scenario = small_scenario({{"workload.load", "1.2"}});
  Environment original(scenario, drained());
  ASSERT_TRUE(original.reset(Seed{6}));
  for (std::size_t k = 0; k < 40; ++k) {
    original.step(nth_legal(original.legal(), k));
  }
  Environment copy = original;
  Environment second = copy;
  const Future expected = play_to_end(original);
  EXPECT_GT(expected.rewards.size(), 40U);
  EXPECT_TRUE(play_to_end(copy) == expected) << "after the original was played";
  ASSERT_TRUE(copy.reset(Seed{1}));
  EXPECT_TRUE(play_to_end(second) == expected) << "after the first copy was reset";
}

TEST(Environment, SurvivesAMoveMidEpisode) {
  const Scenario scenario = small_scenario();
  std::vector<Environment> worlds;
  worlds.emplace_back(scenario, drained());
  ASSERT_TRUE(worlds[0].reset(Seed{6}));
  static_cast<void>(observation_of(worlds[0]));  // the view has been read
  Environment copy = worlds[0];
  for (int i = 0; i < 8; ++i) {
    worlds.emplace_back(scenario, drained());  // the vector grows
  }
  Environment moved = std::move(worlds[0]);
  worlds.clear();
  EXPECT_TRUE(play_to_end(moved) == play_to_end(copy));
}

TEST(Environment, RefusesIllegalActionsAsErrorsOfTheCallerAndStaysAsItWas) {
  const Scenario scenario = small_scenario();
  Environment world(scenario, drained());
  EXPECT_THROW(world.step(0), UsageError) << "before the first reset";
  ASSERT_TRUE(world.reset(Seed{2}));
  Environment untouched = world;
  const auto hold = static_cast<std::int32_t>(world.nodes());
  for (const std::int32_t action : {-1, hold, hold + 1, hold + 2}) {
    EXPECT_THROW(world.step(action), UsageError) << action;
  }
  EXPECT_TRUE(play_to_end(world) == play_to_end(untouched));
  EXPECT_THROW(world.step(0), UsageError) << "after the end";
}

TEST(Environment, RefusesOptionsWithoutAnOrderingOrAScale) {
  const Scenario scenario = small_scenario();
  EnvironmentOptions options;
  EXPECT_THROW(Environment(scenario, options), UsageError);
  options = drained();
  options.scale = 0;
  EXPECT_THROW(Environment(scenario, options), UsageError);
}

TEST(Environment, TheFinalObservationShowsTheFleetAtTheCutAndALastTaskThatJustArrived) {
  const Scenario scenario = small_scenario();
  Environment world(scenario, truncated());
  ASSERT_TRUE(world.reset(Seed{5}));
  TaskView last_task;
  Duration age;
  StepOutcome last;
  for (std::size_t k = 0; !last.truncated; ++k) {
    last_task = world.task();
    age = world.simulation().now() - last_task.arrival;
    last = world.step(nth_legal(world.legal(), k));
  }
  EXPECT_EQ(world.task().prompt_tokens, last_task.prompt_tokens);
  EXPECT_EQ(world.simulation().now() - world.task().arrival, age);
  Observation expected(world.columns(), world.nodes());
  ObservationScratch scratch;
  world.columns().write(world.task(), world.view(), world.legal(), expected.rows(), scratch);
  EXPECT_TRUE(observation_of(world) == expected);
  EXPECT_EQ(std::count(world.legal().begin(), world.legal().end(), 1),
            static_cast<std::ptrdiff_t>(world.nodes()))
      << "all nodes are open";
}

}  // namespace
}  // namespace yardmaster
