// The replay buffer of several environments side by side. Each decision is stored once, and n-step
// transitions are put together when they are drawn (Lin, Machine Learning 8, 1992; Sutton, 1988).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "env/base/random.h"

namespace yardmaster {

/// Sizes of what is stored per decision.
struct ReplayShape {
  std::size_t envs = 0;
  std::size_t nodes = 0;
  std::size_t node_features = 0;
  std::size_t shared_features = 0;
};

/// `steps` consecutive decisions of every environment, [step][env]. Features are standardised.
struct StepBlock {
  ReplayShape shape;
  std::size_t steps = 0;
  std::vector<float> node;              // [step][env][node][feature]
  std::vector<float> shared;            // [step][env][feature]
  std::vector<float> base;              // [step][env][node] minus the base's score above its best,
                                        // in units of reward
  std::vector<std::uint8_t> legal;      // [step][env][node]
  std::vector<std::int32_t> action;     // [step][env]
  std::vector<float> reward;            // [step][env] of the step that follows the decision
  std::vector<float> discount;          // [step][env] of that step
  std::vector<std::uint8_t> truncated;  // [step][env] that step was cut: its reward is not whole

  StepBlock() = default;
  StepBlock(const ReplayShape&, std::size_t steps);
};

/// One end of the drawn transitions: decisions as rows, contiguous.
struct StateBatch {
  std::vector<float> node;
  std::vector<float> shared;
  std::vector<float> base;
  std::vector<float> mask;  // 1 legal, 0 not
};

/// A mini-batch of transitions.
struct MiniBatch {
  StateBatch now;
  StateBatch next;
  std::vector<std::int64_t> action;
  std::vector<float> reward;    // over up to n steps
  std::vector<float> discount;  // what the value of `next` counts
};

/// The newest decisions. A truncated step never enters a transition: a return that reaches the cut
/// is bootstrapped from the last decision before it. So the final observation of an episode, in
/// which no task waits, is not needed here.
class ReplayBuffer {
 public:
  /// Holds `steps` decisions of each environment.
  ReplayBuffer(const ReplayShape&, std::size_t steps);

  /// Adds the steps that follow those added before. REQUIRES the same shape, and that they fit.
  void append(const StepBlock&);
  /// Draws `count` transitions of up to n steps, with replacement. REQUIRES ready().
  void sample(std::size_t count, int n_step, const Draw& draw, MiniBatch& out) const;
  /// Whether there is a transition to draw.
  [[nodiscard]] bool ready() const { return held() >= 2; }
  /// Decisions held, of all environments.
  [[nodiscard]] std::size_t size() const { return held() * data_.shape.envs; }

 private:
  [[nodiscard]] std::size_t held() const { return count_ < data_.steps ? count_ : data_.steps; }
  [[nodiscard]] std::size_t row(std::size_t time, std::size_t env) const {
    return time % data_.steps * data_.shape.envs + env;
  }
  void copy_state(std::size_t row, std::size_t to, StateBatch& out) const;

  StepBlock data_;         // a ring of steps
  std::size_t count_ = 0;  // steps ever added
};

}  // namespace yardmaster
