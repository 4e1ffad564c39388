// Crashes, their detection and repair, and slow-downs.
#include <gtest/gtest.h>

#include <vector>

#include "env/simulation/simulation.h"
#include "policies/policy.h"
#include "tests/support/chaos.h"
#include "tests/support/orderings.h"
#include "tests/support/scenario_builder.h"

namespace yardmaster {
namespace {

struct Rows final : Observer {
  std::vector<TaskRow> rows;
  void on_task(const TaskRow& row) override { rows.push_back(row); }
};

/// One node whose steps last 10 ms, and a little work for a minute.
Scenario one_node() {
  const NodeSettings settings = formula_kind(1).settings;
  return make_scenario({affine_kind(1, settings, kMillisecond * 10, {}, {}, {})},
                       {poisson_tenant(fixed_length(10), fixed_length(100))}, 1, kSecond * 60);
}

TEST(Health, ANodeFailsAgainAfterItsRepair) {
  Scenario scenario = one_node();
  scenario.kinds[0].failures = {kSecond * 4, kSecond};
  Simulation world(scenario, Seed{1}, find_ordering("first_come_first_served"));
  run_policy(world, *make_dispatch("round_robin"), Seed{1});
  EXPECT_GE(world.counts().failures, 4U);
}

TEST(Health, ANodeIsDownAtLeastUntilItsCrashIsDetected) {
  Scenario scenario = one_node();
  scenario.kinds[0].failures = {kSecond * 4, kMillisecond};
  scenario.dispatch.detection = kSecond * 3;
  Simulation world(scenario, Seed{1}, find_ordering("first_come_first_served"));
  int crashes = 0;
  bool was_up = true;
  Time crashed;
  for (Time until{0}; until < Time{kSecond.ps * 60}; until = until + kMillisecond) {
    while (world.advance(nullptr, until).kind == DecisionKind::dispatch) {
      world.apply(world.view().up[0] != 0 ? Action::send(node_id(0)) : Action::hold(Time::never()));
    }
    const bool up = world.node_state(node_id(0)).up;
    if (was_up && !up) {
      crashed = until;
      ++crashes;
    } else if (!was_up && up) {
      EXPECT_GE(until - crashed, scenario.dispatch.detection - kMillisecond);
    }
    was_up = up;
  }
  EXPECT_GE(crashes, 3);
}

TEST(Health, StepsOfASlowNodeTakeItsFactorLonger) {
  const auto decode_time = [](bool slow) {
    Scenario scenario = one_node();
    scenario.workload.trace = {{kSecond, 10, 100}, {kSecond * 50, 10, 1}};
    if (slow) {
      scenario.kinds[0].slowdowns = {kMillisecond, kSecond * 1'000'000};
    }
    Simulation world(scenario, Seed{1}, find_ordering("first_come_first_served"));
    Rows seen;
    run_policy(world, *make_dispatch("round_robin"), Seed{1}, &seen);
    return seen.rows.at(0).last_token - seen.rows.at(0).first_token;
  };
  EXPECT_EQ(decode_time(false), kMillisecond * 990);
  EXPECT_EQ(decode_time(true), kMillisecond * 1'980);  // affine_kind doubles the steps
}

TEST(Health, ARetriedTaskKeepsItsAddressSizesAndArrival) {
  Scenario scenario = one_node();
  scenario.kinds[0].failures = {kSecond * 4, kSecond};
  Simulation world(scenario, Seed{1}, find_ordering("first_come_first_served"));
  Rows seen;
  run_policy(world, *make_dispatch("round_robin"), Seed{1}, &seen);
  int retried = 0;
  for (const TaskRow& row : seen.rows) {
    ASSERT_EQ(row.outcome, Outcome::finished);
    EXPECT_EQ(row.prompt_tokens, 10);
    EXPECT_EQ(row.output_tokens, 100);
    EXPECT_EQ(row.predicted_tokens, 100);
    const auto moment = [&](Moment m) { return row.moments[static_cast<std::size_t>(m)]; };
    EXPECT_EQ(moment(Moment::frontend), scenario.network.frontend);
    EXPECT_EQ(row.address.attempt > 0, moment(Moment::rework) > Duration::zero());
    retried += row.address.attempt > 0 ? 1 : 0;
  }
  EXPECT_GE(retried, 3);
}

}  // namespace
}  // namespace yardmaster
