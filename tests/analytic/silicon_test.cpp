// Does a node made of catalogue figures decode as fast as measured H100 and H200 servers? Nothing
// is fitted here: kernel coefficients come from kernel tables, host times of an engine version from
// these runs (scenarios/catalogue/, docs/validation.md). YARDMASTER_SILICON_TABLE=1 prints the
// tables of docs/validation.md.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "tests/analytic/silicon_runs.h"

namespace yardmaster::silicon {
namespace {

Catalogue shipped_catalogue() {
  Catalogue catalogue;
  yaml::Faults faults;
  load_catalogue(std::string(YARDMASTER_SOURCE_DIR) + "/scenarios/catalogue", catalogue, faults);
  for (const std::string& line : faults.lines()) {
    ADD_FAILURE() << line;
  }
  return catalogue;
}

bool printing() { return std::getenv("YARDMASTER_SILICON_TABLE") != nullptr; }

/// Relative errors of one quantity.
struct Errors {
  std::vector<double> all;

  void add(double predicted, double measured) { all.push_back(predicted / measured - 1); }
  [[nodiscard]] double mean() const {
    double sum = 0;
    for (const double e : all) {
      sum += std::abs(e);
    }
    return sum / static_cast<double>(all.size());
  }
  [[nodiscard]] double quantile(double q) const {
    std::vector<double> sorted;
    for (const double e : all) {
      sorted.push_back(std::abs(e));
    }
    std::sort(sorted.begin(), sorted.end());
    return sorted[static_cast<std::size_t>(q * static_cast<double>(sorted.size() - 1))];
  }
  void print(const std::string& what) const {
    std::printf("| %s | %zu | %.1f | %.1f | %.1f |\n", what.c_str(), all.size(), 100 * mean(),
                100 * quantile(0.9), 100 * quantile(1.0));
  }
};

class Silicon : public testing::Test {
 protected:
  void SetUp() override {
    const RunTable table = read_runs(runs_path(), catalogue_);
    runs_ = table.runs;
    left_out_ = table.left_out;
    if (runs_.empty() && left_out_.empty()) {
      GTEST_SKIP() << "measured runs are absent: " << runs_path();
    }
  }

  [[nodiscard]] const MeasuredRun& find(const std::string& name) const {
    const auto found = std::find_if(runs_.begin(), runs_.end(), [&](const MeasuredRun& r) {
      return r.gpu == "h100-sxm" && r.name() == name;
    });
    EXPECT_NE(found, runs_.end()) << name;
    return found == runs_.end() ? runs_.front() : *found;
  }

  std::vector<MeasuredRun> runs_;
  std::map<std::string, int> left_out_;
  Catalogue catalogue_ = shipped_catalogue();
};

// Else a figure of all runs would be one of some: no row of a known model goes unseen.
TEST_F(Silicon, RowsAreLeftOutOnlyForWhatIsNotModelled) {
  for (const auto& [why, rows] : left_out_) {
    if (printing()) {
      std::printf("| left out: %s | %d |\n", why.c_str(), rows);
    }
    EXPECT_TRUE(why.starts_with("model ") || why == "dtype nvfp4" ||
                why == "more than tensor parallelism")
        << why << ": " << rows << " rows";
  }
}

TEST_F(Silicon, TpotOfEightRunsIsWithin15Percent) {
  for (const char* name :
       {"llama-3.1-8b x1 1024/512 C=8", "llama-3.1-8b x1 1024/512 C=64",
        "llama-3.1-8b x1 2048/256 C=32", "llama-3.1-8b x2 4096/512 C=16",
        "llama-3.1-70b-fp8 x2 1024/1024 C=4", "llama-3.1-70b-fp8 x2 1024/1024 C=64",
        "llama-3.1-70b-fp8 x4 8192/1024 C=16", "llama-3.1-70b-fp8 x4 1024/8192 C=32"}) {
    const MeasuredRun& run = find(name);
    const double predicted = replay(run, catalogue_).tpot_s;
    EXPECT_NEAR(predicted / run.tpot_s, 1, 0.15) << name;
  }
}

// Llama-3.1-70B leaves two GPUs room for some 25 to 50 of these requests: 64 clients wait for
// memory.
TEST_F(Silicon, MemoryBoundsTheBatchAsMeasured) {
  for (const char* name :
       {"llama-3.1-70b-fp8 x2 1024/8192 C=64", "llama-3.1-70b-fp8 x2 8192/1024 C=64"}) {
    const MeasuredRun& run = find(name);
    const Prediction predicted = replay(run, catalogue_);
    EXPECT_GT(run.ttft_s, 10) << name;  // else memory does not bind and the test asks nothing
    EXPECT_NEAR(predicted.ttft_s / run.ttft_s, 1, 0.15) << name;
    EXPECT_NEAR(predicted.tpot_s / run.tpot_s, 1, 0.15) << name;
  }
}

// The bar: 6 % in the mean and 13 % at p90; the same form fitted to these runs errs by 5.1 and 11 %
// (their README.md).
TEST_F(Silicon, TpotOfAllDenseRunsErrsBy6PercentInTheMean) {
  std::map<std::string, Errors> tpot;
  std::map<std::string, Errors> ttft;
  for (const MeasuredRun& run : runs_) {
    const Prediction p = replay(run, catalogue_);
    const std::string group =
        run.gpu + " | " + run.engine + " | " + run.model + " | " + std::to_string(run.gpus);
    tpot["all"].add(p.tpot_s, run.tpot_s);
    tpot[run.gpu.substr(0, 4)].add(p.tpot_s, run.tpot_s);
    tpot[group].add(p.tpot_s, run.tpot_s);
    if (run.shortest < 1) {  // the published TTFT of the others holds their warm-up
      ttft[group].add(p.ttft_s, run.ttft_s);
    }
    if (printing()) {
      std::printf("| %s | %s | %.2f | %.2f | %+.1f | %.0f | %.0f | %+.0f |\n", run.gpu.c_str(),
                  run.name().c_str(), 1e3 * run.tpot_s, 1e3 * p.tpot_s,
                  100 * (p.tpot_s / run.tpot_s - 1), 1e3 * run.ttft_s, 1e3 * p.ttft_s,
                  100 * (p.ttft_s / run.ttft_s - 1));
    }
  }
  if (printing()) {
    std::for_each(tpot.begin(), tpot.end(),
                  [](const auto& g) { g.second.print("TPOT | " + g.first); });
    std::for_each(ttft.begin(), ttft.end(),
                  [](const auto& g) { g.second.print("TTFT | " + g.first); });
  }
  for (const char* part : {"all", "h100", "h200"}) {
    EXPECT_LT(tpot[part].mean(), 0.06) << part;
    EXPECT_LT(tpot[part].quantile(0.9), 0.13) << part;
  }
}

}  // namespace
}  // namespace yardmaster::silicon
