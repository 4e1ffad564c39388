// Many environments stepped together on several threads, with one preallocated batch: the shape
// that reinforcement-learning code expects. A binding wraps the spans; the VectorEnv owns them.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "env/rl/environment.h"
#include "env/rl/seed_range.h"
#include "env/rl/thread_pool.h"

namespace yardmaster {

/// The state of all environments. Observation and mask belong to the decision that waits now;
/// reward, elapsed time, discount and the two flags belong to the last step.
///
/// After a terminated or truncated step the next episode has begun already, so the observation is
/// its first. The final observation of the episode that ended is in the `final_` spans. Those rows
/// have a meaning for the environments that ended in the last step only.
struct Batch {
  std::span<float> node;                // [env][nodes][node columns]
  std::span<float> task;                // [env][task columns]
  std::span<float> fleet;               // [env][fleet columns]
  std::span<std::uint8_t> legal;        // [env][nodes + 2]
  std::span<float> final_node;          // [env][nodes][node columns]
  std::span<float> final_task;          // [env][task columns]
  std::span<float> final_fleet;         // [env][fleet columns]
  std::span<std::uint8_t> final_legal;  // [env][nodes + 2]
  std::span<float> reward;              // [env]
  std::span<double> elapsed_s;          // [env] semi-Markov: the time between decisions varies
  std::span<double> discount;           // [env] exp(-elapsed / discount_time)
  std::span<std::uint8_t> terminated;   // [env]
  std::span<std::uint8_t> truncated;    // [env]
};

/// Steps `envs` environments on `threads` threads; the results are the same for any number of
/// threads.
class VectorEnv {
 public:
  /// Borrows the scenario. Throws UsageError for fewer than two nodes, because there is nothing to
  /// decide, and for fewer than one environment or thread.
  VectorEnv(const Scenario& scenario, int envs, int threads, const EnvironmentOptions& options);

  /// Starts all environments: the k-th episode of environment e has the seed at(k * envs + e).
  /// Throws UsageError if the range is empty or no episode has a decision.
  void reset(SeedRange seeds);
  /// Starts all environments on the seeds from `first` on.
  void reset(Seed first) { reset(SeedRange{first.value, std::uint64_t{1} << 32}); }
  /// Answers all decisions, one action per environment. Throws UsageError, and changes nothing, if
  /// their number is wrong or an action is not legal.
  void step(std::span<const std::int32_t> actions);
  /// The same with actions chosen on the environments' threads: choose(e) may touch nothing that
  /// choose of another environment touches. If choose(e) throws, or chooses an action that is not
  /// legal, only that environment stays as it was; reset before going on.
  void step(const std::function<std::int32_t(std::size_t)>& choose);

  [[nodiscard]] const Batch& batch() const { return batch_; }
  [[nodiscard]] std::size_t envs() const { return environments_.size(); }
  [[nodiscard]] std::size_t nodes() const { return nodes_; }
  [[nodiscard]] const ObservationSpec& columns() const { return environments_[0].columns(); }
  /// The environment itself: for rules, which need its task and view.
  [[nodiscard]] Environment& environment(std::size_t env) { return environments_[env]; }
  /// Observation and mask of one environment.
  [[nodiscard]] ObservationRows rows(std::size_t env) const;
  [[nodiscard]] std::span<const std::uint8_t> legal(std::size_t env) const {
    return batch_.legal.subspan(env * (nodes_ + 2), nodes_ + 2);
  }
  /// The final observation of an environment whose episode ended in the last step.
  [[nodiscard]] ObservationRows final_rows(std::size_t env) const;

 private:
  void begin_episode(std::size_t env);
  void step_one(std::size_t env, std::int32_t action);

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
