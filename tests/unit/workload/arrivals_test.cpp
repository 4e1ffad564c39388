// Arrival processes: rates, gaps, bursts, profiles and windows of a trace. Bounds are five standard
// errors, so a correct process fails once in two million.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "env/workload/workload.h"
#include "tests/support/statistics.h"

namespace yardmaster {
namespace {

using Kind = ArrivalProcess::Kind;
constexpr std::int64_t kSecond = kPsPerSecond;

Workload workload(Kind kind, double rate) {
  Workload w;
  w.tenants.resize(1);
  w.tenants[0].arrivals.kind = kind;
  w.rate_per_s = rate;
  return w;
}

std::vector<double> arrivals(const Workload& w, Seed seed, double end_s, std::uint32_t tenant = 0) {
  const Time end{Duration::from_seconds(end_s).ps};
  std::vector<double> times;
  for (ArrivalCursor c = first_arrival(w, tenant, seed, end); !c.next.is_never();
       next_arrival(c, w, tenant, seed, end)) {
    EXPECT_EQ(c.count, times.size());
    EXPECT_LT(c.next, end);
    times.push_back(c.next.seconds());
  }
  return times;
}

/// Mean and variance of counts in windows of `window_s`.
std::pair<double, double> dispersion(const std::vector<double>& times, double end_s,
                                     double window_s) {
  const auto windows = static_cast<std::size_t>(end_s / window_s);
  std::vector<double> counts(windows);
  for (const double t : times) {
    counts[std::min(static_cast<std::size_t>(t / window_s), windows - 1)] += 1;
  }
  double sum = 0, squares = 0;
  for (const double c : counts) {
    sum += c;
    squares += c * c;
  }
  const double n = static_cast<double>(windows), mean = sum / n;
  return {mean, squares / n - mean * mean};
}

TEST(Arrivals, PoissonGapsAreExponential) {
  const auto times = arrivals(workload(Kind::poisson, 50), {1}, 1000);
  const double n = static_cast<double>(times.size());
  EXPECT_NEAR(n, 50'000, 5 * std::sqrt(50'000));
  double sum = 0, squares = 0;
  for (std::size_t i = 1; i < times.size(); ++i) {
    const double gap = times[i] - times[i - 1];
    sum += gap;
    squares += gap * gap;
  }
  const double mean = sum / (n - 1);
  // The squared coefficient of variation of an exponential is 1; its standard error is sqrt(8 / n).
  EXPECT_NEAR(squares / (n - 1) / (mean * mean) - 1, 1, 5 * std::sqrt(8 / n));
}

TEST(Arrivals, PoissonCountsHaveVarianceEqualToTheirMean) {
  const auto [mean, variance] =
      dispersion(arrivals(workload(Kind::poisson, 20), {2}, 5000), 5000, 1);
  EXPECT_NEAR(variance / mean, 1, 5 * std::sqrt(2.0 / 5000));
}

TEST(Arrivals, DeterministicGapsAreEqualAndSeedsShiftThem) {
  const Workload w = workload(Kind::deterministic, 4);
  const auto a = arrivals(w, {1}, 100), b = arrivals(w, {2}, 100);
  EXPECT_EQ(a.size(), 400U);
  for (std::size_t i = 1; i < a.size(); ++i) {
    EXPECT_NEAR(a[i] - a[i - 1], 0.25, 1e-11);
  }
  EXPECT_LT(a[0], 0.25);
  EXPECT_NE(a[0], b[0]);
}

TEST(Arrivals, BurstsKeepTheMeanRateAndAreOverdispersed) {
  Workload w = workload(Kind::bursty, 20);
  w.tenants[0].arrivals.burst_factor = 8;
  w.tenants[0].arrivals.calm = Duration{4 * kSecond};
  w.tenants[0].arrivals.burst = Duration{1 * kSecond};
  const double end = 20'000;
  const auto times = arrivals(w, {3}, end);
  // Variance of the count over a long time t, for a two-state process with rates a < b, share p of
  // bursts and relaxation rate r = 1 / calm + 1 / burst:
  //   rate t + 2 p (1 - p) (b - a)^2 t / r
  const double a = 20.0 * 5 / 12, b = 8 * a, r = 1.25, p = 0.2;
  const double variance = 20 * end + 2 * p * (1 - p) * (b - a) * (b - a) * end / r;
  EXPECT_NEAR(static_cast<double>(times.size()), 20 * end, 5 * std::sqrt(variance));
  const auto [mean, spread] = dispersion(times, end, 50);
  const double index = 1 + 2 * p * (1 - p) * (b - a) * (b - a) / (r * 20);
  EXPECT_NEAR(spread / mean, index, 0.35 * index);  // 400 windows of 40 time constants
}

TEST(Arrivals, BurstsAreAsLikelyAtTheStartAsLater) {
  Workload w = workload(Kind::bursty, 100);
  w.tenants[0].arrivals.burst_factor = 8;
  w.tenants[0].arrivals.calm = Duration{4 * kSecond};
  w.tenants[0].arrivals.burst = Duration{1 * kSecond};
  constexpr int kSeeds = 4'000;
  std::vector<double> counts;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    counts.push_back(static_cast<double>(arrivals(w, {seed}, 0.1).size()));
  }
  const SampleMean mean = sample_mean(counts);
  EXPECT_LT(mean.error, 0.3);
  EXPECT_TRUE(mean.holds(10, 5)) << mean.mean << " arrivals in the first 0.1 s";
}

