// Queueing theory: special cases of the node whose distributions are known exactly.
//
// Seeds are fixed, so the result of a test never varies. Bounds are four standard errors over
// independent runs: one false alarm in 16,000 if seeds were drawn anew. Each test also requires a
// small standard error, so that agreement is meaningful.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <map>
#include <vector>

#include "env/simulation/simulation.h"
#include "policies/policy.h"
#include "tests/support/orderings.h"
#include "tests/support/scenario_builder.h"
#include "tests/support/statistics.h"

namespace yardmaster {
namespace {

struct Rows final : Observer {
  std::vector<TaskRow> rows;
  void on_task(const TaskRow& row) override { rows.push_back(row); }
};

/// All rows of a run on one node, drained.
std::vector<TaskRow> run_one_node(const Scenario& scenario, std::uint64_t seed) {
  Simulation world(scenario, Seed{seed}, find_ordering("first_come_first_served"));
  Rows rows;
  while (world.advance(&rows).kind == DecisionKind::dispatch) {
    world.apply(Action::send(node_id(0)));
  }
  return std::move(rows.rows);
}

/// A synchronous node without memory pressure and without latencies around it.
NodeSettings roomy_settings(std::int32_t max_num_seqs) {
  NodeSettings settings;
  settings.rules.max_num_seqs = max_num_seqs;
  settings.rules.max_num_batched_tokens = 8192;
  settings.rules.max_model_len = 200'000;
  settings.grant.blocks = 2'000'000;
  settings.rules.steps_in_flight = 1;
  return settings;
}

Scenario one_node(std::int32_t max_num_seqs, Duration step, Duration entry,
                  LengthDistribution output, double rate_per_s, Duration duration) {
  Scenario s = make_scenario({affine_kind(1, roomy_settings(max_num_seqs), step, entry, {}, {})},
                             {poisson_tenant(fixed_length(1), output)}, rate_per_s, duration);
  remove_latencies(s);
  return s;
}

// F. Pollaczek (1930), A. Khinchine (1932): the mean wait in M/G/1, first come first served, is
//   lambda E[S^2] / (2 (1 - lambda E[S]))
TEST(Queueing, MeanWaitForOneSlotFollowsPollaczekAndKhinchine) {
  constexpr double kRate = 8;
  const Scenario scenario =
      one_node(1, kMillisecond, {}, lognormal_length(60, 0.8, 2000), kRate, kSecond * 2000);
  std::vector<double> waits, loads;
  double services = 0, squares = 0, tasks = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    double wait = 0, counted = 0, busy = 0;
    for (const TaskRow& row : run_one_node(scenario, seed)) {
      const double service = (row.last_token - row.first_scheduled).seconds();
      services += service;
      squares += service * service;
      busy += service;
      tasks += 1;
      if (row.arrival > Time{kSecond.ps * 100}) {  // the queue starts empty
        wait += (row.first_scheduled - row.arrival).seconds();
        counted += 1;
      }
    }
    waits.push_back(wait / counted);
    loads.push_back(busy / 2000);
  }
  const double load = kRate * services / tasks;
  const double theory = kRate * (squares / tasks) / (2 * (1 - load));
  const SampleMean wait = sample_mean(waits);
  std::printf("load %.3f: wait %.3f +- %.3f ms, theory %.3f ms\n", load, wait.mean * 1e3,
              wait.half() * 1e3, theory * 1e3);
  EXPECT_NEAR(load, 0.66, 0.1);
  EXPECT_LT(wait.error, 0.02 * theory);
  EXPECT_TRUE(wait.holds(theory, 4));
}

/// Requests in the system at instants that are further apart than any request stays.
void count_occupancy(const Scenario& scenario, std::uint64_t seed, Duration spacing,
                     std::map<int, int>& seen, std::vector<double>& samples) {
  const std::vector<TaskRow> rows = run_one_node(scenario, seed);
  for (Time t{spacing.ps * 3}; t < Time{scenario.duration.ps}; t = t + spacing) {
    int present = 0;
    for (const TaskRow& row : rows) {
      present += row.arrival <= t && row.last_token > t ? 1 : 0;
    }
    ++seen[present];
    samples.push_back(present);
  }
}

double poisson_probability(int k, double mean) {
  return std::exp(k * std::log(mean) - mean - std::lgamma(k + 1.0));
}

/// Pearson's chi-square of counts against Poisson(mean), tails pooled, and its degrees of freedom.
std::pair<double, int> chi_square(const std::map<int, int>& seen, double mean, double samples) {
  double statistic = 0, expected = 0, observed = 0, left = 1;
  int cells = 0;
  for (int k = 0; k < static_cast<int>(mean * 3) + 20; ++k) {
    const double p = poisson_probability(k, mean);
    expected += samples * p;
    left -= p;
    const auto at = seen.find(k);
    observed += at == seen.end() ? 0 : at->second;
    if (expected >= 20 && left * samples >= 20) {
      statistic += (observed - expected) * (observed - expected) / expected;
      expected = observed = 0;
      ++cells;
    }
  }
  expected += left * samples;
  for (const auto& [k, n] : seen) {
    observed += k >= static_cast<int>(mean * 3) + 20 ? n : 0;
  }
  statistic += (observed - expected) * (observed - expected) / expected;
  return {statistic, cells};  // one cell more, less the total
}

// A step of constant length serves all requests at once: M/G/infinity, whose occupancy is Poisson
// for any distribution of lengths. Arrivals wait half a step on average.
TEST(Queueing, ConstantStepHasPoissonOccupancy) {
  constexpr double kRate = 60, kStep = 0.01;
  const LengthDistribution output{LengthDistribution::Kind::uniform, 0, 0, 10, 90};
  const Scenario scenario = one_node(1024, kMillisecond * 10, {}, output, kRate, kSecond * 200);
  std::map<int, int> seen;
  std::vector<double> samples;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    count_occupancy(scenario, seed, kSecond, seen, samples);
  }
  const auto n = static_cast<double>(samples.size());
  const double theory = kRate * kStep * (50 + 0.5);
  const SampleMean occupancy = sample_mean(samples);
  const double dispersion = occupancy.error * occupancy.error * n / occupancy.mean;
  const auto [statistic, freedom] = chi_square(seen, theory, n);
  std::printf("occupancy %.2f +- %.2f, theory %.2f; variance / mean %.3f; chi square %.1f of %d\n",
              occupancy.mean, occupancy.half(), theory, dispersion, statistic, freedom);
  EXPECT_LT(occupancy.error, 0.005 * theory);
  EXPECT_TRUE(occupancy.holds(theory, 4));
  EXPECT_NEAR(dispersion, 1, 4 * std::sqrt(2 / (n - 1)));
  EXPECT_GT(freedom, 15);
  EXPECT_LT(statistic, freedom + 4 * std::sqrt(2.0 * freedom));
}

