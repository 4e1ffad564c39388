#include "env/simulation/metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <vector>

#include "tests/support/orderings.h"
#include "tests/support/scenario_builder.h"
#include "tests/unit/results/rows.h"

namespace yardmaster {
namespace {

using testing::at_s;
using testing::finished_row;
using testing::rejected_row;
using testing::two_node_scenario;

Metrics metrics_of(const Scenario& scenario, const std::vector<TaskRow>& rows) {
  MetricsCollector collector(scenario);
  for (const TaskRow& row : rows) {
    collector.on_task(row);
  }
  RunCounts counts;
  counts.arrived = rows.size();
  counts.events = 6 * rows.size();
  return collector.finish(counts, 3, at_s(120), NodeSampler(scenario, Duration::from_seconds(1)));
}

TEST(Quantile, InterpolatesLinearlyBetweenOrderStatistics) {
  std::vector<double> values = {40, 10, 30, 20};
  EXPECT_DOUBLE_EQ(quantile(values, 0), 10);
  EXPECT_DOUBLE_EQ(quantile(values, 0.5), 25);
  EXPECT_DOUBLE_EQ(quantile(values, 0.9), 37);  // position 2.7
  EXPECT_DOUBLE_EQ(quantile(values, 1), 40);
  EXPECT_TRUE(std::isnan(quantile(std::span<double>(), 0.5)));
}

TEST(Summary, OfOneToHundredHasThePercentilesOfNumpy) {
  std::vector<double> values(100);
  std::iota(values.rbegin(), values.rend(), 1.0);
  const Summary s = summarise(values);
  EXPECT_DOUBLE_EQ(s.mean, 50.5);
  EXPECT_DOUBLE_EQ(s.p50, 50.5);
  EXPECT_DOUBLE_EQ(s.p90, 90.1);
  EXPECT_DOUBLE_EQ(s.p99, 99.01);
}

TEST(Summary, OfOneValueIsThatValue) {
  std::vector<double> values = {7};
  const Summary s = summarise(values);
  EXPECT_EQ(s.p50, 7);
  EXPECT_EQ(s.p99, 7);
}

TEST(Jain, IsOneForEqualSharesAndOneNthForOneWinner) {
  EXPECT_DOUBLE_EQ(jain_index(std::vector<double>{2, 2, 2}), 1);
  EXPECT_DOUBLE_EQ(jain_index(std::vector<double>{5, 0, 0, 0}), 0.25);
  EXPECT_DOUBLE_EQ(jain_index(std::vector<double>{0, 0}), 1);
}

TEST(Metrics, CountsLatenciesOfTasksThatArriveAfterTheWarmUpOnly) {
  const Metrics m = metrics_of(two_node_scenario(), {finished_row(0, 0, 9.9, 0.5, 50, 3),
                                                     finished_row(0, 1, 10, 0.2, 1.2, 11),
                                                     finished_row(0, 2, 20, 0.4, 2.4, 21)});
  EXPECT_EQ(m.counted, 2U);
  EXPECT_EQ(m.e2e.count, 2U);
  EXPECT_NEAR(m.e2e.mean, 1.8, 1e-9);
  EXPECT_NEAR(m.ttft.mean, 0.3, 1e-9);
  EXPECT_NEAR(m.tpot.mean, 0.1, 1e-9);
  EXPECT_NEAR(m.queue_time.mean, 0.1, 1e-9);
  EXPECT_NEAR(m.window_s, 10, 1e-9);
}

TEST(Metrics, ATaskOfOneTokenHasNoTpotAndMissesNoTpotObjective) {
  Scenario scenario = two_node_scenario();
  scenario.workload.tenants[0].slo.tpot = Duration::from_seconds(0.001);
  const Metrics m = metrics_of(scenario, {finished_row(0, 0, 20, 0.5, 0.5, 1)});
  EXPECT_EQ(m.tpot.count, 0U);
  EXPECT_TRUE(std::isnan(m.tpot.mean));
  EXPECT_EQ(m.slo_attainment, 1.0);
}

TEST(Metrics, ARejectedTaskMissesItsObjectives) {
  const Metrics m = metrics_of(
      two_node_scenario(), {finished_row(0, 0, 20, 0.5, 2, 3), finished_row(0, 1, 21, 1.5, 2, 3),
                            finished_row(0, 2, 22, 0.5, 6, 3), finished_row(1, 0, 23, 30, 60, 3),
                            rejected_row(1, 1, 24, Outcome::rejected_too_long)});
  EXPECT_EQ(m.counted, 5U);
  EXPECT_EQ(m.e2e.count, 4U);
  EXPECT_DOUBLE_EQ(m.slo_attainment,
                   2.0 / 5);  // the first, and the batch task, which has no objective
}

TEST(Metrics, RatesCountTasksThatEndInTheWindow) {
  const Metrics m =
      metrics_of(two_node_scenario(),
                 {finished_row(0, 0, 5, 0.5, 4, 7),      // ends before the warm-up
                  finished_row(0, 1, 9, 0.5, 2, 10),     // arrives before, ends in it
                  finished_row(0, 2, 12, 0.5, 2, 20),    // inside
                  finished_row(0, 3, 30, 0.5, 2, 40)});  // the last arrival: ends after it
  EXPECT_NEAR(m.window_s, 20, 1e-9);
  EXPECT_NEAR(m.requests_per_s, 2.0 / 20, 1e-12);
  EXPECT_NEAR(m.output_tokens_per_s, 30.0 / 20, 1e-12);
  EXPECT_NEAR(m.prompt_tokens_per_s, 100.0 / 20, 1e-12);
  EXPECT_LE(m.goodput_per_s, m.requests_per_s);
}

TEST(Metrics, MomentsSumToTheMeanLatencyOfAllAndOfTheTail) {
  std::vector<TaskRow> rows;
  for (std::uint32_t i = 0; i < 500; ++i) {
    rows.push_back(finished_row(0, i, 10 + i * 0.1, 0.1 + 0.001 * i, 1 + 0.013 * i, 5));
  }
  const Metrics m = metrics_of(two_node_scenario(), rows);
  const double all = std::accumulate(m.moment_mean_s.begin(), m.moment_mean_s.end(), 0.0);
  const double tail = std::accumulate(m.moment_tail_s.begin(), m.moment_tail_s.end(), 0.0);
  EXPECT_NEAR(all, m.e2e.mean, 1e-6);  // moments are kept as floats
  EXPECT_NEAR(tail, m.tail_e2e_s, 1e-6);
  EXPECT_GT(m.tail_e2e_s, m.e2e.p99);
}

TEST(Metrics, TheObjectiveIsTheMeanLatencyUnlessTheScenarioSaysMore) {
  Scenario scenario = two_node_scenario();
  const std::vector<TaskRow> rows = {finished_row(0, 0, 20, 0.5, 2, 3),
                                     finished_row(0, 1, 21, 0.5, 8, 3)};
  EXPECT_NEAR(metrics_of(scenario, rows).objective_s, 5, 1e-9);
  scenario.objective.slo_weight = 2;  // the second is 3 s late
  EXPECT_NEAR(metrics_of(scenario, rows).objective_s, 5 + 2 * 3 / 2.0, 1e-9);
  scenario.objective.reject_penalty = Duration::from_seconds(30);
  std::vector<TaskRow> more = rows;
  more.push_back(rejected_row(0, 2, 22, Outcome::rejected_by_policy));
  EXPECT_NEAR(metrics_of(scenario, more).objective_s, (2 + 8 + 6 + 30) / 3.0, 1e-9);
}

TEST(Metrics, SlowdownIsRelativeToTheTaskAlone) {
  const Scenario scenario = two_node_scenario();
  // 250 prompt tokens in chunks of 100, 100, 50: 3 steps of 10 ms and 250 ms; then 4 decodes of 11
  // ms.
  EXPECT_NEAR(isolated_latency_s(scenario, 250, 5, 0), 0.03 + 0.25 + 4 * 0.011, 1e-9);
  EXPECT_TRUE(std::isnan(isolated_latency_s(scenario, 5000, 5, 0)));
  TaskRow row = finished_row(0, 0, 20, 0.5, 2 * (0.01 + 0.05 + 2 * 0.011), 3);
  EXPECT_NEAR(metrics_of(scenario, {row}).slowdown.mean, 2, 1e-6);
}

// A task that hits the shared blocks is faster than one that computes its whole prompt.
TEST(Metrics, SlowdownIsRelativeToTheTaskAloneWithEveryBlockCachedThatOthersShare) {
  Scenario scenario = two_node_scenario();
  EXPECT_NEAR(isolated_latency_s(scenario, 250, 5, 160), 0.03 + 0.25 + 4 * 0.011, 1e-9);
  scenario.kinds[0].settings.rules.enable_prefix_caching = true;
  // 90 tokens are left: one step.
  EXPECT_NEAR(isolated_latency_s(scenario, 250, 5, 160), 0.01 + 0.09 + 4 * 0.011, 1e-9);
  // The last block is computed whatever is cached.
  EXPECT_NEAR(isolated_latency_s(scenario, 160, 1, 160), 0.01 + 0.016, 1e-9);
  TaskRow row = finished_row(0, 0, 20, 0.05, 0.01 + 0.018, 1);  // 32 of its 50 tokens were cached
  row.shared_tokens = 32;
  EXPECT_NEAR(metrics_of(scenario, {row}).slowdown.mean, 1, 1e-6);
}

TEST(Metrics, AttainmentAndGoodputAreNanWhenNoTenantHasAnSlo) {
  Scenario scenario = two_node_scenario();
  const std::vector<TaskRow> rows = {finished_row(0, 0, 20, 0.5, 2, 3),
                                     finished_row(1, 0, 30, 0.5, 2, 3)};
  EXPECT_EQ(metrics_of(scenario, rows).slo_attainment, 1);
  scenario.workload.tenants[0].slo = {};
  const Metrics m = metrics_of(scenario, rows);
  EXPECT_TRUE(std::isnan(m.slo_attainment));
  EXPECT_TRUE(std::isnan(m.goodput_per_s));
}

TEST(Metrics, ARefusalAtTheDoorCostsThePenaltyLikeARejectionByPolicy) {
  Scenario scenario = two_node_scenario();
  scenario.objective.reject_penalty = Duration::from_seconds(30);
  for (const Outcome outcome : {Outcome::rejected_too_long, Outcome::rejected_by_policy}) {
    const std::vector<TaskRow> rows = {finished_row(0, 0, 20, 0.5, 2, 3),
                                       rejected_row(0, 1, 21, outcome)};
    EXPECT_NEAR(metrics_of(scenario, rows).objective_s, (2 + 30) / 2.0, 1e-9);
  }
}

TEST(Metrics, TheObjectiveIsNanWhenARefusalCostsNothing) {
  const Scenario scenario = two_node_scenario();
  const TaskRow finished = finished_row(0, 0, 20, 0.5, 2, 3);
  for (const Outcome outcome : {Outcome::rejected_too_long, Outcome::rejected_by_policy}) {
    const TaskRow refused = rejected_row(0, 1, 21, outcome);
    EXPECT_TRUE(std::isnan(metrics_of(scenario, {finished, refused}).objective_s));
    EXPECT_TRUE(std::isnan(metrics_of(scenario, {refused}).objective_s));
    const TaskRow early = rejected_row(0, 1, 5, outcome);  // before the measured window
    EXPECT_NEAR(metrics_of(scenario, {finished, early}).objective_s, 2, 1e-9);
  }
}

TEST(Metrics, FairnessOfOneTenantIsThatOfComputeUtilisationOverNodes) {
  const Scenario scenario =
      make_scenario({formula_kind(1), formula_kind(1)},
                    {poisson_tenant(fixed_length(200), fixed_length(50))}, 5, kSecond * 20);
  Simulation world(scenario, Seed{1}, find_ordering("first_come_first_served"));
  NodeSampler sampler(scenario, kMillisecond * 100);
  MetricsCollector collector(scenario);
  while (world.advance(&collector).kind == DecisionKind::dispatch) {
    world.apply(Action::send(node_id(world.counts().sent % 4 == 0 ? 1 : 0)));
    sampler.at_decision(world);
  }
  sampler.sample(world);
  const Metrics m = collector.finish(world, sampler);
  std::vector<double> compute, busy;
  for (const Utilisation& u : sampler.between(Time{}, at_s(m.window_s))) {
    compute.push_back(u.compute);
    busy.push_back(u.busy);
  }
  EXPECT_LT(m.fairness, 0.95);
  EXPECT_DOUBLE_EQ(m.fairness, jain_index(compute));
  EXPECT_NE(m.fairness, jain_index(busy));
}

TEST(Metrics, FairnessOverTenantsFallsWhenOneOfThemWaits) {
  const std::vector<TaskRow> even = {finished_row(0, 0, 20, 0.5, 2, 3),
                                     finished_row(1, 0, 20, 0.5, 2, 3)};
  const std::vector<TaskRow> uneven = {finished_row(0, 0, 20, 0.5, 2, 3),
                                       finished_row(1, 0, 20, 0.5, 9, 3)};
  EXPECT_DOUBLE_EQ(metrics_of(two_node_scenario(), even).fairness, 1);
  EXPECT_NEAR(metrics_of(two_node_scenario(), uneven).fairness, 121.0 / (2 * 85), 1e-9);
}

TEST(Metrics, WorkIsPerArrivedRequest) {
  const Metrics m = metrics_of(two_node_scenario(), {finished_row(0, 0, 20, 0.5, 2, 3)});
  EXPECT_EQ(m.events_per_request, 6);
  EXPECT_EQ(m.unfinished, 3U);
  EXPECT_EQ(m.end_s, 120);
}

TEST(Metrics, EveryNameIsUniqueAndCarriesItsUnit) {
  const std::vector<NamedMetric> metrics = named_metrics(Metrics{});
  for (std::size_t i = 0; i < metrics.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      EXPECT_NE(metrics[i].name, metrics[j].name);
    }
    EXPECT_FALSE(metrics[i].unit.empty()) << metrics[i].name;
  }
}

}  // namespace
}  // namespace yardmaster
