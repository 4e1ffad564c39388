// A world is a value: forks continue independently, in any order, on any thread.
#include <gtest/gtest.h>

#include <cstdio>
#include <thread>
#include <vector>

#include "env/simulation/simulation.h"
#include "policies/policy.h"
#include "tests/support/chaos.h"
#include "tests/support/orderings.h"
#include "tests/support/scenario_builder.h"

namespace yardmaster {
namespace {

const OrderingPolicy* ordering_of(std::uint64_t seed) {
  return find_ordering(seed % 2 == 0 ? "first_come_first_served" : "shortest_predicted_job");
}

struct World {
  Simulation simulation;
  Chaos chaos;
};

std::uint64_t finish(World& world) {
  run_chaos(world.simulation, world.chaos);
  return world.simulation.digest();
}

/// Forks the world at decision `at` in every way and compares the futures.
void check_forks(const Scenario& scenario, std::uint64_t seed, std::uint64_t at, World& used) {
  World original{Simulation(scenario, Seed{seed}, ordering_of(seed)), Chaos{seed}};
  run_chaos(original.simulation, original.chaos, at);
  World first = original, last = original;
  const std::uint64_t before = original.simulation.digest();
  const std::uint64_t expected = finish(first);  // the copy first, then the original
  EXPECT_EQ(last.simulation.digest(), before);
  EXPECT_EQ(finish(original), expected);
  used = last;  // over a world of another scenario
  EXPECT_EQ(finish(last), expected);
  EXPECT_EQ(finish(used), expected);
}

TEST(Fork, CopyOriginalAndAssignedWorldHaveTheSameFutureAtHundredDecisionsOfRandomScenarios) {
  const Scenario other = random_scenario(424242);
  World used{Simulation(other, Seed{1}, ordering_of(0)), Chaos{9}};
  run_chaos(used.simulation, used.chaos, 30);
  int forks = 0;
  for (std::uint64_t seed = 1; forks < 100; ++seed) {
    ASSERT_LT(seed, 400U) << "too few decisions";
    const Scenario scenario = random_scenario(seed);
    World probe{Simulation(scenario, Seed{seed}, ordering_of(seed)), Chaos{seed}};
    finish(probe);
    const std::uint64_t decisions = probe.simulation.counts().decisions;
    if (decisions < 5) {
      continue;
    }
    for (int i = 0; i < 3 && forks < 100; ++i, ++forks) {
      const std::uint64_t at = mix64(seed * 7 + static_cast<std::uint64_t>(i)) % decisions;
      check_forks(scenario, seed, at, used);
      ASSERT_FALSE(testing::Test::HasFailure()) << "scenario seed " << seed << ", decision " << at;
    }
  }
}

TEST(Fork, ReadingViewsAndNodeStatesChangesNothing) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    const Scenario scenario = random_scenario(seed);
    World quiet{Simulation(scenario, Seed{seed}, ordering_of(seed)), Chaos{seed}};
    World watched = quiet;
    finish(quiet);
    for (;;) {
      const Decision& decision = watched.simulation.advance();
      static_cast<void>(watched.simulation.view());
      for (std::size_t n = 0; n < scenario.nodes(); ++n) {
        static_cast<void>(watched.simulation.node_state(node_id(n)));
      }
      if (decision.kind == DecisionKind::end) {
        break;
      }
      watched.chaos.answer(watched.simulation, decision);
    }
    ASSERT_EQ(watched.simulation.digest(), quiet.simulation.digest()) << "scenario seed " << seed;
  }
}

// Training truncates episodes by advance(until): a stop at any instant must change nothing.
TEST(Fork, StoppingAtRandomInstantsChangesNothing) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    const Scenario scenario = random_scenario(seed);
    World whole{Simulation(scenario, Seed{seed}, ordering_of(seed)), Chaos{seed}};
    World cut = whole;
    finish(whole);
    Dice dice(seed);
    Time until{0};
    for (;;) {
      const Decision& decision = cut.simulation.advance(nullptr, until);
      if (decision.kind == DecisionKind::dispatch) {
        cut.chaos.answer(cut.simulation, decision);
      } else if (cut.simulation.now() < until || until > Time{kSecond.ps * 2000}) {
        break;
      } else {
        until = until + Duration{dice.between(1, kSecond.ps)};
        if (dice.one_in(4)) {
          static_cast<void>(cut.simulation.view());
        }
      }
    }
    run_chaos(cut.simulation, cut.chaos);
    ASSERT_EQ(cut.simulation.digest(), whole.simulation.digest()) << "scenario seed " << seed;
  }
}

TEST(Fork, DigestIsTheSameFromOneThreadAndFromTwo) {
  constexpr std::uint64_t kRuns = 24;
  std::vector<Scenario> scenarios;
  for (std::uint64_t seed = 0; seed < kRuns; ++seed) {
    scenarios.push_back(random_scenario(seed + 500));
  }
  const auto run_some = [&](std::uint64_t first, std::uint64_t step,
                            std::vector<std::uint64_t>& out) {
    for (std::uint64_t i = first; i < kRuns; i += step) {
      World world{Simulation(scenarios[i], Seed{i}, ordering_of(i)), Chaos{i}};
      out[i] = finish(world);
    }
  };
  std::vector<std::uint64_t> alone(kRuns), together(kRuns);
  run_some(0, 1, alone);
  std::thread even(run_some, 0, 2, std::ref(together));
  std::thread odd(run_some, 1, 2, std::ref(together));
  even.join();
  odd.join();
  EXPECT_EQ(alone, together);
}

}  // namespace
}  // namespace yardmaster
