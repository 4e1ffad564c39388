// The rules of vLLM's free queue and of hits, one at a time.
#include "env/node/prefix_cache.h"

#include <gtest/gtest.h>

#include <array>

namespace yardmaster {
namespace {

constexpr std::array<PathSpan, 1> kSystemPrompt = {PathSpan{shared_run(0), 4}};
constexpr PromptPath kAnna{kSystemPrompt, own_run({0, 1, 0, 0, 0, 0})};
constexpr PromptPath kBert{kSystemPrompt, own_run({0, 2, 0, 0, 0, 0})};

std::vector<FreeStretch> free_queue(const PrefixCache& cache) {
  std::vector<FreeStretch> stretches;
  cache.list_free(stretches);
  return stretches;
}

/// A request of `blocks` blocks: takes those that it does not hit, and publishes all.
HolderId run(PrefixCache& cache, const PromptPath& path, std::int32_t blocks) {
  const PrefixHit hit = cache.lookup(path, blocks - 1);
  const HolderId h = cache.admit(path, hit.blocks);
  cache.take(h, blocks - hit.blocks);
  cache.publish(h, path, blocks);
  return h;
}

TEST(PrefixCache, HitsPublishedBlocksAndCountsIdleOnes) {
  PrefixCache cache(20, FreedBlocks::unhashed_to_front);
  EXPECT_EQ(cache.lookup(kAnna, 6), (PrefixHit{0, 0}));
  const HolderId anna = run(cache, kAnna, 6);
  EXPECT_EQ(cache.lookup(kBert, 6), (PrefixHit{4, 0}));
  cache.release(anna);
  EXPECT_EQ(cache.lookup(kBert, 6), (PrefixHit{4, 4}));
  EXPECT_EQ(cache.lookup(kAnna, 6), (PrefixHit{6, 6}));
  EXPECT_EQ(cache.lookup(kAnna, 5), (PrefixHit{5, 5}));
  EXPECT_EQ(cache.free_blocks(), 20);
}

TEST(PrefixCache, FreedTailsAreEvictedBeforeHeads) {
  PrefixCache cache(6, FreedBlocks::unhashed_to_front);
  cache.release(run(cache, kAnna, 6));
  const HolderId stranger = cache.admit({{}, own_run({0, 9, 0, 0, 0, 0})}, 0);
  cache.take(stranger, 1);
  EXPECT_EQ(cache.lookup(kAnna, 6).blocks, 5);
  cache.take(stranger, 2);
  EXPECT_EQ(cache.lookup(kAnna, 6).blocks, 3);
}

TEST(PrefixCache, UnhashedBlocksGoToTheFrontInOneVersionAndToTheBackInTheOther) {
  constexpr RunId kStranger = own_run({0, 9, 0, 0, 0, 0});
  const auto queue_of = [](FreedBlocks freed) {
    PrefixCache cache(10, freed);
    cache.release(run(cache, {{}, kStranger}, 2));
    const HolderId h = cache.admit(kAnna, 0);
    cache.take(h, 6);
    cache.publish(h, kAnna, 4);
    cache.release(h);
    return free_queue(cache);
  };
  const FreeStretch earlier{kStranger, 0, 2}, prompt{shared_run(0), 0, 4};
  EXPECT_EQ(queue_of(FreedBlocks::unhashed_to_front),
            (std::vector<FreeStretch>{{kNoRun, 0, 4}, earlier, prompt}));
  EXPECT_EQ(queue_of(FreedBlocks::all_to_back),
            (std::vector<FreeStretch>{{kNoRun, 0, 2}, earlier, {kNoRun, 0, 2}, prompt}));
}

TEST(PrefixCache, APartialHitSplitsAPieceAndLeavesItsTailIdle) {
  PrefixCache cache(20, FreedBlocks::unhashed_to_front);
  cache.release(run(cache, kAnna, 4));
  const HolderId bert = cache.admit(kBert, cache.lookup(kBert, 3).blocks);
  EXPECT_EQ(cache.held(bert), 3);
  EXPECT_EQ(free_queue(cache), (std::vector<FreeStretch>{{kNoRun, 0, 16}, {shared_run(0), 3, 4}}));
  cache.release(bert);
  EXPECT_EQ(cache.lookup(kBert, 4), (PrefixHit{4, 4}));
}

TEST(PrefixCache, ConversationsStayOnePiece) {
  PrefixCache cache(40, FreedBlocks::unhashed_to_front);
  cache.release(run(cache, kAnna, 9));
  const HolderId next_turn = cache.admit(kAnna, 9);
  cache.take(next_turn, 5);
  cache.publish(next_turn, kAnna, 14);
  cache.release(next_turn);
  EXPECT_EQ(cache.pieces(), 3U);  // unhashed blocks, the system prompt, Anna's own
  EXPECT_EQ(cache.lookup(kAnna, 20), (PrefixHit{14, 14}));
}

TEST(PrefixCache, CopiesAreNotMerged) {
  PrefixCache cache(20, FreedBlocks::unhashed_to_front);
  const HolderId anna = cache.admit(kAnna, 0), bert = cache.admit(kBert, 0);
  for (const HolderId h : {anna, bert}) {
    cache.take(h, 4);
    cache.publish(h, h == anna ? kAnna : kBert, 4);
  }
  EXPECT_EQ(cache.free_blocks(), 12);
  cache.release(anna);  // hers came first, so it is hit
  EXPECT_EQ(cache.lookup(kBert, 4), (PrefixHit{4, 4}));
}

TEST(PrefixCache, EventsReportHowFarASharedRunIsCached) {
  constexpr Time kNow{5};
  PrefixCache cache(6, FreedBlocks::unhashed_to_front, true);
  cache.set_time(kNow);
  const auto drained = [&] {
    std::vector<KvEvent> events;
    cache.drain_events(events);
    return events;
  };
  cache.release(run(cache, kAnna, 6));
  EXPECT_EQ(drained(), (std::vector<KvEvent>{{kNow, shared_run(0), 4}}));
  const HolderId stranger = cache.admit({{}, own_run({0, 9, 0, 0, 0, 0})}, 0);
  cache.take(stranger, 3);  // two are Anna's own
  EXPECT_EQ(drained(), (std::vector<KvEvent>{{kNow, shared_run(0), 3}}));
  cache.take(stranger, 3);
  EXPECT_EQ(drained(), (std::vector<KvEvent>{{kNow, shared_run(0), 0}}));
  cache.reset();
  EXPECT_EQ(drained(), (std::vector<KvEvent>{{kNow, kNoRun, 0}}));
}

TEST(PrefixCache, AResetCacheIsLikeANewOne) {
  PrefixCache cache(10, FreedBlocks::all_to_back);
  run(cache, kAnna, 8);
  cache.reset();
  EXPECT_EQ(cache.free_blocks(), 10);
  EXPECT_EQ(cache.lookup(kAnna, 8), (PrefixHit{0, 0}));
  EXPECT_EQ(free_queue(cache), (std::vector<FreeStretch>{{kNoRun, 0, 10}}));
}

}  // namespace
}  // namespace yardmaster
