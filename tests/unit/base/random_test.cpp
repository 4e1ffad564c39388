#include "env/base/random.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <set>

namespace yardmaster {
namespace {

constexpr std::uint32_t kDraws = 1'000'000;

/// The i-th of kDraws independent draws.
Draw nth(std::uint32_t i) { return {{42}, Purpose::output_length, object_address(3, i)}; }

// Known answers of Random123 1.14.0 (tests/kat_vectors, philox4x32-10), the library of its authors.
TEST(Philox, GivesTheKnownAnswersOfItsAuthors) {
  using Block = std::array<std::uint32_t, 4>;
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}),
            (Block{0x6627E8D5U, 0xE169C58DU, 0xBC57AC4CU, 0x9B00DBD8U}));
  EXPECT_EQ(philox4x32({~0U, ~0U, ~0U, ~0U}, {~0U, ~0U}),
            (Block{0x408F276DU, 0x41C83B0EU, 0xA20BC7C6U, 0x6D5451FDU}));
  EXPECT_EQ(
      philox4x32({0x243F6A88U, 0x85A308D3U, 0x13198A2EU, 0x03707344U}, {0xA4093822U, 0x299F31D0U}),
      (Block{0xD16CFE09U, 0x94FDCCEBU, 0x5001E420U, 0x24126EA1U}));
}

TEST(Draw, IsAPureFunctionOfSeedPurposeAddressAndIndex) {
  const Draw draw{{7}, Purpose::arrival, {1, 2, 3, 4, 5, 6}};
  EXPECT_EQ(draw.bits(9), (Draw{{7}, Purpose::arrival, {1, 2, 3, 4, 5, 6}}.bits(9)));
}

TEST(Draw, ChangesWithEveryPartOfItsAddress) {
  const std::set<std::uint64_t> seen = {
      Draw{{7}, Purpose::arrival, {1, 2, 3, 4, 5, 6}}.bits(0),
      Draw{{8}, Purpose::arrival, {1, 2, 3, 4, 5, 6}}.bits(0),
      Draw{{7}, Purpose::failure, {1, 2, 3, 4, 5, 6}}.bits(0),
      Draw{{7}, Purpose::arrival, {0, 2, 3, 4, 5, 6}}.bits(0),
      Draw{{7}, Purpose::arrival, {1, 0, 3, 4, 5, 6}}.bits(0),
      Draw{{7}, Purpose::arrival, {1, 2, 0, 4, 5, 6}}.bits(0),
      Draw{{7}, Purpose::arrival, {1, 2, 3, 0, 5, 6}}.bits(0),
      Draw{{7}, Purpose::arrival, {1, 2, 3, 4, 0, 6}}.bits(0),
      Draw{{7}, Purpose::arrival, {1, 2, 3, 4, 5, 0}}.bits(0),
      Draw{{7}, Purpose::arrival, {1, 2, 3, 4, 5, 6}}.bits(1),
  };
  EXPECT_EQ(seen.size(), 10U);
}

// The bounds are five standard errors of a million draws: 0.29 / 1000, 0.0745 / 1000.
TEST(Draw, UniformHasTheMomentsOfTheUnitInterval) {
  double sum = 0, squares = 0;
  for (std::uint32_t i = 0; i < kDraws; ++i) {
    const double u = nth(i).uniform();
    ASSERT_GT(u, 0.0);
    ASSERT_LT(u, 1.0);
    sum += u;
    squares += (u - 0.5) * (u - 0.5);
  }
  EXPECT_NEAR(sum / kDraws, 0.5, 0.00145);
  EXPECT_NEAR(squares / kDraws, 1.0 / 12, 0.00038);
}

TEST(Draw, NeighbouringAddressesAreUncorrelated) {
  double product = 0;
  for (std::uint32_t i = 0; i < kDraws; ++i) {
    product += (nth(i).uniform() - 0.5) * (nth(i + 1).uniform() - 0.5);
  }
  EXPECT_NEAR(product / kDraws, 0, 5.0 / 12 / 1000);
}

TEST(Draw, NormalHasTheMomentsOfTheStandardNormal) {
  double first = 0, second = 0, third = 0, fourth = 0;
  for (std::uint32_t i = 0; i < kDraws; ++i) {
    const double x = nth(i).normal();
    first += x;
    second += x * x;
    third += x * x * x;
    fourth += x * x * x * x;
  }
  // Five standard errors: variances of x, x^2, x^3, x^4 are 1, 2, 15, 96.
  EXPECT_NEAR(first / kDraws, 0, 5 * std::sqrt(1.0) / 1000);
  EXPECT_NEAR(second / kDraws, 1, 5 * std::sqrt(2.0) / 1000);
  EXPECT_NEAR(third / kDraws, 0, 5 * std::sqrt(15.0) / 1000);
  EXPECT_NEAR(fourth / kDraws, 3, 5 * std::sqrt(96.0) / 1000);
}

TEST(Draw, ExponentialHasMeanAndVarianceOne) {
  double first = 0, centred = 0;
  for (std::uint32_t i = 0; i < kDraws; ++i) {
    const double x = nth(i).exponential();
    ASSERT_GT(x, 0.0);
    first += x;
    centred += (x - 1) * (x - 1);
  }
  EXPECT_NEAR(first / kDraws, 1, 5.0 / 1000);
  EXPECT_NEAR(centred / kDraws, 1, 5 * std::sqrt(8.0) / 1000);  // fourth central moment 9
}

// Half a million lanes, tails of the normal included, and the last workflow numbers, where the
// count wraps around.
TEST(LaneDraw, GivesTheSameBitsAsSingleDraws) {
  for (std::uint32_t first = 0xFFFFFFFAU; first != 500'002; first += math::kLanes) {
    const LaneDraw draw{{42}, Purpose::output_length, {3, first, 1, 2, 5, 4}};
    const math::Lanes uniform = draw.uniform(), normal = draw.normal(),
                      exponential = draw.exponential();
    for (std::uint32_t i = 0; i < math::kLanes; ++i) {
      const Draw one{{42}, Purpose::output_length, {3, first + i, 1, 2, 5, 4}};
      ASSERT_EQ(uniform[i], one.uniform()) << first + i;
      ASSERT_EQ(normal[i], one.normal()) << first + i;
      ASSERT_EQ(exponential[i], one.exponential()) << first + i;
    }
  }
}

TEST(Draw, BelowIsUniformOverItsRange) {
  std::array<int, 7> counts{};
  for (std::uint32_t i = 0; i < 700'000; ++i) {
    ++counts.at(nth(i).below(7));
  }
  for (const int count : counts) {
    EXPECT_NEAR(count, 100'000, 5 * std::sqrt(100'000.0 * 6 / 7));
  }
  EXPECT_EQ(nth(0).below(1), 0U);
}

}  // namespace
}  // namespace yardmaster
