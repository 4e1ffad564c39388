#include "tools/table.h"

#include <gtest/gtest.h>

#include <cmath>

namespace yardmaster {
namespace {

TEST(Numbers, HaveThreeSignificantDigitsAndTheUnitThatFits) {
  EXPECT_EQ(seconds_text(0.0000321), "32.1 us");
  EXPECT_EQ(seconds_text(0.01234), "12.3 ms");
  EXPECT_EQ(seconds_text(0.99996), "1.00 s");
  EXPECT_EQ(seconds_text(4.5678), "4.57 s");
  EXPECT_EQ(seconds_text(1234.5), "1234 s");
  EXPECT_EQ(seconds_text(0), "0 s");
  EXPECT_EQ(number_text(0.5), "0.500");
  EXPECT_EQ(number_text(12345.6), "12,346");
  EXPECT_EQ(number_text(-2), "-2.00");
  EXPECT_EQ(percent_text(0.8771), "87.7 %");
}

TEST(Numbers, ThatAreNanAreADash) {
  EXPECT_EQ(seconds_text(std::nan("")), "-");
  EXPECT_EQ(number_text(std::nan("")), "-");
  EXPECT_EQ(percent_text(std::nan("")), "-");
  EXPECT_EQ(interval_text({std::nan(""), std::nan(""), std::nan("")}), "-");
}

TEST(Numbers, CountsAreGroupedByThousands) {
  EXPECT_EQ(count_text(0), "0");
  EXPECT_EQ(count_text(999), "999");
  EXPECT_EQ(count_text(19366), "19,366");
  EXPECT_EQ(count_text(1234567), "1,234,567");
}

TEST(Numbers, IntervalsShowTheirSignWhenTheyAreDifferences) {
  EXPECT_EQ(interval_text({1.234, 1.1, 1.36}), "1.23 [1.10, 1.36]");
  EXPECT_EQ(interval_text({1.234, -0.5, 1.36}, true), "+1.23 [-0.500, +1.36]");
  EXPECT_EQ(interval_text({2, std::nan(""), std::nan("")}), "2.00");
}

TEST(TextTable, AlignsTheFirstColumnLeftAndTheOthersRight) {
  TextTable table({"name", "x"});
  table.add({"a", "100"});
  table.add({"longer", "2"});
  EXPECT_EQ(table.text(),
            "name      x\n"
            "a       100\n"
            "longer    2\n");
}

}  // namespace
}  // namespace yardmaster
