// Tasks, tokens, time, seats and memory are neither lost nor created.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <map>
#include <vector>

#include "env/simulation/simulation.h"
#include "policies/policy.h"
#include "tests/support/audit.h"
#include "tests/support/chaos.h"
#include "tests/support/orderings.h"
#include "tests/support/scenario_builder.h"

namespace yardmaster {
namespace {

TEST(Conservation, TasksTimeSeatsAndMemoryAddUpInRandomScenariosUnderEveryAction) {
  std::uint64_t finished = 0, retried = 0, cancelled = 0, preempted = 0;
  for (std::uint64_t seed = 1; seed <= 120; ++seed) {
    const Scenario scenario = random_scenario(seed);
    Simulation world(scenario, Seed{seed}, find_ordering("first_come_first_served"));
    Chaos chaos{seed};
    Auditor audit;
    Time last{0};
    for (;;) {
      const bool over = world.advance(&audit).kind == DecisionKind::end;
      check_instant(world, last);
      if (HasFatalFailure() || over) {
        break;
      }
      chaos.answer(world, world.advance(&audit), &audit);
    }
    ASSERT_FALSE(HasFailure()) << "scenario seed " << seed;
    check_end(world, audit);
    ASSERT_FALSE(HasFailure()) << "scenario seed " << seed;
    const RunCounts counts = world.counts();
    finished += counts.finished;
    retried += counts.retried;
    cancelled += counts.cancelled;
    preempted += audit.facts[Fact::preempted];
  }
  std::printf("%llu finished, %llu retried, %llu cancelled, %llu preemptions\n",
              static_cast<unsigned long long>(finished), static_cast<unsigned long long>(retried),
              static_cast<unsigned long long>(cancelled),
              static_cast<unsigned long long>(preempted));
  EXPECT_GT(finished, 5000U);
  EXPECT_GT(retried, 100U);
  EXPECT_GT(cancelled, 200U);
  EXPECT_GT(preempted, 100U);
}

/// A fleet without failures: every token is computed once.
Scenario calm_scenario(double rate_per_s) {
  return make_scenario(
      {formula_kind(3), formula_kind(2, 4000, 1.0)},
      {poisson_tenant(lognormal_length(300, 1.0, 4000), lognormal_length(120, 0.9, 2000))},
      rate_per_s, kSecond * 60);
}

struct Drained {
  Auditor audit;
  NodeCounters total;
  double unfinished_s = 0, latency_s = 0;
};

Drained run_drained(const Scenario& scenario, Seed seed) {
  Drained run;
  Simulation world(scenario, seed, find_ordering("first_come_first_served"));
  run_policy(world, *make_dispatch("join_shortest_queue"), seed, &run.audit);
  for (std::size_t n = 0; n < scenario.nodes(); ++n) {
    const NodeCounters c = world.node_state(node_id(n)).counters;
    run.total.prefill_tokens += c.prefill_tokens;
    run.total.decode_tokens += c.decode_tokens;
    run.total.context_tokens += c.context_tokens;
    run.total.chunk_pairs += c.chunk_pairs;
    run.total.preemptions += c.preemptions;
  }
  run.unfinished_s = world.cost().unfinished_task_s;
  for (const TaskRow& row : run.audit.rows) {
    run.latency_s += (row.last_token - row.arrival).seconds();
  }
  return run;
}

TEST(Conservation, TokensAndFlopsOfADrainedRunEqualThoseOfTheWorkload) {
  const Scenario scenario = calm_scenario(30);
  const Drained run = run_drained(scenario, Seed{5});
  std::int64_t prompt = 0, decoded = 0, pairs = 0, context = 0;
  for (const TaskRow& row : run.audit.rows) {
    ASSERT_EQ(row.outcome, Outcome::finished);
    const std::int64_t p = row.prompt_tokens, n = row.output_tokens;
    prompt += p;
    decoded += n - 1;  // the first token comes with the prompt
    pairs += p * p;
    context += (n - 1) * p + (n - 1) * (n - 2) / 2;
  }
  ASSERT_GT(run.audit.rows.size(), 1000U);
  ASSERT_EQ(run.total.preemptions, 0);
  EXPECT_EQ(run.total.prefill_tokens, prompt);
  EXPECT_EQ(run.total.decode_tokens, decoded);
  EXPECT_EQ(run.total.chunk_pairs, pairs);
  EXPECT_EQ(run.total.context_tokens, context);
}

TEST(Conservation, TokenAndFlopTotalsOfAReplayEqualThoseOfTheTrace) {
  Scenario scenario = calm_scenario(1);
  Dice dice(11);
  std::int64_t prompt = 0, decoded = 0, pairs = 0, context = 0;
  for (Duration at{}; at < scenario.duration; at += Duration{dice.between(0, kSecond.ps / 10)}) {
    const TraceRow row{at, dice.tokens(1, 3000), dice.tokens(1, 300)};
    scenario.workload.trace.push_back(row);
    const std::int64_t p = row.prompt_tokens, n = row.output_tokens;
    prompt += p;
    decoded += n - 1;
    pairs += p * p;
    context += (n - 1) * p + (n - 1) * (n - 2) / 2;
  }
  const Drained run = run_drained(scenario, Seed{1});
  ASSERT_EQ(run.audit.rows.size(), scenario.workload.trace.size());
  EXPECT_EQ(run.total.prefill_tokens, prompt);
  EXPECT_EQ(run.total.decode_tokens, decoded);
  // FLOPs: 2 per weight and token, plus 2 per (query, key) pair. These two count the pairs.
  EXPECT_EQ(run.total.chunk_pairs, pairs);
  EXPECT_EQ(run.total.context_tokens, context);
}

TEST(Conservation, SizesOfRowsEqualThoseOfTheWorkload) {
  const Scenario scenario = calm_scenario(30);
  const Drained run = run_drained(scenario, Seed{6});
  std::map<std::uint32_t, TaskSizes> asked;
  const Time end{scenario.duration.ps};
  for (ArrivalCursor c = first_arrival(scenario.workload, 0, Seed{6}, end); !c.next.is_never();
       next_arrival(c, scenario.workload, 0, Seed{6}, end)) {
    asked[c.count] = task_sizes(c, scenario.workload, 0, Seed{6});
  }
  ASSERT_EQ(run.audit.rows.size(), asked.size());
  for (const TaskRow& row : run.audit.rows) {
    const TaskSizes& sizes = asked.at(row.address.workflow);
    EXPECT_EQ(row.prompt_tokens, sizes.prompt_tokens);
    EXPECT_EQ(row.output_tokens, sizes.output_tokens);
    EXPECT_EQ(row.predicted_tokens, sizes.predicted_tokens);
  }
}

TEST(Conservation, LittlesLawHoldsAsAnIdentityOnADrainedRun) {
  for (const double rate : {2.0, 30.0, 80.0}) {
    const Drained run = run_drained(calm_scenario(rate), Seed{7});
    ASSERT_GT(run.latency_s, 0);
    EXPECT_NEAR(run.unfinished_s / run.latency_s, 1.0, 1e-9) << "rate " << rate;
  }
}

TEST(Conservation, LittlesLawHoldsWithFailuresHoldsRejectionsAndCancellations) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    Scenario scenario = random_scenario(seed);
    for (Tenant& tenant : scenario.workload.tenants) {
      tenant.weight = 1;
    }
    Simulation world(scenario, Seed{seed}, find_ordering("first_come_first_served"));
    Chaos chaos{seed};
    struct Stay final : Observer {
      std::map<TaskAddress, Time> since;
      double total_s = 0;
      static TaskAddress task(TaskAddress at) {
        at.attempt = 0;
        return at;
      }
      void on_task(const TaskRow&) override {}
      void on_fact(Fact fact, const TaskAddress& at, NodeId, Time when) override {
        if (fact == Fact::arrived) {
          since[task(at)] = when;
        } else if (fact == Fact::finished || fact == Fact::rejected || fact == Fact::cancelled) {
          total_s += (when - since.at(task(at))).seconds();
        }
      }
      [[nodiscard]] bool wants_facts() const override { return true; }
    } stay;
    run_chaos(world, chaos, ~std::uint64_t{0}, &stay);
    if (stay.total_s > 0) {
      ASSERT_NEAR(world.cost().unfinished_task_s / stay.total_s, 1.0, 1e-9)
          << "scenario seed " << seed;
    }
  }
}

