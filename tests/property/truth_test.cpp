// No policy sees hidden state: two worlds that differ only in what has not been revealed look the
// same to it, byte for byte.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "env/simulation/simulation.h"
#include "policies/policy.h"
#include "tests/support/audit.h"
#include "tests/support/chaos.h"
#include "tests/support/orderings.h"
#include "tests/support/scenario_builder.h"

namespace yardmaster {
namespace {

template <class T>
void append(std::string& bytes, std::span<const T> column) {
  bytes.append(reinterpret_cast<const char*>(column.data()), column.size_bytes());
}

void append_number(std::string& bytes, double value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

/// Everything that a policy can read at this decision: view, task, estimates, and every rule's
/// scores.
std::string visible_bytes(Simulation& world, const Decision& decision) {
  const TaskView task = decision.task;
  const std::vector<std::uint8_t> legal(decision.legal.begin(), decision.legal.end());
  const FleetView& v = world.view();
  std::string bytes;
  append_number(bytes, static_cast<double>(v.now.ps));
  append_number(bytes, static_cast<double>(index(v.last_sent)));
  append_number(bytes, v.ready);
  FleetView::for_each_column([&](const char*, const auto& column) { append(bytes, column); }, v);
  append(bytes, std::span<const std::uint8_t>(legal));
  for (const std::int32_t number : {task.prompt_tokens, task.predicted_tokens}) {
    append_number(bytes, number);
  }
  append_number(bytes, static_cast<double>(task.arrival.ps));
  append_number(bytes, static_cast<double>(task.ready.ps));
  std::vector<double> scores(v.nodes());
  for (const DispatchEntry& rule : dispatch_table()) {
    make_dispatch(rule.name)->score(task, v, legal, Draw{Seed{1}, Purpose::tie, task.address},
                                    scores);
    append(bytes, std::span<const double>(scores));
  }
  for (std::size_t i = 0; i < v.nodes(); ++i) {
    const Prediction p = v.estimates->predict(node_id(i), task, v);
    for (const double number :
         {p.wait_s, p.prefill_s, p.decode_s, p.tpot_s, p.delay_to_others_s,
          v.estimates->work_ahead(node_id(i), v), v.estimates->step(node_id(i), 8, 999),
          v.estimates->service_rate(node_id(i))}) {
      append_number(bytes, number);
    }
  }
  return bytes;
}

TEST(Truth, ViewsAndEstimatesOfAnImaginedWorldEqualTheRealOnes) {
  int compared = 0, different = 0;
  for (std::uint64_t seed = 1; compared < 200; ++seed) {
    ASSERT_LT(seed, 400U);
    Scenario scenario = random_scenario(seed);
    scenario.workload.length_error = 0.7;
    Simulation world(scenario, Seed{seed}, find_ordering("first_come_first_served"));
    Chaos chaos{seed};
    const std::uint64_t stop = 3 + mix64(seed) % 60;
    if (run_chaos(world, chaos, stop)) {
      continue;
    }
    const Decision& decision = world.advance();
    for (std::uint32_t n = 0; n < scenario.nodes(); ++n) {
      world.node_state(node_id(n));  // imagine() makes all plans up to now, with their facts
    }
    Simulation imagined = world;
    imagined.imagine(Seed{seed + 1000});
    ASSERT_EQ(visible_bytes(world, decision), visible_bytes(imagined, imagined.advance()))
        << "scenario seed " << seed << " decision " << stop;
    ASSERT_EQ(world.digest(), imagined.digest()) << "imagine() changed the past";
    ++compared;
    Chaos chaos_too = chaos;
    run_chaos(world, chaos);
    run_chaos(imagined, chaos_too);
    different += world.digest() != imagined.digest() ? 1 : 0;
  }
  EXPECT_GT(different, 150) << "the worlds hardly differ, so the comparison proves nothing";
}

/// Facts that the dispatcher itself observes.
struct Seen final : Observer {
  struct Event {
    Fact fact;
    TaskAddress at;
    Time when;
    bool operator==(const Event&) const = default;
  };
  std::vector<Event> events;
  void on_task(const TaskRow&) override {}
  void on_fact(Fact fact, const TaskAddress& at, NodeId, Time when) override {
    if (fact == Fact::first_token || fact == Fact::finished || fact == Fact::failed ||
        fact == Fact::arrived) {
      events.push_back({fact, at, when});
    }
  }
  [[nodiscard]] bool wants_facts() const override { return true; }
};

/// Runs two worlds side by side under one rule for as long as they look alike to the dispatcher.
/// Returns the number of compared decisions. `parted`: something visible differed in the end.
int compare_while_alike(const Scenario& a, const Scenario& b, std::uint64_t seed, bool& parted) {
  Simulation one(a, Seed{seed}, find_ordering("first_come_first_served"));
  Simulation two(b, Seed{seed}, find_ordering("first_come_first_served"));
  const auto rule = make_dispatch("earliest_finish");
  Dispatcher first(*rule, Seed{seed}), second(*rule, Seed{seed});
  Seen seen_one, seen_two;
  for (int compared = 0;; ++compared) {
    const Decision& here = one.advance(&seen_one);
    const Decision& there = two.advance(&seen_two);
    parted = seen_one.events != seen_two.events || here.now != there.now;
    if (parted || here.kind == DecisionKind::end) {
      return compared;
    }
    EXPECT_EQ(visible_bytes(one, here), visible_bytes(two, there))
        << "seed " << seed << " decision " << compared;
    if (testing::Test::HasFailure()) {
      return compared;
    }
    one.apply(first.decide(one, here));
    two.apply(second.decide(two, there));
  }
}

// Reports are so rare here that none is read. What remains of the view is the dispatcher's own
// ledger, detected health, and the cost model.
TEST(Truth, SlowDownsAndFailuresAreSeenOnlyByWhatTheyDelay) {
  int compared = 0, parted_runs = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    Scenario calm = make_scenario(
        {formula_kind(4)},
        {poisson_tenant(lognormal_length(200, 1.0, 2000), lognormal_length(300, 0.8, 2000))}, 6,
        kSecond * 20);
    calm.reports.interval = kSecond * 10'000;
    calm.reports.delay = kSecond * 1000;
    calm.dispatch.detection = kSecond * 3;
    add_capacity(calm);
    Scenario rough = calm;
    rough.kinds[0].slowdowns = {kSecond * 10, kSecond * 5};
    rough.kinds[0].failures = {kSecond * 25, kSecond * 2};
    bool parted = false;
    compared += compare_while_alike(calm, rough, seed, parted);
    parted_runs += parted ? 1 : 0;
    ASSERT_FALSE(HasFailure());
  }
  EXPECT_GT(compared, 500);
  EXPECT_GT(parted_runs, 30) << "the two scenarios never differ, so the comparison proves nothing";
}

TEST(Imagination, SameSeedGivesTheSameFutureAndAnotherSeedAnother) {
  int distinct = 0, checked = 0;
  for (std::uint64_t seed = 1; checked < 60; ++seed) {
    ASSERT_LT(seed, 300U);
    Scenario scenario = random_scenario(seed);
    scenario.workload.length_error = 0.7;
    Simulation world(scenario, Seed{seed}, find_ordering("shortest_predicted_job"));
    Chaos chaos{seed};
    if (run_chaos(world, chaos, 2 + mix64(seed) % 40)) {
      continue;
    }
    ++checked;
    const auto future = [&](std::uint64_t imagined_by) {
      Simulation fork = world;
      Chaos same = chaos;
      fork.imagine(Seed{imagined_by});
      run_chaos(fork, same);
      return fork.digest();
    };
    ASSERT_EQ(future(77), future(77)) << "scenario seed " << seed;
    distinct += future(77) != future(78) ? 1 : 0;
  }
  EXPECT_GT(distinct, 50);
}

/// All facts and rows.
struct Revealed final : Observer {
  std::vector<Seen::Event> events;
  std::vector<TaskRow> rows;
  void on_task(const TaskRow& row) override { rows.push_back(row); }
  void on_fact(Fact fact, const TaskAddress& at, NodeId, Time when) override {
    events.push_back({fact, at, when});
  }
  [[nodiscard]] bool wants_facts() const override { return true; }
};

TEST(Imagination, KeepsWhatWasRevealedAndContradictsNoTokenThatWasSeen) {
  int first_tokens_kept = 0;
  for (std::uint64_t seed = 1; seed <= 80; ++seed) {
    Scenario scenario = random_scenario(seed);
    scenario.workload.length_error = 0.7;
    Simulation world(scenario, Seed{seed}, find_ordering("first_come_first_served"));
    Chaos chaos{seed, false, true};
    Revealed past;
    if (run_chaos(world, chaos, 4 + mix64(seed) % 80, &past)) {
      continue;
    }
    const Time now = world.now();
    world.imagine(Seed{seed + 1});
    Revealed future;
    run_chaos(world, chaos, ~std::uint64_t{0}, &future);
    for (const TaskRow& row : future.rows) {
      if (row.outcome != Outcome::finished) {
        continue;
      }
      ASSERT_GE(row.last_token, now) << "a task ended before it was imagined to end";
      ASSERT_GE(row.output_tokens, 1);
      for (const Seen::Event& e : past.events) {
        if (e.fact == Fact::first_token && e.at == row.address) {
          ASSERT_EQ(row.first_token, e.when) << "a first token that was seen has moved";
          ++first_tokens_kept;
        }
      }
    }
  }
  EXPECT_GT(first_tokens_kept, 50);
}

// Preempted requests wait or compute again what they had: their new length is above the tokens that
// they produced before.
TEST(Imagination, RunsOfImaginedWorldsUnderMemoryPressurePassTheAudit) {
  NodeKind kind = formula_kind(2, 60);
  // Few tokens beside the decodes: prompts take many steps.
  kind.settings.rules.max_num_batched_tokens = 72;
  Scenario scenario = make_scenario(
      {kind}, {poisson_tenant(lognormal_length(150, 0.8, 400), lognormal_length(150, 0.8, 400))},
      20, kSecond * 10);
  scenario.workload.length_error = 1.5;
  std::uint64_t preempted = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Simulation world(scenario, Seed{seed}, find_ordering("first_come_first_served"));
    Chaos chaos{seed, false, false};
    for (std::uint64_t stop = 20; !run_chaos(world, chaos, stop); stop += 20) {
      Simulation imagined = world;
      Chaos same = chaos;
      imagined.imagine(Seed{seed * 1'000 + stop});
      Auditor audit;
      run_chaos(imagined, same, ~std::uint64_t{0}, &audit);
      ASSERT_FALSE(HasFailure()) << "seed " << seed << ", imagined at decision " << stop;
      preempted += audit.facts[Fact::preempted];
    }
  }
  EXPECT_GT(preempted, 1'000U);
}

}  // namespace
}  // namespace yardmaster