// A step proportional to its batch shares the node equally: M/G/1 processor sharing. A request of
// length x stays x / (1 - rho) on average, for any distribution (L. Kleinrock, Queueing Systems II,
// 1976, 4.4). Here requests take turns of one token and newcomers wait for the current step, so the
// limit is reached up to a few of the thousands of steps that a request takes.
TEST(Queueing, StepProportionalToTheBatchSharesTheNodeEqually) {
  constexpr double kRate = 1.6, kEntry = 1e-4, kTurns = 0.005;
  const Scenario scenario = one_node(1024, {}, Duration::from_seconds(kEntry),
                                     lognormal_length(3000, 0.7, 30'000), kRate, kSecond * 4000);
  constexpr int kClasses = 4;
  std::vector<std::vector<double>> stretch(kClasses);  // by octave of length from 1,000 tokens on
  double tokens = 0, tasks = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    std::vector<double> sum(kClasses), count(kClasses);
    for (const TaskRow& row : run_one_node(scenario, seed)) {
      tokens += row.output_tokens;
      tasks += 1;
      const Time late{scenario.duration.ps -
                      kSecond.ps * 200};  // the node empties after the last arrival
      const int octave =
          row.output_tokens < 1000 ? -1 : static_cast<int>(std::log2(row.output_tokens / 1000.0));
      if (row.arrival > Time{kSecond.ps * 200} && row.arrival < late && octave >= 0 &&
          octave < kClasses) {
        const auto i = static_cast<std::size_t>(octave);
        sum[i] += (row.last_token - row.arrival).seconds() / (kEntry * row.output_tokens);
        count[i] += 1;
      }
    }
    for (std::size_t i = 0; i < kClasses; ++i) {
      stretch[i].push_back(sum[i] / count[i]);
    }
  }
  const double load = kRate * kEntry * tokens / tasks;
  const double theory = 1 / (1 - load);
  for (std::size_t i = 0; i < kClasses; ++i) {
    const SampleMean measured = sample_mean(stretch[i]);
    std::printf("load %.3f, from %d tokens: stretch %.3f +- %.3f, theory %.3f\n", load, 1000 << i,
                measured.mean, measured.half(), theory);
    EXPECT_LT(measured.error, 0.02 * theory);
    EXPECT_NEAR(measured.mean, theory, 4 * measured.error + kTurns * theory);
  }
}

}  // namespace
}  // namespace yardmaster
