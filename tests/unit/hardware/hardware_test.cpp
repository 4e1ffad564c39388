// Are bytes counted as published models and measured servers count them?
#include "env/hardware/hardware.h"

#include <gtest/gtest.h>

#include "env/hardware/step_cost.h"
#include "tests/unit/hardware/specimens.h"

namespace yardmaster {
namespace {

/// Llama-3.1-8B as published.
ModelSpec llama_8b() {
  ModelSpec model = specimens::model();
  model.parameters = model.active_parameters = 8030261248;
  model.vocabulary = 128256;
  return model;
}

TEST(ModelSpec, WeightsTakeTwoBytesPerParameterInBf16) {
  EXPECT_DOUBLE_EQ(llama_8b().weight_bytes(), 16060522496);
}

TEST(ModelSpec, Fp8LeavesTheEmbeddingTablesInBf16) {
  ModelSpec model = llama_8b();
  model.weights = Dtype::fp8;
  EXPECT_DOUBLE_EQ(model.weight_bytes(), 9080934400);
}

TEST(ModelSpec, KvBytesPerTokenFollowTheFormat) {
  ModelSpec model = llama_8b();
  EXPECT_DOUBLE_EQ(model.kv_bytes_per_token(), 131072);
  model.kv = Dtype::fp8;
  EXPECT_DOUBLE_EQ(model.kv_bytes_per_token(), 65536);
}

TEST(ModelSpec, KvHeadsAreSplitUntilEachGpuHasOne) {
  const ModelSpec model = llama_8b();
  EXPECT_DOUBLE_EQ(model.kv_bytes_per_token_per_gpu(4), 131072.0 / 4);
  EXPECT_DOUBLE_EQ(model.kv_bytes_per_token_per_gpu(16), 131072.0 / 8);
}

TEST(UsableKvBlocks, EqualThoseOfTheMeasuredServer) {
  GpuSpec gpu = specimens::gpu();
  gpu.memory_bytes = 25757220864;  // RTX 4090: 2,588 blocks, one of them the null block
  EXPECT_EQ(usable_kv_blocks(gpu, llama_8b(), 1, 0.9), 2587);
}

TEST(UsableKvBlocks, AreNoneWhenTheWeightsDoNotFit) {
  GpuSpec gpu = specimens::gpu();
  gpu.memory_bytes = 16e9;
  EXPECT_LE(usable_kv_blocks(gpu, llama_8b(), 1, 0.9), 0);
}

TEST(UsableKvBlocks, GrowMoreThanInProportionToTheGpus) {
  const GpuSpec gpu = specimens::gpu();
  EXPECT_GT(usable_kv_blocks(gpu, llama_8b(), 2, 0.9),
            2 * usable_kv_blocks(gpu, llama_8b(), 1, 0.9));
}

TEST(GpuSpec, RefusesFormatsThatWereNotMeasured) {
  GpuSpec gpu = specimens::gpu();
  ModelSpec model = specimens::model();
  EXPECT_TRUE(gpu.runs(model, 8));
  gpu.link.bandwidth = 0;
  EXPECT_TRUE(gpu.runs(model, 1));
  EXPECT_FALSE(gpu.runs(model, 2));
  model.weights = Dtype::fp8;
  EXPECT_TRUE(gpu.runs(model, 1));
  gpu.fp8.flops = 0;
  EXPECT_FALSE(gpu.runs(model, 1));
  model.weights = Dtype::bf16;
  model.kv = Dtype::fp8;
  gpu.attention.kv_share_fp8 = 0;
  EXPECT_FALSE(gpu.runs(model, 1));
}

TEST(DefaultLimits, AreLargerOnLargeGpus) {
  GpuSpec gpu = specimens::gpu();
  EXPECT_EQ(default_limits(gpu, EngineSpec{}).max_num_seqs, 256);
  EXPECT_EQ(default_limits(gpu, EngineSpec{}).max_num_batched_tokens, 2048);
  gpu.large = true;
  EXPECT_EQ(default_limits(gpu, EngineSpec{}).max_num_seqs, 1024);
  EXPECT_EQ(default_limits(gpu, EngineSpec{}).max_num_batched_tokens, 8192);
}

}  // namespace
}  // namespace yardmaster
