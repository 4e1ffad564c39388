#include <gtest/gtest.h>

#include "policies/policy.h"
#include "tests/unit/policies/fleet_fixture.h"

namespace yardmaster {
namespace {

using testing::hand_made_task;

TEST(OrderingTable, FindsEachKeyByItsNameAndNoOther) {
  for (const OrderingEntry& entry : ordering_table()) {
    EXPECT_EQ(find_ordering(entry.name), entry.key) << entry.name;
  }
  EXPECT_EQ(find_ordering("nope"), nullptr);
}

TEST(FirstComeFirstServed, GoesByArrivalEvenAfterARetry) {
  const OrderingKey key = find_ordering("first_come_first_served");
  TaskView early = hand_made_task(4000, 900), late = hand_made_task(10, 1);
  early.arrival = Time{1'000'000};
  early.ready = Time{9'000'000};
  late.arrival = late.ready = Time{1'000'001};
  EXPECT_LT(key(early), key(late));
}

TEST(ShortestPredictedJob, GoesByPredictedWorkNotByArrival) {
  const OrderingKey key = find_ordering("shortest_predicted_job");
  TaskView early = hand_made_task(500, 200), late = hand_made_task(500, 100);
  late.arrival = late.ready = Time{1'000'000};
  EXPECT_LT(key(late), key(early));
  EXPECT_LT(key(hand_made_task(400, 100)), key(hand_made_task(500, 100)));
}

TEST(ShortestPredictedJob, CountsAnOutputTokenForMoreThanAPromptToken) {
  const OrderingKey key = find_ordering("shortest_predicted_job");
  EXPECT_LT(key(hand_made_task(600, 100)), key(hand_made_task(100, 600)));
}

}  // namespace
}  // namespace yardmaster
