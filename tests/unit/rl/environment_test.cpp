#include "env/rl/environment.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "env/rl/vector_env.h"
#include "env/scenario/load.h"
#include "tests/support/orderings.h"

namespace yardmaster {
namespace {

constexpr double kScale = 7;

Scenario small_scenario(std::vector<Override> more = {}) {
  std::vector<Override> overrides = {{"duration", "6 s"}, {"warm_up", "0 s"}};
  overrides.insert(overrides.end(), more.begin(), more.end());
  return load_scenario("scenarios/quickstart.yaml", overrides);
}

EnvironmentOptions drained() {
  EnvironmentOptions options;
  options.ordering = find_ordering("first_come_first_served");
  options.scale = kScale;
  options.drain = true;
  return options;
}

EnvironmentOptions truncated() {
  EnvironmentOptions options = drained();
  options.drain = false;
  return options;
}

// The k-th legal action, from the start again.
std::int32_t nth_legal(std::span<const std::uint8_t> legal, std::size_t k) {
  std::vector<std::int32_t> offered;
  for (std::size_t i = 0; i < legal.size(); ++i) {
    if (legal[i] != 0) {
      offered.push_back(static_cast<std::int32_t>(i));
    }
  }
  return offered.at(k % offered.size());
}

class CompletionTimes final : public Observer {
 public:
  explicit CompletionTimes(const Scenario& scenario) : scenario_(scenario) {}
  void on_task(const TaskRow& row) override {
    ASSERT_EQ(row.outcome, Outcome::finished);
    sum_ += scenario_.workload.tenants[row.address.tenant].weight *
            (row.last_token - row.arrival).seconds();
  }
  [[nodiscard]] double sum() const { return sum_; }

 private:
  const Scenario& scenario_;
  double sum_ = 0;
};

TEST(Environment, UndiscountedRewardsSumToMinusTheCompletionTimes) {
  // As good as no discount: exp(-dt / 50 days) differs from 1 by less than 1e-6 over this episode.
  const Scenario scenario = small_scenario({{"objective.discount_time", "50 d"}});
  Environment world(scenario, drained());
  Simulation same(scenario, Seed{5}, find_ordering("first_come_first_served"));
  CompletionTimes times(scenario);
  ASSERT_TRUE(world.reset(Seed{5}));
  double rewards = 0;
  StepOutcome last;
  for (std::size_t k = 0; !last.terminated; ++k) {
    const Decision& decision = same.advance(&times);
    ASSERT_EQ(decision.kind, DecisionKind::dispatch);
    const std::int32_t action = nth_legal(world.legal(), k);
    same.apply(Action::send(node_id(static_cast<std::size_t>(action))));
    last = world.step(action);
    rewards += last.reward;
    EXPECT_LE(last.reward, 0);
  }
  ASSERT_EQ(same.advance(&times).kind, DecisionKind::end);
  EXPECT_GT(times.sum(), 10);
  // Until its first token reaches the dispatcher a decision has not been taken, so the frontend's
  // latency of the first task is nobody's; the rest is an identity to rounding.
  EXPECT_NEAR(rewards * kScale, -times.sum(), 1e-5 * times.sum());
}

TEST(Environment, DiscountedRewardIsTheIntegralOfWhatIsUnfinished) {
  const Scenario scenario = small_scenario({{"objective.discount_time", "2 s"}});
  Environment world(scenario, truncated());
  ASSERT_TRUE(world.reset(Seed{5}));
  for (int k = 0; k < 20; ++k) {
    const double before = world.simulation().cost().unfinished_task_s;
    const StepOutcome out = world.step(nth_legal(world.legal(), 0));
    const double unfinished = world.simulation().cost().unfinished_task_s - before;
    EXPECT_NEAR(out.discount, std::exp(-out.elapsed_s / 2), 1e-12);
    // Between no discount at all and the discount of the whole step.
    EXPECT_LE(-out.reward * kScale, unfinished * (1 + 1e-12));
    EXPECT_GE(-out.reward * kScale, unfinished * out.discount * (1 - 1e-12));
  }
}

TEST(Environment, TrainingEpisodesAreTruncatedAndEvaluationTerminates) {
  const Scenario scenario = small_scenario();
  for (const bool drain : {false, true}) {
    Environment world(scenario, drain ? drained() : truncated());
    ASSERT_TRUE(world.reset(Seed{3}));
    StepOutcome last;
    for (std::size_t k = 0; !last.terminated && !last.truncated; ++k) {
      last = world.step(nth_legal(world.legal(), k));
    }
    EXPECT_EQ(last.terminated, drain);
    EXPECT_EQ(last.truncated, !drain);
    if (drain) {
      EXPECT_EQ(world.simulation().unfinished(), 0U);
    } else {
      EXPECT_GT(world.simulation().unfinished(), 0U) << "work is in flight when an episode is cut";
      EXPECT_LE(world.simulation().now().ps, scenario.duration.ps);
    }
  }
}

TEST(Environment, OffersNodesAloneUnlessAskedAndNeverASingleAction) {
  const Scenario scenario = small_scenario({{"dispatch.window", "6"}, {"workload.load", "1.2"}});
  Environment world(scenario, drained());
  ASSERT_TRUE(world.reset(Seed{3}));
  StepOutcome last;
  std::size_t closed = 0;
  for (std::size_t k = 0; !last.terminated; ++k) {
    const std::span<const std::uint8_t> legal = world.legal();
    const auto offered = std::count(legal.begin(), legal.end(), 1);
    EXPECT_GE(offered, 2);
    EXPECT_EQ(legal[world.nodes()], 0);
    EXPECT_EQ(legal[world.nodes() + 1], 0);
    closed += offered < static_cast<std::ptrdiff_t>(world.nodes()) ? 1 : 0;
    last = world.step(nth_legal(legal, k));
  }
  EXPECT_GT(closed, 0U) << "the window never closed a node: the mask was not tested";
}

// Observation under a permutation of nodes: the view's columns are turned, the estimates belong to
// nodes of one kind, so equal nodes may be exchanged.
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
  const auto turn = [&](auto& span, auto& storage) {
    for (const std::size_t i : from) {
      storage.push_back(span[i]);
    }
    span = storage;
  };
  std::vector<Time> taken;
  std::vector<std::int32_t> a, b, c, d, e, f;
  std::vector<float> kv;
  std::vector<std::int64_t> g, h, i, j, k, l;
  std::vector<std::uint8_t> up, legal;
  turn(turned.report_taken, taken);
  turn(turned.running, a);
  turn(turned.waiting, b);
  turn(turned.kv_use, kv);
  turn(turned.reported_prefill_tokens, g);
  turn(turned.reported_context_tokens, h);
  turn(turned.sent_since, c);
  turn(turned.returned_since, d);
  turn(turned.in_flight, e);
  turn(turned.awaiting_first, f);
  turn(turned.awaiting_tokens, i);
  turn(turned.prompt_tokens, j);
  turn(turned.predicted_tokens, k);
  turn(turned.first_token_us, l);
  turn(turned.up, up);
  std::span<const std::uint8_t> mask = world.legal().first(nodes);
  turn(mask, legal);

