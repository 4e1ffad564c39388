#include "env/node/block_phases.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "env/base/random.h"

namespace yardmaster {
namespace {

// Counts one context at a time.
std::int64_t blocks_of(const std::vector<std::int64_t>& offsets, std::int64_t step,
                       std::int64_t steps) {
  std::int64_t blocks = 0;
  for (std::int64_t s = step; s < step + steps; ++s) {
    blocks += std::count_if(offsets.begin(), offsets.end(),
                            [&](std::int64_t offset) { return (s + offset) % 16 == 0; });
  }
  return blocks;
}

TEST(BlockPhases, CountTheBlocksThatContextsStartInEachStep) {
  BlockPhases phases;
  std::vector<std::int64_t> offsets;
  for (std::uint32_t i = 0; i < 2'000; ++i) {
    const Draw draw{Seed{3}, Purpose::tie, object_address(0, i)};
    if (offsets.size() < 40 || draw.below(2, 1) == 0) {
      offsets.push_back(static_cast<std::int64_t>(draw.below(4'000, 2)) - 2'000);
      phases.add(offsets.back());
    } else {
      phases.remove(offsets.back());
      offsets.pop_back();
    }
    const std::int64_t step = 5'000 + draw.below(100, 3);
    const std::int64_t steps = draw.below(70, 4);
    ASSERT_EQ(phases.blocks(step, steps), blocks_of(offsets, step, steps));
    ASSERT_EQ(phases.blocks(step), blocks_of(offsets, step, 1));
  }
}

}  // namespace
}  // namespace yardmaster
