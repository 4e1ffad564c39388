// Paths: each shared stretch of prompts is one named run, which ends where sharing ends.
#include "env/workload/prompt_paths.h"

#include <gtest/gtest.h>

namespace yardmaster {
namespace {

using Ids = std::vector<std::uint64_t>;
using Spans = std::vector<PathSpan>;
constexpr RunId kRun0 = shared_run(0), kRun1 = shared_run(1);

/// Paths of prompts given as ids of single blocks.
struct Table {
  PathBuilder builder{1};
  bool add(const Ids& ids) { return builder.add(ids, static_cast<std::int32_t>(ids.size())); }
  [[nodiscard]] std::vector<Spans> spans() const {
    const PromptPaths paths = builder.build();
    std::vector<Spans> all;
    for (std::uint32_t p = 0; p < paths.size(); ++p) {
      const auto shared = paths.shared(PathId{p});
      all.emplace_back(shared.begin(), shared.end());
    }
    return all;
  }
};

TEST(PromptPaths, APromptThatIsNotSharedHasNoSharedRun) {
  Table table;
  ASSERT_TRUE(table.add({1, 2}));
  ASSERT_TRUE(table.add({3, 4}));
  EXPECT_EQ(table.spans(), (std::vector<Spans>{{}, {}}));
}

TEST(PromptPaths, AConversationIsOneRun) {
  Table table;
  ASSERT_TRUE(table.add({1, 2}));
  ASSERT_TRUE(table.add({1, 2, 3, 4}));
  ASSERT_TRUE(table.add({1, 2, 3, 4, 5}));
  EXPECT_EQ(table.spans(), (std::vector<Spans>{{{kRun0, 2}}, {{kRun0, 4}}, {{kRun0, 4}}}));
}

TEST(PromptPaths, APromptThatLeavesARunInTheMiddleStartsAnother) {
  Table table;
  ASSERT_TRUE(table.add({1, 2, 3}));
  ASSERT_TRUE(table.add({1, 2, 3}));
  ASSERT_TRUE(table.add({1, 7, 8}));
  ASSERT_TRUE(table.add({1, 7, 8, 9}));
  EXPECT_EQ(table.spans(),
            (std::vector<Spans>{
                {{kRun0, 3}}, {{kRun0, 3}}, {{kRun0, 1}, {kRun1, 3}}, {{kRun0, 1}, {kRun1, 3}}}));
}

TEST(PromptPaths, APathEndsWithItsFullBlocks) {
  PathBuilder builder(32);
  const Ids ids = {5, 6};
  ASSERT_TRUE(builder.add(ids, 33));
  ASSERT_TRUE(builder.add(ids, 64));
  ASSERT_TRUE(builder.add(ids, 32));  // the second id covers less than a block
  const PromptPaths paths = builder.build();
  EXPECT_EQ(paths.shared(PathId{0}).back(), (PathSpan{shared_run(0), 33}));
  EXPECT_EQ(paths.shared(PathId{1}).back(), (PathSpan{shared_run(0), 64}));
  EXPECT_EQ(paths.shared(PathId{2}).back(), (PathSpan{shared_run(0), 32}));
}

TEST(PromptPaths, EqualIdsOfUnequalPrefixesAreRefusedAndForgotten) {
  Table table;
  ASSERT_TRUE(table.add({1, 2}));
  EXPECT_FALSE(table.add({2}));
  EXPECT_FALSE(table.add({3, 2}));
  EXPECT_FALSE(table.add({4, 4}));
  EXPECT_TRUE(table.add({4, 5}));
  EXPECT_EQ(table.spans().size(), 2U);
}

TEST(PromptPaths, ARequestWithoutAPathHasOnlyItsOwnRun) {
  const PromptPaths paths;
  const PromptPath path = paths.path(kNoPath, {3, 14, 0, 0, 0, 2});
  EXPECT_EQ(path.shared_blocks(), 0);
  EXPECT_FALSE(is_shared(path.own));
}

TEST(PromptPaths, AttemptsOfOneTaskShareItsOwnRunAndOtherTasksDoNot) {
  const TaskAddress task{3, 14, 1, 0, 0, 0};
  TaskAddress retried = task, later_stage = task, other = task;
  retried.attempt = 2;
  later_stage.stage = 2;
  other.workflow = 15;
  EXPECT_EQ(own_run(retried), own_run(task));
  EXPECT_NE(own_run(later_stage), own_run(task));
  EXPECT_NE(own_run(other), own_run(task));
}

}  // namespace
}  // namespace yardmaster
