#include "env/simulation/simulation.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "policies/policy.h"
#include "tests/support/chaos.h"
#include "tests/support/orderings.h"
#include "tests/support/scenario_builder.h"

namespace yardmaster {
namespace {

const OrderingPolicy* first_come() { return find_ordering("first_come_first_served"); }

/// Two kinds of node; the second accepts only short prompts.
Scenario unlike_nodes(std::int32_t window) {
  NodeKind large = formula_kind(2), small = formula_kind(2);
  small.settings.rules.max_model_len = 600;
  Scenario scenario = make_scenario(
      {large, small}, {poisson_tenant(lognormal_length(500, 0.8, 4000), fixed_length(100))}, 20,
      kSecond * 20);
  scenario.dispatch.window = window;
  return scenario;
}

TEST(Simulation, LegalNodesAreUpHaveRoomInTheirWindowAndAcceptThePrompt) {
  const Scenario scenario = unlike_nodes(2);
  Simulation world(scenario, Seed{3}, first_come());
  int refused = 0, full = 0;
  for (const Decision* d = &world.advance(); d->kind != DecisionKind::end; d = &world.advance()) {
    const TaskView task = d->task;
    const std::vector<std::uint8_t> legal(d->legal.begin(), d->legal.end());
    const FleetView& view = world.view();
    NodeId to = kNoNode;
    for (std::size_t n = 0; n < view.nodes(); ++n) {
      const bool room = view.in_flight[n] < scenario.dispatch.window;
      const bool fits = task.prompt_tokens + task.max_tokens <=
                        scenario.kind(node_id(n)).settings.rules.max_model_len;
      ASSERT_EQ(legal[n] != 0, view.up[n] != 0 && room && fits) << n;
      refused += fits ? 0 : 1;
      full += room ? 0 : 1;
      to = legal[n] != 0 ? node_id(n) : to;
    }
    ASSERT_NE(to, kNoNode);
    world.apply(Action::send(to));
  }
  EXPECT_GT(refused, 20);
  EXPECT_GT(full, 20);
}

TEST(Simulation, AnInternalFaultNamesTheSeedAndTheDecisionThatReproduceIt) {
  const Scenario scenario = unlike_nodes(100);
  Simulation world(scenario, Seed{17}, first_come());
  for (int i = 0; i < 5; ++i) {
    world.advance();
    world.apply(Action::send(node_id(0)));
  }
  world.advance();
  try {
    world.apply(Action::send(node_id(99)));
    FAIL() << "there is no such node";
  } catch (const InternalFault& fault) {
    const std::string what = fault.what();
    EXPECT_NE(what.find("the action is not legal; seed 17, decision 5"), std::string::npos) << what;
  }
}

TEST(Simulation, DigestsOfMirroredRoundsOverTwoEqualNodesDiffer) {
  const Scenario scenario = make_scenario(
      {formula_kind(2)}, {poisson_tenant(fixed_length(100), fixed_length(10))}, 5, kSecond * 20);
  const auto digest_of_rounds = [&](std::size_t first) {
    Simulation world(scenario, Seed{3}, first_come());
    for (std::size_t i = first; world.advance().kind != DecisionKind::end; ++i) {
      world.apply(Action::send(node_id(i % 2)));
    }
    return world.digest();
  };
  EXPECT_NE(digest_of_rounds(0), digest_of_rounds(1));
}

TEST(Simulation, WorldsThatMoveInAGrowingVectorBehaveAsTheOriginal) {
  const Scenario scenario = random_scenario(7);
  const auto rule = make_dispatch("marginal_cost");
  Simulation original(scenario, Seed{7}, first_come());
  run_policy(original, *rule, Seed{7});
  std::vector<Simulation> worlds;
  for (int i = 0; i < 8; ++i) {
    Simulation& world = worlds.emplace_back(scenario, Seed{7}, first_come());
    world.advance();
    static_cast<void>(world.view());
  }
  worlds.shrink_to_fit();
  Simulation moved = std::move(worlds.front());
  for (Simulation* world : {&worlds[1], &worlds[7], &moved}) {
    run_policy(*world, *rule, Seed{7});
    EXPECT_EQ(world->digest(), original.digest());
  }
}

TEST(Simulation, AnImaginedWorldOnATraceKeepsItsWindow) {
  Scenario scenario = unlike_nodes(100);
  for (std::int32_t i = 0; i < 1'000; ++i) {
    // The window of a row shows in its prompt.
    scenario.workload.trace.push_back({kSecond * i, 100 + i / 100, 10, 0, kNoPath});
  }
  scenario.workload.windows = 10;
  scenario.workload.window = scenario.duration = kSecond * 100;
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    Simulation world(scenario, Seed{seed}, first_come());
    Chaos chaos{seed};
    run_chaos(world, chaos, 20);
    for (std::uint64_t imagined_by = 100; imagined_by < 105; ++imagined_by) {
      Simulation imagined = world;
      imagined.imagine(Seed{imagined_by});
      int tasks = 0;
      for (const Decision* d = &imagined.advance(); d->kind != DecisionKind::end;
           d = &imagined.advance(), ++tasks) {
        ASSERT_EQ(d->task.prompt_tokens, 100 + static_cast<std::int32_t>(seed));
        imagined.apply(Action::send(node_id(0)));
      }
      ASSERT_GT(tasks, 70);
    }
  }
}

/// What reports show, column by column.
std::vector<double> reports_of(const FleetView& view) {
  std::vector<double> values;
  for (std::size_t n = 0; n < view.nodes(); ++n) {
    values.insert(
        values.end(),
        {view.report_taken[n].seconds(), static_cast<double>(view.running[n]),
         static_cast<double>(view.waiting[n]), static_cast<double>(view.kv_use[n]),
         static_cast<double>(view.reported_prefill_tokens[n]),
         static_cast<double>(view.sent_since[n]), static_cast<double>(view.returned_since[n])});
  }
  return values;
}

TEST(Simulation, ReportsDoNotDependOnHowOftenTheyAreRead) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    const Scenario scenario = random_scenario(seed);
    Simulation always(scenario, Seed{seed}, first_come());
    always.advance();
    Simulation seldom = always;
    Chaos of_always{seed}, of_seldom{seed};
    for (std::uint64_t round = 1; round < 60 && always.advance().kind != DecisionKind::end;
         ++round) {
      always.view();
      run_chaos(always, of_always, round);
      run_chaos(seldom, of_seldom, round);
      if (round % 13 == 0) {
        ASSERT_EQ(reports_of(always.view()), reports_of(seldom.view()))
            << "scenario " << seed << ", decision " << round;
      }
    }
    EXPECT_EQ(always.digest(), seldom.digest());
  }
}

