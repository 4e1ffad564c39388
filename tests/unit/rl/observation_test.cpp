#include "env/rl/observation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

#include "env/base/math.h"
#include "env/rl/usage_error.h"
#include "tests/support/environments.h"

namespace yardmaster {
namespace {

std::size_t place(std::span<const Feature> columns, std::string_view name) {
  const auto found = std::find_if(columns.begin(), columns.end(),
                                  [&](const Feature& column) { return column.name == name; });
  EXPECT_NE(found, columns.end()) << name;
  return static_cast<std::size_t>(found - columns.begin());
}

float scaled(double raw, float max, bool log) {
  const float cut = raw > 0 ? static_cast<float>(std::min(raw, static_cast<double>(max))) : 0.0F;
  return log ? math::log1p_approx(cut) : cut;
}

// What a column must hold, computed here from the view and the estimates.
struct Definition {
  const char* name;
  float max;
  bool log;
  std::function<double(std::size_t)> raw;  // of node n
};

std::vector<Definition> node_definitions(const TaskView& task, const FleetView& v,
                                         std::span<const std::uint8_t> legal) {
  const Estimates& e = *v.estimates;
  const auto predicted = [&](std::size_t n) { return e.predict(node_id(n), task, v); };
  const auto finish = [=](std::size_t n) { return predicted(n).finish_s(); };
  const auto marginal = [=](std::size_t n) {
    return predicted(n).finish_s() + predicted(n).delay_to_others_s;
  };
  const auto queue = [&](std::size_t n) {
    return (v.in_flight[n] + 1) / std::max(e.service_rate(node_id(n)), 1e-9);
  };
  const auto gap = [legal, nodes = v.nodes()](auto score) {
    return [=](std::size_t n) {
      float best = std::numeric_limits<float>::infinity();
      for (std::size_t i = 0; i < nodes; ++i) {
        best = legal[i] != 0 ? std::min(best, static_cast<float>(score(i))) : best;
      }
      return static_cast<double>(static_cast<float>(score(n))) - static_cast<double>(best);
    };
  };
  const auto column = [](auto span) {
    return [span](std::size_t n) { return static_cast<double>(span[n]); };
  };
  return {
      {"reported_running", 1e4F, true, column(v.running)},
      {"reported_waiting", 1e4F, true, column(v.waiting)},
      {"reported_kv_use", 1, false, column(v.kv_use)},
      {"reported_prefill", 1e8F, true, column(v.reported_prefill_tokens)},
      {"reported_context", 1e8F, true, column(v.reported_context_tokens)},
      {"report_age", 1e6F, true, [&](std::size_t n) { return v.age(node_id(n)).seconds() * 1e3; }},
      {"sent_since_report", 1e4F, true, column(v.sent_since)},
      {"returned_since_report", 1e4F, true, column(v.returned_since)},
      {"in_flight", 1e4F, true, column(v.in_flight)},
      {"awaiting_first_token", 1e4F, true, column(v.awaiting_first)},
      {"awaiting_prompt", 1e8F, true, column(v.awaiting_tokens)},
      {"decoding_prompt", 1e8F, true, column(v.prompt_tokens)},
      {"decoding_predicted", 1e8F, true, column(v.predicted_tokens)},
      {"remaining", 1e8F, true, [&](std::size_t n) { return e.load(node_id(n), v).remaining; }},
      {"context", 1e8F, true, [&](std::size_t n) { return e.load(node_id(n), v).context; }},
      {"work_ahead", 1e4F, true, [&](std::size_t n) { return e.work_ahead(node_id(n), v); }},
      {"prefill", 1e6F, true,
       [&](std::size_t n) { return e.prefill(node_id(n), task.prompt_tokens) * 1e3; }},
      {"prefill_beside_decodes", 1e6F, true,
       [=](std::size_t n) { return predicted(n).prefill_s * 1e3; }},
      {"tpot_if_joined", 1e5F, true, [=](std::size_t n) { return predicted(n).tpot_s * 1e3; }},
      {"wait", 1e4F, true, [=](std::size_t n) { return predicted(n).wait_s; }},
      {"decode", 1e4F, true, [=](std::size_t n) { return predicted(n).decode_s; }},
      {"finish", 1e4F, true, finish},
      {"delay_to_others", 1e4F, true,
       [=](std::size_t n) { return predicted(n).delay_to_others_s; }},
      {"marginal_cost", 1e4F, true, marginal},
      {"queue_over_rate", 1e4F, true, queue},
      {"service_rate", 1e4F, true, [&](std::size_t n) { return e.service_rate(node_id(n)); }},
      {"up", 1, false, column(v.up)},
      {"legal", 1, false, column(legal)},
      {"finish_gap", 30, false, gap(finish)},
      {"marginal_cost_gap", 30, false, gap(marginal)},
      {"queue_over_rate_gap", 30, false, gap(queue)},
  };
}

TEST(Observation, EachNodeColumnHoldsItsDefinitionBitForBit) {
  const Scenario scenario = small_scenario({{"workload.load", "1.3"}, {"dispatch.window", "20"}});
  Environment world(scenario, truncated());
  ASSERT_TRUE(world.reset(Seed{9}));
  for (std::size_t k = 0; k < 400; ++k) {
    if (world.step(nth_legal(world.legal(), k * k / 3)).truncated) {
      ASSERT_TRUE(world.reset(Seed{10}));
    }
    if (k % 20 != 0) {
      continue;
    }
    const Observation seen = observation_of(world);
    const std::size_t width = world.columns().node_width();
    for (const Definition& d : node_definitions(world.task(), world.view(), world.legal())) {
      const std::size_t at = place(world.columns().node_columns(), d.name);
      for (std::size_t n = 0; n < world.nodes(); ++n) {
        ASSERT_EQ(seen.node[n * width + at], scaled(d.raw(n), d.max, d.log)) << d.name;
      }
    }
  }
}

TEST(Observation, TaskAndFleetColumnsHoldTheirDefinitions) {
  const Scenario scenario = small_scenario({{"workload.load", "1.3"}, {"dispatch.window", "6"}});
  Environment world(scenario, truncated());
  ASSERT_TRUE(world.reset(Seed{9}));
  const auto open_nodes = [&] { return std::count(world.legal().begin(), world.legal().end(), 1); };
  for (std::size_t k = 0; open_nodes() == static_cast<std::ptrdiff_t>(world.nodes()); ++k) {
    ASSERT_FALSE(world.step(nth_legal(world.legal(), k)).truncated) << "no node was ever closed";
  }
  const Observation seen = observation_of(world);
  const TaskView& task = world.task();
  const FleetView& view = world.view();
  const auto task_column = [&](const char* name) {
    return seen.task[place(world.columns().task_columns(), name)];
  };
  const auto fleet_column = [&](const char* name) {
    return seen.fleet[place(world.columns().fleet_columns(), name)];
  };
  EXPECT_EQ(task_column("prompt"), scaled(task.prompt_tokens, 1e7F, true));
  EXPECT_EQ(task_column("predicted_output"), scaled(task.predicted_tokens, 1e7F, true));
  EXPECT_FLOAT_EQ(task_column("prompt_share"),
                  static_cast<float>(task.prompt_tokens) /
                      static_cast<float>(task.prompt_tokens + task.predicted_tokens));
  EXPECT_EQ(task_column("weight"), scaled(task.weight, 1e3F, true));
  EXPECT_EQ(task_column("time_since_arrival"),
            scaled((view.now - task.arrival).seconds() * 1e3, 1e7F, true));
  double in_flight = 0, waiting = 0, kv = 0, most_kv = 0, most_work = 0, legal = 0;
  for (std::size_t n = 0; n < world.nodes(); ++n) {
    in_flight += view.in_flight[n];
    waiting += view.waiting[n];
    kv += static_cast<double>(view.kv_use[n]) / static_cast<double>(world.nodes());
    most_kv = std::max(most_kv, static_cast<double>(view.kv_use[n]));
    most_work = std::max(most_work, view.estimates->work_ahead(node_id(n), view));
    legal += world.legal()[n] / static_cast<double>(world.nodes());
  }
  EXPECT_EQ(fleet_column("ready"), scaled(view.ready, 1e5F, true));
  EXPECT_EQ(fleet_column("in_flight"), scaled(in_flight, 1e6F, true));
  EXPECT_EQ(fleet_column("reported_waiting"), scaled(waiting, 1e6F, true));
  EXPECT_NEAR(fleet_column("mean_kv_use"), kv, 1e-5);
  EXPECT_EQ(fleet_column("max_kv_use"), static_cast<float>(most_kv));
  EXPECT_EQ(fleet_column("max_work_ahead"), scaled(most_work, 1e4F, true));
  EXPECT_FLOAT_EQ(fleet_column("legal_share"), static_cast<float>(legal));
}

TEST(Observation, ASubsetInAnotherOrderHasTheValuesOfTheSameColumns) {
  const Scenario scenario = small_scenario();
  Environment world(scenario, truncated());
  ASSERT_TRUE(world.reset(Seed{9}));
  for (std::size_t k = 0; k < 60; ++k) {
    world.step(nth_legal(world.legal(), k));
  }
  const ColumnNames names = {{"finish_gap", "in_flight", "reported_kv_use"},
                             {"weight", "prompt"},
                             {"max_kv_use", "ready"}};
  const ObservationSpec some = ObservationSpec::of(names);
  EXPECT_EQ(some.names(), names);
  ASSERT_EQ(some.node_width(), 3U);
  EXPECT_EQ(some.shared_width(), 4U);
  Observation picked(some, world.nodes());
  ObservationScratch scratch;
  some.write(world.task(), world.view(), world.legal(), picked.rows(), scratch);
  const Observation all = observation_of(world);
  const std::span<const Feature> columns = world.columns().node_columns();
  for (std::size_t n = 0; n < world.nodes(); ++n) {
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(picked.node[n * 3 + i],
                all.node[n * columns.size() + place(columns, names.node[i])]);
    }
  }
  EXPECT_EQ(picked.task[1], all.task[place(world.columns().task_columns(), "prompt")]);
  EXPECT_EQ(picked.fleet[0], all.fleet[place(world.columns().fleet_columns(), "max_kv_use")]);
}

TEST(Observation, UnknownAndRepeatedColumnsAreErrorsThatNameThem) {
  const auto message = [](const ColumnNames& names) -> std::string {
    try {
      static_cast<void>(ObservationSpec::of(names));
    } catch (const UsageError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_NE(message({{"in_flight", "others_lose"}, {}, {}}).find("others_lose"), std::string::npos);
  EXPECT_NE(message({{}, {"weight", "weight"}, {}}).find("given twice"), std::string::npos);
}

// The columns of the view are permuted. The estimates depend on the node, so only nodes of the same
// kind may change places.
TEST(Observation, PermutingNodesPermutesNodeRowsAndNothingElse) {
  const Scenario scenario = small_scenario({{"estimates.calibration_error", "0"}});
  Environment world(scenario, truncated());
  ASSERT_TRUE(world.reset(Seed{9}));
  for (std::size_t k = 0; k < 60; ++k) {
    world.step(nth_legal(world.legal(), k * k));
  }
  const std::size_t nodes = world.nodes();
  // Within each kind the order is reversed.
  std::vector<std::size_t> from(nodes);
  for (std::size_t begin = 0, end = 0; begin < nodes; begin = end) {
    while (end < nodes && scenario.kind_of[end] == scenario.kind_of[begin]) {
      ++end;
    }
    for (std::size_t i = begin; i < end; ++i) {
      from[i] = end - 1 - (i - begin);
    }
  }
  const FleetView view = world.view();
  FleetView turned = view;
  std::vector<std::shared_ptr<void>> storage;
  const auto turn = [&](const char*, auto& column) {
    auto permuted = std::make_shared<
        std::vector<typename std::remove_reference_t<decltype(column)>::value_type>>();
    for (const std::size_t i : from) {
      permuted->push_back(column[i]);
    }
    column = *permuted;
    storage.push_back(permuted);
  };
  FleetView::for_each_column(turn, turned);
  std::span<const std::uint8_t> mask = world.legal().first(nodes);
  turn("legal", mask);

  const ObservationSpec columns = ObservationSpec::dispatch();
  const std::size_t width = columns.node_width();
  Observation seen(columns, nodes), turned_seen(columns, nodes);
  ObservationScratch scratch;
  columns.write(world.task(), view, world.legal().first(nodes), seen.rows(), scratch);
  columns.write(world.task(), turned, mask, turned_seen.rows(), scratch);
  for (std::size_t n = 0; n < nodes; ++n) {
    for (std::size_t x = 0; x < width; ++x) {
      EXPECT_EQ(turned_seen.node[n * width + x], seen.node[from[n] * width + x])
          << columns.node_columns()[x].name;
    }
  }
  EXPECT_EQ(seen.task, turned_seen.task);
  EXPECT_EQ(seen.fleet, turned_seen.fleet);
  EXPECT_NE(seen.node, turned_seen.node) << "all nodes looked alike";
}

TEST(Observation, EveryFeatureIsFiniteAndInsideItsRange) {
  const Scenario scenario = small_scenario({{"workload.load", "1.5"}});
  Environment world(scenario, truncated());
  ASSERT_TRUE(world.reset(Seed{4}));
  const auto inside = [](std::span<const Feature> table, std::span<const float> row) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      const Feature& f = table[i % table.size()];
      const double top = f.scale == FeatureScale::log1p ? std::log1p(static_cast<double>(f.max))
                                                        : static_cast<double>(f.max);
      EXPECT_TRUE(row[i] >= 0 && static_cast<double>(row[i]) <= top + 1e-5)
          << f.name << " = " << row[i];
    }
  };
  for (StepOutcome last; !last.truncated;) {
    const Observation seen = observation_of(world);
    inside(world.columns().node_columns(), seen.node);
    inside(world.columns().task_columns(), seen.task);
    inside(world.columns().fleet_columns(), seen.fleet);
    last = world.step(0);  // one node gets everything: the ends of the ranges
  }
}

}  // namespace
}  // namespace yardmaster
