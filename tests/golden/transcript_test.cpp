// The life of a few requests, fact by fact, for people to read: start here when a golden digest
// changes.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <string>
#include <tuple>
#include <vector>

#include "env/simulation/simulation.h"
#include "policies/policy.h"
#include "tests/golden/golden_file.h"
#include "tests/support/chaos.h"
#include "tests/support/orderings.h"
#include "tests/support/scenario_builder.h"

namespace yardmaster {
namespace {

constexpr std::array kFactNames = {"arrived",  "sent",   "scheduled", "first token", "preempted",
                                   "finished", "failed", "rejected",  "cancelled"};

struct Transcript final : Observer {
  struct Line {
    Time when;
    Fact fact;
    TaskAddress at;
    NodeId node;
  };
  std::vector<Line> lines;
  std::vector<TaskRow> rows;

  void on_task(const TaskRow& row) override { rows.push_back(row); }
  void on_fact(Fact fact, const TaskAddress& at, NodeId node, Time when) override {
    lines.push_back({when, fact, at, node});
  }
  [[nodiscard]] bool wants_facts() const override { return true; }
};

std::string milliseconds(std::int64_t ps) {
  char text[40];
  std::snprintf(text, sizeof text, "%lld.%09lld", static_cast<long long>(ps / kMillisecond.ps),
                static_cast<long long>(ps % kMillisecond.ps));
  return text;
}

/// Facts in the order of time, then the moments of each task, all in milliseconds.
std::string transcript_of(const Scenario& scenario, Seed seed) {
  Simulation world(scenario, seed, find_ordering("first_come_first_served"));
  Transcript seen;
  run_policy(world, *make_dispatch("join_shortest_queue"), seed, &seen);
  std::stable_sort(seen.lines.begin(), seen.lines.end(), [](const auto& a, const auto& b) {
    return std::tie(a.when, a.at, a.fact) < std::tie(b.when, b.at, b.fact);
  });
  std::string text = "# ms, task.attempt, fact, node\n";
  for (const auto& line : seen.lines) {
    text += milliseconds(line.when.ps) + "  " + std::to_string(line.at.workflow) + "." +
            std::to_string(line.at.attempt) + "  " +
            kFactNames[static_cast<std::size_t>(line.fact)];
    text += line.node == kNoNode ? "\n" : "  node " + std::to_string(index(line.node)) + "\n";
  }
  text += "# task, prompt + output tokens, moments in ms\n";
  for (const TaskRow& row : seen.rows) {
    text += std::to_string(row.address.workflow) + "  " + std::to_string(row.prompt_tokens) +
            " + " + std::to_string(row.output_tokens);
    for (std::size_t m = 0; m < kMomentCount; ++m) {
      if (row.moments[m] != Duration::zero()) {
        text += std::string("  ") + kMomentNames[m] + " " + milliseconds(row.moments[m].ps);
      }
    }
    text += "\n";
  }
  return text;
}

NodeSettings tiny_settings(std::int32_t usable_blocks) {
  NodeSettings settings;
  settings.rules.max_num_seqs = 4;
  settings.rules.max_num_batched_tokens = 32;
  settings.rules.max_model_len = 64;
  settings.grant.blocks = usable_blocks;
  return settings;
}

// Six requests on an asynchronous node whose memory is full: chunks, waits and preemptions.
TEST(Transcript, OneNodeUnderMemoryPressure) {
  const Scenario scenario = make_scenario(
      {affine_kind(1, tiny_settings(5), kMillisecond * 10, {}, {kMillisecond.ps / 10}, {})},
      {poisson_tenant(lognormal_length(20, 0.6, 40), lognormal_length(12, 0.6, 20))}, 20,
      kMillisecond * 333);
  expect_golden("one_node.txt", transcript_of(scenario, Seed{3}));
}

// Two nodes that fail: tasks are retried, and the time that was lost is called rework.
TEST(Transcript, TwoNodesThatFail) {
  NodeKind kind = affine_kind(2, tiny_settings(40), kMillisecond * 10, {}, {}, {});
  kind.failures = {kMillisecond * 1500, kMillisecond * 200};
  Scenario scenario = make_scenario({kind}, {poisson_tenant(fixed_length(20), fixed_length(6))}, 20,
                                    kMillisecond * 400);
  scenario.dispatch.detection = kMillisecond * 50;
  expect_golden("two_nodes.txt", transcript_of(scenario, Seed{2}));
}

}  // namespace
}  // namespace yardmaster
