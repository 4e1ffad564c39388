// What must hold in every run, for any scenario and policy: for property tests and fuzzing.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <vector>

#include "env/simulation/simulation.h"

namespace yardmaster {

/// Keeps all rows, counts facts, and checks what each row must satisfy by itself.
struct Auditor final : Observer {
  std::vector<TaskRow> rows;
  std::map<Fact, std::uint64_t> facts;

  void on_task(const TaskRow& row) override {
    rows.push_back(row);
    if (row.outcome == Outcome::finished) {
      check_finished(row);
    }
  }
  void on_fact(Fact fact, const TaskAddress&, NodeId, Time) override { ++facts[fact]; }
  [[nodiscard]] bool wants_facts() const override { return true; }

  static void check_finished(const TaskRow& row) {
    Duration sum;
    for (const Duration moment : row.moments) {
      EXPECT_GE(moment, Duration::zero());
      sum += moment;
    }
    EXPECT_EQ(sum, row.last_token - row.arrival) << "moments of workflow " << row.address.workflow;
    EXPECT_LE(row.arrival, row.first_scheduled);
    EXPECT_LT(row.first_scheduled, row.first_token);
    EXPECT_LE(row.first_token, row.last_token);
    EXPECT_EQ(row.first_token == row.last_token, row.output_tokens == 1);
  }
};

inline std::uint64_t ended(const RunCounts& c) {
  return c.finished + c.rejected_too_long + c.rejected_by_policy + c.cancelled;
}

/// Checks at a decision: counts, seats, memory, window.
inline void check_instant(Simulation& world, Time& last) {
  const Scenario& s = world.scenario();
  ASSERT_GE(world.now(), last) << "time went back";
  last = world.now();
  const RunCounts counts = world.counts();
  ASSERT_EQ(counts.arrived, ended(counts) + world.unfinished());
  const FleetView& view = world.view();
  for (std::size_t i = 0; i < s.nodes(); ++i) {
    const NodeSettings& settings = s.kind(node_id(i)).settings;
    const NodeState state = world.node_state(node_id(i));
    ASSERT_GE(state.kv_use, 0);
    ASSERT_LE(state.kv_use, 1) << "more KV blocks in use than exist";
    ASSERT_GE(state.running, 0);
    ASSERT_LE(state.running, settings.rules.max_num_seqs);
    ASSERT_GE(view.in_flight[i], 0);
    ASSERT_LE(view.in_flight[i], s.dispatch.window);
    ASSERT_GE(view.awaiting_first[i], 0);
    ASSERT_LE(view.awaiting_first[i], view.in_flight[i]);
    ASSERT_GE(view.awaiting_tokens[i], 0);
    ASSERT_GE(view.prompt_tokens[i], 0);
    ASSERT_GE(view.kv_use[i], 0);
    ASSERT_LE(view.kv_use[i], 1);
    ASSERT_LE(view.running[i], settings.rules.max_num_seqs);
    ASSERT_TRUE(view.report_taken[i].is_never() ||
                view.report_taken[i] + s.reports.delay <= world.now())
        << "a report from the future";
  }
}

/// Checks at the end of a drained run that rows, facts and counts agree.
inline void check_end(Simulation& world, Auditor& audit) {
  const RunCounts counts = world.counts();
  ASSERT_EQ(world.unfinished(), 0U) << "the run did not drain";
  ASSERT_EQ(audit.rows.size(), counts.arrived);
  ASSERT_EQ(audit.facts[Fact::arrived], counts.arrived);
  ASSERT_EQ(audit.facts[Fact::finished], counts.finished);
  ASSERT_EQ(audit.facts[Fact::sent], counts.sent);
  ASSERT_EQ(audit.facts[Fact::cancelled], counts.cancelled);
  ASSERT_EQ(audit.facts[Fact::rejected], counts.rejected_by_policy + counts.rejected_too_long);
  ASSERT_GE(audit.facts[Fact::failed], counts.retried);
}

}  // namespace yardmaster
