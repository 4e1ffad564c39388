#include "env/node/ring.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <vector>

#include "env/base/random.h"

namespace yardmaster {
namespace {

using Small = Ring<std::uint32_t, 2>;

std::vector<std::uint32_t> items(const Small& ring) {
  std::vector<std::uint32_t> all;
  for (std::size_t i = 0; i < ring.size(); ++i) {
    all.push_back(ring[i]);
  }
  return all;
}

/// One change to both, drawn by `draw`.
void change(const Draw& draw, Small& ring, std::deque<std::uint32_t>& slow) {
  const std::uint32_t value = draw.below(100, 1);
  const auto smaller = [](std::uint32_t a, std::uint32_t b) { return a > b; };
  switch (draw.below(slow.empty() ? 3 : 6, 2)) {
    case 0:
      ring.push_back(value);
      slow.push_back(value);
      break;
    case 1:
      ring.push_front(value);
      slow.push_front(value);
      break;
    case 2: {
      ring.insert_sorted(value, smaller);
      auto place = slow.end();
      while (place != slow.begin() && *(place - 1) > value) {
        --place;
      }
      slow.insert(place, value);
      break;
    }
    case 3:
      EXPECT_EQ(ring.remove_if([&](std::uint32_t x) { return x % 7 == value % 7; }),
                std::erase_if(slow, [&](std::uint32_t x) { return x % 7 == value % 7; }));
      break;
    default:
      EXPECT_EQ(ring.front(), slow.front());
      EXPECT_EQ(ring.back(), slow.back());
      ring.pop_front();
      slow.pop_front();
  }
}

TEST(Ring, EqualsADequeAlsoBeyondItsInlineSlots) {
  Small ring;
  std::deque<std::uint32_t> slow;
  std::size_t longest = 0;
  for (std::uint32_t i = 0; i < 20'000; ++i) {
    change({Seed{3}, Purpose::tie, object_address(0, i)}, ring, slow);
    longest = std::max(longest, slow.size());
    ASSERT_EQ(ring.empty(), slow.empty());
    ASSERT_EQ(items(ring), std::vector<std::uint32_t>(slow.begin(), slow.end())) << "after " << i;
  }
  EXPECT_GT(longest, 8U);
}

TEST(Ring, ACopyIsIndependentWhicheverOfTheTwoIsLonger) {
  for (const std::uint32_t of : {0U, 1U, 2U, 3U, 9U}) {
    for (const std::uint32_t over : {0U, 2U, 3U, 20U}) {
      Small original, copy;
      for (std::uint32_t i = 0; i < of + 1; ++i) {
        original.push_back(i);
      }
      original.pop_front();  // so that it does not start at its first slot
      for (std::uint32_t i = 0; i < over; ++i) {
        copy.push_back(100 + i);
      }
      copy = original;
      const std::vector<std::uint32_t> before = items(original);
      ASSERT_EQ(items(copy), before);
      copy.push_back(7);
      copy.push_front(8);
      EXPECT_EQ(items(original), before) << of << " over " << over;
      const Small fresh = copy;
      copy.clear();
      EXPECT_EQ(fresh.size(), of + 2);
    }
  }
}

}  // namespace
}  // namespace yardmaster
