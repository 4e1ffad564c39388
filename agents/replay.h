// Replay memory of several environments side by side: each decision is stored once, and n-step
// transitions are put together when they are drawn (Lin, Machine Learning 8, 1992; Sutton, 1988).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "env/base/random.h"

namespace yardmaster {

/// Sizes of what is stored of a decision.
struct ReplayShape {
  std::size_t envs = 0, nodes = 0, node_features = 0, shared_features = 0;
};

/// `steps` decisions of every environment in turn, [step][env]. Features are standardised.
struct StepBlock {
  ReplayShape shape;
  std::size_t steps = 0;
  std::vector<float> node, shared;  // [step][env][node][feature], [step][env][feature]
  std::vector<float>
      base;  // [step][env][node]  minus the base's score over that of its best, in reward
  std::vector<std::uint8_t> legal;      // [step][env][node]
  std::vector<std::int32_t> action;     // [step][env]
  std::vector<float> reward, discount;  // [step][env]  of the step that follows the decision
  std::vector<std::uint8_t> truncated;  // [step][env]  that step was cut: its reward is not whole

  StepBlock() = default;
  StepBlock(const ReplayShape&, std::size_t steps);
};

/// Half of a drawn transition: decisions as rows, contiguous.
struct StateBatch {
  std::vector<float> node, shared, base, mask;  // mask: 1 legal, 0 not
};

/// A mini-batch of transitions.
struct MiniBatch {
  StateBatch now, next;
  std::vector<std::int64_t> action;
  std::vector<float> reward, discount;  // over up to n steps; what the value of `next` counts
};

/// The newest decisions. A truncated step never enters a transition: what comes before it is
/// bootstrapped from the decision that it began at, for arrivals went on there.
class Replay {
 public:
  /// Holds `steps` decisions of each environment.
  Replay(const ReplayShape&, std::size_t steps);

  /// Adds the steps that follow those added before. REQUIRES the same shape and no more than fit.
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
