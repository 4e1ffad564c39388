#include "env/base/units.h"

#include <gtest/gtest.h>

#include <limits>

#include "env/base/ids.h"

namespace yardmaster {
namespace {

template <typename A, typename B>
concept Addable = requires(A a, B b) {
  a + b;
};

static_assert(Addable<Time, Duration>);
static_assert(!Addable<Time, Time>, "the sum of two instants means nothing");

TEST(Duration, RoundsSecondsToTheNearestPicosecond) {
  EXPECT_EQ(Duration::from_seconds(1.0).ps, kPsPerSecond);
  EXPECT_EQ(Duration::from_seconds(1.4e-12).ps, 1);
  EXPECT_EQ(Duration::from_seconds(1.6e-12).ps, 2);
  EXPECT_EQ(Duration::from_seconds(-1.6e-12).ps, -2);
  EXPECT_EQ(Duration::from_seconds(0).ps, 0);
}

TEST(Duration, SurvivesConversionToSecondsAndBack) {
  for (const std::int64_t ps : {1LL, 1'000'003LL, 3600LL * kPsPerSecond}) {
    EXPECT_EQ(Duration::from_seconds(Duration{ps}.seconds()).ps, ps);
  }
}

TEST(Duration, AddsSubtractsAndScalesExactly) {
  Duration sum{5};
  sum += Duration{7};
  sum -= Duration{2};
  EXPECT_EQ(sum, Duration{10});
  EXPECT_EQ(Duration{3} * 4, Duration{12});
  EXPECT_EQ(Duration{3} - Duration{4}, Duration{-1});
  EXPECT_LT(Duration::zero(), Duration{1});
}

TEST(Time, DifferenceOfTwoTimesIsADuration) {
  const Time start{100};
  EXPECT_EQ(start + Duration{5} - start, Duration{5});
  EXPECT_EQ(start - Duration{30}, Time{70});
}

TEST(Time, NeverIsLaterThanTheEndOfTheLongestRun) {
  EXPECT_TRUE(Time::never().is_never());
  EXPECT_FALSE((Time{} + kLongestDuration).is_never());
}

TEST(Time, NeverSurvivesTheAdditionOfADay) {
  EXPECT_GT(std::numeric_limits<std::int64_t>::max() - Time::never().ps, 24 * 3600 * kPsPerSecond);
  EXPECT_TRUE((Time::never() + Duration::from_seconds(24 * 3600.0)).is_never());
}

TEST(TaskAddress, IsOrderedByTenantThenWorkflowThenStage) {
  EXPECT_LT((TaskAddress{0, 9, 9, 9, 9, 9}), (TaskAddress{1, 0, 0, 0, 0, 0}));
  EXPECT_LT((TaskAddress{1, 0, 9, 9, 9, 9}), (TaskAddress{1, 1, 0, 0, 0, 0}));
  EXPECT_LT((TaskAddress{1, 1, 1, 1, 1, 1}), (TaskAddress{1, 1, 1, 1, 1, 2}));
  EXPECT_EQ(index(node_id(5)), 5U);
}

}  // namespace
}  // namespace yardmaster
