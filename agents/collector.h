// Plays environments with a network and records what happened: the actors of DQN.
#pragma once

#include <memory>
#include <vector>

#include "agents/network.h"
#include "agents/replay_buffer.h"
#include "agents/trainer.h"
#include "env/rl/vector_env.h"
#include "policies/policy.h"

namespace yardmaster {

/// Results of the warm-up: they fix how inputs and outputs of the network are scaled.
struct Scales {
  Standardiser node;      // empty: features go through unchanged
  Standardiser shared;    // empty: features go through unchanged
  double reward_s = 1;    // mean cost of a decision, seconds: one unit of reward
  double value_mean = 0;  // discounted cost of going on for ever, in units of reward
  double value_unit = 1;  // in which V is learnt: it differs between states by a few of these
};

/// Environments on several threads. A block does not depend on the number of threads.
class Collector {
 public:
  /// Borrows the scenario. `base` may be null: then the network alone decides. Observations have
  /// the given columns. Throws UsageError if the scenario's ordering is unknown or its fleet has
  /// one node.
  Collector(const Scenario&, const TrainOptions&, const DispatchPolicy* base,
            const ObservationSpec& columns);

  /// Plays `blocks` of `steps` decisions of each environment with a rule (the base, or join the
  /// shortest queue) and a share of exploring actions, measures the scales and restarts. It should
  /// be long enough for whole episodes: their beginnings, with empty nodes, are not a fair sample.
  Scales measure(std::size_t blocks, std::size_t steps);
  /// Scales from a checkpoint or from measure(). REQUIRED before collect().
  void set_scales(const Scales& scales) { scales_ = scales; }
  [[nodiscard]] const Scales& scales() const { return scales_; }
  /// Plays `steps` decisions of each environment: the best action by the network, or with
  /// probability epsilon an exploring one.
  void collect(const NetworkWeights&, double epsilon, std::size_t steps, StepBlock& block);

  [[nodiscard]] ReplayShape shape() const;
  /// Mean cost per simulated second in the last block: the weighted number of unfinished tasks,
  /// if the objective is latency alone.
  [[nodiscard]] double cost_rate() const { return cost_rate_; }

 private:
  struct Player;  // one block being played
  void play(const NetworkWeights*, double epsilon, std::size_t steps, StepBlock& block);

  const Scenario* scenario_;
  std::uint64_t seed_;
  double temperature_;
  double trust_;
  SeedRange train_;
  std::unique_ptr<DispatchPolicy> fallback_;  // plays the warm-up if there is no base
  const DispatchPolicy* base_;
  std::unique_ptr<const OrderingPolicy> ordering_;
  VectorEnv envs_;
  Scales scales_;
  std::uint64_t steps_ = 0;  // of each environment so far: they address exploration
  double cost_rate_ = 0;
  std::vector<std::vector<double>> scores_;  // [env] scratch
};

}  // namespace yardmaster
