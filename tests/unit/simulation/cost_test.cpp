// The integrals that the objective charges, against sums over the rows of a run.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
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

/// Two tenants of unequal weight, of which only the second has a latency objective.
Scenario two_tenants() {
  Tenant light = poisson_tenant(lognormal_length(300, 1.0, 4000), fixed_length(100));
  Tenant heavy = light;
  light.share = heavy.share = 0.5;
  heavy.weight = 3;
  heavy.slo.e2e = kMillisecond * 300;
  return make_scenario({formula_kind(2)}, {light, heavy}, 20, kSecond * 20);
}

TEST(Cost, TimeAndLatenessAreWeightedByTenant) {
  const Scenario scenario = two_tenants();
  Simulation world(scenario, Seed{3}, find_ordering("first_come_first_served"));
  Rows seen;
  run_policy(world, *make_dispatch("join_shortest_queue"), Seed{3}, &seen);
  double unfinished_s = 0, late_s = 0;
  for (const TaskRow& row : seen.rows) {
    const Tenant& tenant = scenario.workload.tenants[row.address.tenant];
    const Duration latency = row.last_token - row.arrival;
    ASSERT_EQ(row.outcome, Outcome::finished);
    unfinished_s += tenant.weight * latency.seconds();
    if (tenant.slo.e2e > Duration::zero()) {
      late_s += tenant.weight * std::max((latency - tenant.slo.e2e).seconds(), 0.0);
    }
  }
  ASSERT_GT(late_s, 1);
  EXPECT_NEAR(world.cost().unfinished_task_s, unfinished_s, 1e-9 * unfinished_s);
  EXPECT_NEAR(world.cost().late_task_s, late_s, 1e-9 * late_s);
  EXPECT_EQ(world.cost().rejected, 0);
}

TEST(Cost, RejectedTasksAreWeightedByTenant) {
  Scenario scenario = two_tenants();
  scenario.dispatch.allow_rejection = true;
  Simulation world(scenario, Seed{3}, find_ordering("first_come_first_served"));
  Rows seen;
  for (const Decision* d = &world.advance(&seen); d->kind != DecisionKind::end;
       d = &world.advance(&seen)) {
    world.apply(d->index % 3 == 0 ? Action::reject() : Action::send(node_id(0)));
  }
  double rejected = 0;
  for (const TaskRow& row : seen.rows) {
    const double weight = scenario.workload.tenants[row.address.tenant].weight;
    rejected += row.outcome == Outcome::rejected_by_policy ? weight : 0;
  }
  ASSERT_GT(rejected, 100);
  EXPECT_DOUBLE_EQ(world.cost().rejected, rejected);
}

/// Requests of a trace on one node whose steps last 10 ms each.
Scenario steps_of_ten_ms(const std::vector<TraceRow>& trace) {
  NodeSettings settings = formula_kind(1).settings;
  Scenario s = make_scenario({affine_kind(1, settings, kMillisecond * 10, {}, {}, {})},
                             {poisson_tenant(fixed_length(1), fixed_length(1))}, 1, kSecond * 60);
  s.workload.trace = trace;
  s.reports.interval = kSecond * 10'000;  // no report disturbs
  s.reports.delay = kSecond * 1'000;
  return s;
}

TEST(Cost, TimeSinceTheLastDecisionIsDiscountedToIt) {
  Scenario scenario = steps_of_ten_ms({{{}, 10, 2'000}, {kSecond * 2, 10, 2'000}});
  scenario.objective.discount_time = kSecond * 4;
  Simulation world(scenario, Seed{1}, find_ordering("first_come_first_served"));
  world.advance();
  const double first = world.now().seconds();
  world.apply(Action::send(node_id(0)));
  ASSERT_EQ(world.advance().kind, DecisionKind::dispatch);
  const double second = world.now().seconds();
  const double arrival = 2;  // of the second task, which spends the rest in the frontend
  ASSERT_GT(second, arrival);
  const auto discounted = [&](double from, double to) {
    return 4 * (std::exp(-(from - first) / 4) - std::exp(-(to - first) / 4));
  };
  const double expected = discounted(first, second) + discounted(arrival, second);
  EXPECT_NEAR(world.cost().discounted_task_s, expected, 1e-9);
  EXPECT_LT(expected, 0.9 * (second - first)) << "discounting hardly matters here";
}

TEST(Hold, ATaskIsOfferedAgainAtTheTimeThatTheActionNames) {
  const Scenario scenario = steps_of_ten_ms({{kSecond, 10, 10}, {kSecond * 50, 10, 10}});
  Simulation world(scenario, Seed{1}, find_ordering("first_come_first_served"));
  world.advance();
  world.apply(Action::hold(Time{kSecond.ps * 3}));
  EXPECT_EQ(world.advance().kind, DecisionKind::dispatch);
  EXPECT_EQ(world.now(), Time{kSecond.ps * 3});
}

TEST(Hold, ATaskIsOfferedAgainWhenAReportArrives) {
  Scenario scenario = steps_of_ten_ms({{kSecond, 10, 10}, {kSecond * 50, 10, 10}});
  scenario.reports.interval = kMillisecond * 100;
  scenario.reports.delay = {};
  Simulation world(scenario, Seed{1}, find_ordering("first_come_first_served"));
  world.advance();
  const Time held = world.now();
  world.apply(Action::hold(Time::never()));
  EXPECT_EQ(world.advance().kind, DecisionKind::dispatch);
  EXPECT_LE(world.now(), held + scenario.reports.interval);
  EXPECT_EQ(world.view().report_taken[0], world.now());
}

TEST(Hold, ATaskIsOfferedAgainWhenAnotherOneEnds) {
  const Scenario scenario = steps_of_ten_ms({{kSecond, 10, 100}, {kSecond, 10, 10}});
  Simulation world(scenario, Seed{1}, find_ordering("first_come_first_served"));
  Rows seen;
  world.advance(&seen);
  world.apply(Action::send(node_id(0)));
  world.advance(&seen);
  world.apply(Action::hold(Time::never()));
  EXPECT_EQ(world.advance(&seen).kind, DecisionKind::dispatch);
  ASSERT_EQ(seen.rows.size(), 1U);
  EXPECT_EQ(world.now(), seen.rows[0].last_token);
}

TEST(NetworkLatency, APromptTakesFourBytesPerTokenOverTheBandwidth) {
  const auto network_time = [](double bandwidth) {
    Scenario scenario = steps_of_ten_ms({{kSecond, 1'000, 10}, {kSecond * 50, 10, 10}});
    scenario.network.bandwidth_bytes_per_s = bandwidth;
    Simulation world(scenario, Seed{1}, find_ordering("first_come_first_served"));
    Rows seen;
    run_policy(world, *make_dispatch("round_robin"), Seed{1}, &seen);
    return seen.rows.at(0).moments[static_cast<std::size_t>(Moment::network)];
  };
  EXPECT_EQ(network_time(0), kMillisecond);  // both ways
  EXPECT_EQ(network_time(1e6), kMillisecond + kMillisecond * 4);
}

}  // namespace
}  // namespace yardmaster
