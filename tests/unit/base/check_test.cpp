#include "env/base/check.h"

#include <gtest/gtest.h>

#include <string>

namespace yardmaster {
namespace {

TEST(Check, ATrueConditionPasses) { check(true, "not reported"); }

TEST(Check, AFailureReportsPlaceAndMessage) {
  try {
    check(false, "one is two");
    FAIL() << "the check did not fail";
  } catch (const InternalFault& fault) {
    EXPECT_NE(std::string(fault.what()).find("check_test.cpp:"), std::string::npos);
    EXPECT_NE(std::string(fault.what()).find("): one is two"), std::string::npos);
  }
}

}  // namespace
}  // namespace yardmaster
