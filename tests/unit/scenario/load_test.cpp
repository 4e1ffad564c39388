// From YAML to a compiled scenario: faults verbatim, impossible hardware, derived defaults, traces,
// and the resolved text.
#include "env/scenario/load.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace yardmaster {
namespace {

using Lines = std::vector<std::string>;

const std::string kRoot = YARDMASTER_SOURCE_DIR;

Lines faults_of(const std::string& text, const std::vector<Override>& overrides = {}) {
  try {
    load_scenario_text(text, "s.yaml", overrides);
    return {};
  } catch (const ConfigError& error) {
    return error.faults();
  }
}

/// One group of nodes, then `rest`. A rate, so that nothing depends on capacity.
std::string with_node(const std::string& node, const std::string& rest = "") {
  return "nodes:\n  - {gpu: h100-sxm, model: llama-3.1-8b" + node + "}\n" + rest;
}

Scenario load(const std::string& text, const std::vector<Override>& overrides = {}) {
  return load_scenario_text(text, "s.yaml", overrides);
}

/// A trace of `rows` requests, one per second, with 1000 + i prompt tokens; removed with the
/// fixture.
class Traces : public testing::Test {
 protected:
  std::string write(int rows,
                    const std::string& header = "TIMESTAMP,ContextTokens,GeneratedTokens") {
    const std::string path = testing::TempDir() + "yardmaster_load_test_" +
                             testing::UnitTest::GetInstance()->current_test_info()->name() + ".csv";
    std::ofstream out(path);
    out << header << "\n";
    for (int i = 0; i < rows; ++i) {
      out << i << "," << 1000 + i << ",10\n";
    }
    paths_.push_back(path);
    return path;
  }
  void TearDown() override {
    for (const std::string& path : paths_) {
      std::filesystem::remove(path);
    }
  }

