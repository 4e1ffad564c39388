// Golden files: output that somebody has looked at. UPDATE_GOLDEN=1 rewrites them; the commit that
// does so says why.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

namespace yardmaster {

/// Compares `text` with the file at `path` below the source tree, or rewrites that file when
/// UPDATE_GOLDEN is set.
inline void expect_content_of(const std::string& path, const std::string& text) {
  const std::string absolute = std::string(YARDMASTER_SOURCE_DIR) + "/" + path;
  if (std::getenv("UPDATE_GOLDEN") != nullptr) {
    std::ofstream(absolute) << text;
    return;
  }
  std::ifstream file(absolute);
  ASSERT_TRUE(file.good()) << path << " is missing: run with UPDATE_GOLDEN=1 and look at it";
  std::stringstream expected;
  expected << file.rdbuf();
  EXPECT_EQ(text, expected.str()) << path << " differs. If this is intended, run with "
                                  << "UPDATE_GOLDEN=1.";
}

/// The same for the file `name` of tests/golden.
inline void expect_golden(const std::string& name, const std::string& text) {
  expect_content_of("tests/golden/" + name, text);
}

}  // namespace yardmaster
