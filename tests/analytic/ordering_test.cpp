// Ordering acts on the ready queue, so it matters only while tasks wait there.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <vector>

#include "env/simulation/simulation.h"
#include "policies/policy.h"
#include "tests/support/chaos.h"
#include "tests/support/orderings.h"
#include "tests/support/scenario_builder.h"
#include "tests/support/statistics.h"

namespace yardmaster {
namespace {

constexpr std::uint64_t kSeeds = 30;

Scenario loaded_fleet(double load) {
  Scenario s = make_scenario(
      {formula_kind(2)},
      {poisson_tenant(lognormal_length(200, 1.0, 3000), lognormal_length(150, 1.0, 2000))}, 1,
      kSecond * 90);
  s.dispatch.ordering = "first_come_first_served";
  add_capacity(s);
  s.workload.rate_per_s = load * s.capacity_per_s;
  return s;
}

struct Latency final : Observer {
  double total_s = 0, tasks = 0;
  void on_task(const TaskRow& row) override {
    total_s += (row.last_token - row.arrival).seconds();
    tasks += 1;
  }
};

double mean_latency(const Scenario& scenario, const char* ordering, std::uint64_t seed,
                    std::uint64_t& digest) {
  Simulation world(scenario, Seed{seed}, find_ordering(ordering));
  Latency latency;
  run_policy(world, *make_dispatch("join_shortest_queue"), Seed{seed}, &latency);
  digest = world.digest();
  return latency.total_s / latency.tasks;
}

struct Comparison {
  // In seconds. The difference is first come - shortest, in pairs.
  SampleMean first_come;
  SampleMean shortest;
  SampleMean difference;
  int same_digests = 0;
};

Comparison compare(const Scenario& scenario) {
  std::vector<double> first_come, shortest, difference;
  Comparison out;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    std::uint64_t one = 0, two = 0;
    first_come.push_back(mean_latency(scenario, "first_come_first_served", seed, one));
    shortest.push_back(mean_latency(scenario, "shortest_predicted_job", seed, two));
    difference.push_back(first_come.back() - shortest.back());
    out.same_digests += one == two ? 1 : 0;
  }
  out.first_come = sample_mean(first_come);
  out.shortest = sample_mean(shortest);
  out.difference = sample_mean(difference);
  std::printf("first come %.3f +- %.3f s, shortest %.3f +- %.3f s, difference %.3f +- %.3f s\n",
              out.first_come.mean, out.first_come.half(), out.shortest.mean, out.shortest.half(),
              out.difference.mean, out.difference.half());
  return out;
}

/// Mean number of requests on a node when no task waits for a place.
double mean_batch(const Scenario& scenario) {
  std::uint64_t digest = 0;
  return mean_latency(scenario, "first_come_first_served", 1, digest) *
         scenario.workload.rate_per_s / static_cast<double>(scenario.nodes());
}

TEST(Ordering, ShortestPredictedJobAndFirstComeDifferWhenTheWindowKeepsTasksInTheReadyQueue) {
  Scenario scenario = loaded_fleet(0.85);
  scenario.dispatch.window = static_cast<std::int32_t>(mean_batch(scenario)) + 2;
  const Comparison c = compare(scenario);
  EXPECT_GT(c.first_come.mean - c.first_come.half(), c.shortest.mean + c.shortest.half());
  EXPECT_GT(c.difference.mean, c.difference.half());
}

TEST(Ordering, ShortestPredictedJobAndFirstComeDoNotDifferWithAnUnlimitedWindow) {
  const Scenario scenario = loaded_fleet(0.85);
  const Comparison c = compare(scenario);
  EXPECT_LE(std::abs(c.difference.mean), c.difference.half() + 1e-12);
  EXPECT_EQ(c.same_digests, static_cast<int>(kSeeds));
}

}  // namespace
}  // namespace yardmaster
