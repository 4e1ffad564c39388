#include "env/rl/vector_env.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "env/rl/usage_error.h"
#include "tests/support/environments.h"

namespace yardmaster {
namespace {

constexpr std::size_t kEnvs = 5;

// Everything that a VectorEnv shows during some steps.
struct Record {
  std::vector<float> floats;
  std::vector<double> doubles;
  std::vector<std::uint8_t> bytes;
  std::size_t cut = 0;  // truncated episodes
  bool operator==(const Record&) const = default;

  void add(const Batch& b) {
    for (const std::span<float> part :
         {b.node, b.task, b.fleet, b.reward, b.final_node, b.final_task, b.final_fleet}) {
      floats.insert(floats.end(), part.begin(), part.end());
    }
    doubles.insert(doubles.end(), b.elapsed_s.begin(), b.elapsed_s.end());
    doubles.insert(doubles.end(), b.discount.begin(), b.discount.end());
    for (const std::span<std::uint8_t> part : {b.legal, b.final_legal, b.truncated, b.terminated}) {
      bytes.insert(bytes.end(), part.begin(), part.end());
    }
    cut += static_cast<std::size_t>(std::count(b.truncated.begin(), b.truncated.end(), 1));
  }
};

std::vector<std::int32_t> actions_at(const VectorEnv& envs, std::size_t k) {
  std::vector<std::int32_t> actions;
  for (std::size_t e = 0; e < envs.envs(); ++e) {
    actions.push_back(nth_legal(envs.legal(e), k + e));
  }
  return actions;
}

Record play(VectorEnv& envs, std::size_t steps) {
  Record record;
  for (std::size_t k = 0; k < steps; ++k) {
    envs.step(actions_at(envs, k));
    record.add(envs.batch());
  }
  return record;
}

TEST(VectorEnv, GivesTheSameBatchesOnOneAndOnTwoThreads) {
  const Scenario scenario = small_scenario();
  VectorEnv one(scenario, kEnvs, 1, truncated()), two(scenario, kEnvs, 2, truncated());
  one.reset(SeedRange{100, 50});
  two.reset(SeedRange{100, 50});
  const Record record = play(one, 300);
  EXPECT_TRUE(record == play(two, 300));
  EXPECT_GE(record.cut, kEnvs) << "too short: not every environment began another episode";
}

TEST(VectorEnv, BeginsTheNextEpisodeAfterACutAndAllocatesNoNewBatch) {
  const Scenario scenario = small_scenario();
  VectorEnv envs(scenario, 3, 2, truncated());
  envs.reset(Seed{40});
  const float* const rows = envs.batch().node.data();
  std::vector<int> episodes(3, 0);
  for (std::size_t k = 0; k < 800; ++k) {
    envs.step(actions_at(envs, k));
    for (std::size_t e = 0; e < 3; ++e) {
      EXPECT_EQ(envs.batch().terminated[e], 0) << "training never terminates";
      if (envs.batch().truncated[e] != 0) {
        ++episodes[e];
        EXPECT_LT(envs.environment(e).simulation().now().seconds(), 3.0)
            << "the new episode starts at its beginning";
      }
    }
  }
  EXPECT_EQ(rows, envs.batch().node.data());
  EXPECT_GT(*std::min_element(episodes.begin(), episodes.end()), 0);
}

TEST(VectorEnv, KeepsTheFinalObservationOfAnEpisodeThatEnded) {
  const Scenario scenario = small_scenario();
  for (const EnvironmentOptions& options : {truncated(), drained()}) {
    VectorEnv envs(scenario, 2, 2, options);
    envs.reset(SeedRange{7, 1});  // every episode is the same world
    Environment alone(scenario, options);
    ASSERT_TRUE(alone.reset(Seed{7}));
    const Observation first = observation_of(alone);
    bool ended = false;
    for (std::size_t k = 0; !ended; ++k) {
      const std::int32_t action = nth_legal(envs.legal(1), k);
      const StepOutcome outcome = alone.step(action);
      envs.step(std::vector<std::int32_t>(2, action));
      ended = outcome.terminated || outcome.truncated;
    }
    const ObservationRows rows = envs.final_rows(1), now = envs.rows(1);
    const Observation last = observation_of(alone);
    EXPECT_TRUE(std::equal(last.node.begin(), last.node.end(), rows.node.begin()));
    EXPECT_TRUE(std::equal(last.task.begin(), last.task.end(), rows.task.begin()));
    EXPECT_TRUE(std::equal(last.fleet.begin(), last.fleet.end(), rows.fleet.begin()));
    EXPECT_TRUE(std::equal(first.node.begin(), first.node.end(), now.node.begin()))
        << "the next episode has begun";
    const std::size_t actions = envs.nodes() + 2;
    EXPECT_TRUE(std::equal(alone.legal().begin(), alone.legal().end(),
                           envs.batch().final_legal.subspan(actions).begin()));
  }
}

TEST(VectorEnv, RefusesAnIllegalActionOnAnyThreadsBeforeAnyEnvironmentMoves) {
  const Scenario scenario = small_scenario();
  VectorEnv untouched(scenario, kEnvs, 1, truncated());
  untouched.reset(Seed{3});
  const Record expected = play(untouched, 100);
  for (const int threads : {1, 2}) {
    VectorEnv envs(scenario, kEnvs, threads, truncated());
    envs.reset(Seed{3});
    std::vector<std::int32_t> actions = actions_at(envs, 0);
    actions[3] = static_cast<std::int32_t>(envs.nodes());  // hold is not offered
    try {
      envs.step(actions);
      ADD_FAILURE() << "accepted on " << threads << " threads";
    } catch (const UsageError& error) {
      EXPECT_NE(std::string(error.what()).find("environment 3"), std::string::npos);
    }
    EXPECT_THROW(envs.step(std::vector<std::int32_t>(kEnvs - 1, 0)), UsageError);
    EXPECT_TRUE(play(envs, 100) == expected) << threads;
  }
}

TEST(VectorEnv, AnExceptionOfTheChoiceReachesTheCallerAndResetGoesOn) {
  const Scenario scenario = small_scenario();
  VectorEnv untouched(scenario, kEnvs, 1, truncated());
  untouched.reset(Seed{3});
  const Record expected = play(untouched, 50);
  for (const int threads : {1, 2}) {
    VectorEnv envs(scenario, kEnvs, threads, truncated());
    envs.reset(Seed{3});
    EXPECT_THROW(envs.step([](std::size_t e) -> std::int32_t {
      if (e > 1) {
        throw std::runtime_error("environment " + std::to_string(e));
      }
      return 0;
    }),
                 std::runtime_error);
    envs.reset(Seed{3});
    EXPECT_TRUE(play(envs, 50) == expected) << threads;
  }
}

TEST(VectorEnv, RefusesWhatLeavesNothingToDecide) {
  const Scenario one_node =
      load_scenario("scenarios/minimal.yaml", {{"duration", "2 s"}, {"nodes[0].count", "1"}});
  ASSERT_EQ(one_node.nodes(), 1U);
  EXPECT_THROW(VectorEnv(one_node, 2, 1, truncated()), UsageError);
  const Scenario scenario = small_scenario();
  EXPECT_THROW(VectorEnv(scenario, 0, 1, truncated()), UsageError);
  EXPECT_THROW(VectorEnv(scenario, 1, 0, truncated()), UsageError);
  // Practically no task arrives in a millisecond at this load.
  const Scenario empty = small_scenario({{"duration", "1 ms"}, {"workload.load", "0.001"}});
  VectorEnv envs(empty, 2, 2, truncated());
  EXPECT_THROW(envs.reset(Seed{1}), UsageError);
}

TEST(SeedRange, OverlapsWhereASeedIsInBothUpToTheLastSeed) {
  const std::uint64_t most = ~std::uint64_t{0};
  EXPECT_TRUE((SeedRange{5, 3}.overlaps({7, 1})));
  EXPECT_FALSE((SeedRange{5, 3}.overlaps({8, 1})));
  EXPECT_TRUE((SeedRange{most - 1, 2}.overlaps({most, 1})));
  EXPECT_FALSE((SeedRange{most, 1}.overlaps({0, 10})));
}

}  // namespace
}  // namespace yardmaster