TEST(Arrivals, ProfileShapesTheRateAndKeepsItsMean) {
  Workload w = workload(Kind::poisson, 30);
  w.tenants[0].arrivals.profile = {0.5, 0, 2.5, 1.0};  // its mean is 1
  w.tenants[0].arrivals.period = Duration{7 * kSecond};
  const double end = 7 * 1000;
  std::vector<double> counts(4);
  for (const double t : arrivals(w, {4}, end)) {
    counts[static_cast<std::size_t>(std::fmod(t, 7.0) / 7.0 * 4)] += 1;
  }
  for (std::size_t i = 0; i < 4; ++i) {
    const double expected = 30 * end / 4 * w.tenants[0].arrivals.profile[i];
    EXPECT_NEAR(counts[i], expected, 5 * std::sqrt(expected)) << i;
  }
}

TEST(Arrivals, SilentHoursAreSkippedHoweverLongTheyAre) {
  Workload w = workload(Kind::deterministic, 1);
  w.tenants[0].arrivals.profile = {2, 0};
  w.tenants[0].arrivals.period = Duration{1000 * kSecond};
  const auto times = arrivals(w, {5}, 2000);
  ASSERT_EQ(times.size(), 2000U);
  EXPECT_LT(times[999], 500);
  EXPECT_GE(times[1000], 1000);
}

TEST(Arrivals, SharesSplitTheRate) {
  Workload w = workload(Kind::poisson, 40);
  w.tenants.push_back(w.tenants[0]);
  w.tenants[0].share = 0.75;
  w.tenants[1].share = 0.25;
  EXPECT_NEAR(static_cast<double>(arrivals(w, {6}, 1000, 0).size()), 30'000, 5 * std::sqrt(30'000));
  EXPECT_NEAR(static_cast<double>(arrivals(w, {6}, 1000, 1).size()), 10'000, 5 * std::sqrt(10'000));
}

TEST(Arrivals, EqualSeedsGiveEqualTimesAndTenantsDiffer) {
  Workload w = workload(Kind::bursty, 10);
  w.tenants[0].arrivals.calm = w.tenants[0].arrivals.burst = Duration{kSecond};
  w.tenants[0].share = 0.5;
  w.tenants.push_back(w.tenants[0]);
  EXPECT_EQ(arrivals(w, {8}, 50), arrivals(w, {8}, 50));
  EXPECT_NE(arrivals(w, {8}, 50), arrivals(w, {9}, 50));
  EXPECT_NE(arrivals(w, {8}, 50, 0), arrivals(w, {8}, 50, 1));
}

