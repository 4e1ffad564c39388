// What the dispatcher knows about prefixes on nodes, from prompts that it sent or from events.
#include "env/view/prefix_index.h"

#include <gtest/gtest.h>

#include <array>

namespace yardmaster {
namespace {

// A system prompt of 10 blocks, and two conversations on it.
constexpr std::array<PathSpan, 2> kAnna = {PathSpan{shared_run(0), 10},
                                           PathSpan{shared_run(1), 50}};
constexpr std::array<PathSpan, 2> kBert = {PathSpan{shared_run(0), 10},
                                           PathSpan{shared_run(2), 30}};
constexpr NodeId kFirst{0}, kSecond{1};

std::vector<double> hits(const PrefixIndex& index, std::span<const PathSpan> path) {
  std::vector<double> blocks(2, -1);
  index.hit_blocks(path, blocks);
  return blocks;
}

TEST(PrefixIndex, RemembersPromptsWhereTheyWereSent) {
  PrefixIndex index({1000, 1000});
  EXPECT_EQ(hits(index, kAnna), (std::vector<double>{0, 0}));
  index.sent(kFirst, kAnna, 40);
  index.sent(kSecond, kBert, 35);
  EXPECT_EQ(hits(index, kAnna), (std::vector<double>{40, 10}));
  EXPECT_EQ(hits(index, kBert), (std::vector<double>{10, 30}));
  EXPECT_EQ(index.blocks(kSecond), 35);  // 5 of them are not shared
}

TEST(PrefixIndex, GrowsWithAConversationAndNeverShrinksByAShorterPrompt) {
  PrefixIndex index({1000, 1000});
  index.sent(kFirst, kAnna, 20);
  index.sent(kFirst, kAnna, 45);
  index.sent(kFirst, kAnna, 15);
  EXPECT_EQ(hits(index, kAnna)[0], 45);
  EXPECT_EQ(index.blocks(kFirst), 45);
}

TEST(PrefixIndex, EvictsTheLeastRecentlyUsedRunTailFirst) {
  PrefixIndex index({60, 60});
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
  PrefixIndex index({30, 30});
  index.sent(kFirst, kAnna, 400);
  EXPECT_EQ(index.blocks(kFirst), 30);
  EXPECT_EQ(hits(index, kAnna)[0], 30);
}

TEST(PrefixIndex, ForgetsOneNodeOnly) {
  PrefixIndex index({1000, 1000});
  index.sent(kFirst, kAnna, 40);
  index.sent(kSecond, kAnna, 30);
  index.forget(kFirst);
  EXPECT_EQ(hits(index, kAnna), (std::vector<double>{0, 30}));
  EXPECT_EQ(index.blocks(kFirst), 0);
  index.sent(kFirst, kBert, 20);
  EXPECT_EQ(hits(index, kBert), (std::vector<double>{20, 10}));
}

TEST(PrefixIndex, FollowsTheEventsOfANode) {
  PrefixIndex index({1000, 1000});
  index.set_cached(kFirst, shared_run(0), 0, 10);
  index.set_cached(kFirst, shared_run(1), 10, 50);
  index.set_cached(kSecond, shared_run(0), 0, 10);
  EXPECT_EQ(hits(index, kAnna), (std::vector<double>{50, 10}));
  index.set_cached(kFirst, shared_run(1), 10, 30);  // tails are evicted first
  EXPECT_EQ(hits(index, kAnna), (std::vector<double>{30, 10}));
  EXPECT_EQ(index.blocks(kFirst), 30);
  index.set_cached(kFirst, shared_run(1), 10, 0);
  index.set_cached(kFirst, shared_run(0), 0, 7);
  EXPECT_EQ(hits(index, kAnna), (std::vector<double>{7, 10}));
  EXPECT_EQ(index.blocks(kFirst), 7);
}

/// Ids that differ only in bits above the 32nd, so that an index of 32 bits would take all for one.
RunId far_run(std::uint64_t i) { return RunId{(i + 1) << 40U}; }

TEST(PrefixIndex, FindsRunsWhoseIdsDifferOnlyAboveThirtyTwoBits) {
  constexpr std::int32_t kRuns = 300;
  PrefixIndex index({1'000'000, 1'000'000});
  for (std::int32_t i = 0; i < kRuns; ++i) {
    index.set_cached(kFirst, far_run(static_cast<std::uint64_t>(i)), 0, i + 1);
  }
  const RunId own = own_run({0, 9, 0, 0, 0, 0});
  index.set_cached(kSecond, own, 0, 77);
  for (std::int32_t i = 0; i < kRuns; ++i) {
    const PathSpan span{far_run(static_cast<std::uint64_t>(i)), 1000};
    EXPECT_EQ(hits(index, {&span, 1}), (std::vector<double>{i + 1.0, 0})) << i;
  }
  const PathSpan span{own, 1000};
  EXPECT_EQ(hits(index, {&span, 1}), (std::vector<double>{0, 77}));
}

TEST(PrefixIndex, ForgetsRunsThatWereAddedBeforeAndAfterGrowth) {
  constexpr std::uint64_t kRuns = 500;
  PrefixIndex index({1'000'000, 1'000'000});
  for (std::uint64_t i = 0; i < kRuns; ++i) {
    index.set_cached(kFirst, far_run(i), 0, 8);
    index.set_cached(kSecond, far_run(i), 0, 9);
  }
  index.forget(kFirst);
  for (std::uint64_t i = 0; i < kRuns; i += 3) {
    index.set_cached(kSecond, far_run(i), 0, 0);
  }
  for (std::uint64_t i = 0; i < kRuns; ++i) {
    const PathSpan span{far_run(i), 1000};
    EXPECT_EQ(hits(index, {&span, 1}), (std::vector<double>{0, i % 3 == 0 ? 0.0 : 9.0})) << i;
  }
  index.forget(kSecond);
  EXPECT_EQ(index.blocks(kSecond), 0);
  index.set_cached(kFirst, far_run(kRuns), 0, 5);
  const PathSpan last{far_run(kRuns), 1000};
  EXPECT_EQ(hits(index, {&last, 1}), (std::vector<double>{5, 0})) << "rows are used again";
}

}  // namespace
}  // namespace yardmaster
