// Knobs: the text of a policy, its faults, and that each knob acts.
#include "policies/knob.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "policies/policy.h"
#include "tests/unit/policies/fleet_fixture.h"

namespace yardmaster {
namespace {

using testing::affine_kind;
using testing::busy;
using testing::hand_made_task;
using testing::HandMadeFleet;
using testing::HandMadeNode;

std::string fault_of(const std::function<void()>& make) {
  try {
    make();
    return "";
  } catch (const PolicyFault& fault) {
    return fault.what();
  }
}

std::string dispatch_fault(const char* text) {
  return fault_of([&] { make_dispatch(text); });
}

TEST(Knobs, FaultsNameThePolicyAndWhatWasExpected) {
  EXPECT_EQ(dispatch_fault("marginal_cost:kk=1"),
            "marginal_cost: unknown knob \"kk\"; did you mean \"k\"? (known: k)");
  EXPECT_EQ(dispatch_fault("random:k=1"), "random: unknown knob \"k\" (random has none)");
  EXPECT_EQ(dispatch_fault("marginal_cost:k=-1"),
            "marginal_cost: k: -1 is out of range (expected 0 to 100)");
  EXPECT_EQ(dispatch_fault("marginal_cost:k=1s"), "marginal_cost: k: \"1s\" is not a number");
  EXPECT_EQ(dispatch_fault("marginal_cost:k=nan"), "marginal_cost: k: \"nan\" is not a number");
  EXPECT_EQ(dispatch_fault("marginal_cost:k=1,k=2"), "marginal_cost: k is set twice");
  EXPECT_EQ(dispatch_fault("power_of_two:choices=2.5"),
            "power_of_two: choices: 2.5 is not a whole number");
  for (const char* text :
       {"marginal_cost:", "marginal_cost:k", "marginal_cost:=1", "marginal_cost:k=1,"}) {
    EXPECT_NE(dispatch_fault(text).find("sets no knob"), std::string::npos) << text;
  }
}

TEST(Knobs, AnUnknownPolicyIsAFaultWithASuggestion) {
  EXPECT_NE(dispatch_fault("marginal_costs:k=1")
                .find("unknown dispatch rule \"marginal_costs\"; did you mean \"marginal_cost\"?"),
            std::string::npos);
  EXPECT_NE(fault_of([] {
              make_ordering("first_come");
            }).find("did you mean \"first_come_first_served\"?"),
            std::string::npos);
}

/// Every knob of a table, with the text that names its policy.
template <class Entry>
void for_each_knob(std::span<const Entry> table,
                   const std::function<void(const std::string&, const Knob&)>& visit) {
  for (const Entry& entry : table) {
    Knobs defaults;
    entry.make(defaults);
    for (const Knob& knob : defaults.declared()) {
      visit(std::string(entry.name), knob);
    }
  }
}

TEST(Knobs, AreDocumentedAndTakeTheirDefaultAndBothEndsOfTheirRange) {
  int knobs = 0;
  const auto visit = [&](const auto& make) {
    return [&](const std::string& policy, const Knob& knob) {
      ++knobs;
      EXPECT_FALSE(knob.doc.empty()) << policy << ":" << knob.name;
      EXPECT_LT(knob.min, knob.max) << policy << ":" << knob.name;
      for (const double value : {knob.value, knob.min, knob.max}) {
        EXPECT_NO_THROW(make(policy + ":" + std::string(knob.name) + "=" + std::to_string(value)))
            << policy << ":" << knob.name;
      }
    };
  };
  for_each_knob(dispatch_table(), visit(make_dispatch));
  for_each_knob(ordering_table(), visit(make_ordering));
  EXPECT_GE(knobs, 6);
}

/// A busy fast node with most of the prompt in its cache, and a slow one with little to do.
HandMadeFleet two_nodes() {
  HandMadeNode fast = busy(0, 40, 500, 200, 1), slow = busy(1, 6, 500, 200, 1);
  fast.prefix_blocks = 30;
  return HandMadeFleet({affine_kind(1, 8), affine_kind(4, 2)}, {fast, slow});
}

NodeId choice(const char* rule) {
  const HandMadeFleet fleet = two_nodes();
  std::vector<double> scores(2);
  const std::vector<std::uint8_t> legal = fleet.all_legal();
  const Draw draw{Seed{1}, Purpose::tie, {}};
  make_dispatch(rule)->score(hand_made_task(960, 100), fleet.view(), legal, draw, scores);
  return best_node(scores, legal, draw);
}

TEST(Knobs, OfCacheAwareMoveItsThresholds) {
  EXPECT_EQ(choice("cache_aware"), node_id(0));  // half of the prompt is cached there
  EXPECT_EQ(choice("cache_aware:match_threshold=0.6"), node_id(1));
  EXPECT_EQ(choice("cache_aware:balance_abs=32"), node_id(1));
  EXPECT_EQ(choice("cache_aware:balance_abs=32,balance_rel=7"), node_id(0));
}

TEST(Knobs, OfMarginalCostWeighsTheDelayToTheOthers) {
  std::vector<double> scores[3];
  const char* const rules[] = {"earliest_finish", "marginal_cost:k=0", "marginal_cost:k=2"};
  const HandMadeFleet fleet = two_nodes();
  for (std::size_t r = 0; r < 3; ++r) {
    scores[r].resize(2);
    make_dispatch(rules[r])->score(hand_made_task(960, 100), fleet.view(), fleet.all_legal(),
                                   Draw{Seed{1}, Purpose::tie, {}}, scores[r]);
  }
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_DOUBLE_EQ(scores[1][i], scores[0][i]) << i;
    EXPECT_GT(scores[2][i], scores[0][i]) << i;
  }
}

TEST(Knobs, OfShortestPredictedJobWeighsOutputTokens) {
  const TaskView long_output = hand_made_task(100, 300), long_prompt = hand_made_task(500, 100);
  const auto first = [&](const char* text) {
    const auto ordering = make_ordering(text);
    return ordering->key(long_output, {}) < ordering->key(long_prompt, {}) ? 1 : 2;
  };
  EXPECT_EQ(first("shortest_predicted_job"), 2);
  EXPECT_EQ(first("shortest_predicted_job:output_weight=1"), 1);
}

}  // namespace
}  // namespace yardmaster