TEST(Arrivals, ACopyOfACursorContinuesAlike) {
  Workload w = workload(Kind::bursty, 10);
  w.tenants[0].arrivals.calm = w.tenants[0].arrivals.burst = Duration{kSecond};
  const Time end{100 * kSecond};
  ArrivalCursor a = first_arrival(w, 0, {8}, end);
  for (int i = 0; i < 100; ++i) {
    next_arrival(a, w, 0, {8}, end);
  }
  ArrivalCursor b = a;
  for (int i = 0; i < 100; ++i) {
    next_arrival(a, w, 0, {8}, end);
    next_arrival(b, w, 0, {8}, end);
    EXPECT_EQ(a.next, b.next);
  }
}

TEST(Arrivals, EndIsExclusive) {
  Workload w = workload(Kind::deterministic, 1);
  const ArrivalCursor c = first_arrival(w, 0, {1}, Time::never());
  EXPECT_TRUE(first_arrival(w, 0, {1}, c.next).next.is_never());
  EXPECT_EQ(first_arrival(w, 0, {1}, c.next + Duration{1}).next, c.next);
}

/// Ten requests, at 0, 1 ... 9 s of the trace.
Workload traced(double scale, Duration window, std::uint32_t windows) {
  Workload w = workload(Kind::poisson, 1 / scale);
  for (std::int32_t i = 0; i < 10; ++i) {
    w.trace.push_back({Duration{i * kSecond}, 100 + i, 10 + i});
  }
  w.time_scale = scale;
  w.window = window;
  w.windows = windows;
  return w;
}

TEST(TraceWindows, OneWindowReplaysTheWholeTraceScaled) {
  const Workload w = traced(0.5, Duration{5 * kSecond}, 1);
  EXPECT_EQ(arrivals(w, {1234}, 5), (std::vector<double>{0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5}));
}

TEST(TraceWindows, SeedsChooseDisjointWindowsThatCoverTheTrace) {
  const Workload w = traced(2, Duration{4 * kSecond}, 5);
  std::vector<std::int32_t> prompts;
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    EXPECT_EQ(trace_window(w, {seed + 5}), seed);
    EXPECT_EQ(arrivals(w, {seed}, 4), (std::vector<double>{0, 2}));
    const Time end{4 * kSecond};
    for (ArrivalCursor c = first_arrival(w, 0, {seed}, end); !c.next.is_never();
         next_arrival(c, w, 0, {seed}, end)) {
      prompts.push_back(task_sizes(c, w, 0, {seed}).prompt_tokens);
    }
  }
  EXPECT_EQ(prompts, (std::vector<std::int32_t>{100, 101, 102, 103, 104, 105, 106, 107, 108, 109}));
}

TEST(TraceWindows, RowsAfterTheWindowDoNotArriveInALongerRun) {
  const Workload w = traced(1, Duration{3 * kSecond}, 3);
  EXPECT_EQ(arrivals(w, {1}, 100), (std::vector<double>{0, 1, 2}));
}

TEST(TraceWindows, EmptyWindowHasNoArrival) {
  Workload w = traced(1, Duration{kSecond}, 20);
  w.trace.resize(2);
  EXPECT_TRUE(first_arrival(w, 0, {7}, {kSecond}).next.is_never());
}

TEST(TraceWindows, LengthsComeFromTheTraceForAnySeed) {
  const Workload w = traced(1, Duration{10 * kSecond}, 1);
  ArrivalCursor c = first_arrival(w, 0, {99}, {10 * kSecond});
  next_arrival(c, w, 0, {99}, {10 * kSecond});
  const TaskSizes sizes = task_sizes(c, w, 0, {99});
  EXPECT_EQ(sizes.prompt_tokens, 101);
  EXPECT_EQ(sizes.output_tokens, 11);
}

}  // namespace
}  // namespace yardmaster
