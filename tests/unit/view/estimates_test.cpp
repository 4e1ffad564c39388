#include "env/view/estimates.h"

#include <gtest/gtest.h>

#include "env/base/math.h"
#include "tests/unit/policies/fleet_fixture.h"

namespace yardmaster {
namespace {

using testing::affine_kind;
using testing::busy;
using testing::hand_made_task;
using testing::HandMadeFleet;
using testing::HandMadeNode;

constexpr NodeId kFirst{0};

const StepCost& cost_of(const HandMadeFleet& fleet) {
  return fleet.scenario().kinds[0].settings.cost(0);
}

/// A kind with the cost curves of a real GPU: padding, attention over pairs, and context that costs
/// more beside prefill.
NodeKind real_kind() {
  GpuSpec gpu;
  gpu.memory_bytes = 80e9;
  gpu.memory_bandwidth = 3e12;
  gpu.bf16 = {900e12, 0.7, 0.9, 0, 20e-6, 0, 0};
  gpu.attention = {0.8, 0.8, 5e-6, 0.05e-6, 5e-6, 1e-12, 0.4, 0.5};
  ModelSpec model;
  model.parameters = model.active_parameters = 8e9;
  model.layers = 32;
  model.hidden = 4096;
  model.heads = 32;
  model.kv_heads = 8;
  model.head_dim = 128;
  model.intermediate = 14336;
  model.vocabulary = 128000;
  EngineSpec engine;
  engine.step_s = 1e-3;
  engine.sequence_s = 5e-6;
  NodeKind kind = affine_kind(1, 5);
  const StepLimits limits{kind.settings.rules.max_num_seqs,
                          kind.settings.rules.max_num_batched_tokens};
  kind.settings.costs = CostBook(StepCost(gpu, model, engine, 1, limits),
                                 StepCost(gpu, model, engine, 1, limits, 3.0));
  return kind;
}

TEST(Estimates, StepOfDecodesIsTheCompiledCost) {
  const HandMadeFleet fleet({real_kind()}, {HandMadeNode{}});
  for (const int sequences : {1, 7, 64}) {
    const double direct = cost_of(fleet).decode(sequences, sequences * 700).first.seconds();
    EXPECT_NEAR(fleet.estimates().step(kFirst, sequences, sequences * 700.0), direct,
                1e-9 * direct);
  }
}

TEST(Estimates, PrefillIsTheSumOfItsChunks) {
  const HandMadeFleet fleet({real_kind()}, {HandMadeNode{}});
  const int budget = fleet.scenario().kinds[0].settings.rules.max_num_batched_tokens;
  for (const int tokens : {1, 600, budget, budget + 1, 3 * budget, 3 * budget + 17}) {
    double direct = 0;
    for (int before = 0; before < tokens;) {
      MixedStep step;
      const std::int64_t chunk = std::min(budget, tokens - before);
      step.chunks = 1;
      step.chunk_tokens = static_cast<std::int32_t>(chunk);
      step.chunk_pairs = 2 * before * chunk + chunk * chunk;
      direct += cost_of(fleet).mixed(step).seconds();
      before += static_cast<int>(chunk);
    }
    EXPECT_NEAR(fleet.estimates().prefill(kFirst, tokens), direct, 1e-9 * direct) << tokens;
  }
}

TEST(Estimates, PromptBesideDecodesCostsLessThanAlone) {
  const HandMadeFleet fleet({real_kind()}, {HandMadeNode{}});
  for (const double tokens : {100.0, 1000.0, 5000.0}) {
    EXPECT_LT(fleet.estimates().prefill_beside(kFirst, tokens),
              fleet.estimates().prefill(kFirst, tokens));
  }
}

TEST(Estimates, FinishOnAnIdleNodeIsExact) {
  const HandMadeFleet fleet({real_kind()}, {HandMadeNode{}});
  const TaskView task = hand_made_task(700, 120);
  // The first token comes with the prompt; the others read 701 tokens of context, then one more
  // each.
  MixedStep prefill;
  prefill.chunks = 1;
  prefill.chunk_tokens = 700;
  prefill.chunk_pairs = 700LL * 700;
  const double direct =
      (cost_of(fleet).mixed(prefill) + cost_of(fleet).decode(1, 701).total(119)).seconds();
  EXPECT_NEAR(fleet.estimates().finish_s(kFirst, task, fleet.view()), direct, 1e-6 * direct);
  EXPECT_EQ(fleet.estimates().delay_to_others_s(kFirst, task, fleet.view()), 0);
}

TEST(Estimates, CalibrationErrorIsOneLognormalFactorPerNode) {
  const Seed seed{77};
  const HandMadeFleet exact({affine_kind(1, 5)}, {HandMadeNode{}, HandMadeNode{}});
  const HandMadeFleet wrong({affine_kind(1, 5)}, {HandMadeNode{}, HandMadeNode{}}, 0.3, seed);
  const TaskView task = hand_made_task(300, 50);
  for (const std::uint32_t i : {0U, 1U}) {
    const NodeId n = node_id(i);
    const double factor =
        math::exp(0.3 * Draw{seed, Purpose::calibration, object_address(i, 0)}.normal());
    EXPECT_NEAR(wrong.estimates().finish_s(n, task, wrong.view()),
                factor * exact.estimates().finish_s(n, task, exact.view()), 1e-9);
    EXPECT_NEAR(wrong.estimates().service_rate(n), 5 / factor, 1e-9);
  }
  EXPECT_NE(wrong.estimates().service_rate(node_id(0)), wrong.estimates().service_rate(node_id(1)));
}

TEST(Estimates, DoNotSeeSlowDowns) {
  NodeKind slowed = affine_kind(1, 5);
  slowed.settings.costs = CostBook(slowed.settings.cost(0), affine_kind(4, 5).settings.cost(0));
  const HandMadeFleet plain({affine_kind(1, 5)}, {busy(0, 5, 200, 100, 9)});
  const HandMadeFleet slow({slowed}, {busy(0, 5, 200, 100, 9)});
  const TaskView task = hand_made_task(300, 50);
  EXPECT_EQ(plain.estimates().finish_s(kFirst, task, plain.view()),
            slow.estimates().finish_s(kFirst, task, slow.view()));
}

TEST(Estimates, RemainingTokensFallWithTimeToOnePerRequest) {
  const HandMadeFleet fleet({affine_kind(1, 5)}, {busy(0, 8, 200, 100, 1)});
  double before = 8 * 100 * 1.2;
  for (const double now : {1.0, 1.5, 2.0, 3.0, 10.0}) {
    const double remaining = fleet.estimates().remaining_tokens(kFirst, fleet.view(now));
    EXPECT_LT(remaining, before) << now;
    before = remaining;
  }
  EXPECT_EQ(fleet.estimates().remaining_tokens(kFirst, fleet.view(1e6)), 8);
}

TEST(Estimates, ContextGrowsByOneTokenPerRequestAndStep) {
  const HandMadeFleet fleet({affine_kind(1, 5)}, {busy(0, 8, 200, 100, 1)});
  EXPECT_DOUBLE_EQ(fleet.estimates().context_tokens(kFirst, fleet.view(1)), 8 * 201.0);
  // Eight requests decode over about 250 tokens each. Per 100 tokens of each of the seven others a
  // prompt arrives: 400 tokens, the mean of these eight and of sixteen of the workload's 500.
  const double step = 0.010 + 8 * (10e-6 + 50e-6) + 8 * 250 * 0.1e-6;
  const double pace = step + 7.0 / 100 * (10e-6 + 400 * 50e-6);
  EXPECT_NEAR(fleet.estimates().context_tokens(kFirst, fleet.view(1.5)), 8 * (201 + 0.5 / pace), 2);
}

TEST(Estimates, AnIdleNodeHasNoExpectedLoad) {
  const HandMadeFleet fleet({affine_kind(1, 5)}, {HandMadeNode{}});
  EXPECT_EQ(fleet.estimates().remaining_tokens(kFirst, fleet.view()), 0);
  EXPECT_EQ(fleet.estimates().context_tokens(kFirst, fleet.view()), 0);
  EXPECT_EQ(fleet.estimates().work_ahead(kFirst, fleet.view()), 0);
}

TEST(Estimates, WaitingPromptsDelayTheNext) {
  HandMadeNode queued = busy(0, 4, 200, 100, 9.5);
  queued.in_flight += 2;
  queued.awaiting_first = 2;
  queued.awaiting_tokens = 3000;
  const HandMadeFleet fleet({affine_kind(1, 5)}, {busy(0, 6, 200, 100, 9.5), queued});
  const TaskView task = hand_made_task(300, 50);
  const Prediction without = fleet.estimates().predict(node_id(0), task, fleet.view());
  const Prediction with = fleet.estimates().predict(node_id(1), task, fleet.view());
  // 3000 tokens at 50 us are 150 ms, in two steps.
  EXPECT_NEAR(with.wait_s - without.wait_s, 0.150 + 2 * 0.010, 0.005);
  EXPECT_GT(fleet.estimates().work_ahead(node_id(1), fleet.view()), 0.150);
}

TEST(Estimates, AFullNodeMakesTheTaskWaitForRequestsThatMustEndFirst) {
  HandMadeNode full = busy(0, 64, 200, 100, 9.5);
  full.in_flight += 9;
  full.awaiting_first = 9;
  full.awaiting_tokens = 9 * 20;
  const HandMadeFleet fleet({affine_kind(1, 5)}, {full});
  const Prediction p = fleet.estimates().predict(kFirst, hand_made_task(20, 50), fleet.view());
  // Ten of sixty-four must end, each after 100 tokens; then the steps in flight.
  const LoadEstimate load = fleet.estimates().load(kFirst, fleet.view());
  EXPECT_NEAR(p.wait_s, 10 * 100 * load.pace_s / 64 + 1.5 * load.step_s, 1e-9);
  EXPECT_GT(load.pace_s, load.step_s);
}

TEST(Estimates, ANodeWithoutFreeMemoryMakesTheTaskWait) {
  NodeKind small = affine_kind(1, 5);
  small.settings.grant.blocks = 100;  // 1600 tokens
  const HandMadeFleet fleet({affine_kind(1, 5), small},
                            {busy(0, 7, 200, 100, 10), busy(1, 7, 200, 100, 10)});
  const TaskView task = hand_made_task(400, 50);
  const double ample = fleet.estimates().predict(node_id(0), task, fleet.view()).wait_s;
  const double scarce = fleet.estimates().predict(node_id(1), task, fleet.view()).wait_s;
  // 1407 tokens are there and 400 arrive: 207 too many, 0.92 of a mean request.
  const double pace = fleet.estimates().load(node_id(1), fleet.view()).pace_s;
  EXPECT_NEAR(scarce - ample, 8 * (1 - 1600 / 1807.0) * 100 * pace / 7, 1e-9);
}

TEST(Estimates, DelayToOthersIsTheStallAndTheLongerSteps) {
  const HandMadeFleet fleet({affine_kind(1, 5)}, {busy(0, 10, 200, 1000, 10)});
  const TaskView task = hand_made_task(600, 40);
  // The prompt: one more entry and 600 tokens in one step. Each shared step: one more entry and
  // token, and on average 600 tokens of prompt and 20 of output as context.
  const double stall = 10e-6 + 600 * 50e-6;
  const double slower = 10e-6 + 50e-6 + (600 + 20) * 0.1e-6;
  const double left = fleet.estimates().remaining_tokens(kFirst, fleet.view()) / 10;
  EXPECT_NEAR(left, 1000, 60);
  const double shared = 2 / (1 / left + 1 / 40.0);
  EXPECT_NEAR(fleet.estimates().delay_to_others_s(kFirst, task, fleet.view()),
              10 * (stall + shared * slower), 1e-6);
}

TEST(Estimates, LengthsOfPromptsOnANodePredictThoseOfComingPrompts) {
  const HandMadeFleet fleet({affine_kind(1, 5)},
                            {busy(0, 30, 100, 100, 10), busy(0, 30, 3000, 100, 10)});
  const LoadEstimate short_prompts = fleet.estimates().load(node_id(0), fleet.view());
  const LoadEstimate long_prompts = fleet.estimates().load(node_id(1), fleet.view());
  EXPECT_GT(long_prompts.successor_stall_s, 5 * short_prompts.successor_stall_s);
}

TEST(Estimates, LongRequestsAreInFlightForLonger) {
  Tenant tenant = testing::fixed_lengths();
  tenant.output_tokens = {LengthDistribution::Kind::exponential, 100, 0, 1, 100000};
  const HandMadeFleet fleet({affine_kind(1, 5)}, {HandMadeNode{}, busy(0, 48, 500, 200, 9)}, 0,
                            Seed{}, tenant);
  // For exponential lengths of mean 100, requests in flight have a mean of 200 (the quantiles
  // miss 2 % of it).
  EXPECT_NEAR(fleet.estimates().load(node_id(0), fleet.view()).mean_output, 100, 2);
  EXPECT_NEAR(fleet.estimates().load(node_id(1), fleet.view()).mean_output, 100, 5);
}

TEST(Estimates, MoreWorkOnANodeNeverMakesTheTaskFaster) {
  std::vector<HandMadeNode> nodes;
  for (int i = 0; i < 64; ++i) {
    nodes.push_back(busy(0, i, 300, 150, 9));
  }
  const HandMadeFleet fleet({affine_kind(1, 5)}, nodes);
  const TaskView task = hand_made_task(300, 50);
  for (std::uint32_t i = 1; i < 64; ++i) {
    const Prediction less = fleet.estimates().predict(node_id(i - 1), task, fleet.view());
    const Prediction more = fleet.estimates().predict(node_id(i), task, fleet.view());
    EXPECT_GE(more.finish_s(), less.finish_s()) << i;
    EXPECT_GE(more.delay_to_others_s, less.delay_to_others_s) << i;
  }
}

}  // namespace
}  // namespace yardmaster
