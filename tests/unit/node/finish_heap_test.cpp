#include "env/node/finish_heap.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "env/base/random.h"

namespace yardmaster {
namespace {

using Entries = std::vector<std::pair<std::int64_t, std::uint32_t>>;  // step, slot

std::pair<std::int64_t, std::uint32_t> plain(Finishing f) {
  return {f.step(), static_cast<std::uint32_t>(f.task())};
}

// A list that is searched.
struct SlowHeap {
  Entries entries;

  [[nodiscard]] std::pair<std::int64_t, std::uint32_t> front() const {
    return *std::min_element(entries.begin(), entries.end());
  }
  void remove(std::uint32_t slot) {
    std::erase_if(entries, [&](const auto& e) { return e.second == slot; });
  }
};

TEST(FinishHeap, HoldsTheNextToFinishInFrontAfterAnyAdditionAndRemoval) {
  FinishHeap heap;
  SlowHeap slow;
  std::uint32_t slots = 0;
  for (std::uint32_t i = 0; i < 20'000; ++i) {
    const Draw draw{Seed{7}, Purpose::tie, object_address(0, i)};
    const bool growing = i / 500 % 2 == 0;
    const bool add = slow.entries.empty() || draw.below(10, 1) < (growing ? 7U : 3U);
    if (add) {
      const auto step = static_cast<std::int64_t>(draw.below(1'000, 2));  // with many equal steps
      heap.push({step, static_cast<TaskSlot>(slots)});
      slow.entries.emplace_back(step, slots++);
    } else if (draw.below(4, 3) == 0) {
      const std::uint32_t slot =
          slow.entries[draw.below(static_cast<std::uint32_t>(slow.entries.size()), 4)].second;
      heap.remove(static_cast<TaskSlot>(slot));
      slow.remove(slot);
    } else {
      heap.pop();
      slow.remove(slow.front().second);
    }
    ASSERT_EQ(heap.empty(), slow.entries.empty());
    ASSERT_EQ(heap.entries().size(), slow.entries.size());
    if (!heap.empty()) {
      ASSERT_EQ(plain(heap.front()), slow.front()) << "after " << i;
    }
  }
}

TEST(FinishHeap, IsInOrderAfterStepsAreReset) {
  FinishHeap heap;
  for (std::uint32_t slot = 0; slot < 100; ++slot) {
    heap.push({slot, static_cast<TaskSlot>(slot)});
  }
  const auto step_of = [](TaskSlot task) {
    return static_cast<std::int64_t>(index(task) * 37 % 101);
  };
  heap.reset_steps(step_of);
  Entries wanted, popped;
  for (std::uint32_t slot = 0; slot < 100; ++slot) {
    wanted.emplace_back(step_of(static_cast<TaskSlot>(slot)), slot);
  }
  std::sort(wanted.begin(), wanted.end());
  for (; !heap.empty(); heap.pop()) {
    popped.push_back(plain(heap.front()));
  }
  EXPECT_EQ(popped, wanted);
}

}  // namespace
}  // namespace yardmaster
