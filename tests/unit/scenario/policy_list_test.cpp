#include "env/scenario/policy_list.h"

#include <gtest/gtest.h>

#include "env/scenario/load.h"

namespace yardmaster {
namespace {

using Texts = std::vector<std::string>;

TEST(PolicyList, KnobsAfterACommaBelongToThePolicyBefore) {
  EXPECT_EQ(join_knobs(Texts{"a:x=1", "y=2", "b", "c:z=3"}), (Texts{"a:x=1,y=2", "b", "c:z=3"}));
}

TEST(PolicyList, APathIsNotAKnob) {
  const Texts paths = {"a:x=1", "./lr=2.json", "runs/lr=3.json", "lr.4=5"};
  EXPECT_EQ(join_knobs(paths), paths);
  const Texts after_no_knob = {"a", "lr=2", "b"};
  EXPECT_EQ(join_knobs(after_no_knob), after_no_knob);
}

TEST(PolicyList, AScenarioKeepsKnobsInItsResolvedText) {
  const std::string text =
      "nodes:\n  - {gpu: h100-sxm, model: llama-3.1-8b}\n"
      "compare:\n  policies: [cache_aware:balance_abs=32,balance_rel=2, random]\n";
  const Texts expected = {"cache_aware:balance_abs=32,balance_rel=2", "random"};
  const Scenario scenario = load_scenario_text(text, "s.yaml");
  EXPECT_EQ(scenario.policies, expected);
  EXPECT_EQ(load_scenario_text(scenario.resolved, "s.yaml").policies, expected);
}

}  // namespace
}  // namespace yardmaster