Duration prefill_alone(const NodeSettings& settings, std::int32_t prompt) {
  Duration total;
  for (std::int32_t before = 0; before < prompt;) {
    const std::int32_t chunk = std::min(prompt - before, settings.rules.max_num_batched_tokens);
    MixedStep step;
    step.chunks = 1;
    step.chunk_tokens = chunk;
    step.chunk_pairs = (2LL * before + chunk) * chunk;
    before += chunk;
    step.sampled = before == prompt ? 1 : 0;
    total += settings.cost(0).mixed(step);
  }
  return total;
}

// The step that ends the prefill gives the first token, so its own prefill is at least one step.
TEST(Belief, NoFirstTokenComesBeforeItsOwnPrefillAndNoTokenFasterThanTheWeightsAreRead) {
  const Scenario scenario = calm_scenario(60);
  const Drained run = run_drained(scenario, Seed{8});
  const Duration way = scenario.network.frontend + scenario.network.latency * 2;
  double tightest = 1e9;
  for (const TaskRow& row : run.audit.rows) {
    const NodeSettings& settings = scenario.kind(row.node).settings;
    const Duration bound = prefill_alone(settings, row.prompt_tokens);
    ASSERT_GE(row.first_token - row.arrival - way, bound) << "workflow " << row.address.workflow;
    ASSERT_GE(bound, settings.cost(0).weight_read());
    tightest =
        std::min(tightest, (row.first_token - row.arrival - way).seconds() / bound.seconds());
    if (row.output_tokens > 1) {
      const Duration decode = row.last_token - row.first_token;
      ASSERT_GE(decode, settings.cost(0).weight_read() * (row.output_tokens - 1));
    }
  }
  EXPECT_LT(tightest, 1.05) << "no request comes near the bound, so the test proves nothing";
}

}  // namespace
}  // namespace yardmaster
