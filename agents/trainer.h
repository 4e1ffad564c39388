// Training as one call: options in, a checkpoint out, progress on the way. No type of LibTorch is
// used here.
#pragma once

#include <cstdint>
#include <exception>
#include <functional>
#include <string>

#include "agents/checkpoint.h"
#include "env/scenario/scenario.h"

namespace yardmaster {

/// How to train. The defaults are those of `yardmaster train`.
struct TrainOptions {
  // residual_dqn, dqn or tabular_q.
  std::string algorithm = "residual_dqn";
  // Of residual_dqn: a rule whose scores are seconds.
  std::string base = "marginal_cost";
  // Of weights, exploration and sampling from the replay buffer.
  std::uint64_t seed = 1;
  // Worlds to train on, and worlds that choose lambda; evaluation uses others.
  SeedRange train{1'000'000, 1'000'000};
  SeedRange validation{500'000, 64};
  int envs = 32;
  int threads = 2;
  // Gradient steps; tabular_q: decisions of each environment.
  std::uint64_t updates = 3000;
  // Checkpoint to write from time to time, and at the end; empty: none.
  std::string output;
  // Checkpoint to continue from; empty: none.
  std::string resume;

  // Deep Q-learning.
  std::size_t hidden = 32;
  std::size_t batch = 1024;
  // Decisions, of all environments together, between two gradient steps.
  std::size_t decisions_per_update = 1024;
  // Decisions that the replay buffer holds.
  std::size_t replay_decisions = 100'000;
  int n_step = 10;
  // Falls linearly to a hundredth.
  double learning_rate = 3e-4;
  // Of the target network's move after each gradient step. Decisions are milliseconds apart and
  // their effects last for seconds, so values must pass through the target network many hundred
  // times.
  double target_rate = 0.1;
  // Share of exploring actions at the start and from the middle of the training on.
  double epsilon_first = 0.5;
  double epsilon_last = 0.3;
  // Of exploring actions, in units of reward; a tenth of them is uniform.
  double temperature = 1;
  // residual_dqn: weight of f while playing and in the next action.
  double trust = 0.2;
  bool double_q = true;
  bool dueling = true;
};

/// The state of training.
struct TrainProgress {
  const char* phase = "";   // training, line search
  std::uint64_t done = 0;   // of the phase
  std::uint64_t total = 0;  // of the phase
  double loss = 0;          // smoothed, in squared units of reward
  double reward_per_s = 0;  // per simulated second, smoothed, in seconds of cost
};

/// Called often; returns false to stop early, with a checkpoint of what was learned so far.
using ProgressFunction = std::function<bool(const TrainProgress&)>;

/// Takes from a checkpoint what its training cannot change: algorithm, base, hidden units and
/// dueling.
void adopt(const Checkpoint&, TrainOptions&);

/// Throws UsageError if the training of this checkpoint cannot be continued with these options on
/// this scenario. The message names the option and both values.
void check_resumable(const Checkpoint&, const TrainOptions&, const Scenario&);

/// The record of a new run, which continues `before` unless that is null.
TrainingRecord begin_record(const Scenario&, const TrainOptions&, const Checkpoint* before);

/// Tabular Q-learning in this process. Throws UsageError for options that it cannot train with, and
/// CheckpointError if the checkpoint to resume or the output is at fault.
Checkpoint train_tabular(const Scenario&, const TrainOptions&, const ProgressFunction&);

/// The module with LibTorch exports these three symbols; the interface number guards against a
/// stale file.
inline constexpr int kTrainerInterface = 2;
inline constexpr const char* kTrainerInterfaceSymbol = "yardmaster_trainer_interface";
inline constexpr const char* kTrainDqnSymbol = "yardmaster_train_dqn";
using TrainerInterfaceFunction = int (*)();
/// Deep Q-learning. Fills `result`, or else `error` with what train_tabular would throw. Never
/// throws.
using TrainDqnFunction = void (*)(const Scenario*, const TrainOptions*, const ProgressFunction*,
                                  Checkpoint* result, std::exception_ptr* error);
/// For the test that both forward passes agree: f [nodes] and V by LibTorch, from standardised
/// rows.
inline constexpr const char* kTorchForwardSymbol = "yardmaster_torch_forward";
using TorchForwardFunction = void (*)(const NetworkWeights*, const float* node_rows,
                                      std::size_t nodes, const float* shared, float* scores,
                                      float* value);

}  // namespace yardmaster
