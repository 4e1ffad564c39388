// Files that a test writes.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

namespace yardmaster {

/// A path in the folder for temporary files which no other test and no other process uses.
inline std::string temporary_path(const std::string& name) {
  const testing::TestInfo* test = testing::UnitTest::GetInstance()->current_test_info();
  return testing::TempDir() + "yardmaster_" + test->test_suite_name() + "_" + test->name() + "_" +
         std::to_string(getpid()) + "_" + name;
}

}  // namespace yardmaster
