// Training as one call: options in, a checkpoint out, progress on the way. No type of LibTorch
// here.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "agents/checkpoint.h"
#include "env/scenario/scenario.h"

namespace yardmaster {

/// How to train. Defaults are those of `yardmaster train`.
struct TrainOptions {
  std::string algorithm = "residual_dqn";  // residual_dqn, dqn, tabular_q
  std::string base = "marginal_cost";      // of residual_dqn: a rule whose scores are seconds
  std::uint64_t seed = 1;                  // of weights, exploration and replay
  SeedRange train{1'000'000, 1'000'000};   // worlds trained on
  SeedRange validation{500'000, 64};       // worlds that choose lambda; evaluation uses others
  int envs = 32, threads = 2;
  std::uint64_t updates = 3000;  // gradient steps; tabular_q: decisions of each environment
  std::string output;            // written now and then, and at the end; empty: never
  std::string resume;            // a checkpoint to go on from; empty: from the start

  // Deep Q-learning.
  std::size_t hidden = 32, batch = 1024;
  std::size_t decisions_per_update =
      1024;  // played between two gradient steps, by all environments
  std::size_t replay_decisions = 100'000;
  int n_step = 10;
  double learning_rate = 3e-4;  // falls linearly to a hundredth
  // Of the target network's move after each gradient step. Decisions are milliseconds apart and
  // their effects last for seconds, so values must pass through the target network many hundred
  // times.
  double target_rate = 0.1;
  double epsilon_first = 0.5,
         epsilon_last = 0.3;  // share of exploring actions, over the first half
  double temperature = 1;     // of exploring actions, in units of reward; a tenth is uniform
  double trust = 0.2;         // residual_dqn: weight of f while playing and in the next action
  bool double_q = true, dueling = true;
};

/// Where training stands.
struct TrainProgress {
  const char* phase = "";             // warm-up, training, line search
  std::uint64_t done = 0, total = 0;  // of the phase
  double loss = 0;                    // smoothed, in squared units of reward
  double reward_per_s = 0;            // of simulated time, smoothed, in seconds of cost
};

/// Called often; returns false to stop early, with a checkpoint of what was learned so far.
using ProgressFunction = std::function<bool(const TrainProgress&)>;

/// Tabular Q-learning in this process. Throws CheckpointError when the output cannot be written.
Checkpoint train_tabular(const Scenario&, const TrainOptions&, const ProgressFunction&);

/// The module with LibTorch exports these two symbols; the interface number guards against a stale
/// file.
inline constexpr int kTrainerInterface = 1;
inline constexpr const char* kTrainerInterfaceSymbol = "yardmaster_trainer_interface";
inline constexpr const char* kTrainDqnSymbol = "yardmaster_train_dqn";
using TrainerInterfaceFunction = int (*)();
/// Fills `result` and returns 0, or fills `error` and returns 1. Never throws.
using TrainDqnFunction = int (*)(const Scenario*, const TrainOptions*, const ProgressFunction*,
                                 Checkpoint* result, std::string* error);
/// For the test that both forward passes agree: f [nodes] and V by LibTorch, from standardised
/// rows.
inline constexpr const char* kTorchForwardSymbol = "yardmaster_torch_forward";
using TorchForwardFunction = void (*)(const NetworkWeights*, const float* node_rows,
                                      std::size_t nodes, const float* shared, float* scores,
                                      float* value);

}  // namespace yardmaster
