// Golden files: what the program gave when somebody last looked at it. UPDATE_GOLDEN=1 rewrites
// them; the commit that does so says why.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

namespace yardmaster {

/// Compares `text` with tests/golden/`name`, or rewrites the file when UPDATE_GOLDEN is set.
inline void expect_golden(const std::string& name, const std::string& text) {
  const std::string path = std::string(YARDMASTER_SOURCE_DIR) + "/tests/golden/" + name;
  if (std::getenv("UPDATE_GOLDEN") != nullptr) {
    std::ofstream(path) << text;
    return;
  }
  std::ifstream file(path);
  ASSERT_TRUE(file.good()) << path << " is missing: run with UPDATE_GOLDEN=1 and look at it";
  std::stringstream expected;
  expected << file.rdbuf();
  EXPECT_EQ(text, expected.str()) << name
                                  << " differs. If that is meant, run with UPDATE_GOLDEN=1.";
}

}  // namespace yardmaster