TEST(Simulation, LostReportsAreNotShownAndAllOthersAre) {
  Scenario scenario = unlike_nodes(1'000);
  scenario.duration = {200 * kPsPerSecond};
  scenario.reports.interval = {kPsPerSecond};
  scenario.reports.delay = {kPsPerSecond / 1'000};
  scenario.reports.loss = 0.75;
  constexpr Seed kSeed{5};
  Simulation world(scenario, kSeed, first_come());
  std::vector<std::set<std::int64_t>> shown(scenario.nodes());  // [node] numbers of reports
  Time end;
  for (const Decision* d = &world.advance(); d->kind != DecisionKind::end; d = &world.advance()) {
    const FleetView& view = world.view();
    for (std::uint32_t n = 0; n < view.nodes(); ++n) {
      if (!view.report_taken[n].is_never()) {
        shown[n].insert(view.report_taken[n].ps / kPsPerSecond);  // phases are below one interval
      }
    }
    end = d->now;
    world.apply(Action::send(node_id(d->index % 2)));  // the two that accept any prompt
  }
  for (std::uint32_t n = 0; n < scenario.nodes(); ++n) {
    int arrived = 0;
    for (std::uint32_t k = 0; k < end.ps / kPsPerSecond; ++k) {
      const bool lost = Draw{kSeed, Purpose::report_loss, object_address(n, k)}.uniform() < 0.75;
      EXPECT_FALSE(lost && shown[n].contains(k)) << "node " << n << ", report " << k;
      arrived += lost ? 0 : 1;
    }
    EXPECT_GT(arrived, 25);
    EXPECT_GE(static_cast<int>(shown[n].size()), arrived - 2);  // one may be superseded unread
  }
}

TEST(Simulation, UnreadReportsAreNotShownAndChangeNothing) {
  const Scenario scenario = unlike_nodes(100);
  Simulation read(scenario, Seed{5}, first_come());
  Simulation unread(scenario, Seed{5}, first_come(), Reporting::unread);
  Chaos of_read{5}, of_unread{5};
  run_chaos(read, of_read, 150);
  run_chaos(unread, of_unread, 150);
  EXPECT_EQ(read.digest(), unread.digest());
  EXPECT_FALSE(read.view().report_taken[0].is_never());
  EXPECT_TRUE(unread.view().report_taken[0].is_never());
}

}  // namespace
}  // namespace yardmaster
