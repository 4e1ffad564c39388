#include "env/base/check.h"

#include <gtest/gtest.h>

namespace yardmaster {
namespace {

TEST(Check, LetsTheTruthPass) { check(true, "never printed"); }

TEST(CheckDeathTest, AbortsWithItsPlaceAndMessage) {
  EXPECT_DEATH(check(false, "one is two"), "check_test.cpp:[0-9]+ .*: one is two");
}

}  // namespace
}  // namespace yardmaster
