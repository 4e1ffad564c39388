#include "env/base/digest.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

namespace yardmaster {
namespace {

struct Entry {
  Fact fact;
  TaskAddress at;
  Time when;
  NodeId node = node_id(0);
};

std::uint64_t digest_of(const std::vector<Entry>& entries) {
  Digest digest;
  for (const Entry& entry : entries) {
    digest.add(entry.fact, entry.at, entry.node, entry.when);
  }
  return digest.value();
}

TEST(Digest, DoesNotDependOnTheOrderOfFacts) {
  std::vector<Entry> entries;
  for (std::uint32_t i = 0; i < 100; ++i) {
    entries.push_back({static_cast<Fact>(i % 9), {i / 10, i, 0, 0, 0, 0}, Time{i * 1000}});
  }
  const std::uint64_t forward = digest_of(entries);
  std::reverse(entries.begin(), entries.end());
  EXPECT_EQ(digest_of(entries), forward);
  std::rotate(entries.begin(), entries.begin() + 37, entries.end());
  EXPECT_EQ(digest_of(entries), forward);
}

TEST(Digest, ChangesWithKindAddressAndTime) {
  const TaskAddress at{1, 2, 3, 4, 5, 6};
  const std::set<std::uint64_t> seen = {
      digest_of({}),
      digest_of({{Fact::sent, at, Time{10}}}),
      digest_of({{Fact::scheduled, at, Time{10}}}),
      digest_of({{Fact::sent, at, Time{11}}}),
      digest_of({{Fact::sent, {0, 2, 3, 4, 5, 6}, Time{10}}}),
      digest_of({{Fact::sent, {1, 0, 3, 4, 5, 6}, Time{10}}}),
      digest_of({{Fact::sent, {1, 2, 0, 4, 5, 6}, Time{10}}}),
      digest_of({{Fact::sent, {1, 2, 3, 0, 5, 6}, Time{10}}}),
      digest_of({{Fact::sent, {1, 2, 3, 4, 0, 6}, Time{10}}}),
      digest_of({{Fact::sent, {1, 2, 3, 4, 5, 0}, Time{10}}}),
  };
  EXPECT_EQ(seen.size(), 10U);
}

TEST(Digest, ChangesWithTheNodeThatATaskIsSentTo) {
  const TaskAddress at{1, 2, 3, 4, 5, 6};
  EXPECT_NE(digest_of({{Fact::sent, at, Time{10}, node_id(0)}}),
            digest_of({{Fact::sent, at, Time{10}, node_id(1)}}));
  EXPECT_EQ(digest_of({{Fact::finished, at, Time{10}, node_id(0)}}),
            digest_of({{Fact::finished, at, Time{10}, node_id(1)}}));
}

TEST(Digest, CountsAFactThatHappensTwice) {
  const Entry entry{Fact::preempted, {1, 2, 0, 0, 0, 0}, Time{10}};
  EXPECT_NE(digest_of({entry, entry}), digest_of({entry}));
  EXPECT_NE(digest_of({entry, entry}), 0U);
}

}  // namespace
}  // namespace yardmaster