 private:
  Lines paths_;
};

TEST(Load, FivePlantedFaultsAreAllNamedWithTheirPlaces) {
  const std::string path = kRoot + "/tests/unit/scenario/five_faults.yaml";
  Lines lines;
  try {
    load_scenario(path);
  } catch (const ConfigError& error) {
    lines = error.faults();
  }
  EXPECT_EQ(
      lines,
      (Lines{
          path + ":2:11: duration: \"60\" has no unit; write one of ps, ns, us, ms, s, min, h, d",
          path + ":7:5: nodes[0].count: duplicate key; first used at line 4",
          path + ":9:3: dispatch.windw: unknown key; did you mean \"window\"? (known: window, "
                 "ordering, "
                 "detection, allow_rejection, prefix_index)",
          path + ":12:9: reports.loss: 1.7 is out of range (expected 0 to 0.99)",
          path + ":14:9: workload.load: expected a number, found \"high\"",
      }));
}

TEST(Load, MissingFileIsOneFault) {
  try {
    load_scenario("no/such.yaml");
    FAIL() << "loaded";
  } catch (const ConfigError& error) {
    EXPECT_EQ(error.faults(), Lines{"no/such.yaml: cannot be read: No such file or directory"});
  }
}

TEST(Load, MissingNodesAreReportedAtTheTop) {
  EXPECT_EQ(faults_of("name: x\n"), Lines{"s.yaml:1:1: missing key \"nodes\": Groups of equal LLM "
                                          "nodes: one model on one or more GPUs "
                                          "of one type."});
}

TEST(Load, UnknownCatalogueNamesGetSuggestions) {
  const Lines lines =
      faults_of("nodes:\n  - gpu: h100\n    model: llama-3-8b\n    engine: vllm-0.31\n");
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_TRUE(lines[0].starts_with(
      "s.yaml:2:10: nodes[0].gpu: unknown GPU \"h100\"; did you mean \"h100-sxm\"?"))
      << lines[0];
  EXPECT_TRUE(lines[1].starts_with(
      "s.yaml:3:12: nodes[0].model: unknown model \"llama-3-8b\"; did you mean \"llama-3.1-8b\"?"))
      << lines[1];
  EXPECT_TRUE(
      lines[2].starts_with("s.yaml:4:13: nodes[0].engine.version: unknown engine \"vllm-0.31\"; "
                           "did you mean \"vllm-0.32\"?"))
      << lines[2];
}

TEST(Load, ModelThatDoesNotFitIsRefused) {
  const Lines lines = faults_of("nodes:\n  - gpu: h100-sxm\n    model: llama-3.1-70b\n");
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(lines[0],
            "s.yaml:3:12: nodes[0].model: llama-3.1-70b does not fit: its weights take 131.4 GiB "
            "of each of 1 "
            "h100-sxm with 73.3 GiB for the engine (a larger tensor_parallel may help)");
  EXPECT_EQ(
      faults_of("nodes:\n  - gpu: h100-sxm\n    model: llama-3.1-70b\n    tensor_parallel: 4\n"),
      Lines{});
}

TEST(Load, TensorParallelMustDivideTheHeads) {
  EXPECT_EQ(
      faults_of(with_node(", tensor_parallel: 3")),
      Lines{
          "s.yaml:2:59: nodes[0].tensor_parallel: 3 does not divide the 32 heads of llama-3.1-8b"});
}

TEST(Load, DegreesBeyondTheKvHeadsAreMultiplesOfThem) {
  EXPECT_EQ(faults_of(with_node(", tensor_parallel: 16")), Lines{});
  const auto fault = [](int degree) {
    return faults_of("nodes:\n  - {gpu: h100-sxm, model: qwen2.5-7b, tensor_parallel: " +
                     std::to_string(degree) + "}\n");
  };
  EXPECT_EQ(fault(28), Lines{});
  EXPECT_EQ(fault(14), Lines{"s.yaml:2:57: nodes[0].tensor_parallel: 14 neither divides the 4 KV "
                             "heads of qwen2.5-7b nor is a multiple of them"});
}

TEST(Load, MissingNumberFormatIsNotBlamedOnTheDegree) {
  EXPECT_EQ(faults_of("nodes:\n  - gpu: a100-80gb-sxm\n    model: llama-3.1-8b-fp8\n"
                      "    tensor_parallel: 2\n"),
            Lines{"s.yaml:2:10: nodes[0].gpu: the catalogue has no figures of a100-80gb-sxm for "
                  "llama-3.1-8b-fp8 "
                  "(number format of weights or KV)"});
}

TEST(Load, FormatWithoutMeasuredFiguresIsRefused) {
  EXPECT_EQ(faults_of("nodes:\n  - gpu: a100-80gb-sxm\n    model: llama-3.1-8b-fp8\n"),
            Lines{"s.yaml:2:10: nodes[0].gpu: the catalogue has no figures of a100-80gb-sxm for "
                  "llama-3.1-8b-fp8 "
                  "(number format of weights or KV)"});
}

TEST(Load, EngineLimitsMustAgree) {
  EXPECT_EQ(
      faults_of(with_node(", engine: {max_num_seqs: 64, max_num_batched_tokens: 32}")),
      Lines{
          "s.yaml:2:93: nodes[0].engine.max_num_batched_tokens: 32 is less than max_num_seqs, 64"});
  EXPECT_EQ(faults_of(with_node(", engine: {max_model_len: 4096, kv_blocks: 100}")),
            Lines{"s.yaml:2:66: nodes[0].engine.max_model_len: 4096 is too long: the model's "
                  "context is 131072 tokens "
                  "and KV memory holds 1600"});
}

TEST(Load, LongestRequestDefaultsToWhatMemoryHolds) {
  EXPECT_EQ(load(with_node(", engine: {kv_blocks: 1000}")).kinds[0].settings.rules.max_model_len,
            16000);
  EXPECT_EQ(load(with_node("")).kinds[0].settings.rules.max_model_len,
            131072);  // the model's context
}

TEST(Load, NodeThatCanServeNothingIsRefused) {
  const std::string text =
      with_node(", engine: {max_model_len: 100}",
                "workload: {tenants: [{prompt_tokens: 200, output_tokens: 1}]}\n");
  EXPECT_EQ(
      faults_of(text),
      Lines{"s.yaml:2:5: nodes[0]: no request of the workload fits (prompt and output may have "
            "100 tokens together)"});
}

TEST(Load, AKindOnWhichNoRequestFitsStandsBesideOneOnWhichTheyFit) {
  const Scenario s = load(
      "nodes:\n  - {gpu: h100-sxm, model: llama-3.1-8b}\n  - {gpu: h100-sxm, model: llama-3.1-8b, "
      "engine: {max_model_len: 100}}\n"
      "workload: {tenants: [{prompt_tokens: 200, output_tokens: 1}]}\n");
  EXPECT_GT(s.kinds[0].capacity_per_s, 0);
  EXPECT_EQ(s.kinds[1].capacity_per_s, 0);
  EXPECT_EQ(s.capacity_per_s, s.kinds[0].capacity_per_s);
}

TEST(Load, RejectionWithoutDeadlineNeedsAPenalty) {
  const std::string allowed = "dispatch: {allow_rejection: true}\n";
  EXPECT_EQ(faults_of(with_node("", allowed)),
            Lines{"s.yaml:1:1: objective: missing key \"reject_penalty\": dispatch.allow_rejection "
                  "without any slo.e2e "
                  "needs it, or rejecting everything would be best"});
  EXPECT_EQ(
      load(with_node("", allowed + "objective: {reject_penalty: 9 s}\n")).objective.reject_penalty,
      Duration{9 * kPsPerSecond});
  EXPECT_EQ(load(with_node("", allowed + "workload: {tenants: [{slo: {e2e: 7 s}}]}\n"))
                .objective.reject_penalty,
            Duration{14 * kPsPerSecond});
}

TEST(Load, ATenantHasNoPriorityBecauseNothingReadsIt) {
  const Lines lines = faults_of(with_node("", "workload: {tenants: [{priority: 1}]}\n"));
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_NE(lines[0].find("workload.tenants[0].priority: unknown key"), std::string::npos)
      << lines[0];
}

TEST(Load, LoadAndRateExcludeEachOther) {
  EXPECT_EQ(faults_of(with_node("", "workload: {load: 0.5, rate: 3 /s}\n")),
            Lines{"s.yaml:3:29: workload.rate: excludes load; give one of them"});
}

TEST(Load, WarmUpMustLeaveSomething) {
  EXPECT_EQ(faults_of("duration: 10 s\nwarm_up: 10 s\n" + with_node("")),
            Lines{"s.yaml:2:10: warm_up: leaves nothing of the duration, 10 s"});
}

TEST(Load, NamesOfGroupsAreDistinct) {
  const std::string node = "  - {gpu: h100-sxm, model: llama-3.1-8b}\n";
  const Scenario scenario =
      load("nodes:\n" + node + node + "  - {name: fast, gpu: h100-sxm, model: llama-3.1-8b}\n");
  EXPECT_EQ(scenario.kinds[0].name, "h100-sxm");
  EXPECT_EQ(scenario.kinds[1].name, "h100-sxm-2");
  EXPECT_EQ(scenario.kinds[2].name, "fast");
}

TEST(Load, LoadIsAShareOfTheSumOfCapacities) {
  const Scenario scenario = load(
      "nodes:\n  - {gpu: h100-sxm, model: llama-3.1-8b, count: 3}\n"
      "  - {gpu: rtx-4090, model: llama-3.1-8b}\nworkload: {load: 0.5}\n");
  EXPECT_EQ(scenario.nodes(), 4U);
  EXPECT_EQ(scenario.kind_of, (std::vector<std::uint32_t>{0, 0, 0, 1}));
  EXPECT_GT(scenario.kinds[1].capacity_per_s, 0);
  EXPECT_DOUBLE_EQ(scenario.capacity_per_s,
                   3 * scenario.kinds[0].capacity_per_s + scenario.kinds[1].capacity_per_s);
  EXPECT_DOUBLE_EQ(scenario.workload.rate_per_s, 0.5 * scenario.capacity_per_s);
}

TEST(Load, EverythingElseHasADefault) {
  const Scenario s = load(with_node(""));
  EXPECT_EQ(s.name, "s");
  EXPECT_EQ(s.duration, Duration::from_seconds(60));
  EXPECT_EQ(s.warm_up, Duration::from_seconds(6));
  EXPECT_EQ(s.workload.load, 0.7);
  EXPECT_EQ(s.kinds[0].engine.name, "vllm-0.32");
  EXPECT_EQ(s.kinds[0].settings.rules.steps_in_flight, 2);
  EXPECT_EQ(s.network.frontend, Duration::from_seconds(0.001));
  EXPECT_EQ(s.network.latency, Duration::from_seconds(0.0002));
  EXPECT_EQ(s.kinds[0].settings.rules.response_latency, s.network.latency);
  EXPECT_EQ(s.network.bandwidth_bytes_per_s, 1.25e9);
  EXPECT_EQ(s.reports.interval, Duration::from_seconds(0.1));
  EXPECT_EQ(s.dispatch.window, kUnlimitedWindow);
  EXPECT_EQ(s.seeds.size(), 20U);
}

TEST(Load, OverridesReachEveryPart) {
  const Scenario s = load(with_node(""), {{"nodes.0.count", "4"},
                                          {"dispatch.window", "12"},
                                          {"workload.rate", "5 /s"},
                                          {"nodes.0.engine.version", "vllm-0.19"}});
  EXPECT_EQ(s.kinds[0].engine.name, "vllm-0.19");
  EXPECT_EQ(s.nodes(), 4U);
  EXPECT_EQ(s.dispatch.window, 12);
  EXPECT_EQ(s.workload.rate_per_s, 5);
}

TEST(Load, OwnCatalogueEntriesJoinTheShippedOnes) {
  const Scenario s = load(
      "nodes: [{gpu: h100-sxm, model: tiny}]\n"
      "catalogue:\n  models:\n    tiny: {source: made up, parameters: 1e8, active_parameters: 1e8, "
      "layers: 4, "
      "hidden: 512, heads: 8, kv_heads: 8, head_dim: 64, intermediate: 2048, vocabulary: 32000, "
      "max_context_tokens: 4096}\n");
  EXPECT_EQ(s.kinds[0].model.hidden, 512);
  EXPECT_EQ(s.kinds[0].settings.rules.max_model_len, 4096);
}

TEST(Load, ResolvedTextLoadsToTheSameScenario) {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(kRoot + "/scenarios")) {
    const std::string path = entry.path().string();
    if (path.ends_with(".yaml") && !path.ends_with("_conversation.yaml")) {
      paths.push_back(path);
    }
  }
  std::sort(paths.begin(), paths.end());
  ASSERT_GE(paths.size(), 5U);
  for (const std::string& path : paths) {
    const Scenario first = load_scenario(path);
    const Scenario again = load_scenario_text(first.resolved, "elsewhere/resolved.yaml");
    EXPECT_EQ(again.resolved, first.resolved) << path;
    EXPECT_EQ(again.name, first.name);
    EXPECT_EQ(again.duration, first.duration);
    EXPECT_EQ(again.workload.rate_per_s, first.workload.rate_per_s);
    EXPECT_EQ(again.seeds, first.seeds);
    EXPECT_EQ(again.capacity_per_s, first.capacity_per_s);
  }
}

