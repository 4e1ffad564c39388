// The declared limit of an output decides where a task may go; its hidden length does not.
#include <gtest/gtest.h>

#include <cstdint>
#include <string_view>
#include <vector>

#include "env/simulation/simulation.h"
#include "policies/policy.h"
#include "tests/support/audit.h"
#include "tests/support/chaos.h"
#include "tests/support/orderings.h"
#include "tests/support/scenario_builder.h"

namespace yardmaster {
namespace {

const OrderingPolicy* first_come() { return find_ordering("first_come_first_served"); }

/// A node with room for 3,000 tokens beside one with room for 1,000.
Scenario unequal_limits(std::vector<TraceRow> trace, bool declared) {
  NodeKind large = formula_kind(1), small = formula_kind(1);
  large.settings.rules.max_model_len = 3'000;
  small.settings.rules.max_model_len = 1'000;
  Scenario scenario = make_scenario(
      {large, small}, {poisson_tenant(fixed_length(1), fixed_length(1))}, 10, kSecond * 60);
  scenario.workload.trace = std::move(trace);
  scenario.workload.declares_max_tokens = declared;
  scenario.workload.mean = mean_task(scenario.workload);
  add_capacity(scenario);
  return scenario;
}

std::vector<TraceRow> random_rows(std::uint64_t seed, bool with_limit) {
  Dice dice(seed);
  std::vector<TraceRow> rows;
  for (Duration at{}; at < kSecond * 60; at += Duration{dice.between(0, kSecond.ps / 5)}) {
    TraceRow row{at, dice.tokens(1, 2'500), dice.tokens(1, 1'200), 0, kNoPath};
    row.max_tokens = with_limit ? row.output_tokens + dice.tokens(1, 400) : 0;
    rows.push_back(row);
  }
  return rows;
}

TEST(MaxTokens, OutputTokensOfFinishedPlusRefusedTasksAreTheSameForEveryPolicy) {
  for (const bool with_limit : {false, true}) {
    const std::vector<TraceRow> rows = random_rows(with_limit ? 5 : 6, with_limit);
    const Scenario scenario = unequal_limits(rows, with_limit);
    std::int64_t all = 0;
    for (const TraceRow& row : rows) {
      all += row.output_tokens;
    }
    for (const DispatchEntry& rule : dispatch_table()) {
      Simulation world(scenario, Seed{1}, first_come());
      Auditor audit;
      run_policy(world, *make_dispatch(rule.name), Seed{1}, &audit);
      std::int64_t produced = 0;
      for (const TaskRow& row : audit.rows) {
        const std::int64_t of_the_trace = rows[row.address.workflow].output_tokens;
        ASSERT_TRUE(row.outcome == Outcome::finished || row.outcome == Outcome::rejected_too_long);
        if (row.outcome == Outcome::finished) {
          ASSERT_EQ(row.output_tokens, of_the_trace) << rule.name;
        }
        produced += of_the_trace;
      }
      EXPECT_EQ(produced, all) << rule.name;
      EXPECT_GT(world.counts().rejected_too_long, 0U);
      EXPECT_GT(world.counts().finished, 100U);
    }
  }
}

TEST(MaxTokens, ATaskIsLegalWherePromptAndMaxTokensFitAndRefusedWhereTheyFitNowhere) {
  //                               arrival     prompt output max
  const std::vector<TraceRow> rows = {{kSecond * 0, 500, 10, 500},     // both
                                      {kSecond * 1, 500, 10, 501},     // the large node
                                      {kSecond * 2, 2'500, 10, 500},   // the large node
                                      {kSecond * 3, 2'500, 10, 501}};  // none
  const Scenario scenario = unequal_limits(rows, true);
  Simulation world(scenario, Seed{1}, first_come());
  std::vector<std::vector<int>> legal;
  for (const Decision* d = &world.advance(); d->kind != DecisionKind::end; d = &world.advance()) {
    legal.push_back({d->legal[0], d->legal[1]});
    world.apply(Action::send(node_id(0)));
  }
  EXPECT_EQ(legal, (std::vector<std::vector<int>>{{1, 1}, {1, 0}, {1, 0}}));
  EXPECT_EQ(world.counts().rejected_too_long, 1U);
}

TEST(MaxTokens, AViewShowsTheLimitOnlyWhereItIsDeclared) {
  for (const bool declared : {false, true}) {
    const Scenario scenario =
        unequal_limits({{kSecond * 0, 500, 10, declared ? 400 : 0}, {kSecond, 5, 5, 5}}, declared);
    Simulation world(scenario, Seed{1}, first_come());
    EXPECT_EQ(world.advance().task.max_tokens, declared ? 400 : 0);
  }
}

TEST(MaxTokens, TheMaskDoesNotDependOnTheHiddenLength) {
  std::vector<TraceRow> rows = random_rows(8, true);
  const Scenario one = unequal_limits(rows, true);
  for (TraceRow& row : rows) {
    row.output_tokens = 1;
  }
  const Scenario other = unequal_limits(rows, true);
  Simulation a(one, Seed{1}, first_come()), b(other, Seed{1}, first_come());
  int decisions = 0;
  for (; a.advance().kind != DecisionKind::end; ++decisions) {
    const Decision& of_a = a.advance();
    const Decision& of_b = b.advance();
    ASSERT_EQ(std::vector(of_a.legal.begin(), of_a.legal.end()),
              std::vector(of_b.legal.begin(), of_b.legal.end()));
    a.apply(Action::send(node_id(0)));
    b.apply(Action::send(node_id(0)));
  }
  EXPECT_GT(decisions, 100);
}

TEST(MaxTokens, ImaginedLengthsStayWithinTheLimit) {
  std::vector<TraceRow> rows = random_rows(9, true);
  Scenario scenario = unequal_limits(rows, true);
  scenario.workload.length_error = 2;
  Simulation world(scenario, Seed{1}, first_come());
  Chaos chaos{9};
  run_chaos(world, chaos, 100);
  int at_limit = 0;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    Simulation imagined = world;
    imagined.imagine(Seed{seed});
    Auditor audit;
    Chaos answers{seed};
    run_chaos(imagined, answers, ~std::uint64_t{0}, &audit);
    for (const TaskRow& row : audit.rows) {
      ASSERT_LE(row.output_tokens, rows[row.address.workflow].max_tokens);
      at_limit += row.output_tokens == rows[row.address.workflow].max_tokens ? 1 : 0;
    }
  }
  EXPECT_GT(at_limit, 0);
}

}  // namespace
}  // namespace yardmaster
