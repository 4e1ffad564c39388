// Does a node of measured profiles serve requests as a measured server did? What
// `yardmaster validate-node` prints is held to its bars: for all 300 requests of the run, and for
// the time to first token of its first 60, which are part of the repository.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "env/scenario/load.h"
#include "tests/support/data.h"
#include "tools/validation/host_fit.h"
#include "tools/validation/measured_run.h"

namespace yardmaster {
namespace {

constexpr const char* kRun = "measured/rtxpro6000_llama-3.1-8b.csv";
constexpr std::size_t kHalf = 150;

Scenario server(const std::vector<Override>& overrides = {}) {
  return load_scenario(
      std::string(YARDMASTER_SOURCE_DIR) + "/scenarios/validation/rtxpro6000_llama-3.1-8b.yaml",
      overrides);
}

// The requests that follow lengthen the decoding of the first 60, but hardly their time to first
// token; nothing is fitted, so the host time of this machine is missing from every step.
TEST(FirstSixtyRequests, TimeToFirstTokenErrsBy16PercentInTheMeanAndBy13AtP90) {
  const std::vector<Served> run = read_measured_run(shipped_data(kRun));
  ASSERT_EQ(run.size(), 60U);
  const ServedTable real = statistics_of(run);
  const auto error = [&](const std::vector<Override>& overrides, std::size_t statistic) {
    const ServedTable simulated = statistics_of(replay_scenario(run, server(overrides)));
    return std::abs(simulated[0][statistic] / real[0][statistic] - 1);
  };
  constexpr std::size_t kMean = 0, kP90 = 2;
  EXPECT_LT(error({}, kMean), 0.16);
  EXPECT_LT(error({}, kP90), 0.13);
  const std::vector<Override> formula = {{"nodes.0.profile", "none"}};
  EXPECT_LT(error(formula, kMean), 0.16);
  EXPECT_NE(error(formula, kMean), error({}, kMean)) << "the override does not reach the replay";
}

class SharedRun : public testing::Test {
 protected:
  void SetUp() override {
    const LargeDataFile file(kRun);
    if (!file.exists()) {
      GTEST_SKIP() << file.why_absent();
    }
    run_ = read_measured_run(file.path());
  }

  std::vector<Served> run_;
};

TEST_F(SharedRun, WithNothingFittedErrsBy5PercentInTheMeanAnd12AtWorst) {
  const auto [mean, worst] =
      mean_and_worst_error(statistics_of(run_), statistics_of(replay_scenario(run_, server())));
  EXPECT_LT(mean, 0.05);
  EXPECT_LT(worst, 0.12);
}

TEST_F(SharedRun, FormulaAloneErrsBy7PercentInTheMeanAndBy5WithoutThePrefixCache) {
  const auto error = [&](const std::vector<Override>& overrides) {
    return mean_and_worst_error(statistics_of(run_),
                                statistics_of(replay_scenario(run_, server(overrides))));
  };
  const auto [mean, worst] = error({{"nodes.0.profile", "none"}});
  EXPECT_LT(mean, 0.07);
  EXPECT_LT(worst, 0.15);
  const auto [mean_without, worst_without] =
      error({{"nodes.0.profile", "none"}, {"nodes.0.engine.enable_prefix_caching", "false"}});
  EXPECT_LT(mean_without, 0.05);
  EXPECT_LT(worst_without, 0.15);
  EXPECT_NE(mean_without, mean) << "the override does not reach the replay";
}

TEST_F(SharedRun, MachineOfTheFirstHalfFitsTheSecond) {
  Scenario scenario = server();
  const HostFit fit = fit_host(run_, scenario, 0, kHalf - 1);
  NodeKind& kind = scenario.kinds.front();
  kind.engine.step_s += fit.step.value;
  kind.engine.uncaptured_step_s += fit.uncaptured_step.value;
  compile_kind(kind, scenario.network);
  const std::vector<Served> played = replay_scenario(run_, scenario);
  const auto second = [](const std::vector<Served>& all) {
    return statistics_of({all.begin() + kHalf, all.end()});
  };
  const ServedTable real = second(run_), simulated = second(played);
  const auto [mean, worst] = mean_and_worst_error(real, simulated);
  EXPECT_LT(mean, 0.012);
  EXPECT_LT(worst, 0.035);
  EXPECT_NEAR(simulated[4][0] / real[4][0], 1, 0.04);  // scheduled to first token
}

}  // namespace
}  // namespace yardmaster
