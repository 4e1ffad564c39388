// One digest per shipped scenario, rule and seed: it covers everything that happened in the run. It
// is the same in every build, so this also tests that builds agree.
#include <gtest/gtest.h>

#include <cstdio>
#include <string>

#include "env/scenario/load.h"
#include "env/simulation/simulation.h"
#include "policies/policy.h"
#include "tests/golden/golden_file.h"
#include "tests/support/chaos.h"
#include "tests/support/orderings.h"

namespace yardmaster {
namespace {

TEST(Golden, DigestsOfTheShippedScenariosEqualTheRecordedOnes) {
  std::string text =
      "# scenario (first 20 s of arrivals), rule, seed, digest; UPDATE_GOLDEN=1 golden_tests "
      "rewrites\n";
  for (const char* name : {"minimal", "quickstart", "bursty", "failures", "ordering"}) {
    const std::string path = std::string(YARDMASTER_SOURCE_DIR) + "/scenarios/" + name + ".yaml";
    const Scenario scenario = load_scenario(path, {{"duration", "20 s"}, {"warm_up", "2 s"}});
    for (const char* rule : {"round_robin", "marginal_cost"}) {
      for (const std::uint64_t seed : {1, 2}) {
        Simulation world(scenario, Seed{seed}, find_ordering(scenario.dispatch.ordering));
        run_policy(world, *make_dispatch(rule), Seed{seed});
        char digest[17];
        std::snprintf(digest, sizeof digest, "%016llx",
                      static_cast<unsigned long long>(world.digest()));
        text += std::string(name) + " " + rule + " " + std::to_string(seed) + " " + digest + "\n";
      }
    }
  }
  expect_golden("digests.txt", text);
}

}  // namespace
}  // namespace yardmaster
