// The cost of simulating a request does not grow with its tokens.
#include <gtest/gtest.h>

#include <string>

#include "env/scenario/load.h"
#include "env/simulation/simulation.h"
#include "policies/policy.h"
#include "tests/support/orderings.h"

namespace yardmaster {
namespace {

/// Events per request when all outputs have one length, at a batch of about 20 on each of eight
/// nodes.
double events_per_request(int output_tokens) {
  constexpr double kNodes = 8, kBatch = 20, kSecondsPerToken = 0.0075, kRequests = 5'000;
  const double rate = kNodes * kBatch / (output_tokens * kSecondsPerToken);
  const Scenario scenario = load_scenario_text(
      "duration: " + std::to_string(kRequests / rate) +
          " s\nnodes:\n  - {count: 8, gpu: h100-sxm, model: llama-3.1-8b}\nworkload: {rate: " +
          std::to_string(rate) + " /s, tenants: [{name: all, prompt_tokens: 200, output_tokens: " +
          std::to_string(output_tokens) + "}]}\n",
      YARDMASTER_SOURCE_DIR "/scenarios/test.yaml");
  Simulation world(scenario, Seed{1}, find_ordering("first_come_first_served"));
  for (const Decision* d = &world.advance(); d->kind != DecisionKind::end; d = &world.advance()) {
    world.view();
    world.apply(Action::send(node_id(d->index % scenario.nodes())));
  }
  const RunCounts counts = world.counts();
  EXPECT_GT(counts.finished, static_cast<std::uint64_t>(0.9 * kRequests));
  return static_cast<double>(counts.events) / static_cast<double>(counts.finished);
}

TEST(Work, EventsPerRequestAreEqualWithin20PercentFrom64To4096OutputTokens) {
  const double few = events_per_request(64);
  for (const int tokens : {256, 1024, 4096}) {
    const double many = events_per_request(tokens);
    EXPECT_LT(many, 1.2 * few) << tokens;
    EXPECT_GT(many, few / 1.2) << tokens;
    EXPECT_LT(many, 6) << tokens;
  }
}

}  // namespace
}  // namespace yardmaster
