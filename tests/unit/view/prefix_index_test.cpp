// What the dispatcher knows about prefixes on nodes, from prompts that it sent or from events.
#include "env/view/prefix_index.h"

#include <gtest/gtest.h>

#include <array>

namespace yardmaster {
namespace {

// A system prompt of 10 blocks, and two conversations on it.
constexpr std::array<PathSpan, 2> kAnna = {PathSpan{0, 10}, PathSpan{1, 50}};
constexpr std::array<PathSpan, 2> kBert = {PathSpan{0, 10}, PathSpan{2, 30}};
constexpr NodeId kFirst{0}, kSecond{1};

std::vector<double> hits(const PrefixIndex& index, std::span<const PathSpan> path) {
  std::vector<double> blocks(2, -1);
  index.hit_blocks(path, blocks);
  return blocks;
}

TEST(PrefixIndex, RemembersPromptsWhereTheyWereSent) {
  PrefixIndex index({1000, 1000}, 3);
  EXPECT_EQ(hits(index, kAnna), (std::vector<double>{0, 0}));
  index.sent(kFirst, kAnna, 40);
  index.sent(kSecond, kBert, 35);
  EXPECT_EQ(hits(index, kAnna), (std::vector<double>{40, 10}));
  EXPECT_EQ(hits(index, kBert), (std::vector<double>{10, 30}));
  EXPECT_EQ(index.blocks(kSecond), 35);  // 5 of them are not shared
}

TEST(PrefixIndex, GrowsWithAConversationAndNeverShrinksByAShorterPrompt) {
  PrefixIndex index({1000, 1000}, 3);
  index.sent(kFirst, kAnna, 20);
  index.sent(kFirst, kAnna, 45);
  index.sent(kFirst, kAnna, 15);
  EXPECT_EQ(hits(index, kAnna)[0], 45);
  EXPECT_EQ(index.blocks(kFirst), 45);
}

TEST(PrefixIndex, EvictsTheLeastRecentlyUsedRunTailFirst) {
  PrefixIndex index({60, 60}, 3);
  index.sent(kFirst, kAnna, 50);
  index.sent(kFirst, kBert, 25);  // 15 more than the 50; the 10 in common are used again
  EXPECT_EQ(index.blocks(kFirst), 60);
  EXPECT_EQ(hits(index, kAnna)[0], 45);
  EXPECT_EQ(hits(index, kBert)[0], 25);
  index.sent(kFirst, {}, 50);  // an unrelated prompt
  EXPECT_EQ(hits(index, kAnna)[0], 10);
  EXPECT_EQ(hits(index, kBert)[0], 10);
}

TEST(PrefixIndex, RemembersOnlyWhatFitsOfAHugePrompt) {
  PrefixIndex index({30, 30}, 3);
  index.sent(kFirst, kAnna, 400);
  EXPECT_EQ(index.blocks(kFirst), 30);
  EXPECT_EQ(hits(index, kAnna)[0], 30);
}

TEST(PrefixIndex, ForgetsOneNodeOnly) {
  PrefixIndex index({1000, 1000}, 3);
  index.sent(kFirst, kAnna, 40);
  index.sent(kSecond, kAnna, 30);
  index.forget(kFirst);
  EXPECT_EQ(hits(index, kAnna), (std::vector<double>{0, 30}));
  EXPECT_EQ(index.blocks(kFirst), 0);
  index.sent(kFirst, kBert, 20);
  EXPECT_EQ(hits(index, kBert), (std::vector<double>{20, 10}));
}

TEST(PrefixIndex, FollowsTheEventsOfANode) {
  PrefixIndex index({1000, 1000}, 3);
  index.heard(kFirst, 0, 0, 10);
  index.heard(kFirst, 1, 10, 50);
  index.heard(kSecond, 0, 0, 10);
  EXPECT_EQ(hits(index, kAnna), (std::vector<double>{50, 10}));
  index.heard(kFirst, 1, 10, 30);  // tails are evicted first
  EXPECT_EQ(hits(index, kAnna), (std::vector<double>{30, 10}));
  EXPECT_EQ(index.blocks(kFirst), 30);
  index.heard(kFirst, 1, 10, 0);
  index.heard(kFirst, 0, 0, 7);
  EXPECT_EQ(hits(index, kAnna), (std::vector<double>{7, 10}));
  EXPECT_EQ(index.blocks(kFirst), 7);
}

}  // namespace
}  // namespace yardmaster
