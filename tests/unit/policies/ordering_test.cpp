#include <gtest/gtest.h>

#include "policies/policy.h"
#include "tests/support/orderings.h"
#include "tests/unit/policies/fleet_fixture.h"

namespace yardmaster {
namespace {

using testing::hand_made_task;

double key(const char* ordering, const TaskView& task) {
  return find_ordering(ordering)->key(task, QueueView{Time{10'000'000}});
}

TEST(OrderingTable, MakesEachOrderingByItsNameAndNoOther) {
  for (const OrderingEntry& entry : ordering_table()) {
    EXPECT_NE(make_ordering(entry.name), nullptr) << entry.name;
  }
  EXPECT_THROW(make_ordering("nope"), PolicyFault);
}

TEST(FirstComeFirstServed, GoesByArrivalEvenAfterARetry) {
  TaskView early = hand_made_task(4000, 900), late = hand_made_task(10, 1);
  early.arrival = Time{1'000'000};
  early.ready = Time{9'000'000};
  late.arrival = late.ready = Time{1'000'001};
  EXPECT_LT(key("first_come_first_served", early), key("first_come_first_served", late));
}

TEST(ShortestPredictedJob, GoesByPredictedWorkNotByArrival) {
  TaskView early = hand_made_task(500, 200), late = hand_made_task(500, 100);
  late.arrival = late.ready = Time{1'000'000};
  EXPECT_LT(key("shortest_predicted_job", late), key("shortest_predicted_job", early));
  EXPECT_LT(key("shortest_predicted_job", hand_made_task(400, 100)),
            key("shortest_predicted_job", hand_made_task(500, 100)));
}

TEST(ShortestPredictedJob, CountsAnOutputTokenForMoreThanAPromptToken) {
  EXPECT_LT(key("shortest_predicted_job", hand_made_task(600, 100)),
            key("shortest_predicted_job", hand_made_task(100, 600)));
}

}  // namespace
}  // namespace yardmaster
