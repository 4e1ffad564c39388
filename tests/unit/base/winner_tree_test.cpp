#include "env/base/winner_tree.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "env/base/random.h"

namespace yardmaster {
namespace {

TEST(WinnerTree, IsEmptyAtFirst) {
  for (const std::size_t slots : {0U, 1U, 2U, 3U, 8U, 9U}) {
    EXPECT_TRUE(WinnerTree(slots).first_time().is_never()) << slots;
  }
}

TEST(WinnerTree, GivesTiesToTheSmallerSlotWhateverTheOrderOfUpdates) {
  std::vector<std::size_t> order = {0, 1, 2, 3, 4};
  do {
    WinnerTree tree(5);
    for (const std::size_t slot : order) {
      tree.set(slot, Time{7});
    }
    for (std::size_t expected = 0; expected < order.size(); ++expected) {
      ASSERT_EQ(tree.first(), expected);
      tree.set(expected, Time::never());
    }
  } while (std::next_permutation(order.begin(), order.end()));
}

/// The slot that a scan over all times finds: the earliest, or the smallest of equal ones.
std::size_t scan(const std::vector<Time>& times) {
  return static_cast<std::size_t>(std::min_element(times.begin(), times.end()) - times.begin());
}

TEST(WinnerTree, AgreesWithAScanUnderRandomUpdates) {
  for (std::uint32_t slots = 1; slots < 70; ++slots) {
    WinnerTree tree(slots);
    std::vector<Time> times(slots, Time::never());
    for (std::uint32_t i = 0; i < 2'000; ++i) {
      const Draw draw{{slots}, Purpose::tie, object_address(0, i)};
      const std::size_t slot = draw.below(slots, 0);
      // Few distinct times, so that ties are common; a fifth of the updates remove an event.
      times[slot] = draw.below(5, 1) == 0 ? Time::never() : Time{draw.below(20, 2)};
      tree.set(slot, times[slot]);
      ASSERT_EQ(tree.first_time(), times[scan(times)]);
      ASSERT_EQ(tree.time(slot), times[slot]);
      if (!tree.first_time().is_never()) {
        ASSERT_EQ(tree.first(), scan(times));
      }
    }
  }
}

TEST(WinnerTree, ACopyIsIndependent) {
  WinnerTree tree(4);
  tree.set(2, Time{5});
  WinnerTree copy = tree;
  copy.set(1, Time{3});
  EXPECT_EQ(tree.first(), 2U);
  EXPECT_EQ(copy.first(), 1U);
}

}  // namespace
}  // namespace yardmaster
