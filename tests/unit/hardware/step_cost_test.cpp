// Does the compiled step cost have the properties that the node's closed forms and physics require?
#include "env/hardware/step_cost.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "env/base/random.h"
#include "tests/unit/hardware/specimens.h"

namespace yardmaster {
namespace {

constexpr StepLimits kLimits{256, 4096};

StepCost specimen(int tensor_parallel = 1, double slow = 1.0) {
  return {
      specimens::gpu(), specimens::model(), specimens::engine(), tensor_parallel, kLimits, slow};
}

MixedStep one_chunk(std::int32_t decodes, std::int64_t context, std::int32_t chunk,
                    std::int64_t before, std::int32_t sampled) {
  return {decodes, context, 1, chunk, 2 * before * chunk + std::int64_t{chunk} * chunk, sampled};
}

TEST(Segment, TotalDoesNotDependOnWhereItIsCut) {
  const StepCost cost = specimen();
  for (std::uint32_t i = 0; i < 1000; ++i) {
    const Draw draw{Seed{1}, Purpose::tie, object_address(0, i)};
    const auto sequences = static_cast<std::int32_t>(1 + draw.below(256, 0));
    const auto context = static_cast<std::int64_t>(draw.below(4'000'000, 1));
    const auto steps = static_cast<std::int64_t>(1 + draw.below(5000, 2));
    const Segment whole = cost.decode(sequences, context);
    const auto cut = static_cast<std::int64_t>(draw.below(static_cast<std::uint32_t>(steps), 3));
    const Segment rest = cost.decode(sequences, context + cut * sequences);
    ASSERT_EQ(whole.total(steps), whole.total(cut) + rest.total(steps - cut)) << "case " << i;
  }
}

TEST(Segment, TotalIsTheSumOfItsSteps) {
  const StepCost cost = specimen();
  const Segment segment = cost.decode(37, 12'345);
  Duration sum;
  for (std::int64_t step = 0; step < 500; ++step) {
    sum += cost.decode(37, 12'345 + 37 * step).first;
    ASSERT_EQ(segment.total(step + 1), sum);
  }
}

TEST(MixedGrowth, EqualsTheDifferenceOfSuccessiveFullChunks) {
  const StepCost cost = specimen();
  for (std::int64_t before = 0; before < 100'000; before += 2048) {
    const MixedStep now = one_chunk(20, 40'000 + 20 * before, 2048, before, 20);
    const MixedStep next = one_chunk(20, 40'020 + 20 * before, 2048, before + 2048, 20);
    ASSERT_EQ(cost.mixed(next) - cost.mixed(now), cost.mixed_growth(now));
  }
}

TEST(StepCost, DecodeIsAffineInContext) {
  const StepCost cost = specimen();
  for (const std::int32_t n : {1, 2, 17, 256}) {
    const Duration unit = cost.decode(n, 1).first - cost.decode(n, 0).first;
    EXPECT_GT(unit, Duration::zero());
    EXPECT_EQ(cost.decode(n, 1'000'000).first, cost.decode(n, 0).first + unit * 1'000'000);
    EXPECT_EQ(cost.decode(n, 5).growth, unit * n);
  }
}

TEST(StepCost, DecodeOverNothingEqualsDecodeWithoutContext) {
  const StepCost profiled{specimens::profile(), specimens::gpu(), specimens::model(),
                          specimens::engine(), kLimits};
  const StepCost affine = StepCost::affine({5'000}, {70}, {11}, {3}, kLimits);
  for (const StepCost& cost : {specimen(), profiled, affine}) {
    for (std::int32_t n = 0; n <= kLimits.max_num_seqs; ++n) {
      ASSERT_EQ(cost.decode_without_context(n), cost.decode(n, 0).first) << n;
    }
  }
}

TEST(StepCost, MoreSequencesNeverTakeLessTime) {
  for (const int gpus : {1, 2, 4, 8}) {
    const StepCost cost = specimen(gpus);
    for (std::int32_t n = 1; n < kLimits.max_num_seqs; ++n) {
      ASSERT_LE(cost.decode(n, 1000).first, cost.decode(n + 1, 1000).first) << gpus << ' ' << n;
    }
  }
}

TEST(StepCost, MoreTokensContextOrHistoryNeverTakeLessTime) {
  const StepCost cost = specimen(2);
  for (std::int32_t chunk = 1; chunk < 4000; ++chunk) {
    const Duration t = cost.mixed(one_chunk(32, 10'000, chunk, 512, 32));
    ASSERT_LE(t, cost.mixed(one_chunk(32, 10'000, chunk + 1, 512, 32))) << chunk;
    ASSERT_LE(t, cost.mixed(one_chunk(33, 10'000, chunk, 512, 33))) << chunk;
    ASSERT_LT(t, cost.mixed(one_chunk(32, 10'001, chunk, 512, 32))) << chunk;
    ASSERT_LT(t, cost.mixed(one_chunk(32, 10'000, chunk, 513, 32))) << chunk;
  }
}

TEST(StepCost, AChunkMakesAStepLonger) {
  GpuSpec gpu = specimens::gpu();
  for (const double prefill_s : {0.0, 5e-6, 50e-6}) {
    gpu.attention.prefill_s = prefill_s;
    const StepCost cost(gpu, specimens::model(), specimens::engine(), 1, kLimits);
    for (std::int32_t n = 1; n <= 64; ++n) {
      ASSERT_LT(cost.decode(n, 5000).first, cost.mixed(one_chunk(n, 5000, 1, 0, n))) << n;
    }
  }
}

TEST(StepCost, NoStepIsShorterThanOneReadOfTheWeights) {
  for (const double knee : {0.0, 300.0}) {
    GpuSpec gpu = specimens::gpu();
    gpu.bf16.knee_tokens = gpu.fp8.knee_tokens = knee;
    gpu.bf16.layer_s = gpu.fp8.layer_s = 0;
    gpu.attention.decode_s = gpu.attention.prefill_s = 0;
    for (const Dtype dtype : {Dtype::bf16, Dtype::fp8}) {
      ModelSpec model = specimens::model();
      model.weights = dtype;
      const StepCost cost(gpu, model, EngineSpec{}, 4, kLimits);
      EXPECT_GT(cost.weight_read(), Duration::zero());
      EXPECT_LE(cost.weight_read(), cost.decode(1, 0).first);
      EXPECT_LE(cost.weight_read(), cost.mixed(one_chunk(0, 0, 1, 0, 0)));
      EXPECT_LE(cost.weight_read(), cost.mixed(one_chunk(0, 0, 1, 0, 1)));
    }
  }
}

TEST(StepCost, WeightReadIsBytesOverMeasuredBandwidth) {
  const GpuSpec gpu = specimens::gpu();
  const ModelSpec model = specimens::model();
  const double seconds =
      model.weight_bytes_read() / (2 * gpu.memory_bandwidth * gpu.bf16.weight_share);
  EXPECT_NEAR(specimen(2).weight_read().seconds(), seconds, 2e-12);
}

TEST(StepCost, TensorParallelismDividesSplitWorkAndAddsAllReduces) {
  GpuSpec gpu = specimens::gpu();
  const ModelSpec model = specimens::model();
  gpu.bf16.layer_s = 0;
  gpu.bf16.activation_share = 0;
  gpu.attention.decode_s = gpu.attention.decode_sequence_s = 0;
  const StepCost one(gpu, model, EngineSpec{}, 1, kLimits);
  // Every GPU samples from all logits: two passes over 4 bytes each.
  const double sampler = 2 * 4.0 * model.vocabulary * 32 / gpu.memory_bandwidth;
  for (const int gpus : {2, 4, 8}) {
    const StepCost many(gpu, model, EngineSpec{}, gpus, kLimits);
    const double bytes = 32.0 * model.hidden * 2;
    const double reduce = gpu.link.latency_s + 2.0 * (gpus - 1) / gpus * bytes / gpu.link.bandwidth;
    const double expected = (one.decode(32, 64'000).first.seconds() - sampler) / gpus + sampler +
                            2 * model.layers * reduce;
    EXPECT_NEAR(many.decode(32, 64'000).first.seconds(), expected, 1e-7) << gpus;
  }
}

TEST(StepCost, KvIsCopiedWhenGpusOutnumberItsHeads) {
  GpuSpec gpu = specimens::gpu();
  ModelSpec model = specimens::model();
  model.kv_heads = 4;
  const auto per_token = [&](int gpus) {
    const StepCost cost(gpu, model, EngineSpec{}, gpus, kLimits);
    return cost.decode(1, 1).first - cost.decode(1, 0).first;
  };
  EXPECT_NEAR(static_cast<double>(per_token(4).ps), static_cast<double>(per_token(1).ps) / 4, 1);
  EXPECT_EQ(per_token(8), per_token(4));
}

TEST(StepCost, ContextOfDecodesCostsMoreBesidePrefill) {
  GpuSpec gpu = specimens::gpu();
  const auto context_token = [&](double factor) {
    gpu.attention.mixed_group_factor = factor;
    const StepCost cost(gpu, specimens::model(), EngineSpec{}, 1, kLimits);
    return cost.mixed(one_chunk(1, 1'000'000, 64, 0, 1)) - cost.mixed(one_chunk(1, 0, 64, 0, 1));
  };
  const StepCost cost(gpu, specimens::model(), EngineSpec{}, 1, kLimits);
  const Duration pure = cost.decode(1, 1'000'000).first - cost.decode(1, 0).first;
  EXPECT_EQ(context_token(0), pure);
  // 4 query heads per KV head.
  EXPECT_NEAR(context_token(0.6).seconds(), 2.4 * pure.seconds(), 1e-6);
}

TEST(StepCost, SlowDownMultipliesEveryTerm) {
  const StepCost normal = specimen(2);
  const StepCost slow = specimen(2, 3.0);
  // Each coefficient is rounded separately: at most half a ps times its multiplier.
  EXPECT_NEAR(static_cast<double>(slow.decode(64, 100'000).first.ps),
              3.0 * static_cast<double>(normal.decode(64, 100'000).first.ps), 4.0 * 100'000);
  const MixedStep step = one_chunk(64, 100'000, 1024, 0, 64);
  EXPECT_NEAR(slow.mixed(step).seconds(), 3 * normal.mixed(step).seconds(), 4e-6);
  EXPECT_NEAR(slow.weight_read().seconds(), 3 * normal.weight_read().seconds(), 1e-11);
}

TEST(StepCost, StepsBeyondTheCapturedGraphsPayEngineOverhead) {
  EngineSpec engine = specimens::engine();
  const auto step = [&](std::int32_t chunk) {
    const StepCost cost(specimens::gpu(), specimens::model(), engine, 1, kLimits);
    return cost.mixed(one_chunk(0, 0, chunk, 0, 1));
  };
  const Duration inside = step(512);
  const Duration beyond = step(513);
  engine.uncaptured_step_s += 1e-3;
  EXPECT_EQ(step(512), inside);
  EXPECT_EQ(step(513), beyond + Duration::from_seconds(1e-3));
}

TEST(CapturedTokens, FollowTheListOfGraphSizes) {
  const std::vector<std::vector<std::int32_t>> cases = {
      {1, 256, 1},     {3, 256, 4},      {5, 256, 8},     {8, 256, 8},
      {249, 256, 256}, {257, 256, 272},  {512, 256, 512}, {513, 256, 0},
      {9, 5, 0},       {100, 1024, 104}, {600, 1024, 0}};
  for (const auto& c : cases) {
    EXPECT_EQ(captured_tokens(c[0], c[1]), c[2]) << c[0] << " tokens, max_num_seqs " << c[1];
  }
}

TEST(AffineCost, CountsEntriesTokensAndContext) {
  const StepCost cost = StepCost::affine({1000}, {100}, {10}, {1}, kLimits);
  EXPECT_EQ(cost.decode(3, 50).first, Duration{1000 + 3 * 100 + 3 * 10 + 50});
  EXPECT_EQ(cost.decode(3, 50).growth, Duration{3});
  // Context counts decodes only: the chunk's history is free.
  EXPECT_EQ(cost.mixed(one_chunk(3, 50, 20, 500, 3)), (Duration{1000 + 4 * 100 + 23 * 10 + 50}));
  EXPECT_EQ(cost.mixed_growth(one_chunk(3, 50, 20, 500, 3)), Duration{3});
  EXPECT_EQ(cost.weight_read(), Duration{1000});
}

TEST(WorkCost, SumsOverAllGpus) {
  const WorkCost work = work_cost(specimens::gpu(), specimens::model(), 2);
  EXPECT_DOUBLE_EQ(work.flops_per_token, 16e9 - 4 * 128000.0 * 4096);
  EXPECT_DOUBLE_EQ(work.flops_per_sample, 2 * 128000.0 * 4096);
  EXPECT_DOUBLE_EQ(work.flops_per_pair, 4.0 * 32 * 32 * 128);
  EXPECT_DOUBLE_EQ(work.kv_bytes_per_token, 131072);
  EXPECT_DOUBLE_EQ(work.peak_flops, 2e15);
  EXPECT_DOUBLE_EQ(work.peak_bandwidth, 6e12);
}

TEST(WeightsRead, AreAllButTheInputTableForADenseModel) {
  const StepCost cost(specimens::gpu(), specimens::model(), specimens::engine(), 1, kLimits);
  const auto kib = static_cast<std::int64_t>((16e9 - 2 * 128000.0 * 4096) / 1024);
  EXPECT_EQ(cost.weights_kib(1), kib);
  EXPECT_EQ(cost.weights_kib(500), kib);
}

}  // namespace
}  // namespace yardmaster
