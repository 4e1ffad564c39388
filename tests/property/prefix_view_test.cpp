// What the view shows of prefix caches does not depend on how often it is read: over random
// conversations on nodes that crash, run out of memory, report late and lose reports.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "env/scenario/load.h"
#include "env/simulation/simulation.h"
#include "policies/policy.h"
#include "tests/support/dice.h"
#include "tests/support/orderings.h"

namespace yardmaster {
namespace {

/// Conversations in Mooncake's format, on two system prompts.
void write_trace(const std::string& path, std::uint64_t seed) {
  Dice dice(seed);
  std::ofstream out(path);
  std::vector<std::vector<std::int64_t>> open(12);
  std::int64_t next_id = 2, ms = 0;
  for (int i = 0; i < 400; ++i) {
    std::vector<std::int64_t>& ids = open[static_cast<std::size_t>(dice.between(0, 11))];
    if (ids.empty() || dice.one_in(5)) {
      ids.assign(1, dice.between(0, 1));
    }
    for (std::int64_t more = dice.between(0, 3); more > 0; --more) {
      ids.push_back(next_id++);
    }
    ms += dice.between(0, 400);
    out << R"({"timestamp": )" << ms << R"(, "input_length": )" << 512 * ids.size()
        << R"(, "output_length": )" << dice.between(1, 200) << R"(, "hash_ids": [)";
    for (std::size_t j = 0; j < ids.size(); ++j) {
      out << (j == 0 ? "" : ", ") << ids[j];
    }
    out << "]}\n";
  }
}

Scenario conversations(std::uint64_t seed, const std::string& source) {
  const std::string path = testing::TempDir() + "yardmaster_prefix_view_" + std::to_string(seed);
  write_trace(path, seed);
  Scenario scenario = load_scenario_text(
      "nodes:\n  - {count: 3, gpu: a100-80gb-sxm, model: llama-3.1-8b,\n"
      "     failures: {between: 40 s, repair: 5 s}}\n"
      "workload: {trace: " +
          path + ", rate: 6 /s}\nreports: {interval: 300 ms, delay: 50 ms, loss: 0.5}\n" +
          "dispatch: {prefix_index: " + source + "}\n",
      YARDMASTER_SOURCE_DIR "/scenarios/test.yaml");
  scenario.kinds[0].settings.rules.enable_prefix_caching = true;
  scenario.kinds[0].settings.grant.blocks = 3000;
  scenario.kinds[0].settings.rules.max_model_len = 32'768;
  std::filesystem::remove(path);
  return scenario;
}

/// Tokens that the view expects to hit for the task on each node.
std::vector<double> promised(Simulation& world, const TaskView& task) {
  std::vector<double> hits(world.view().nodes());
  world.view().prefix_hit_tokens(task, hits);
  return hits;
}

TEST(PrefixView, ExtraReadsChangeNothing) {
  double promises = 0;
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    const Scenario scenario = conversations(seed, seed % 3 == 0 ? "sent" : "events");
    const auto policy = make_dispatch("cache_aware");
    const OrderingPolicy* const ordering = find_ordering("first_come_first_served");
    Simulation seldom(scenario, Seed{seed}, ordering), often(scenario, Seed{seed}, ordering);
    Dispatcher for_seldom(*policy, Seed{seed}), for_often(*policy, Seed{seed});
    Dice dice(seed);
    Time looked;
    for (;;) {
      const Decision d = seldom.advance();
      if (d.kind == DecisionKind::end) {
        break;
      }
      while (often.advance(nullptr, looked).kind == DecisionKind::end) {
        often.view();
        for (std::uint32_t n = 0; n < scenario.nodes(); ++n) {
          often.node_state(node_id(n));  // makes its plans as early as possible
        }
        looked = looked + Duration{dice.between(1, 5'000'000'000)};
      }
      const Decision o = often.advance();
      ASSERT_EQ(o.now, d.now);
      const std::vector<double> hits = promised(seldom, d.task);
      ASSERT_EQ(promised(often, o.task), hits) << "seed " << seed;
      promises += hits[0];
      const Action action = for_seldom.decide(seldom, d);
      seldom.apply(action);
      often.apply(for_often.decide(often, o));
    }
    often.advance();
    ASSERT_EQ(seldom.digest(), often.digest());
  }
  EXPECT_GT(promises, 0);
}

}  // namespace
}  // namespace yardmaster