TEST_F(Traces, WithoutLoadATraceRunsAtItsOwnSpeedAsOneWindow) {
  const Scenario s = load(with_node(""), {{"workload.trace", write(100)}});
  EXPECT_EQ(s.workload.trace.size(), 100U);
  EXPECT_EQ(s.workload.time_scale, 1);
  EXPECT_EQ(s.workload.rate_per_s, 1);
  EXPECT_EQ(s.duration, Duration{100 * kPsPerSecond});  // its span and one gap
  EXPECT_EQ(s.workload.windows, 1U);
  EXPECT_EQ(s.seeds, std::vector<std::uint64_t>{1000});
}

TEST_F(Traces, RateScalesTimeAndDurationCutsWindows) {
  const Scenario s =
      load(with_node(""),
           {{"workload.trace", write(100)}, {"workload.rate", "4 /s"}, {"duration", "6 s"}});
  EXPECT_EQ(s.workload.time_scale, 0.25);
  EXPECT_EQ(s.workload.windows, 4U);  // of 25 s
  EXPECT_EQ(s.workload.window, Duration{6 * kPsPerSecond});
  EXPECT_EQ(s.seeds.size(), 4U);
}

TEST_F(Traces, MoreSeedsThanWindowsAreRefused) {
  const std::vector<Override> overrides = {{"workload.trace", write(100)}, {"duration", "30 s"}};
  EXPECT_EQ(load(with_node("", "compare: {seeds: [7, 8, 12]}\n"), overrides).seeds.size(), 3U);
  EXPECT_EQ(
      faults_of(with_node("", "compare: {seeds: 1..4}\n"), overrides),
      Lines{"s.yaml:3:18: compare.seeds: 4 seeds select only 3 different ones of the trace's 3 "
            "windows (a seed "
            "selects window seed mod 3; a shorter duration gives more windows)"});
}

