// Does a node of measured profiles serve 300 requests as the measured server did
// (../shared/data/measured)? What `yardmaster validate-node` prints, held to its bars.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "env/scenario/load.h"
#include "tools/validation/host_fit.h"
#include "tools/validation/measured_run.h"

namespace yardmaster {
namespace {

constexpr std::size_t kHalf = 150;

class SharedRun : public testing::Test {
 protected:
  void SetUp() override {
    const char* given = std::getenv("YARDMASTER_DATA");
    const std::string path =
        (given != nullptr ? std::string(given)
                          : std::string(YARDMASTER_SOURCE_DIR) + "/../shared/data") +
        "/measured/rtxpro6000_llama-3.1-8b.csv";
    if (!std::filesystem::exists(path)) {
      GTEST_SKIP() << "the measured run is absent: " << path;
    }
    run_ = read_measured_run(path);
  }

  [[nodiscard]] static Scenario server(const std::vector<Override>& overrides = {}) {
    return load_scenario(
        std::string(YARDMASTER_SOURCE_DIR) + "/scenarios/validation/rtxpro6000_llama-3.1-8b.yaml",
        overrides);
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
  EXPECT_NE(mean_without, mean);  // the override reaches the replay
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
