// Compared with libm in long double, which has 64 correct bits where these functions have 53. Ends
// of ranges are listed, other arguments are drawn. A digest of many results checks that machines
// and builds give the same bits.
#include "env/base/math.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <string>

#include "env/base/check.h"
#include "env/base/random.h"

namespace yardmaster {
namespace {

/// Distance of `value` from `truth` in units of the last place of `truth` as a double.
double ulps(double value, long double truth) {
  const double rounded = std::abs(static_cast<double>(truth));
  const double next = std::nextafter(rounded, std::numeric_limits<double>::infinity());
  const long double place = static_cast<long double>(next) - rounded;
  return static_cast<double>(std::abs(static_cast<long double>(value) - truth) / place);
}

double uniform(std::uint32_t i) { return Draw{{1}, Purpose::tie, {}}.uniform(i); }

/// Any positive finite double, subnormals included; all binades are equally likely.
double any_positive(std::uint32_t i) {
  constexpr std::uint64_t kInfinityBits = 0x7FF0000000000000ULL;
  const std::uint64_t bits = Draw{{2}, Purpose::tie, {}}.bits(i) % (kInfinityBits - 1) + 1;
  return std::bit_cast<double>(bits);
}

TEST(Log, IsWithinTwoLastPlacesOfLongDouble) {
  double worst = 0;
  for (std::uint32_t i = 0; i < 200'000; ++i) {
    const double wide = any_positive(i);
    worst = std::max(worst, ulps(math::log(wide), std::log(static_cast<long double>(wide))));
    const double near_one = 0.5 + 1.5 * uniform(i);
    worst =
        std::max(worst, ulps(math::log(near_one), std::log(static_cast<long double>(near_one))));
    const double beside_one = 1 + (uniform(i) - 0.5) * 1e-6;
    worst = std::max(worst,
                     ulps(math::log(beside_one), std::log(static_cast<long double>(beside_one))));
  }
  EXPECT_LT(worst, 2.0);
  RecordProperty("worst_ulps", std::to_string(worst));
}

TEST(Log, IsExactAtTheEndsOfItsRange) {
  EXPECT_EQ(math::log(1.0), 0.0);
  for (const double x :
       {std::numeric_limits<double>::denorm_min(), std::numeric_limits<double>::min(),
        std::nextafter(std::numeric_limits<double>::min(), 0.0), 0x1.6A09E667F3BCCp-1,
        0x1.6A09E667F3BCDp-1, 0x1.6A09E667F3BCCp+0, 0x1.6A09E667F3BCDp+0, std::nextafter(1.0, 0.0),
        std::nextafter(1.0, 2.0), std::numeric_limits<double>::max()}) {
    EXPECT_LT(ulps(math::log(x), std::log(static_cast<long double>(x))), 2.0) << x;
  }
}

TEST(Log, RefusesArgumentsThatAreNotPositiveAndFinite) {
  EXPECT_THROW(math::log(0.0), InternalFault);
  EXPECT_THROW(math::log(-1.0), InternalFault);
  EXPECT_THROW(math::log(std::numeric_limits<double>::quiet_NaN()), InternalFault);
  EXPECT_THROW(math::log(std::numeric_limits<double>::infinity()), InternalFault);
}

TEST(Exp, IsWithinTwoLastPlacesOfLongDouble) {
  double worst = 0;
  for (std::uint32_t i = 0; i < 200'000; ++i) {
    const double wide = -745 + uniform(i) * (745 + 709.78);
    worst = std::max(worst, ulps(math::exp(wide), std::exp(static_cast<long double>(wide))));
    const double narrow = (uniform(i) - 0.5) * 2;
    worst = std::max(worst, ulps(math::exp(narrow), std::exp(static_cast<long double>(narrow))));
  }
  EXPECT_LT(worst, 2.0);
  RecordProperty("worst_ulps", std::to_string(worst));
}

TEST(Exp, IsExactAtTheEndsOfItsRange) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(math::exp(0.0), 1.0);
  EXPECT_EQ(math::exp(-0.0), 1.0);
  const double last_finite = 0x1.62E42FEFA39EFp+9;
  EXPECT_LT(ulps(math::exp(last_finite), std::exp(static_cast<long double>(last_finite))), 2.0);
  EXPECT_EQ(math::exp(std::nextafter(last_finite, kInfinity)), kInfinity);
  EXPECT_EQ(math::exp(kInfinity), kInfinity);
  EXPECT_EQ(math::exp(-745.0), std::numeric_limits<double>::denorm_min());
  EXPECT_EQ(math::exp(-745.2), 0.0);
  EXPECT_EQ(math::exp(-1e300), 0.0);
  EXPECT_EQ(math::exp(-kInfinity), 0.0);
  EXPECT_TRUE(std::isnan(math::exp(std::numeric_limits<double>::quiet_NaN())));
}

TEST(Log1pApprox, IsWithinAMillionthUpToABillion) {
  double worst = 0;
  for (std::uint32_t i = 0; i < 200'000; ++i) {
    const auto wide = static_cast<float>(std::exp(uniform(i) * 45 - 24.3));  // 3e-11 .. 1e9
    for (const float x : {wide, static_cast<float>(uniform(i)), static_cast<float>(i)}) {
      const double error =
          std::abs(static_cast<double>(math::log1p_approx(x)) - std::log1p(static_cast<double>(x)));
      worst = std::max(worst, error);
    }
  }
  EXPECT_LT(worst, 1e-6);
  EXPECT_EQ(math::log1p_approx(0.0F), 0.0F);
}

TEST(NormalQuantile, InvertsTheNormalDistributionFunction) {
  // A Newton step on the distribution function gives the error of x; erfc of long double is
  // accurate to 1e-19. AS 241 states 1e-16 for its rational functions; rounding adds a few last
  // places.
  constexpr long double kSqrtTwo = 1.41421356237309504880168872420969808L;
  constexpr long double kSqrtTwoPi = 2.50662827463100050241576528481104525L;
  double worst = 0;
  const auto visit = [&](double p) {
    const long double x = math::normal_quantile(p);
    const long double tail = p < 0.5
                                 ? std::erfc(-x / kSqrtTwo) / 2 - p
                                 : (1 - static_cast<long double>(p)) - std::erfc(x / kSqrtTwo) / 2;
    const long double density = std::exp(-x * x / 2) / kSqrtTwoPi;
    const long double scale = std::max(std::abs(x), static_cast<long double>(1e-3));
    worst = std::max(worst, static_cast<double>(std::abs(tail / density) / scale));
  };
  for (std::uint32_t i = 0; i < 200'000; ++i) {
    visit(uniform(i));
    visit(std::exp(-uniform(i) * 700));  // far into the lower tail
    visit(1 - std::exp(-uniform(i) * 36));
  }
  for (const double p : {0.075, std::nextafter(0.075, 0.0), 0.925, std::nextafter(0.925, 1.0),
                         1.388794386496402e-11, 0x1.0p-53, 1 - 0x1.0p-53}) {
    visit(p);
  }
  EXPECT_LT(worst, 2e-15);
}

TEST(NormalQuantile, HasTheValuesPublishedInAs241) {
  // The paper's own checks of PPND16.
  EXPECT_NEAR(math::normal_quantile(0.25), -0.6744897501960817, 3e-16);
  EXPECT_NEAR(math::normal_quantile(0.001), -3.090232306167814, 1e-15);
  EXPECT_NEAR(math::normal_quantile(1e-20), -9.262340089798408, 4e-15);  // two last places
  EXPECT_EQ(math::normal_quantile(0.5), 0.0);
}

TEST(NormalQuantile, IsOddAroundOneHalf) {
  for (std::uint32_t i = 0; i < 1'000; ++i) {
    const double p = static_cast<double>(i + 1) / 2048;  // 1 - p is exact
    EXPECT_EQ(math::normal_quantile(p), -math::normal_quantile(1 - p)) << p;
  }
}

/// A digest of the bits of f at 1e5 arguments.
template <typename Function, typename Argument>
std::uint64_t digest_of(Function f, Argument argument) {
  std::uint64_t digest = 0;
  for (std::uint32_t i = 0; i < 100'000; ++i) {
    digest = mix64(digest ^ std::bit_cast<std::uint64_t>(f(argument(i))));
  }
  return digest;
}

// Recorded once with gcc 12 at -O2; every build on every machine must give the same.
TEST(Math, GivesTheSameBitsInEveryBuild) {
  const auto log = [](double x) { return math::log(x); };
  const auto exp = [](double x) { return math::exp(x); };
  const auto normal_quantile = [](double p) { return math::normal_quantile(p); };
  EXPECT_EQ(digest_of(log, any_positive), 9380695675897430089ULL);
  EXPECT_EQ(digest_of(log, uniform), 2149445528123152354ULL);
  EXPECT_EQ(digest_of(exp, [](std::uint32_t i) { return (uniform(i) - 0.5) * 1400; }),
            8219114677750917284ULL);
  EXPECT_EQ(digest_of(normal_quantile, uniform), 17709605370952698663ULL);
  EXPECT_EQ(digest_of([](float x) { return static_cast<double>(math::log1p_approx(x)); },
                      [](std::uint32_t i) { return static_cast<float>(i) * 7919.0F; }),
            10410782377241232563ULL);
}

TEST(Lanes, GiveTheSameBitsAsSingleNumbers) {
  for (std::uint32_t i = 0; i < 200'000; i += math::kLanes) {
    math::Lanes positive, any, shares;
    for (std::uint32_t lane = 0; lane < math::kLanes; ++lane) {
      positive[lane] = std::max(any_positive(i + lane), std::numeric_limits<double>::min());
      any[lane] = (uniform(i + lane) - 0.5) * 1400;
      shares[lane] = uniform(i + lane);
    }
    // Ends of the central region of the quantile, and of the range of exp that is used here.
    shares[0] = 0.075, shares[1] = 0.925, shares[2] = 0x1.0p-53, shares[3] = 1 - 0x1.0p-53;
    any[0] = 700, any[1] = -700, any[2] = 0;
    const math::Lanes logs = math::log(positive), exps = math::exp(any),
                      quantiles = math::normal_quantile(shares);
    for (std::uint32_t lane = 0; lane < math::kLanes; ++lane) {
      ASSERT_EQ(logs[lane], math::log(positive[lane])) << positive[lane];
      ASSERT_EQ(exps[lane], math::exp(any[lane])) << any[lane];
      ASSERT_EQ(quantiles[lane], math::normal_quantile(shares[lane])) << shares[lane];
    }
  }
}

}  // namespace
}  // namespace yardmaster
