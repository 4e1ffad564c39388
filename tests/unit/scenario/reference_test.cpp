// docs/scenario.md is what the reader declares. UPDATE_DOCS=1 rewrites it.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "env/scenario/load.h"

namespace yardmaster {
namespace {

TEST(Reference, DocumentEqualsTheReadersDeclarations) {
  const std::string path = std::string(YARDMASTER_SOURCE_DIR) + "/docs/scenario.md";
  if (std::getenv("UPDATE_DOCS") != nullptr) {
    std::ofstream(path) << scenario_reference();
  }
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  EXPECT_EQ(text.str(), scenario_reference()) << "stale: run this test with UPDATE_DOCS=1";
}

TEST(Reference, NamesEverySectionAndUnit) {
  const std::string text = scenario_reference();
  for (const char* part :
       {"## `nodes[].engine`", "## `workload.tenants[].arrivals`", "## `objective`",
        "## `catalogue.gpus.NAME.attention`", "| `interval` | duration, at least 1 ps | 100 ms |",
        "| `gpu` | text | required |"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part;
  }
}

}  // namespace
}  // namespace yardmaster
