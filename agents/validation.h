// How good a policy is on worlds that it was not trained on, and how much of a network to trust.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "agents/checkpoint.h"
#include "env/rl/thread_pool.h"

namespace yardmaster {

/// Mean completion time in seconds, by weight, of the tasks that arrive after the warm-up; drained.
/// A rejected or lost task counts the scenario's reject_penalty.
double mean_completion_s(const Scenario&, const DispatchPolicy&, Seed);

/// The same for every seed of a range.
std::vector<double> completion_by_seed(const Scenario&, const DispatchPolicy&, SeedRange,
                                       ThreadPool&);

/// Mean and standard error of paired differences a - b. REQUIRES equal sizes.
struct PairedDifference {
  double mean = 0, error = 0;
};
PairedDifference paired_difference(std::span<const double> a, std::span<const double> b);

/// How many weights are tried.
inline constexpr std::size_t kLambdaCount = 8;

/// Tries weights of the network on the validation seeds and keeps the best one in `checkpoint`,
/// with the record of all. Zero is among them, and is kept unless another is better by more than
/// two standard errors of the paired difference: the policy that is shipped is the base rule then.
/// `tick` is called after each weight and returns false to stop early.
void choose_lambda(const Scenario&, Checkpoint& checkpoint, ThreadPool&,
                   const std::function<bool()>& tick);

}  // namespace yardmaster
