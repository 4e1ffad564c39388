// How good a policy is on worlds that it was not trained on, and how much of a network to trust.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "agents/checkpoint.h"
#include "env/rl/thread_pool.h"

namespace yardmaster {

/// The number that `evaluate` ranks by (Metrics::objective_s): the mean cost in seconds of the
/// tasks that arrive after the warm-up, as the scenario's objective defines it. The run is drained.
/// Throws UsageError if the objective of the run is undefined.
double objective_s(const Scenario&, const DispatchPolicy&, Seed);

/// The same for every seed of a range.
std::vector<double> objective_by_seed(const Scenario&, const DispatchPolicy&, SeedRange,
                                      ThreadPool&);

/// Mean and standard error of paired differences.
struct PairedDifference {
  double mean = 0;
  double error = 0;
};

/// Of a - b. REQUIRES equal sizes.
PairedDifference paired_difference(std::span<const double> a, std::span<const double> b);

/// How many weights are tried.
inline constexpr std::size_t kLambdaCount = 8;

/// Tries weights of the network on the validation seeds and keeps the best one in `checkpoint`,
/// with the record of all. Zero is among them. It is kept unless another weight is better by more
/// than two standard errors of the paired difference; the policy is the base rule then.
/// `tick` is called after each weight and returns false to stop early.
void choose_lambda(const Scenario&, Checkpoint& checkpoint, ThreadPool&,
                   const std::function<bool()>& tick);

}  // namespace yardmaster
