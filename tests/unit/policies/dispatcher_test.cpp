// The dispatcher in a small world: actions that follow from the scores of a rule.
#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "policies/policy.h"
#include "tests/support/orderings.h"
#include "tests/unit/policies/fleet_fixture.h"

namespace yardmaster {
namespace {

using testing::affine_kind;
using testing::fixed_lengths;

constexpr Seed kSeed{11};

Scenario small_world(std::int32_t window) {
  Scenario scenario;
  scenario.name = "small";
  scenario.duration = Duration::from_seconds(5);
  scenario.kinds = {affine_kind(1, 8), affine_kind(4, 2)};
  scenario.kind_of = {0, 1, 1};
  scenario.workload.tenants = {fixed_lengths()};
  scenario.workload.rate_per_s = 12;
  scenario.network.frontend = scenario.network.latency = Duration::from_seconds(0.001);
  scenario.reports.interval = Duration::from_seconds(0.1);
  scenario.dispatch.window = window;
  return scenario;
}

/// Sends to the last node only, legal or not.
class LastNodeOnly final : public DispatchPolicy {
 public:
  void score(const TaskView&, const FleetView&, std::span<const std::uint8_t>, Draw,
             std::span<double> scores) const override {
    for (double& score : scores) {
      score = std::numeric_limits<double>::infinity();
    }
    scores.back() = 0;
  }
};

TEST(Dispatcher, SendsToTheBestNodeUnderTheDrawOfTheTask) {
  const Scenario scenario = small_world(kUnlimitedWindow);
  const auto rule = make_dispatch("marginal_cost");
  Simulation sim(scenario, kSeed, find_ordering("first_come_first_served"));
  Dispatcher dispatcher(*rule, kSeed);
  int decisions = 0;
  for (; sim.advance().kind == DecisionKind::dispatch; ++decisions) {
    const Decision& decision = sim.advance();
    const TaskView task = decision.task;
    const Draw draw{kSeed, Purpose::tie, task.address};
    std::vector<double> scores(scenario.nodes());
    rule->score(task, sim.view(), decision.legal, draw, scores);
    const NodeId expected = best_node(scores, decision.legal, draw);
    const Action action = dispatcher.decide(sim, decision);
    EXPECT_EQ(action.kind, Action::Kind::send);
    EXPECT_EQ(action.node, expected);
    sim.apply(action);
  }
  EXPECT_GT(decisions, 20);
  EXPECT_EQ(sim.counts().finished, sim.counts().arrived);
}

TEST(Dispatcher, HoldsTheTaskIfEveryLegalNodeScoresInfinity) {
  const Scenario scenario = small_world(1);
  const LastNodeOnly rule;
  Simulation sim(scenario, kSeed, find_ordering("first_come_first_served"));
  Dispatcher dispatcher(rule, kSeed);
  int held = 0;
  while (sim.advance().kind == DecisionKind::dispatch) {
    const Decision& decision = sim.advance();
    const bool legal = decision.legal[2] != 0;
    const Action action = dispatcher.decide(sim, decision);
    EXPECT_EQ(action.kind, legal ? Action::Kind::send : Action::Kind::hold);
    held += legal ? 0 : 1;
    sim.apply(action);
  }
  EXPECT_GT(held, 0);
  EXPECT_EQ(sim.counts().finished, sim.counts().arrived);
}

}  // namespace
}  // namespace yardmaster
