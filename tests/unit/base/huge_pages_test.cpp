#include "env/base/huge_pages.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <numeric>
#include <vector>

namespace yardmaster {
namespace {

using Table = std::vector<std::int64_t, HugePages<std::int64_t>>;
constexpr std::size_t kPage = HugePages<std::int64_t>::kPage;
constexpr std::size_t kRowsOfAPage = kPage / sizeof(std::int64_t);

TEST(HugePages, ATableThatFillsAPageStartsAtAPage) {
  for (const std::size_t rows : {kRowsOfAPage, kRowsOfAPage + 1, 3 * kRowsOfAPage}) {
    const Table table(rows);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(table.data()) % kPage, 0U) << rows;
  }
}

TEST(HugePages, RowsSurviveGrowthIntoHugePagesAndCopies) {
  Table table;
  for (std::size_t i = 0; i < 2 * kRowsOfAPage; ++i) {
    table.push_back(static_cast<std::int64_t>(i));
  }
  Table expected(2 * kRowsOfAPage);
  std::iota(expected.begin(), expected.end(), 0);
  EXPECT_EQ(table, expected);
  Table small = {1, 2, 3};
  small = table;
  EXPECT_EQ(small, expected);
}

}  // namespace
}  // namespace yardmaster
