// A task is never faster than its isolated latency, so slowdown is at least 1.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>

#include "env/scenario/load.h"
#include "env/simulation/metrics.h"
#include "env/simulation/simulation.h"
#include "policies/policy.h"
#include "tests/support/chaos.h"
#include "tests/support/dice.h"
#include "tests/support/orderings.h"
#include "tests/support/scenario_builder.h"

namespace yardmaster {
namespace {

/// Keeps the extremes of E2E over isolated latency.
struct Slowdowns final : Observer {
  explicit Slowdowns(const Scenario& s) : scenario(&s) {}
  void on_task(const TaskRow& row) override {
    if (row.outcome != Outcome::finished) {
      return;
    }
    const auto ratio = [&](std::int32_t shared_tokens) {
      return (row.last_token - row.arrival).seconds() /
             isolated_latency_s(*scenario, row.prompt_tokens, row.output_tokens, shared_tokens);
    };
    least = std::min(least, ratio(row.shared_tokens));
    least_without_cache = std::min(least_without_cache, ratio(0));
    ++tasks;
  }

  const Scenario* scenario;
  double least = 1e9, least_without_cache = 1e9;
  int tasks = 0;
};

constexpr double kRounding = 1e-9;

TEST(Slowdown, IsAtLeastOneInRandomScenariosUnderEveryAction) {
  int tasks = 0;
  double least = 1e9;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    const Scenario scenario = random_scenario(seed);
    Simulation world(scenario, Seed{seed}, find_ordering("first_come_first_served"));
    Chaos chaos{seed};
    Slowdowns slowdowns(scenario);
    run_chaos(world, chaos, ~std::uint64_t{0}, &slowdowns);
    ASSERT_GE(slowdowns.least, 1 - kRounding) << "scenario seed " << seed;
    least = std::min(least, slowdowns.least);
    tasks += slowdowns.tasks;
  }
  EXPECT_GT(tasks, 2000);
  EXPECT_LT(least, 1.01);  // the bound is reached
}

/// Conversations that come back with a longer prompt, in Mooncake's format.
void write_conversations(const std::string& path) {
  Dice dice(3);
  std::ofstream out(path);
  std::vector<std::vector<std::int64_t>> turns(8);
  std::int64_t next_id = 0, ms = 0;
  for (int i = 0; i < 200; ++i) {
    std::vector<std::int64_t>& ids = turns[static_cast<std::size_t>(dice.between(0, 7))];
    ids.push_back(next_id++);
    ms += dice.between(100, 900);
    out << R"({"timestamp": )" << ms << R"(, "input_length": )" << 512 * ids.size()
        << R"(, "output_length": )" << dice.between(1, 50) << R"(, "hash_ids": [)";
    for (std::size_t j = 0; j < ids.size(); ++j) {
      out << (j == 0 ? "" : ", ") << ids[j];
    }
    out << "]}\n";
  }
}

TEST(Slowdown, IsAtLeastOneWherePrefixesHit) {
  const std::string path = testing::TempDir() + "yardmaster_slowdown.jsonl";
  write_conversations(path);
  Scenario scenario = load_scenario_text(
      "nodes: [{count: 2, gpu: a100-80gb-sxm, model: llama-3.1-8b}]\n"
      "workload: {trace: " +
          path + ", rate: 2 /s}\n",
      YARDMASTER_SOURCE_DIR "/scenarios/test.yaml");
  std::filesystem::remove(path);
  scenario.kinds[0].settings.rules.enable_prefix_caching = true;
  for (const char* policy : {"cache_aware", "round_robin"}) {
    Simulation world(scenario, Seed{1}, find_ordering("first_come_first_served"));
    Slowdowns slowdowns(scenario);
    run_policy(world, *make_dispatch(policy), Seed{1}, &slowdowns);
    EXPECT_GT(slowdowns.tasks, 150);
    EXPECT_GE(slowdowns.least, 1 - kRounding) << policy;
    EXPECT_LT(slowdowns.least_without_cache, 0.9) << policy;
  }
}

}  // namespace
}  // namespace yardmaster
