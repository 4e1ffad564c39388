#include "agents/worlds.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <string>

#include "env/scenario/load.h"
#include "tests/support/temporary_path.h"

namespace yardmaster {
namespace {

// A trace of 200 requests, one every 20 s.
class TraceWorlds : public ::testing::Test {
 protected:
  void SetUp() override {
    std::ofstream out(trace_);
    out << "TIMESTAMP,ContextTokens,GeneratedTokens\n";
    for (int i = 0; i < 200; ++i) {
      out << 20 * i << ".0," << 1000 + i << ",200\n";
    }
  }
  void TearDown() override {
    std::remove(trace_.c_str());
    std::remove(scenario_.c_str());
  }

  [[nodiscard]] Scenario scenario(const char* duration, const char* rate,
                                  const std::string& name = "a") const {
    std::ofstream(scenario_) << "name: " << name << "\nduration: " << duration
                             << "\nwarm_up: 0 s\nnodes: [{count: 2, gpu: h100-sxm, model: "
                                "llama-3.1-8b}]\nworkload: {trace: "
                             << trace_ << ", rate: " << rate << "}\n";
    return load_scenario(scenario_);
  }

  const std::string trace_ = temporary_path("worlds_trace.csv");
  const std::string scenario_ = temporary_path("worlds_scenario.yaml");
};

Worlds worlds_of(const Scenario& scenario, const SeedRange& seeds) {
  return WorldIndex(scenario).of(seeds);
}

TEST(Worlds, OfGeneratedWorkAreTheirSeedsWhateverTheScenarioIsCalled) {
  const Scenario here = load_scenario("scenarios/minimal.yaml", {{"name", "here"}});
  const Scenario there = load_scenario("scenarios/quickstart.yaml", {{"name", "there"}});
  const Worlds trained = worlds_of(here, {100, 50});
  EXPECT_TRUE(trained.overlaps(worlds_of(there, {149, 1})));
  EXPECT_FALSE(trained.overlaps(worlds_of(there, {150, 1})));
}

TEST_F(TraceWorlds, SeedsThatChooseTheSameWindowAreTheSameWorld) {
  const Scenario s = scenario("10 s", "2 /s");
  ASSERT_EQ(s.workload.windows, 10U);
  const Worlds first = worlds_of(s, {0, 1});
  EXPECT_TRUE(first.overlaps(worlds_of(s, {10, 1})));
  EXPECT_TRUE(first.overlaps(worlds_of(scenario("10 s", "2 /s", "renamed"), {20, 1})));
  for (std::uint64_t seed = 1; seed < 10; ++seed) {
    EXPECT_FALSE(first.overlaps(worlds_of(s, {seed, 1}))) << seed;
  }
}

TEST_F(TraceWorlds, ARangeCoversItsWindowsInACircle) {
  const Scenario s = scenario("10 s", "2 /s");
  const Worlds range = worlds_of(s, {8, 4});  // windows 8, 9, 0, 1
  for (std::uint64_t window = 0; window < 10; ++window) {
    EXPECT_EQ(range.overlaps(worlds_of(s, {window, 1})), window < 2 || window > 7) << window;
  }
  EXPECT_TRUE(worlds_of(s, {3, 1000}).overlaps(worlds_of(s, {2, 1})));
}

TEST_F(TraceWorlds, WindowsThatShareAPartOfTheTraceOverlapUnderAnotherLoadOrDuration) {
  const Worlds second = worlds_of(scenario("10 s", "2 /s"), {1, 1});  // rows 20 to 39
  const Scenario longer = scenario("20 s", "2 /s");                   // windows of 40 rows
  EXPECT_TRUE(second.overlaps(worlds_of(longer, {0, 1})));
  EXPECT_FALSE(second.overlaps(worlds_of(longer, {1, 1})));
  const Scenario slower = scenario("10 s", "1 /s");  // windows of 10 rows
  EXPECT_FALSE(second.overlaps(worlds_of(slower, {1, 1})));
  EXPECT_TRUE(second.overlaps(worlds_of(slower, {2, 1})));
  EXPECT_TRUE(second.overlaps(worlds_of(slower, {3, 1})));
  EXPECT_FALSE(second.overlaps(worlds_of(slower, {4, 1})));
}

TEST_F(TraceWorlds, AnotherTraceAndGeneratedWorkAreOtherWorlds) {
  const Worlds of_trace = worlds_of(scenario("10 s", "2 /s"), {0, 10});
  EXPECT_FALSE(of_trace.overlaps(worlds_of(load_scenario("scenarios/minimal.yaml"), {0, 10})));
  std::ofstream(trace_, std::ios::app) << "4000.0,1000,200\n";
  EXPECT_FALSE(of_trace.overlaps(worlds_of(scenario("10 s", "2 /s"), {0, 10})));
}

TEST(Worlds, ASumHoldsBothSetsAndEachPartOnce) {
  Worlds sum;
  sum.add({{{5, 2}}, {}});
  sum.add({{{5, 2}, {9, 1}}, {{1, Duration{0}, Duration{4}}}});
  EXPECT_EQ(sum.seeds.size(), 2U);
  EXPECT_TRUE(sum.overlaps({{{9, 1}}, {}}));
  EXPECT_TRUE(sum.overlaps({{}, {{1, Duration{3}, Duration{9}}}}));
  EXPECT_FALSE(
      sum.overlaps({{{7, 2}}, {{1, Duration{4}, Duration{9}}, {2, Duration{0}, Duration{4}}}}));
}

}  // namespace
}  // namespace yardmaster
