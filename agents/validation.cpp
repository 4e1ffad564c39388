#include "agents/validation.h"

#include <array>
#include <cmath>
#include <numeric>
#include <string>

#include "env/base/check.h"
#include "env/rl/usage_error.h"
#include "env/simulation/metrics.h"
#include "env/simulation/run_to_end.h"
#include "env/simulation/sampler.h"
#include "env/simulation/simulation.h"
#include "policies/policy.h"

namespace yardmaster {
namespace {

constexpr std::array<double, kLambdaCount> kLambdas = {0.0, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0, 1.5};

// When several weights are tried on the same seeds, chance crosses one standard error more often
// than not.
constexpr double kErrors = 2;

double mean_of(std::span<const double> x) {
  return std::accumulate(x.begin(), x.end(), 0.0) / static_cast<double>(x.size());
}

}  // namespace

double objective_s(const Scenario& scenario, const DispatchPolicy& policy, Seed seed) {
  const auto ordering = make_ordering(scenario.dispatch.ordering);
  Simulation world(scenario, seed, ordering.get(),
                   policy.reads_reports() ? Reporting::read : Reporting::unread);
  Dispatcher dispatcher(policy, seed);
  MetricsCollector metrics(scenario);
  const auto decide = [&](Simulation& at, const Decision& decision) {
    return dispatcher.decide(at, decision);
  };
  run_to_end(world, decide, &metrics);
  NodeSampler sampler(scenario, NodeSampler::default_interval(scenario));
  sampler.sample(world);
  const double objective = metrics.finish(world, sampler).objective_s;
  if (!std::isfinite(objective)) {
    throw UsageError("the objective is undefined on seed " + std::to_string(seed.value) +
                     ": no task counts, or tasks were refused and objective.reject_penalty is "
                     "missing");
  }
  return objective;
}

std::vector<double> objective_by_seed(const Scenario& scenario, const DispatchPolicy& policy,
                                      SeedRange seeds, ThreadPool& pool) {
  std::vector<double> objectives(seeds.count);
  pool.run(objectives.size(),
           [&](std::size_t i) { objectives[i] = objective_s(scenario, policy, seeds.at(i)); });
  return objectives;
}

PairedDifference paired_difference(std::span<const double> a, std::span<const double> b) {
  check(a.size() == b.size() && !a.empty(), "paired samples have equal sizes");
  const auto n = static_cast<double>(a.size());
  PairedDifference d{mean_of(a) - mean_of(b), 0};
  double squares = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    squares += (a[i] - b[i] - d.mean) * (a[i] - b[i] - d.mean);
  }
  d.error = n > 1 ? std::sqrt(squares / (n - 1) / n) : 0;
  return d;
}

void choose_lambda(const Scenario& scenario, Checkpoint& checkpoint, ThreadPool& pool,
                   const std::function<bool()>& tick) {
  check(checkpoint.network.has_value(), "a line search needs a network");
  std::vector<double> reference;
  double best_difference = 0, chosen = 0;
  checkpoint.training.line_search.clear();
  for (const double lambda : kLambdas) {
    checkpoint.network->lambda = lambda;
    const auto policy = make_learned_policy(checkpoint);
    const std::vector<double> objectives =
        objective_by_seed(scenario, *policy, checkpoint.training.validation, pool);
    if (reference.empty()) {
      reference = objectives;
    }
    const PairedDifference d = paired_difference(objectives, reference);
    checkpoint.training.line_search.push_back({lambda, mean_of(objectives), d.mean, d.error});
    if (d.mean < best_difference && d.mean < -kErrors * d.error) {
      best_difference = d.mean;
      chosen = lambda;
    }
    if (!tick()) {
      break;
    }
  }
  checkpoint.network->lambda = chosen;
}

}  // namespace yardmaster