  std::vector<float> rows(nodes * kNodeFeatures), turned_rows(rows.size()), task(kTaskFeatures),
      turned_task(task), fleet(kFleetFeatures), turned_fleet(fleet);
  observe(world.decision().task, view, world.legal().first(nodes), {rows, task, fleet});
  observe(world.decision().task, turned, mask, {turned_rows, turned_task, turned_fleet});
  for (std::size_t n = 0; n < nodes; ++n) {
    for (std::size_t x = 0; x < kNodeFeatures; ++x) {
      EXPECT_EQ(turned_rows[n * kNodeFeatures + x], rows[from[n] * kNodeFeatures + x])
          << node_features()[x].name;
    }
  }
  EXPECT_EQ(task, turned_task);
  EXPECT_EQ(fleet, turned_fleet);
  EXPECT_NE(rows, turned_rows) << "all nodes looked alike";
}

TEST(Observation, EveryFeatureIsFiniteAndInsideItsRange) {
  const Scenario scenario = small_scenario({{"workload.load", "1.5"}});
  Environment world(scenario, truncated());
  ASSERT_TRUE(world.reset(Seed{4}));
  std::vector<float> rows(world.nodes() * kNodeFeatures), task(kTaskFeatures),
      fleet(kFleetFeatures);
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
    world.observe({rows, task, fleet});
    inside(node_features(), rows);
    inside(task_features(), task);
    inside(fleet_features(), fleet);
    last = world.step(0);  // one node gets everything: the ends of the ranges
  }
}

struct Trace {
  std::vector<float> floats;
  std::vector<double> doubles;
  std::vector<std::uint8_t> bytes;
  bool operator==(const Trace&) const = default;
};

Trace play(const Scenario& scenario, int threads) {
  VectorEnv envs(scenario, 5, threads, truncated());
  envs.reset(SeedRange{100, 50});
  Trace trace;
  std::vector<std::int32_t> actions(5);
  for (std::size_t k = 0; k < 300; ++k) {
    for (std::size_t e = 0; e < 5; ++e) {
      actions[e] = nth_legal(envs.legal(e), k + e);
    }
    envs.step(actions);
    const Batch& b = envs.batch();
    for (const std::span<float> part : {b.node, b.task, b.fleet, b.reward}) {
      trace.floats.insert(trace.floats.end(), part.begin(), part.end());
    }
    trace.doubles.insert(trace.doubles.end(), b.elapsed_s.begin(), b.elapsed_s.end());
    trace.doubles.insert(trace.doubles.end(), b.discount.begin(), b.discount.end());
    for (const std::span<std::uint8_t> part : {b.legal, b.truncated, b.terminated}) {
      trace.bytes.insert(trace.bytes.end(), part.begin(), part.end());
    }
  }
  return trace;
}

TEST(VectorEnv, GivesTheSameBatchesOnOneAndOnTwoThreads) {
  const Scenario scenario = small_scenario();
  const Trace one = play(scenario, 1);
  EXPECT_TRUE(one == play(scenario, 2));
  const auto cut = [](const Trace& t) { return std::count(t.bytes.begin(), t.bytes.end(), 0) > 0; };
  EXPECT_TRUE(cut(one));
}

TEST(VectorEnv, BeginsTheNextEpisodeAfterACutAndAllocatesNoNewBatch) {
  const Scenario scenario = small_scenario();
  VectorEnv envs(scenario, 3, 2, truncated());
  envs.reset(Seed{40});
  const float* const rows = envs.batch().node.data();
  std::vector<std::int32_t> actions(3);
  std::vector<int> episodes(3, 0);
  for (std::size_t k = 0; k < 800; ++k) {
    for (std::size_t e = 0; e < 3; ++e) {
      actions[e] = nth_legal(envs.legal(e), k);
    }
    envs.step(actions);
    for (std::size_t e = 0; e < 3; ++e) {
      EXPECT_EQ(envs.batch().terminated[e], 0) << "training never terminates";
      if (envs.batch().truncated[e] != 0) {
        ++episodes[e];
        EXPECT_LT(envs.environment(e).decision().now.seconds(), 3.0)
            << "the new episode starts at its beginning";
      }
    }
  }
  EXPECT_EQ(rows, envs.batch().node.data());
  EXPECT_GT(*std::min_element(episodes.begin(), episodes.end()), 0);
}

}  // namespace
}  // namespace yardmaster
