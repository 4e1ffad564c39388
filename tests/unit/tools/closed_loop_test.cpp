// Published runs are read correctly and replayed as closed loops.
#include "tools/validation/closed_loop.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <string>

#include "env/hardware/step_cost.h"
#include "tools/command.h"
#include "tools/shipped_catalogue.h"

namespace yardmaster::closed_loop {
namespace {

const char* const kHeader =
    "system,n_gpu,tp,engine,engine_version,model,dtype,isl,osl,concurrency_or_rate,ttft_ms,tpot_ms,"
    "family\n";

class ClosedLoop : public testing::Test {
 protected:
  void TearDown() override { std::remove(path_.c_str()); }
  [[nodiscard]] Table read(const std::string& rows, const Names& names = {}) const {
    std::ofstream(path_, std::ios::binary) << kHeader << rows;
    return read_runs(path_, catalogue_, names);
  }
  [[nodiscard]] std::string fault_of(const std::string& rows, const Names& names = {}) const {
    try {
      [[maybe_unused]] const Table table = read(rows, names);
      return "";
    } catch (const BadInput& fault) {
      return fault.what();
    }
  }

  const Catalogue catalogue_ = shipped_catalogue();
  const std::string path_ = testing::TempDir() + "yardmaster_closed_loop_test_" +
                            testing::UnitTest::GetInstance()->current_test_info()->name();
};

TEST_F(ClosedLoop, NamesOfFilesFindEntriesOfTheCatalogue) {
  const Table table = read(
      "h100_sxm,2,2,vllm,,meta-llama/Llama-3.1-70B,fp8,1024,1024,4,80,11,inferencemax\n"
      "a100_sxm,1,1,sglang,0.5,Qwen/Qwen2.5-7B-Instruct,bf16,100,100,8,80,11,\n"
      "H200_SXM,4,4,trtllm,,meta-llama/Meta-Llama-3.1-70B-Instruct-FP8,fp8,100,100,8,80,11,\n"
      "h100_sxm,1,1,trtllm,1.0.0rc3,Llama-3.1-8B,unstated,100,100,8,80,11,x\n");
  ASSERT_EQ(table.left_out.size(), 0U);
  ASSERT_EQ(table.runs.size(), 4U);
  const PublishedRun& first = table.runs[0];
  EXPECT_EQ(first.gpu.name, "h100-sxm");
  EXPECT_EQ(first.engine.name, "vllm-2025-10");
  EXPECT_EQ(first.name(), "llama-3.1-70b-fp8 x2 1024/1024 C=4");
  EXPECT_EQ(first.shortest, 0.8);
  EXPECT_DOUBLE_EQ(first.ttft_s, 0.080);
  EXPECT_DOUBLE_EQ(first.tpot_s, 0.011);
  EXPECT_EQ(table.runs[1].gpu.name, "a100-80gb-sxm");
  EXPECT_EQ(table.runs[1].model.name, "qwen2.5-7b");
  EXPECT_EQ(table.runs[1].engine.name, "sglang-0.5.6");
  EXPECT_EQ(table.runs[1].shortest, 1);
  EXPECT_EQ(table.runs[2].gpu.name, "h200-sxm-trtllm");
  EXPECT_EQ(table.runs[2].model.name, "llama-3.1-70b-fp8-kv8");
  EXPECT_EQ(table.runs[2].engine.name, "tensorrt-llm-2025-10");
  EXPECT_EQ(table.runs[3].engine.name, "tensorrt-llm-1.0");
}

TEST_F(ClosedLoop, AModelInFp8IsTheFp8EntryOfTheCatalogue) {
  const Table table = read(
      "h100_sxm,1,1,vllm,,Llama-3.1-70B,fp8,10,10,4,80,11,\n"
      "h200_sxm,4,4,trtllm,,Llama-3.1-70B,fp8,10,10,4,80,11,\n");
  ASSERT_EQ(table.runs.size(), 2U);
  for (const PublishedRun& run : table.runs) {
    const ModelSpec& shipped = named(catalogue_.models, "", run.model.name);
    EXPECT_EQ(run.model.weight_bytes(), shipped.weight_bytes());
    EXPECT_EQ(run.model.kv_bytes_per_token(), shipped.kv_bytes_per_token());
  }
}

TEST_F(ClosedLoop, UnknownNamesAreLeftOutWithAReason) {
  const Table table = read(
      "tpu_v6,1,1,vllm,,Llama-3.1-8B,bf16,10,10,4,80,11,\n"
      "h100_sxm,1,1,vllm,,org/Unheard-Of-7B,bf16,10,10,4,80,11,\n"
      "h100_sxm,1,1,vllm,,Llama-3.1-8B,nvfp4,10,10,4,80,11,\n"
      "h100_sxm,1,1,lmdeploy,,Llama-3.1-8B,bf16,10,10,4,80,11,\n"
      "h100_sxm,8,4,vllm,,Llama-3.1-8B,bf16,10,10,4,80,11,\n"
      "a100_sxm,1,1,vllm,,Llama-3.1-8B,fp8,10,10,4,80,11,\n"
      "h100_sxm,1,1,vllm,,Llama-3.1-8B,bf16,200000,10,4,80,11,\n"
      "h100_sxm,1,1,vllm,,Llama-3.1-70B,bf16,10,10,4,80,11,\n"
      "h100_sxm,1,1,vllm,,Llama-3.1-8B,bf16,10,1,4,80,11,\n");
  EXPECT_EQ(table.runs.size(), 0U);
  const std::map<std::string, int> expected = {{"system tpu_v6", 1},
                                               {"model unheard-of-7b", 1},
                                               {"dtype nvfp4", 1},
                                               {"engine lmdeploy", 1},
                                               {"more than tensor parallelism", 1},
                                               {"figures of a100-80gb-sxm for llama-3.1-8b-fp8", 1},
                                               {"context of llama-3.1-8b", 1},
                                               {"memory of h100-sxm for llama-3.1-70b", 1},
                                               {"outputs of one token, which have no TPOT", 1}};
  EXPECT_EQ(table.left_out, expected);
}

TEST_F(ClosedLoop, GivenNamesOverrideTheRules) {
  const std::string row = "h100_pcie,1,1,vllm,0.19.1,org/Llama-3.3-8B,bf16,10,10,4,80,11,\n";
  const Table table = read(
      row,
      {{"h100_pcie", "h100-sxm"}, {"vllm", "vllm-0.19"}, {"org/Llama-3.3-8B", "llama-3.1-8b"}});
  ASSERT_EQ(table.runs.size(), 1U);
  EXPECT_EQ(table.runs[0].gpu.name, "h100-sxm");
  EXPECT_EQ(table.runs[0].engine.name, "vllm-0.19");
  EXPECT_EQ(table.runs[0].model.name, "llama-3.1-8b");
  EXPECT_NE(fault_of(row, {{"h100_pcie", "h100-sxn"}}).find("did you mean"), std::string::npos);
  EXPECT_NE(fault_of(row, {{"nobody", "h100-sxm"}}).find("no row has this"), std::string::npos);
}

TEST_F(ClosedLoop, FaultsNameFileAndLine) {
  const std::string good = "h100_sxm,1,1,vllm,,Llama-3.1-8B,bf16,10,10,4,80,11,\n";
  EXPECT_EQ(fault_of(good), "");
  EXPECT_NE(fault_of("").find("no run"), std::string::npos);
  for (const std::string bad : {"h100_sxm,1,1,vllm,,Llama-3.1-8B,bf16,ten,10,4,80,11,\n",
                                "h100_sxm,1,1,vllm,,Llama-3.1-8B,bf16,10,10,0,80,11,\n",
                                "h100_sxm,1,0,vllm,,Llama-3.1-8B,bf16,10,10,4,80,11,\n",
                                "h100_sxm,1,1,vllm,,Llama-3.1-8B,bf16,10,10,4,80,0,\n",
                                "h100_sxm,1,1,vllm,,Llama-3.1-8B,bf16,10,10,4000000,80,11,\n"}) {
    EXPECT_NE(fault_of(good + bad).find(path_ + ":3: "), std::string::npos) << bad;
  }
}

// One client alone: each request is one step for its prompt and one for each further token.
TEST_F(ClosedLoop, OneClientIsServedStepByStep) {
  const Table table = read("h100_sxm,1,1,vllm,,Llama-3.1-8B,bf16,100,3,1,80,11,\n");
  ASSERT_EQ(table.runs.size(), 1U);
  const PublishedRun& run = table.runs[0];
  const StepCost cost(run.gpu, run.model, run.engine, 1, default_limits(run.gpu, run.engine));
  MixedStep prompt;
  prompt.add_chunk(0, 100);
  prompt.sampled = 1;
  const Prediction p = replay(run);
  EXPECT_DOUBLE_EQ(p.ttft_s, cost.mixed(prompt).seconds());
  EXPECT_NEAR(p.tpot_s, cost.decode_total(1, 100, 2).seconds() / 2, 1e-12);
  EXPECT_EQ(p.preemptions, 0);
}

TEST(ClosedLoopErrors, AreOfSizes) {
  Errors errors;
  for (const double predicted : {0.9, 1.0, 1.3}) {
    errors.add(2 * predicted, 2);
  }
  EXPECT_EQ(errors.size(), 3U);
  EXPECT_NEAR(errors.mean(), 0.4 / 3, 1e-12);
  EXPECT_NEAR(errors.quantile(0.5), 0.1, 1e-12);
  EXPECT_NEAR(errors.quantile(0.9), 0.26, 1e-12);
  EXPECT_NEAR(errors.quantile(1), 0.3, 1e-12);
}

}  // namespace
}  // namespace yardmaster::closed_loop
