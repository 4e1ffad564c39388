#include "agents/validation.h"

#include <array>
#include <cmath>
#include <numeric>

#include "env/base/check.h"
#include "env/simulation/simulation.h"

namespace yardmaster {
namespace {

constexpr std::array<double, kLambdaCount> kLambdas = {0.0, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0, 1.5};

// With some weights tried on the same seeds, one standard error is crossed by luck more often than
// not.
constexpr double kErrors = 2;

class CompletionMean final : public Observer {
 public:
  explicit CompletionMean(const Scenario& scenario) : scenario_(&scenario) {}
  void on_task(const TaskRow& row) override {
    if (row.arrival - Time{} < scenario_->warm_up) {
      return;
    }
    const double weight = scenario_->workload.tenants[row.address.tenant].weight;
    const double seconds = row.outcome == Outcome::finished
                               ? (row.last_token - row.arrival).seconds()
                               : scenario_->objective.reject_penalty.seconds();
    sum_ += weight * seconds;
    weights_ += weight;
  }
  [[nodiscard]] double mean() const { return weights_ > 0 ? sum_ / weights_ : 0; }

 private:
  const Scenario* scenario_;
  double sum_ = 0, weights_ = 0;
};

double mean_of(std::span<const double> x) {
  return std::accumulate(x.begin(), x.end(), 0.0) / static_cast<double>(x.size());
}

}  // namespace

double mean_completion_s(const Scenario& scenario, const DispatchPolicy& policy, Seed seed) {
  const auto ordering = make_ordering(scenario.dispatch.ordering);
  Simulation world(scenario, seed, ordering.get());
  Dispatcher dispatcher(policy, seed);
  CompletionMean mean(scenario);
  for (;;) {
    const Decision& decision = world.advance(&mean);
    if (decision.kind == DecisionKind::end) {
      return mean.mean();
    }
    world.apply(dispatcher.decide(world, decision));
  }
}

std::vector<double> completion_by_seed(const Scenario& scenario, const DispatchPolicy& policy,
                                       SeedRange seeds, ThreadPool& pool) {
  std::vector<double> means(seeds.count);
  pool.run(means.size(),
           [&](std::size_t i) { means[i] = mean_completion_s(scenario, policy, seeds.at(i)); });
  return means;
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
    const std::vector<double> means =
        completion_by_seed(scenario, *policy, checkpoint.training.validation, pool);
    if (reference.empty()) {
      reference = means;
    }
    const PairedDifference d = paired_difference(means, reference);
    checkpoint.training.line_search.push_back({lambda, mean_of(means), d.mean, d.error});
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
