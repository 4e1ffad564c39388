// Random scenarios under a dispatcher that takes every kind of action, until time is up: every
// audit holds, and a fork has the same future. YARDMASTER_FUZZ_SECONDS sets the time (default 5),
// YARDMASTER_FUZZ_SEED the first seed (default: fixed, so that a normal run is repeatable).
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "env/simulation/simulation.h"
#include "policies/policy.h"
#include "tests/support/audit.h"
#include "tests/support/chaos.h"
#include "tests/support/orderings.h"
#include "tests/support/scenario_builder.h"

namespace yardmaster {
namespace {

double number_from(const char* variable, double otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtod(text, nullptr);
}

/// A run with an audit at every decision, and a fork at one of them.
void fuzz_one(std::uint64_t seed) {
  const Scenario scenario = random_scenario(seed);
  const OrderingPolicy* const ordering =
      find_ordering(seed % 2 == 0 ? "first_come_first_served" : "shortest_predicted_job");
  Simulation world(scenario, Seed{seed}, ordering), fork = world;
  Chaos chaos{seed}, fork_chaos = chaos;
  const std::uint64_t fork_at = mix64(seed) % 200;
  Auditor audit;
  Time last{0};
  bool forked = false;
  for (;;) {
    const Decision decision = world.advance(&audit);
    if (decision.kind == DecisionKind::dispatch && decision.index >= fork_at && !forked) {
      fork = world;
      fork_chaos = chaos;
      forked = true;
    }
    check_instant(world, last);
    if (testing::Test::HasFatalFailure() || decision.kind == DecisionKind::end) {
      break;
    }
    chaos.answer(world, decision, &audit);
  }
  check_end(world, audit);
  if (forked) {
    run_chaos(fork, fork_chaos);
    EXPECT_EQ(fork.digest(), world.digest())
        << "the fork at decision " << fork_at << " has another future";
  }
}

TEST(WorldFuzz, EveryAuditHoldsInRandomScenariosUnderEveryAction) {
  const double seconds = number_from("YARDMASTER_FUZZ_SECONDS", 5);
  const auto first = static_cast<std::uint64_t>(number_from("YARDMASTER_FUZZ_SEED", 10'000));
  const auto start = std::chrono::steady_clock::now();
  std::uint64_t seed = first;
  while (std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() <
         seconds) {
    ASSERT_NO_THROW(fuzz_one(seed)) << "repeat with YARDMASTER_FUZZ_SEED=" << seed;
    ASSERT_FALSE(HasFailure()) << "repeat with YARDMASTER_FUZZ_SEED=" << seed;
    ++seed;
  }
  std::printf("%llu worlds\n", static_cast<unsigned long long>(seed - first));
  EXPECT_GT(seed - first, 3U) << "too slow to prove anything";
}

}  // namespace
}  // namespace yardmaster
