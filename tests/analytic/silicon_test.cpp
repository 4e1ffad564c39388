// Does a node made of catalogue figures decode as fast as measured H100 and H200 servers? Nothing
// is fitted here: kernel coefficients come from kernel tables, host times of an engine version from
// these runs (scenarios/catalogue/, docs/validation.md). What `yardmaster validate-closed-loop`
// prints is held to its bars: for a few runs that are part of the repository, and for all of them.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "tests/support/data.h"
#include "tools/shipped_catalogue.h"
#include "tools/validation/closed_loop.h"

namespace yardmaster::closed_loop {
namespace {

Table shipped_runs() {
  return read_runs(shipped_data("silicon/e2e_h100_h200.csv"), shipped_catalogue());
}

const PublishedRun& find(const Table& table, const std::string& name) {
  const auto found = std::find_if(table.runs.begin(), table.runs.end(), [&](const PublishedRun& r) {
    return r.gpu.name == "h100-sxm" && r.name() == name;
  });
  EXPECT_NE(found, table.runs.end()) << name;
  return found == table.runs.end() ? table.runs.front() : *found;
}

// Otherwise an error over all runs would be an error over some of them.
void expect_left_out_only_because_not_modelled(const Table& table) {
  for (const auto& [why, rows] : table.left_out) {
    EXPECT_TRUE(why.starts_with("model ") || why == "dtype nvfp4" ||
                why == "more than tensor parallelism")
        << why << ": " << rows << " rows";
  }
}

/// Errors of TPOT over all runs and over those of each GPU.
std::map<std::string, Errors> tpot_errors(const Table& table) {
  std::map<std::string, Errors> tpot;
  for (const PublishedRun& run : table.runs) {
    const Prediction p = replay(run);
    tpot["all"].add(p.tpot_s, run.tpot_s);
    tpot[run.gpu.name.substr(0, 4)].add(p.tpot_s, run.tpot_s);
  }
  return tpot;
}

TEST(Silicon, ShippedRowsAreLeftOutOnlyWhereTheyAreNotModelled) {
  const Table table = shipped_runs();
  EXPECT_EQ(table.runs.size(), 18U);
  EXPECT_EQ(table.left_out.size(), 2U);
  expect_left_out_only_because_not_modelled(table);
}

TEST(Silicon, TpotOfEightRunsIsWithin15Percent) {
  const Table table = shipped_runs();
  for (const char* name :
       {"llama-3.1-8b x1 1024/512 C=8", "llama-3.1-8b x1 1024/512 C=64",
        "llama-3.1-8b x1 2048/256 C=32", "llama-3.1-8b x2 4096/512 C=16",
        "llama-3.1-70b-fp8 x2 1024/1024 C=4", "llama-3.1-70b-fp8 x2 1024/1024 C=64",
        "llama-3.1-70b-fp8 x4 8192/1024 C=16", "llama-3.1-70b-fp8 x4 1024/8192 C=32"}) {
    const PublishedRun& run = find(table, name);
    const double predicted = replay(run).tpot_s;
    EXPECT_NEAR(predicted / run.tpot_s, 1, 0.15) << name;
  }
}

// Llama-3.1-70B leaves room for about 25 to 50 of these requests on two GPUs, so 64 clients wait
// for memory.
TEST(Silicon, MemoryBoundsTheBatchAsMeasured) {
  const Table table = shipped_runs();
  for (const char* name :
       {"llama-3.1-70b-fp8 x2 1024/8192 C=64", "llama-3.1-70b-fp8 x2 8192/1024 C=64"}) {
    const PublishedRun& run = find(table, name);
    const Prediction predicted = replay(run);
    EXPECT_GT(run.ttft_s, 10) << name << ": memory does not bind, so the test proves nothing";
    EXPECT_NEAR(predicted.ttft_s / run.ttft_s, 1, 0.15) << name;
    EXPECT_NEAR(predicted.tpot_s / run.tpot_s, 1, 0.15) << name;
  }
}

void expect_tpot_within_bars(const Table& table) {
  std::map<std::string, Errors> tpot = tpot_errors(table);
  for (const char* part : {"all", "h100", "h200"}) {
    EXPECT_GE(tpot[part].size(), 8U) << part;
    EXPECT_LT(tpot[part].mean(), 0.06) << part;
    EXPECT_LT(tpot[part].quantile(0.9), 0.13) << part;
  }
}

// The bar: 6 % in the mean and 13 % at p90. The same form fitted to all runs errs by 5.1 % and
// 11 % (docs/validation.md).
TEST(Silicon, TpotOfTheShippedRunsErrsBy6PercentInTheMean) {
  expect_tpot_within_bars(shipped_runs());
}

TEST(Silicon, TpotOfAllDenseRunsErrsBy6PercentInTheMean) {
  const LargeDataFile file("silicon/e2e_h100_h200.csv");
  if (!file.exists()) {
    GTEST_SKIP() << file.why_absent();
  }
  const Table table = read_runs(file.path(), shipped_catalogue());
  EXPECT_EQ(table.runs.size(), 323U);
  expect_left_out_only_because_not_modelled(table);
  expect_tpot_within_bars(table);
}

}  // namespace
}  // namespace yardmaster::closed_loop
