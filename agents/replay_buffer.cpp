#include "agents/replay_buffer.h"

#include <algorithm>

#include "env/base/check.h"

namespace yardmaster {
namespace {

// Copies `count` rows of `width`.
template <typename T>
void copy_rows(const std::vector<T>& from, std::size_t first, std::vector<T>& to, std::size_t at,
               std::size_t count, std::size_t width) {
  std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(first * width), count * width,
              to.begin() + static_cast<std::ptrdiff_t>(at * width));
}

}  // namespace

StepBlock::StepBlock(const ReplayShape& s, std::size_t count) : shape(s), steps(count) {
  const std::size_t rows = s.envs * count;
  node.resize(rows * s.nodes * s.node_features);
  shared.resize(rows * s.shared_features);
  base.resize(rows * s.nodes);
  legal.resize(rows * s.nodes);
  action.resize(rows);
  reward.resize(rows);
  discount.resize(rows);
  truncated.resize(rows);
}

ReplayBuffer::ReplayBuffer(const ReplayShape& shape, std::size_t steps) : data_(shape, steps) {
  check(steps >= 2, "a replay buffer needs two steps");
}

void ReplayBuffer::append(const StepBlock& block) {
  check(block.steps <= data_.steps, "more steps than the replay buffer holds");
  const ReplayShape& s = data_.shape;
  for (std::size_t t = 0; t < block.steps; ++t, ++count_) {
    const std::size_t from = t * s.envs;
    const std::size_t to = row(count_, 0);
    copy_rows(block.node, from, data_.node, to, s.envs, s.nodes * s.node_features);
    copy_rows(block.shared, from, data_.shared, to, s.envs, s.shared_features);
    copy_rows(block.base, from, data_.base, to, s.envs, s.nodes);
    copy_rows(block.legal, from, data_.legal, to, s.envs, s.nodes);
    copy_rows(block.action, from, data_.action, to, s.envs, 1);
    copy_rows(block.reward, from, data_.reward, to, s.envs, 1);
    copy_rows(block.discount, from, data_.discount, to, s.envs, 1);
    copy_rows(block.truncated, from, data_.truncated, to, s.envs, 1);
  }
}

void ReplayBuffer::sample(std::size_t count, int n_step, const Draw& draw, MiniBatch& out) const {
  check(ready(), "nothing to draw from");
  const ReplayShape& s = data_.shape;
  for (StateBatch* state : {&out.now, &out.next}) {
    state->node.resize(count * s.nodes * s.node_features);
    state->shared.resize(count * s.shared_features);
    state->base.resize(count * s.nodes);
    state->mask.resize(count * s.nodes);
  }
  out.action.resize(count);
  out.reward.resize(count);
  out.discount.resize(count);
  const std::size_t oldest = count_ - held();
  std::uint32_t tries = 0;
  for (std::size_t i = 0; i < count;) {
    // The newest decision has no successor yet.
    const std::size_t env = draw.below(static_cast<std::uint32_t>(s.envs), tries++);
    const std::size_t begin = oldest + draw.below(static_cast<std::uint32_t>(held() - 1), tries++);
    check(tries < 1000 * count, "every step in the replay buffer is truncated");
    if (data_.truncated[row(begin, env)] != 0) {
      continue;
    }
    double reward = 0, discount = 1;
    std::size_t time = begin;
    for (int k = 0; k < n_step && time + 1 < count_ && data_.truncated[row(time, env)] == 0;
         ++k, ++time) {
      reward += discount * static_cast<double>(data_.reward[row(time, env)]);
      discount *= static_cast<double>(data_.discount[row(time, env)]);
    }
    copy_state(row(begin, env), i, out.now);
    copy_state(row(time, env), i, out.next);
    out.action[i] = data_.action[row(begin, env)];
    out.reward[i] = static_cast<float>(reward);
    out.discount[i] = static_cast<float>(discount);
    ++i;
  }
}

void ReplayBuffer::copy_state(std::size_t from, std::size_t to, StateBatch& out) const {
  const ReplayShape& s = data_.shape;
  copy_rows(data_.node, from, out.node, to, 1, s.nodes * s.node_features);
  copy_rows(data_.shared, from, out.shared, to, 1, s.shared_features);
  copy_rows(data_.base, from, out.base, to, 1, s.nodes);
  for (std::size_t n = 0; n < s.nodes; ++n) {
    out.mask[to * s.nodes + n] = data_.legal[from * s.nodes + n] != 0 ? 1.0F : 0.0F;
  }
}

}  // namespace yardmaster
