#include "agents/replay_buffer.h"

#include <gtest/gtest.h>

#include <set>

namespace yardmaster {
namespace {

constexpr ReplayShape kShape{2, 3, 1, 1};

// Every number encodes its origin: 100 * step + env.
StepBlock numbered(std::size_t first_step, std::size_t steps) {
  StepBlock block(kShape, steps);
  for (std::size_t t = 0; t < steps; ++t) {
    for (std::size_t e = 0; e < kShape.envs; ++e) {
      const std::size_t row = t * kShape.envs + e;
      const auto number = static_cast<float>(100 * (first_step + t) + e);
      block.shared[row] = number;
      for (std::size_t n = 0; n < kShape.nodes; ++n) {
        block.node[row * kShape.nodes + n] = number + 0.1F * static_cast<float>(n);
        block.base[row * kShape.nodes + n] = -static_cast<float>(n);
        block.legal[row * kShape.nodes + n] = n == 1 ? 0 : 1;
      }
      block.action[row] = 2;
      block.reward[row] = number;
      block.discount[row] = 0.5F;
    }
  }
  return block;
}

Draw draw(std::uint32_t k) { return {Seed{1}, Purpose::replay, object_address(0, k)}; }

TEST(ReplayBuffer, NStepTransitionsAddDiscountedRewardsAndEndAtTheRightDecision) {
  ReplayBuffer replay(kShape, 16);
  replay.append(numbered(0, 10));
  MiniBatch batch;
  replay.sample(400, 3, draw(0), batch);
  for (std::size_t i = 0; i < 400; ++i) {
    const int start = static_cast<int>(batch.now.shared[i]);
    const int steps = std::min(3, 9 - start / 100);  // the newest decision has no successor
    ASSERT_GE(steps, 1);
    double reward = 0, discount = 1;
    for (int k = 0; k < steps; ++k, discount *= 0.5) {
      reward += discount * (start + 100 * k);
    }
    EXPECT_FLOAT_EQ(batch.reward[i], static_cast<float>(reward));
    EXPECT_FLOAT_EQ(batch.discount[i], static_cast<float>(discount));
    EXPECT_EQ(static_cast<int>(batch.next.shared[i]), start + 100 * steps);
    EXPECT_EQ(batch.action[i], 2);
  }
}

TEST(ReplayBuffer, MasksAreZeroAndOneForEachNode) {
  ReplayBuffer replay(kShape, 16);
  replay.append(numbered(0, 4));
  MiniBatch batch;
  replay.sample(20, 1, draw(0), batch);
  for (std::size_t i = 0; i < 20; ++i) {
    for (const StateBatch* state : {&batch.now, &batch.next}) {
      EXPECT_EQ(state->mask[i * 3], 1.0F);
      EXPECT_EQ(state->mask[i * 3 + 1], 0.0F);
      EXPECT_EQ(state->mask[i * 3 + 2], 1.0F);
    }
  }
}

TEST(ReplayBuffer, ATruncatedStepIsNeverPartOfATransition) {
  StepBlock block = numbered(0, 8);
  block.truncated[4 * kShape.envs] = 1;  // step 4 of environment 0
  block.reward[4 * kShape.envs] = 1e9F;  // would be noticed
  ReplayBuffer replay(kShape, 8);
  replay.append(block);
  MiniBatch batch;
  replay.sample(500, 5, draw(0), batch);
  bool bootstrapped_there = false;
  for (std::size_t i = 0; i < 500; ++i) {
    EXPECT_LT(batch.reward[i], 1e6F);
    const int start = static_cast<int>(batch.now.shared[i]),
              end = static_cast<int>(batch.next.shared[i]);
    if (start % 100 == 0) {  // environment 0
      EXPECT_NE(start, 400);
      EXPECT_FALSE(start < 400 && end > 400);
      bootstrapped_there |= end == 400;
    }
  }
  EXPECT_TRUE(bootstrapped_there);
}

TEST(ReplayBuffer, KeepsTheNewestAndDrawsEachOfThem) {
  ReplayBuffer replay(kShape, 6);
  for (std::size_t t = 0; t < 20; t += 4) {
    replay.append(numbered(t, 4));
  }
  EXPECT_EQ(replay.size(), 12U);
  MiniBatch batch;
  replay.sample(500, 1, draw(0), batch);
  std::set<int> seen;
  for (const float number : batch.now.shared) {
    seen.insert(static_cast<int>(number));
  }
  EXPECT_EQ(seen, (std::set<int>{1400, 1401, 1500, 1501, 1600, 1601, 1700, 1701, 1800, 1801}));
}

TEST(ReplayBuffer, TheSameDrawGivesTheSameBatch) {
  ReplayBuffer replay(kShape, 8);
  replay.append(numbered(0, 8));
  MiniBatch a, b, c;
  replay.sample(32, 2, draw(5), a);
  replay.sample(32, 2, draw(5), b);
  replay.sample(32, 2, draw(6), c);
  EXPECT_EQ(a.now.shared, b.now.shared);
  EXPECT_NE(a.now.shared, c.now.shared);
}

}  // namespace
}  // namespace yardmaster