TEST_F(Traces, DurationBeyondTheTraceIsRefused) {
  EXPECT_EQ(
      faults_of(with_node(""), {{"workload.trace", write(100)}, {"duration", "101 s"}}),
      Lines{
          "--set duration=101 s: duration: the trace lasts only 100 s at 1 /s (expected no more)"});
}

TEST_F(Traces, FaultsOfTheTraceSayHowToNameAnother) {
  const std::string path = write(3, "time,prompt,output");
  EXPECT_EQ(faults_of(with_node(""), {{"workload.trace", path}}),
            (Lines{"--set workload.trace=" + path + ": workload.trace: " + path +
                       ":1:1: not a trace: expected the header "
                       "TIMESTAMP,ContextTokens,GeneratedTokens, or a JSON object per line",
                   "--set workload.trace=" + path +
                       ": workload.trace: give a trace with --set workload.trace=PATH"}));
}

TEST_F(Traces, ResolvedTextOfATraceLoadsToTheSameScenario) {
  const Scenario first =
      load(with_node(""), {{"workload.trace", write(100)}, {"workload.load", "0.7"}});
  const Scenario again = load_scenario_text(first.resolved, "elsewhere/resolved.yaml");
  EXPECT_EQ(again.resolved, first.resolved);
  EXPECT_EQ(again.duration, first.duration);
  EXPECT_EQ(again.workload.windows, first.workload.windows);
  EXPECT_EQ(again.workload.time_scale, first.workload.time_scale);
}

TEST_F(Traces, TenantsOfATraceHaveNoLengths) {
  EXPECT_EQ(faults_of(with_node("", "workload: {tenants: [{share: 2}]}\n"),
                      {{"workload.trace", write(9)}}),
            Lines{"s.yaml:3:30: workload.tenants[0].share: applies only without `workload.trace`"});
}

}  // namespace
}  // namespace yardmaster
