// Each dispatch rule on hand-made cases, and the invariants of all rules.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>

#include "policies/policy.h"
#include "tests/unit/policies/fleet_fixture.h"

namespace yardmaster {
namespace {

using testing::affine_kind;
using testing::busy;
using testing::hand_made_task;
using testing::HandMadeFleet;
using testing::HandMadeNode;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::uint32_t kFast = 0, kSlow = 1;

std::vector<NodeKind> fast_and_slow() { return {affine_kind(1, 8), affine_kind(4, 2)}; }

Draw draw_of(std::uint32_t workflow) {
  return {Seed{5}, Purpose::tie, TaskAddress{0, workflow, 0, 0, 0, 0}};
}

std::vector<double> scores_of(std::string_view rule, const TaskView& task, const FleetView& view,
                              std::span<const std::uint8_t> legal, Draw draw) {
  std::vector<double> scores(view.nodes());
  make_dispatch(rule)->score(task, view, legal, draw, scores);
  return scores;
}

NodeId choice(std::string_view rule, const TaskView& task, const FleetView& view,
              std::span<const std::uint8_t> legal, std::uint32_t workflow = 0) {
  const Draw draw = draw_of(workflow);
  return best_node(scores_of(rule, task, view, legal, draw), legal, draw);
}

/// Four nodes of two speeds, each loaded differently in every column.
std::vector<HandMadeNode> mixed_load() {
  std::vector<HandMadeNode> nodes = {busy(kFast, 9, 300, 120, 9.2), busy(kSlow, 2, 500, 300, 8),
                                     busy(kFast, 4, 900, 60, 9.9), busy(kSlow, 5, 100, 80, 9.5),
                                     HandMadeNode{}};
  nodes[0].kv_use = 0.3F;
  nodes[1].kv_use = 0.2F;
  nodes[2].kv_use = 0.6F;
  nodes[3].kv_use = 0.1F;
  nodes[2].in_flight += 3;
  nodes[2].awaiting_first = 3;
  nodes[2].awaiting_tokens = 2500;
  nodes[4].kind = kSlow;
  nodes[4].kv_use = 0.05F;
  nodes[1].prefix_blocks = 12;
  nodes[3].prefix_blocks = 20;
  return nodes;
}

TEST(BestNode, IsTheSmallestLegalScore) {
  const std::vector<double> scores = {3, 1, 2};
  EXPECT_EQ(best_node(scores, std::vector<std::uint8_t>{1, 1, 1, 1, 1}, draw_of(0)), node_id(1));
  EXPECT_EQ(best_node(scores, std::vector<std::uint8_t>{1, 0, 1, 1, 1}, draw_of(0)), node_id(2));
}

TEST(BestNode, IsNoneWhenNoNodeIsLegal) {
  EXPECT_EQ(best_node(std::vector<double>{3, 1}, std::vector<std::uint8_t>{0, 0, 1, 1}, draw_of(0)),
            kNoNode);
}

TEST(BestNode, NeverChoosesAnInfiniteScore) {
  EXPECT_EQ(best_node(std::vector<double>{kInfinity, kInfinity},
                      std::vector<std::uint8_t>{1, 1, 1, 1}, draw_of(0)),
            kNoNode);
  EXPECT_EQ(best_node(std::vector<double>{kInfinity, 7}, std::vector<std::uint8_t>{1, 1, 1, 1},
                      draw_of(0)),
            node_id(1));
}

TEST(BestNode, BreaksTiesUniformlyByDraw) {
  const std::vector<double> scores = {1, 0, 0, 2, 0, 0};
  const std::vector<std::uint8_t> legal = {1, 1, 1, 1, 0, 1, 1, 1};
  std::array<int, 6> count{};
  constexpr int kTrials = 9000;
  for (std::uint32_t w = 0; w < kTrials; ++w) {
    ++count[index(best_node(scores, legal, draw_of(w)))];
  }
  // Three tie; five standard deviations of a binomial of 1/3.
  const double tolerance = 5 * std::sqrt(kTrials * (1 / 3.0) * (2 / 3.0));
  for (const std::size_t i : {1U, 2U, 5U}) {
    EXPECT_NEAR(count[i], kTrials / 3.0, tolerance) << i;
  }
  EXPECT_EQ(count[0] + count[3] + count[4], 0);
}

TEST(DispatchTable, FindsEachRuleByItsNameAndNoOther) {
  std::set<std::string_view> names;
  for (const DispatchEntry& entry : dispatch_table()) {
    EXPECT_TRUE(names.insert(entry.name).second) << entry.name;
    EXPECT_NE(make_dispatch(entry.name), nullptr) << entry.name;
    EXPECT_FALSE(entry.summary.empty()) << entry.name;
  }
  EXPECT_THROW(make_dispatch("nope"), PolicyFault);
}

TEST(Random, IsUniformOverLegalNodes) {
  const HandMadeFleet fleet(fast_and_slow(), mixed_load());
  std::vector<std::uint8_t> legal = fleet.all_legal();
  legal[1] = 0;
  std::array<int, 5> count{};
  constexpr int kTrials = 8000;
  for (std::uint32_t w = 0; w < kTrials; ++w) {
    ++count[index(choice("random", hand_made_task(100, 10), fleet.view(), legal, w))];
  }
  const double tolerance = 5 * std::sqrt(kTrials * 0.25 * 0.75);
  for (const std::size_t i : {0U, 2U, 3U, 4U}) {
    EXPECT_NEAR(count[i], kTrials / 4.0, tolerance) << i;
  }
}

TEST(RoundRobin, GoesRoundInOrderAndSkipsIllegalNodes) {
  const HandMadeFleet fleet(fast_and_slow(), mixed_load());
  std::vector<std::uint8_t> legal = fleet.all_legal();
  NodeId last = kNoNode;
  const auto next = [&] {
    return last = choice("round_robin", hand_made_task(100, 10), fleet.view(10, last), legal);
  };
  for (const std::uint32_t expected : {0U, 1U, 2U, 3U, 4U, 0U}) {
    EXPECT_EQ(next(), node_id(expected));
  }
  legal[1] = legal[3] = 0;
  for (const std::uint32_t expected : {2U, 4U, 0U, 2U}) {
    EXPECT_EQ(next(), node_id(expected));
  }
  legal = {0, 0, 1, 0, 0, 1, 1};
  EXPECT_EQ(next(), node_id(2));
  EXPECT_EQ(next(), node_id(2));
}

TEST(JoinShortestQueue, CountsWhatIsInFlightNotWhatWasReported) {
  std::vector<HandMadeNode> nodes = {busy(kFast, 3, 100, 100, 9), busy(kFast, 2, 100, 100, 9)};
  nodes[0].running = 0;
  nodes[1].running = 50;
  const HandMadeFleet fleet(fast_and_slow(), nodes);
  EXPECT_EQ(choice("join_shortest_queue", hand_made_task(100, 10), fleet.view(), fleet.all_legal()),
            node_id(1));
}

TEST(PowerOfTwo, TakesTheEmptierOfTwoAndReachesEveryPair) {
  const HandMadeFleet fleet(fast_and_slow(), {busy(kFast, 1, 9, 9, 9), busy(kFast, 2, 9, 9, 9),
                                              busy(kFast, 3, 9, 9, 9), busy(kFast, 4, 9, 9, 9)});
  std::vector<std::uint8_t> legal = fleet.all_legal();
  legal[0] = 0;
  std::set<std::set<std::size_t>> pairs;
  for (std::uint32_t w = 0; w < 200; ++w) {
    const auto scores =
        scores_of("power_of_two", hand_made_task(100, 10), fleet.view(), legal, draw_of(w));
    std::set<std::size_t> drawn;
    for (std::size_t i = 0; i < scores.size(); ++i) {
      if (scores[i] < kInfinity) {
        drawn.insert(i);
      }
    }
    ASSERT_EQ(drawn.size(), 2U);
    // In-flight counts rise with the index here.
    EXPECT_EQ(index(best_node(scores, legal, draw_of(w))), *drawn.begin());
    pairs.insert(drawn);
  }
  EXPECT_EQ(pairs, (std::set<std::set<std::size_t>>{{1, 2}, {1, 3}, {2, 3}}));
}

TEST(PowerOfTwo, ScoresAsManyNodesAsTheKnobChoicesSays) {
  const HandMadeFleet fleet(fast_and_slow(), std::vector<HandMadeNode>(6, busy(kFast, 1, 9, 9, 9)));
  std::vector<std::uint8_t> legal = fleet.all_legal();
  legal[2] = 0;
  for (const std::size_t choices : {1U, 3U, 5U, 16U}) {
    const std::string rule = "power_of_two:choices=" + std::to_string(choices);
    std::vector<int> times(6);
    for (std::uint32_t w = 0; w < 300; ++w) {
      const auto scores =
          scores_of(rule.c_str(), hand_made_task(100, 10), fleet.view(), legal, draw_of(w));
      std::size_t drawn = 0;
      for (std::size_t i = 0; i < scores.size(); ++i) {
        drawn += scores[i] < kInfinity ? 1 : 0;
        times[i] += scores[i] < kInfinity ? 1 : 0;
      }
      ASSERT_EQ(drawn, std::min<std::size_t>(choices, 5)) << rule;
    }
    const double expected = 300 * std::min(static_cast<double>(choices) / 5, 1.0);
    for (const std::size_t i : {0U, 1U, 3U, 4U, 5U}) {
      EXPECT_NEAR(times[i], expected, 5 * std::sqrt(300 * 0.25)) << rule << " node " << i;
    }
    EXPECT_EQ(times[2], 0) << rule;
  }
}

TEST(PowerOfTwo, TakesTheOnlyLegalNode) {
  const HandMadeFleet fleet(fast_and_slow(), mixed_load());
  EXPECT_EQ(choice("power_of_two", hand_made_task(100, 10), fleet.view(),
                   std::vector<std::uint8_t>{0, 0, 0, 1, 0, 1, 1}),
            node_id(3));
}

TEST(LeastKvUse, TakesTheSmallestReportedShare) {
  const HandMadeFleet fleet(fast_and_slow(), mixed_load());
  EXPECT_EQ(choice("least_kv_use", hand_made_task(100, 10), fleet.view(), fleet.all_legal()),
            node_id(4));
}

TEST(ShortestExpectedDelay, WeighsTheQueueByTheSpeedOfTheNode) {
  // 8 and 2 requests per second: seven in flight on the fast node equal one on the slow node.
  const auto chosen = [](std::int32_t on_fast, std::int32_t on_slow) {
    const HandMadeFleet fleet(
        fast_and_slow(), {busy(kFast, on_fast, 100, 100, 9), busy(kSlow, on_slow, 100, 100, 9)});
    return choice("shortest_expected_delay", hand_made_task(100, 10), fleet.view(),
                  fleet.all_legal());
  };
  EXPECT_EQ(chosen(6, 1), node_id(0));
  EXPECT_EQ(chosen(8, 1), node_id(1));
}

std::vector<HandMadeNode> three_with_prefixes() {
  std::vector<HandMadeNode> nodes(3);
  nodes[0].prefix_blocks = 30;
  nodes[1].prefix_blocks = 20;
  nodes[2].prefix_blocks = 10;
  return nodes;
}

TEST(CacheAware, TakesTheLongestPrefixIfItIsLongEnough) {
  const HandMadeFleet fleet(fast_and_slow(), three_with_prefixes());
  const auto chosen = [&](std::int32_t prompt, std::vector<std::uint8_t> legal) {
    return choice("cache_aware", hand_made_task(prompt, 100), fleet.view(), legal);
  };
  // 480 tokens of the first node, 320 of the second; 0.3 of 1,600 are 480.
  EXPECT_EQ(chosen(1599, {1, 1, 1, 1, 1}), node_id(0));
  EXPECT_EQ(chosen(1600, {1, 1, 1, 1, 1}), node_id(2));  // the fewest blocks are there
  EXPECT_EQ(chosen(1000, {0, 1, 1, 1, 1}), node_id(1));
}

TEST(CacheAware, TakesTheShortestQueueIfTheFleetIsOutOfBalance) {
  std::vector<HandMadeNode> nodes = three_with_prefixes();
  nodes[0].in_flight = 64;
  const auto chosen = [&] {
    const HandMadeFleet fleet(fast_and_slow(), nodes);
    return choice("cache_aware", hand_made_task(600, 100), fleet.view(), fleet.all_legal());
  };
  EXPECT_EQ(chosen(), node_id(0));
  nodes[0].in_flight = 66;
  nodes[1].in_flight = 1;
  EXPECT_EQ(chosen(), node_id(2));  // 66 more than the least
  for (HandMadeNode& node : nodes) {
    node.in_flight += 200;
  }
  EXPECT_EQ(chosen(), node_id(0));  // but not one and a half times as many
}

TEST(EarliestFinish, TakesTheBusyFastNodeOverTheIdleSlowOne) {
  const HandMadeFleet fleet(fast_and_slow(),
                            {busy(kFast, 10, 200, 100, 9.9), HandMadeNode{.kind = kSlow}});
  EXPECT_EQ(choice("earliest_finish", hand_made_task(200, 100), fleet.view(), fleet.all_legal()),
            node_id(0));
  EXPECT_EQ(
      choice("join_shortest_queue", hand_made_task(200, 100), fleet.view(), fleet.all_legal()),
      node_id(1));
}

TEST(MarginalCost, AvoidsDelayToManyWhereEarliestFinishDoesNot) {
  // The prompt would stall thirty others for 100 ms each; the task itself ends a little sooner
  // there.
  const HandMadeFleet fleet({affine_kind(1, 8), affine_kind(1.9, 4)},
                            {busy(0, 30, 200, 200, 9.9), HandMadeNode{.kind = 1}});
  const TaskView task = hand_made_task(2000, 20);
  const Prediction crowded = fleet.estimates().predict(node_id(0), task, fleet.view());
  const Prediction empty = fleet.estimates().predict(node_id(1), task, fleet.view());
  ASSERT_LT(crowded.finish_s(), empty.finish_s());
  EXPECT_EQ(choice("earliest_finish", task, fleet.view(), fleet.all_legal()), node_id(0));
  EXPECT_EQ(choice("marginal_cost", task, fleet.view(), fleet.all_legal()), node_id(1));
}

class EveryRule : public ::testing::TestWithParam<std::string_view> {};

TEST_P(EveryRule, NeverChoosesAnIllegalNode) {
  const HandMadeFleet fleet(fast_and_slow(), mixed_load());
  for (std::uint32_t mask = 1; mask < 32; ++mask) {
    std::vector<std::uint8_t> legal = fleet.all_legal();
    for (std::size_t i = 0; i < 5; ++i) {
      legal[i] = (mask >> i) & 1U;
    }
    for (std::uint32_t w = 0; w < 8; ++w) {
      const NodeId chosen =
          choice(GetParam(), hand_made_task(300, 40), fleet.view(10, node_id(w % 5)), legal, w);
      ASSERT_NE(chosen, kNoNode);
      EXPECT_EQ(legal[index(chosen)], 1);
    }
  }
}

TEST_P(EveryRule, GivesTheSameScoresTwice) {
  const HandMadeFleet fleet(fast_and_slow(), mixed_load());
  const auto rule = make_dispatch(GetParam());
  std::vector<double> first(5), second(5);
  rule->score(hand_made_task(300, 40), fleet.view(), fleet.all_legal(), draw_of(3), first);
  rule->score(hand_made_task(900, 4), fleet.view(), fleet.all_legal(), draw_of(4), second);
  rule->score(hand_made_task(300, 40), fleet.view(), fleet.all_legal(), draw_of(3), second);
  EXPECT_EQ(first, second);
}

/// The rules that score each node by its own columns: not round robin, whose rule is the order, not
/// power of two, which draws positions, and not random, whose scores are all equal.
class EveryScorer : public ::testing::TestWithParam<std::string_view> {};

TEST_P(EveryScorer, PermutingNodesPermutesScoresBitForBit) {
  const std::vector<HandMadeNode> nodes = mixed_load();
  const HandMadeFleet fleet(fast_and_slow(), nodes);
  const TaskView task = hand_made_task(300, 40);
  const auto scores = scores_of(GetParam(), task, fleet.view(), fleet.all_legal(), draw_of(1));
  std::vector<std::size_t> order(nodes.size());
  std::iota(order.begin(), order.end(), 0);
  do {
    std::vector<HandMadeNode> permuted;
    for (const std::size_t from : order) {
      permuted.push_back(nodes[from]);
    }
    const HandMadeFleet other(fast_and_slow(), permuted);
    const auto permuted_scores =
        scores_of(GetParam(), task, other.view(), other.all_legal(), draw_of(1));
    for (std::size_t i = 0; i < order.size(); ++i) {
      ASSERT_EQ(permuted_scores[i], scores[order[i]]);
    }
  } while (std::next_permutation(order.begin(), order.end()));
}

std::vector<std::string_view> rule_names() {
  std::vector<std::string_view> names;
  for (const DispatchEntry& entry : dispatch_table()) {
    names.push_back(entry.name);
  }
  return names;
}

std::vector<std::string_view> scorer_names() {
  std::vector<std::string_view> names = rule_names();
  std::erase_if(names, [](std::string_view name) {
    return name == "random" || name == "round_robin" || name == "power_of_two";
  });
  return names;
}

INSTANTIATE_TEST_SUITE_P(Dispatch, EveryRule, ::testing::ValuesIn(rule_names()),
                         [](const auto& rule) { return std::string(rule.param); });
INSTANTIATE_TEST_SUITE_P(Dispatch, EveryScorer, ::testing::ValuesIn(scorer_names()),
                         [](const auto& rule) { return std::string(rule.param); });

}  // namespace
}  // namespace yardmaster
