#include "tools/command.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tools/version.h"

namespace yardmaster {
namespace {

using Seeds = std::vector<std::uint64_t>;

TEST(Seeds, MayBeARangeAListOrBoth) {
  EXPECT_EQ(parse_seeds("7"), Seeds{7});
  EXPECT_EQ(parse_seeds("1,2,5"), (Seeds{1, 2, 5}));
  EXPECT_EQ(parse_seeds("1000..1003"), (Seeds{1000, 1001, 1002, 1003}));
  EXPECT_EQ(parse_seeds("3,10..11"), (Seeds{3, 10, 11}));
  EXPECT_EQ(parse_seeds("18446744073709551614..18446744073709551615").size(), 2U);
}

TEST(Seeds, ThatAreMalformedAreRefused) {
  for (const char* text : {"", ",", "x", "1..", "..2", "5..3", "1,1", "1..3,2", "-1", "1.5",
                           "0..18446744073709551615", "18446744073709551616"}) {
    EXPECT_THROW(parse_seeds(text), BadInput) << text;
  }
}

Scenario scenario_of_windows(std::uint32_t windows) {
  Scenario scenario;
  scenario.workload.trace.resize(3);
  scenario.workload.windows = windows;
  return scenario;
}

TEST(Windows, MoreSeedsThanTheTraceHasAreRefused) {
  EXPECT_NO_THROW(check_windows(scenario_of_windows(3), {1000, 1001, 1002}));
  EXPECT_THROW(check_windows(scenario_of_windows(3), {1000, 1001, 1002, 1003}), BadInput);
  EXPECT_NO_THROW(check_windows(Scenario{}, {1, 2, 3}));  // no trace: every seed is a world
}

TEST(Policies, AreNamesOfTheTable) {
  const NamedPolicy policy = resolve_policy("round_robin");
  EXPECT_EQ(policy.name, "round_robin");
  EXPECT_TRUE(policy.baseline);
}

TEST(Policies, ThatAreUnknownAreRefusedWithTheKnownOnes) {
  try {
    resolve_policy("round_robbing");
    FAIL() << "an unknown policy was taken";
  } catch (const BadInput& error) {
    EXPECT_NE(std::string(error.what()).find("marginal_cost"), std::string::npos);
  }
}

TEST(Policies, KeepTheirKnobsInTheirName) {
  EXPECT_EQ(resolve_policy("marginal_cost:k=0.7").name, "marginal_cost:k=0.7");
  EXPECT_THROW(resolve_policy("marginal_cost:k=1000"), BadInput);
  EXPECT_EQ(resolve_policies({"marginal_cost", "marginal_cost:k=0.7"}).size(), 2U);
}

TEST(Policies, ListedTwiceAreRefused) {
  EXPECT_THROW(resolve_policies({"random", "random"}), BadInput);
  EXPECT_THROW(resolve_policies({}), BadInput);
  EXPECT_EQ(resolve_policies({"random", "round_robin"}).size(), 2U);
}

TEST(Policies, AFileThatIsNotACheckpointIsRefused) {
  EXPECT_THROW(resolve_policy(std::string(YARDMASTER_SOURCE_DIR) + "/README.md"), BadInput);
}

TEST(HeldOut, ACheckpointIsNotEvaluatedOnItsTrainingSeeds) {
  Scenario scenario;
  std::vector<NamedPolicy> policies(1);
  policies[0].training = TrainingRecord{};
  policies[0].training->trained.seeds = {{100, 50}};
  policies[0].training->validated.seeds = {{10, 5}};
  EXPECT_NO_THROW(check_held_out(scenario, policies, {9, 15, 99, 150}));
  EXPECT_THROW(check_held_out(scenario, policies, {1, 149}), BadInput);
  EXPECT_THROW(check_held_out(scenario, policies, {14}), BadInput);
  scenario.name = "elsewhere";  // another name makes no other world
  EXPECT_THROW(check_held_out(scenario, policies, {149}), BadInput);
}

TEST(Overrides, NeedAKeyAndAValue) {
  ScenarioOptions options;
  options.set = {"workload.load=0.9", "name=a=b"};
  ASSERT_EQ(options.overrides().size(), 2U);
  EXPECT_EQ(options.overrides()[0], Override("workload.load", "0.9"));
  EXPECT_EQ(options.overrides()[1], Override("name", "a=b"));
  options.set = {"workload.load"};
  EXPECT_THROW(static_cast<void>(options.overrides()), BadInput);
  options.set = {"=0.9"};
  EXPECT_THROW(static_cast<void>(options.overrides()), BadInput);
}

TEST(Version, IsThatOfTheBuild) {
  std::ifstream in(std::string(YARDMASTER_SOURCE_DIR) + "/CMakeLists.txt");
  const std::string text(std::istreambuf_iterator<char>(in), {});
  EXPECT_NE(text.find(std::string("project(yardmaster VERSION ") + kVersion + " "),
            std::string::npos);
}

}  // namespace
}  // namespace yardmaster
