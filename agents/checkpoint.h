// What training leaves behind: everything that a decision needs, and where it came from. One JSON
// file.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "agents/network.h"
#include "agents/tabular_q.h"
#include "env/rl/vector_env.h"
#include "policies/policy.h"

namespace yardmaster {

/// A file that is no checkpoint, or none that this program can use. The message names the file.
class CheckpointError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// One weight of the network as tried on the validation seeds.
struct LineSearchPoint {
  double lambda = 0;
  double mean_s = 0;        // mean completion time
  double difference_s = 0;  // to lambda = 0 (plain DQN: to the base rule), paired by seed, mean
  double error_s = 0;       // standard error of that mean
};

/// A network and how it becomes a score:
///   score(n) = base(n) - lambda * scale * f(s, n)   in seconds, lower is better
/// Without a base the first term is absent. With lambda = 0 the policy is the base rule.
struct NetworkAgent {
  NetworkWeights weights;
  Standardiser node, shared;
  std::string base;  // a rule whose scores are seconds; empty: none
  double lambda = 1;
  double value_mean = 0,
         value_unit = 1;  // V was learnt as (V + mean) / unit; for going on with the training
};

/// How a checkpoint came to be.
struct TrainingRecord {
  std::string scenario;  // its name
  std::uint64_t seed = 0;
  SeedRange train, validation;
  std::uint64_t decisions = 0, updates = 0;
  std::vector<LineSearchPoint> line_search;
};

/// A trained dispatcher.
struct Checkpoint {
  std::string algorithm;  // dqn, residual_dqn, tabular_q
  double scale_s = 1;     // seconds of cost in one unit of reward
  double discount_time_s = 0;
  std::optional<NetworkAgent> network;
  std::optional<TabularAgent> tabular;
  TrainingRecord training;
};

/// Writes under a temporary name and renames, so that the file is whole or absent. Throws
/// CheckpointError.
void save_checkpoint(const Checkpoint&, const std::string& path);

/// Reads and checks: format, version, the features of this program, sizes. Throws CheckpointError.
Checkpoint load_checkpoint(const std::string& path);

/// The policy of a checkpoint; it runs on a fleet of any size. Throws CheckpointError when its base
/// is unknown.
std::unique_ptr<DispatchPolicy> make_learned_policy(const Checkpoint&);

/// load_checkpoint, then make_learned_policy.
std::unique_ptr<DispatchPolicy> load_checkpoint_policy(const std::string& path);

}  // namespace yardmaster
