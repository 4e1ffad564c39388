#include "results/comparison.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace yardmaster {
namespace {

PolicyRuns runs(const char* name, bool baseline, const std::vector<double>& objectives) {
  PolicyRuns p{name, baseline, {}};
  for (const double objective : objectives) {
    Metrics m;
    m.objective_s = objective;
    p.runs.push_back(m);
  }
  return p;
}

TEST(Comparison, RanksByTheObjectiveAndComparesWithTheBestBaseline) {
  const Comparison c =
      compare({runs("slow", true, {5, 6, 7, 8, 9}), runs("good", true, {2, 3, 4, 5, 6}),
               runs("learned", false, {1, 2, 3, 4, 5})});
  EXPECT_EQ(c.ranking, (std::vector<std::string>{"learned", "good", "slow"}));
  EXPECT_EQ(c.best_baseline, "good");
  EXPECT_DOUBLE_EQ(c.row("learned", kRankingMetric).difference.mean, -1);
  EXPECT_DOUBLE_EQ(c.row("learned", kRankingMetric).difference.high, -1);
  EXPECT_DOUBLE_EQ(c.row("slow", kRankingMetric).difference.mean, 3);
  EXPECT_TRUE(std::isnan(c.row("good", kRankingMetric).difference.mean));
}

TEST(Comparison, CorrectsPValuesForTheNumberOfPolicies) {
  const PolicyRuns base = runs("base", true, {1, 1, 1, 1, 1});
  const PolicyRuns worse = runs("worse", true, {2, 3, 4, 5, 6});
  const PolicyRuns worst = runs("worst", true, {3, 4, 5, 6, 7});
  EXPECT_DOUBLE_EQ(compare({base, worse}).row("worse", kRankingMetric).p_value, 2.0 / 32);
  EXPECT_DOUBLE_EQ(compare({base, worse, worst}).row("worse", kRankingMetric).p_value, 4.0 / 32);
}

TEST(Comparison, SaysWhenTheLearnedPolicyLoses) {
  const Comparison c = compare({runs("rule", true, {1, 2}), runs("learned", false, {2, 4})});
  EXPECT_EQ(c.ranking.front(), "rule");
  EXPECT_GT(c.row("learned", kRankingMetric).difference.mean, 0);
}

TEST(Comparison, TakesTheBestOfAllAsReferenceWithoutBaselines) {
  const Comparison c = compare({runs("a", false, {3, 3}), runs("b", false, {2, 2})});
  EXPECT_EQ(c.best_baseline, "b");
}

TEST(Comparison, APolicyWithoutResultRanksLast) {
  const Comparison c = compare({runs("none", true, {std::nan(""), 1}), runs("some", true, {9, 9})});
  EXPECT_EQ(c.ranking.back(), "none");
}

}  // namespace
}  // namespace yardmaster
