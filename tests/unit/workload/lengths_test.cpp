// Lengths are pure functions of their address, and have the configured distributions.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "env/workload/workload.h"

namespace yardmaster {
namespace {

using Kind = LengthDistribution::Kind;
constexpr int kDraws = 40'000;

std::vector<std::int32_t> draws(const LengthDistribution& lengths, int n = kDraws) {
  std::vector<std::int32_t> values;
  values.reserve(static_cast<std::size_t>(n));
  for (int i = 0; i < n; ++i) {
    values.push_back(lengths.sample(
        {{7}, Purpose::output_length, object_address(0, static_cast<std::uint32_t>(i))}));
  }
  return values;
}

double mean(const std::vector<std::int32_t>& values) {
  double sum = 0;
  for (const std::int32_t v : values) {
    sum += v;
  }
  return sum / static_cast<double>(values.size());
}

Workload one_tenant(double length_error) {
  Workload w;
  w.tenants.resize(1);
  w.tenants[0].prompt_tokens = {Kind::uniform, 0, 0, 10, 20};
  w.tenants[0].output_tokens = {Kind::fixed, 100, 0, 1, 1000};
  w.rate_per_s = 1;
  w.length_error = length_error;
  return w;
}

TEST(Lengths, FixedIsItsValue) {
  EXPECT_EQ(draws({Kind::fixed, 123, 0, 1, 1000}, 3), (std::vector<std::int32_t>{123, 123, 123}));
}

TEST(Lengths, UniformReachesBothEndsAndNothingBeyond) {
  const auto values = draws({Kind::uniform, 0, 0, 3, 8});
  EXPECT_EQ(*std::min_element(values.begin(), values.end()), 3);
  EXPECT_EQ(*std::max_element(values.begin(), values.end()), 8);
  // Standard error of the mean: sqrt(35 / 12 / n) = 0.0085; five of them.
  EXPECT_NEAR(mean(values), 5.5, 0.043);
}

TEST(Lengths, LognormalHasItsMedianAndSigma) {
  auto values = draws({Kind::lognormal, 1000, 0.7, 1, 1'000'000});
  double logs = 0, squares = 0;
  for (const std::int32_t v : values) {
    const double x = std::log(v / 1000.0);
    logs += x;
    squares += x * x;
  }
  const double n = kDraws;
  EXPECT_NEAR(logs / n, 0, 5 * 0.7 / std::sqrt(n));
  EXPECT_NEAR(std::sqrt(squares / n), 0.7, 5 * 0.7 / std::sqrt(2 * n));
}

TEST(Lengths, ExponentialHasItsMean) {
  EXPECT_NEAR(mean(draws({Kind::exponential, 500, 0, 1, 1'000'000})), 500,
              5 * 500 / std::sqrt(kDraws));
}

TEST(Lengths, AreClampedToTheirLimits) {
  for (const std::int32_t v : draws({Kind::lognormal, 100, 3, 50, 200}, 1000)) {
    EXPECT_GE(v, 50);
    EXPECT_LE(v, 200);
  }
}

TEST(Lengths, SizesDependOnTheAddressOnly) {
  const Workload w = one_tenant(0.5);
  ArrivalCursor cursor;
  cursor.count = 17;
  const TaskSizes first = task_sizes(cursor, w, 0, {3});
  cursor.next = {123};  // the time of arrival does not matter
  const TaskSizes again = task_sizes(cursor, w, 0, {3});
  EXPECT_EQ(first.prompt_tokens, again.prompt_tokens);
  EXPECT_EQ(first.predicted_tokens, again.predicted_tokens);
}

// Reference: a separate draw for every length.
TEST(Lengths, SizesDrawnAheadEqualSingleDraws) {
  Workload w = one_tenant(0.7);
  w.tenants[0].output_tokens = {Kind::lognormal, 200, 1.1, 1, 4096};
  ArrivalCursor cursor;
  for (const std::uint32_t count : {0U, 1U, 7U, 8U, 9U, 30U, 4U, 0xFFFFFFFFU, 0U, 1U, 2U}) {
    for (const std::uint64_t seed : {3U, 4U}) {
      cursor.count = count;
      const TaskAddress at = object_address(0, count);
      const TaskSizes sizes = task_sizes(cursor, w, 0, {seed});
      EXPECT_EQ(sizes.prompt_tokens,
                w.tenants[0].prompt_tokens.sample({{seed}, Purpose::prompt_length, at}));
      EXPECT_EQ(sizes.output_tokens,
                w.tenants[0].output_tokens.sample({{seed}, Purpose::output_length, at}));
      const double factor = math::exp(0.7 * Draw{{seed}, Purpose::predicted_length, at}.normal());
      EXPECT_EQ(sizes.predicted_tokens,
                static_cast<std::int32_t>(std::max(sizes.output_tokens * factor, 1.0) + 0.5));
    }
  }
}

TEST(Lengths, PredictionIsExactWithoutErrorAndLognormalWithIt) {
  ArrivalCursor cursor;
  ArrivalCursor exact;
  EXPECT_EQ(task_sizes(exact, one_tenant(0), 0, {3}).predicted_tokens, 100);
  const Workload w = one_tenant(0.7);
  double logs = 0, squares = 0;
  for (cursor.count = 0; cursor.count < kDraws; ++cursor.count) {
    const TaskSizes sizes = task_sizes(cursor, w, 0, {3});
    ASSERT_GE(sizes.predicted_tokens, 1);
    ASSERT_EQ(sizes.output_tokens, 100);
    const double x = std::log(sizes.predicted_tokens / 100.0);
    logs += x;
    squares += x * x;
  }
  const double n = kDraws;
  // Rounding to whole tokens shifts the mean of the logarithm by less than 0.001.
  EXPECT_NEAR(logs / n, 0, 5 * 0.7 / std::sqrt(n) + 0.001);
  EXPECT_NEAR(std::sqrt(squares / n), 0.7, 5 * 0.7 / std::sqrt(2 * n) + 0.001);
}

TEST(Lengths, PredictionIsAtLeastOneToken) {
  Workload w = one_tenant(4);
  w.tenants[0].output_tokens = {Kind::fixed, 1, 0, 1, 1};
  ArrivalCursor cursor;
  for (cursor.count = 0; cursor.count < 1000; ++cursor.count) {
    EXPECT_GE(task_sizes(cursor, w, 0, {3}).predicted_tokens, 1);
  }
}

TEST(MeanTask, OfATraceIsTheMeanOfItsRows) {
  Workload w;
  w.trace = {{{}, 10, 100}, {{}, 20, 300}};
  const MeanTask mean = mean_task(w);
  EXPECT_DOUBLE_EQ(mean.prompt_tokens, 15);
  EXPECT_DOUBLE_EQ(mean.output_tokens, 200);
  EXPECT_DOUBLE_EQ(mean.output_tokens_squared, (100 * 100 + 300 * 300) / 2.0);
}

TEST(MeanTask, WeightsTenantsByTheirShares) {
  Workload w = one_tenant(0);
  w.tenants.push_back(w.tenants[0]);
  w.tenants[0].share = 3;
  w.tenants[1].output_tokens = {Kind::fixed, 500, 0, 1, 1000};
  const MeanTask mean = mean_task(w);
  EXPECT_NEAR(mean.prompt_tokens, 15, 1e-9);
  EXPECT_NEAR(mean.output_tokens, 0.75 * 100 + 0.25 * 500, 1e-9);
  EXPECT_NEAR(mean.output_tokens_squared, 0.75 * 100 * 100 + 0.25 * 500 * 500, 1e-6);
}

TEST(MeanTask, EqualsTheMeanOfDrawnLengthsAfterClamping) {
  for (const LengthDistribution& lengths :
       {LengthDistribution{Kind::lognormal, 500, 1.2, 50, 1500},
        LengthDistribution{Kind::exponential, 300, 0, 100, 400}}) {
    Workload w = one_tenant(0);
    w.tenants[0].output_tokens = lengths;
    const auto drawn = draws(lengths);
    EXPECT_NEAR(mean_task(w).output_tokens, mean(drawn), 0.02 * mean(drawn));
  }
}

}  // namespace
}  // namespace yardmaster
