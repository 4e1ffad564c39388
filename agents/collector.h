// Plays environments with a network and writes down what happened: the actors of DQN.
#pragma once

#include <memory>
#include <vector>

#include "agents/network.h"
#include "agents/replay.h"
#include "agents/trainer.h"
#include "env/rl/vector_env.h"
#include "policies/policy.h"

namespace yardmaster {

/// What the warm-up measured: it fixes how inputs and outputs of the network are scaled.
struct Scales {
  Standardiser node, shared;  // empty: features go through as they are
  double reward_s = 1;        // mean cost of a decision, seconds: one unit of reward
  double value_mean = 0;      // discounted cost of going on for ever, in units of reward
  double value_unit = 1;      // in which V is learnt: it differs between states by some of these
};

/// Environments on threads of their own. A block does not depend on the number of threads.
class Collector {
 public:
  /// Borrows the scenario. `base` may be null: then nothing but the network decides.
  /// Throws std::invalid_argument when the scenario's ordering is unknown or its fleet has one
  /// node.
  Collector(const Scenario&, const TrainOptions&, const DispatchPolicy* base);

  /// Plays `blocks` of `steps` decisions of each environment with a rule (the base, or join the
  /// shortest queue) and a share of exploring actions, measures the scales and restarts. To be long
  /// enough for whole episodes: their beginnings, with empty nodes, are no fair sample.
  Scales measure(std::size_t blocks, std::size_t steps);
  /// Scales from a checkpoint or from measure(). REQUIRED before collect().
  void set_scales(const Scales& scales) { scales_ = scales; }
  [[nodiscard]] const Scales& scales() const { return scales_; }
  /// Plays `steps` decisions of each environment: the best action by the network, or with
  /// probability epsilon any.
  void collect(const NetworkWeights&, double epsilon, std::size_t steps, StepBlock& block);

  [[nodiscard]] ReplayShape shape() const;
  /// Mean cost per simulated second in the last block, seconds; the unfinished tasks by weight.
  [[nodiscard]] double cost_rate() const { return cost_rate_; }

 private:
  struct Player;  // one block being played
  void play(const NetworkWeights*, double epsilon, std::size_t steps, StepBlock& block);

  const Scenario* scenario_;
  std::uint64_t seed_;
  double temperature_, trust_;
  SeedRange train_;
  std::unique_ptr<DispatchPolicy> fallback_;  // plays the warm-up where there is no base
  const DispatchPolicy* base_;
  std::unique_ptr<const OrderingPolicy> ordering_;
  VectorEnv envs_;
  Scales scales_;
  std::uint64_t steps_ = 0;  // of each environment so far: the address of exploration
  double cost_rate_ = 0;
  std::vector<std::vector<double>> scores_;  // [env] scratch
};

}  // namespace yardmaster
