// The result of training: everything that a decision needs, and how it came about. One JSON file.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "agents/network.h"
#include "agents/tabular_q.h"
#include "agents/worlds.h"
#include "env/rl/observation.h"
#include "env/rl/seed_range.h"
#include "policies/policy.h"

namespace yardmaster {

/// A file is not a checkpoint, or not one that this program can use. The message names the file.
class CheckpointError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// One weight of the network as tried on the validation seeds.
struct LineSearchPoint {
  double lambda = 0;
  double objective_s = 0;   // mean cost of a task, as the scenario's objective defines it
  double difference_s = 0;  // to lambda = 0, the base rule: paired by seed, mean
  double error_s = 0;       // standard error of that mean
};

/// A network and how its output becomes a score in seconds, lower is better:
///
///   score(n) = base(n) - lambda * scale * f(s, n)
///
/// Without a base the first term is absent. With lambda = 0 the policy is the base rule.
struct NetworkAgent {
  NetworkWeights weights;
  ObservationSpec columns;  // the inputs, in their order
  Standardiser node;        // of the node columns
  Standardiser shared;      // of the task columns, then the fleet columns
  std::string base;         // a rule whose scores are seconds; empty: none
  double lambda = 1;
  // Needed to continue the training only.
  bool dueling = true;
  double value_mean = 0;  // V was learnt as (V + value_mean) / value_unit
  double value_unit = 1;
};

/// How a checkpoint came about.
struct TrainingRecord {
  std::string scenario;  // its name
  std::uint64_t seed = 0;
  SeedRange train;
  SeedRange validation;
  Worlds trained;    // on, in this run and in those that it continues
  Worlds validated;  // on, in the same runs
  std::uint64_t decisions = 0;
  std::uint64_t updates = 0;
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

/// Writes under a temporary name and renames, so the file is whole or absent. Throws
/// CheckpointError.
void save_checkpoint(const Checkpoint&, const std::string& path);

/// Reads and checks a checkpoint: format, version, sizes, and that this program computes each of
/// its columns in the same way. The columns may be a subset of today's, in any order. Throws
/// CheckpointError.
Checkpoint load_checkpoint(const std::string& path);

/// The policy of a checkpoint; it runs on a fleet of any size. Throws CheckpointError if its base
/// is unknown.
std::unique_ptr<DispatchPolicy> make_learned_policy(const Checkpoint&);

/// load_checkpoint, then make_learned_policy.
std::unique_ptr<DispatchPolicy> load_checkpoint_policy(const std::string& path);

}  // namespace yardmaster
