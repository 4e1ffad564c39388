// Many environments stepped together on threads of their own, with one preallocated batch: the
// shape that reinforcement-learning code expects. A binding wraps the spans; the VectorEnv owns
// them.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "env/rl/environment.h"
#include "env/rl/thread_pool.h"

namespace yardmaster {

/// A half-open range of seeds: `count` of them from `first` on. Training, validation and evaluation
/// take disjoint ranges.
struct SeedRange {
  std::uint64_t first = 0, count = 1;

  /// The k-th seed, from the start again when the range is used up.
  [[nodiscard]] Seed at(std::uint64_t k) const { return Seed{first + k % count}; }
  [[nodiscard]] bool overlaps(const SeedRange& other) const {
    return first < other.first + other.count && other.first < first + count;
  }
};

/// The state of all environments. Observation and mask are of the decision that waits now; reward,
/// elapsed, discount and the two flags are of the last step. After a truncated or terminated step
/// the next episode has begun already, so the observation is its first: a learner bootstraps a
/// truncated episode from the last observation before.
struct Batch {
  std::span<float> node;          // [env][nodes][kNodeFeatures]
  std::span<float> task;          // [env][kTaskFeatures]
  std::span<float> fleet;         // [env][kFleetFeatures]
  std::span<float> reward;        // [env]
  std::span<double> elapsed_s;    // [env] semi-Markov: time between decisions varies
  std::span<double> discount;     // [env] exp(-elapsed / discount_time)
  std::span<std::uint8_t> legal;  // [env][nodes + 2]
  std::span<std::uint8_t> terminated, truncated;  // [env]
};

/// Steps `envs` environments on `threads` threads; the results are the same for any number of
/// threads.
class VectorEnv {
 public:
  /// Borrows the scenario. REQUIRES at least two nodes: with one there is nothing to decide.
  VectorEnv(const Scenario& scenario, int envs, int threads, EnvironmentOptions options);

  /// Starts all environments: the k-th episode of environment e has the seed at(k * envs + e).
  void reset(SeedRange seeds);
  /// Starts all environments on the seeds from `first` on.
  void reset(Seed first) { reset(SeedRange{first.value, std::uint64_t{1} << 32}); }
  /// Answers all decisions. REQUIRES one legal action an environment.
  void step(std::span<const std::int32_t> actions);
  /// The same with actions chosen on the environments' threads: choose(e) may touch nothing that
  /// choose of another environment touches.
  void step(const std::function<std::int32_t(std::size_t)>& choose);

  [[nodiscard]] const Batch& batch() const { return batch_; }
  [[nodiscard]] std::size_t envs() const { return environments_.size(); }
  [[nodiscard]] std::size_t nodes() const { return nodes_; }
  /// The environment itself: for rules, which need its decision and view.
  [[nodiscard]] Environment& environment(std::size_t env) { return environments_[env]; }
  /// Observation and mask of one environment.
  [[nodiscard]] ObservationRows rows(std::size_t env) const;
  [[nodiscard]] std::span<const std::uint8_t> legal(std::size_t env) const {
    return batch_.legal.subspan(env * (nodes_ + 2), nodes_ + 2);
  }

 private:
  void begin_episode(std::size_t env);
  void step_one(std::size_t env, std::int32_t action);
  void write_state(std::size_t env);

  std::size_t nodes_;
  SeedRange seeds_;
  std::vector<Environment> environments_;
  std::vector<std::uint64_t> episodes_;  // [env] begun so far
  std::vector<double> doubles_;          // what the spans of the batch point to
  std::vector<float> floats_;
  std::vector<std::uint8_t> bytes_;
  Batch batch_;
  ThreadPool pool_;
};

}  // namespace yardmaster
