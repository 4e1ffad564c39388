#include "results/statistics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "env/base/random.h"

namespace yardmaster {
namespace {

TEST(Bootstrap, GivesTheSameIntervalEachTime) {
  const std::vector<double> values = {1, 2, 3, 4, 10};
  const Interval a = Bootstrap(5).mean(values), b = Bootstrap(5).mean(values);
  EXPECT_EQ(a.low, b.low);
  EXPECT_EQ(a.high, b.high);
  EXPECT_EQ(a.mean, 4.0);
  EXPECT_LT(a.low, a.mean);
  EXPECT_GT(a.high, a.mean);
}

TEST(Bootstrap, CoversTheTruthAboutNineteenTimesInTwenty) {
  const Bootstrap bootstrap(40, 1000);
  int covered = 0;
  for (std::uint32_t trial = 0; trial < 400; ++trial) {
    std::vector<double> values(40);
    for (std::uint32_t i = 0; i < values.size(); ++i) {
      values[i] = 5 + Draw{{7}, Purpose::arrival, object_address(trial, i)}.normal();
    }
    const Interval interval = bootstrap.mean(values);
    covered += interval.low <= 5 && 5 <= interval.high ? 1 : 0;
  }
  // The percentile bootstrap of 40 values covers about 94 %; three standard errors of 400 trials
  // are 3.6 %.
  EXPECT_NEAR(covered / 400.0, 0.94, 0.036);
}

TEST(Bootstrap, OfOneValueHasNoInterval) {
  const Interval interval = Bootstrap(1).mean(std::vector<double>{3});
  EXPECT_EQ(interval.mean, 3);
  EXPECT_TRUE(std::isnan(interval.low));
  EXPECT_TRUE(std::isnan(interval.high));
}

TEST(Bootstrap, OfValuesWithNanHasNoInterval) {
  const Interval interval = Bootstrap(2).mean(std::vector<double>{3, std::nan("")});
  EXPECT_TRUE(std::isnan(interval.mean));
  EXPECT_TRUE(std::isnan(interval.low));
}

TEST(PairedDifference, IsTighterThanTheMeansWhenSeedsAreShared) {
  std::vector<double> a, b;
  for (std::uint32_t i = 0; i < 20; ++i) {
    const double seed = 100 * Draw{{1}, Purpose::arrival, object_address(0, i)}.uniform();
    a.push_back(seed + 1);
    b.push_back(seed + 0.01 * i);
  }
  const Bootstrap bootstrap(20);
  const Interval difference = bootstrap.paired_difference(a, b), alone = bootstrap.mean(a);
  EXPECT_GT(difference.low, 0.8);
  EXPECT_LT(difference.high - difference.low, 0.01 * (alone.high - alone.low));
}

TEST(PairedPValue, OfFourEqualSignsIsTwoInSixteen) {
  EXPECT_EQ(paired_p_value(std::vector<double>{1, 2, 3, 4}, std::vector<double>{0, 0, 0, 0}),
            2.0 / 16);
}

TEST(PairedPValue, IsOneWithoutAnyDifference) {
  EXPECT_EQ(paired_p_value(std::vector<double>{1, 2}, std::vector<double>{1, 2}), 1.0);
}

TEST(PairedPValue, IsUniformUnderTheNullHypothesis) {
  int below_a_tenth = 0;
  for (std::uint32_t trial = 0; trial < 400; ++trial) {
    std::vector<double> a(10), b(10);
    for (std::uint32_t i = 0; i < 10; ++i) {
      a[i] = Draw{{1}, Purpose::arrival, object_address(trial, i)}.normal();
      b[i] = Draw{{2}, Purpose::arrival, object_address(trial, i)}.normal();
    }
    below_a_tenth += paired_p_value(a, b) <= 0.1 ? 1 : 0;
  }
  EXPECT_NEAR(below_a_tenth / 400.0, 0.1, 0.045);  // three standard errors
}

TEST(PairedPValue, OfManySeedsIsSmallForAClearDifferenceAndLargeForNone) {
  std::vector<double> a(40), b(40);
  for (std::uint32_t i = 0; i < 40; ++i) {
    a[i] = Draw{{3}, Purpose::arrival, object_address(0, i)}.normal();
    b[i] = a[i] + (i % 2 == 0 ? 1 : -1);
  }
  EXPECT_GT(paired_p_value(a, b), 0.9);
  for (double& x : b) {
    x += 1;
  }
  EXPECT_LT(paired_p_value(a, b), 0.001);
}

TEST(Holm, MatchesTheWorkedExample) {
  // Sorted 0.01, 0.02, 0.03, 0.04: times 4, 3, 2, 1 and made monotone.
  const std::vector<double> adjusted = holm(std::vector<double>{0.04, 0.01, 0.03, 0.02});
  EXPECT_DOUBLE_EQ(adjusted[1], 0.04);
  EXPECT_DOUBLE_EQ(adjusted[3], 0.06);
  EXPECT_DOUBLE_EQ(adjusted[2], 0.06);
  EXPECT_DOUBLE_EQ(adjusted[0], 0.06);
}

TEST(Holm, LeavesNanOutOfTheCount) {
  const std::vector<double> adjusted = holm(std::vector<double>{std::nan(""), 0.04, 0.8});
  EXPECT_TRUE(std::isnan(adjusted[0]));
  EXPECT_DOUBLE_EQ(adjusted[1], 0.08);
  EXPECT_DOUBLE_EQ(adjusted[2], 0.8);
}

}  // namespace
}  // namespace yardmaster
