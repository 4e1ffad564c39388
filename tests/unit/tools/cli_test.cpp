// The built program: its exit codes, its output and the files that it leaves.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "results/reader.h"

namespace yardmaster {
namespace {

namespace fs = std::filesystem;

struct Outcome {
  int code = -1;
  std::string out, err;
};

std::string content(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Each test has its own folder. Runs are short runs of the shortest scenario.
class CommandLine : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(fs::exists(YARDMASTER_COMMAND)) << "build the target yardmaster first";
    folder_ = fs::temp_directory_path() /
              ("yardmaster-cli-" + std::to_string(getpid()) + "-" +
               ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  [[nodiscard]] Outcome run(const std::string& arguments) const {
    const std::string command =
        std::string("cd ") + YARDMASTER_SOURCE_DIR + " && " + YARDMASTER_COMMAND + " " + arguments +
        " > " + (folder_ / "stdout").string() + " 2> " + (folder_ / "stderr").string();
    const int status = std::system(command.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, content(folder_ / "stdout"),
            content(folder_ / "stderr")};
  }
  [[nodiscard]] std::string file(const char* name) const { return (folder_ / name).string(); }
  [[nodiscard]] std::size_t results_files() const {
    std::size_t n = 0;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder_)) {
      n += entry.path().filename().string().find(".h5") != std::string::npos ? 1U : 0U;
    }
    return n;
  }

  const std::string short_run_ = "scenarios/minimal.yaml --set 'duration=5 s' ";
  fs::path folder_;
};

TEST_F(CommandLine, DoesNotLinkLibTorch) {
  const std::string command =
      std::string("ldd ") + YARDMASTER_COMMAND + " > " + file("libraries") + " 2>/dev/null";
  ASSERT_EQ(std::system(command.c_str()), 0);
  EXPECT_EQ(content(file("libraries")).find("libtorch"), std::string::npos);
}

TEST_F(CommandLine, HelpDocumentsTheExitCodes) {
  for (const char* arguments :
       {"--help", "run --help", "evaluate --help", "validate --help", "list --help"}) {
    EXPECT_NE(run(arguments).out.find("Exit codes"), std::string::npos) << arguments;
  }
}

TEST_F(CommandLine, WrongInputEndsWithTwoAndPrintsNothingOnStdout) {
  for (const std::string& arguments : std::vector<std::string>{
           "", "fly", "run", "run nosuch.yaml", "run scenarios/minimal.yaml --nosuch",
           "run " + short_run_ + "--policy nosuch", "run " + short_run_ + "--set workload.lod=1",
           "run " + short_run_ + "--set workload", "run " + short_run_ + "--seed x",
           "evaluate " + short_run_ + "--seeds 5..1",
           "evaluate " + short_run_ + "--policies random,random", "list nosuch",
           "validate-closed-loop nosuch.csv", "validate-closed-loop README.md --as h100_sxm",
           "validate tests/unit/scenario/five_faults.yaml"}) {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.code, 2) << arguments;
    EXPECT_EQ(outcome.out, "") << arguments;
    EXPECT_NE(outcome.err, "") << arguments;
  }
}

TEST_F(CommandLine, CalibrateRefusesOptionsOfItsOtherMode) {
  const std::string host = "calibrate --host --measured run.csv --scenario scenarios/minimal.yaml ";
  for (const std::string& arguments : std::vector<std::string>{
           host + "-o out", host + "--gpu h100-sxm", host + "--source mine", host + "--force",
           "calibrate profiles --gpu h100-sxm --model llama-3.1-8b --measured run.csv",
           "calibrate profiles --gpu h100-sxm --model llama-3.1-8b --requests 0..9",
           "calibrate profiles --gpu h100-sxm --model llama-3.1-8b --set duration=1s"}) {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.code, 2) << arguments;
    EXPECT_NE(outcome.err.find("is an option of calibrate"), std::string::npos) << outcome.err;
  }
}

TEST_F(CommandLine, CalibrateWarnsWhenAProfileSeemsToBeOfAnotherGpuOrModel) {
  std::ofstream(file("meta.yaml")) << "gpu: NVIDIA GeForce RTX 4090\n"
                                      "model: meta-llama/Llama-3.1-8B-Instruct\n";
  const auto said = [&](const std::string& names) {
    return run("calibrate " + folder_.string() + " " + names).err;
  };
  const std::string other_gpu = said("--gpu rtx-pro-6000 --model llama-3.1-8b");
  EXPECT_NE(other_gpu.find("meta.yaml:1: warning: gpu is \"NVIDIA GeForce RTX 4090\""),
            std::string::npos);
  EXPECT_NE(other_gpu.find("dense.csv: no such file"), std::string::npos);  // and continues
  EXPECT_NE(said("--gpu rtx-4090 --model llama-3.1-70b").find("meta.yaml:2: warning: model is "),
            std::string::npos);
  EXPECT_EQ(said("--gpu rtx-4090 --model llama-3.1-8b-fp8").find("warning"), std::string::npos);
}

TEST_F(CommandLine, ValidateNodeReportsTheNetworkTimeAndWhatCannotBeCompared) {
  std::ofstream(file("run.csv"))
      << "arrival_s,input_tokens,output_tokens,first_token_s,last_token_s\n"
         "0,200,1,0.1,0.1\n1,300,1,1.1,1.1\n";
  const std::string command =
      "validate-node --measured " + file("run.csv") + " --scenario scenarios/minimal.yaml ";
  const Outcome table = run(command);
  ASSERT_EQ(table.code, 0) << table.err;
  EXPECT_NE(table.out.find("ms before each request"), std::string::npos) << table.out;
  EXPECT_NE(table.out.find("10 statistics"), std::string::npos) << table.out;
  EXPECT_EQ(table.out.find("arrival to scheduled"), std::string::npos) << table.out;
  const Outcome own = run(command + "--set network.frontend=0s --set network.latency=0s");
  EXPECT_EQ(own.out.find("before each request"), std::string::npos) << own.out;
  const auto json = nlohmann::json::parse(run(command + "--json").out);
  EXPECT_EQ(json.at("statistics_compared"), 10);
  EXPECT_EQ(json.at("statistics").size(), 15U);
  EXPECT_TRUE(json.at("statistics").at(5).at("difference_percent").is_null());  // TPOT, mean
}

TEST_F(CommandLine, ValidateNodeWarnsOfTimesThatLookLikeMilliseconds) {
  std::ofstream(file("run.csv"))
      << "arrival_s,input_tokens,output_tokens,first_token_s,last_token_s\n"
         "0,200,11,100,300\n1000,300,11,1100,1300\n";
  const Outcome outcome =
      run("validate-node --measured " + file("run.csv") + " --scenario scenarios/minimal.yaml");
  EXPECT_EQ(outcome.code, 0);
  EXPECT_NE(outcome.err.find("times are read as seconds"), std::string::npos) << outcome.err;
}

TEST_F(CommandLine, ValidateClosedLoopReportsErrorsAndRowsLeftOut) {
  std::ofstream(file("runs.csv"))
      << "system,n_gpu,tp,engine,model,dtype,isl,osl,concurrency_or_rate,ttft_ms,tpot_ms\n"
         "h100_sxm,1,1,vllm,Llama-3.1-8B,bf16,100,20,4,50,10\n"
         "h100_sxm,1,1,vllm,Llama-9,bf16,100,20,4,50,10\n";
  const std::string command = "validate-closed-loop " + file("runs.csv");
  const Outcome table = run(command + " --runs");
  ASSERT_EQ(table.code, 0) << table.err;
  EXPECT_NE(table.out.find("llama-3.1-8b x1 100/20 C=4"), std::string::npos) << table.out;
  EXPECT_NE(table.out.find("left out: 1 row, model llama-9"), std::string::npos) << table.out;
  const auto json = nlohmann::json::parse(run(command + " --json --as Llama-9=mistral-7b").out);
  EXPECT_EQ(json.at("runs").size(), 2U);
  EXPECT_EQ(json.at("runs").at(1).at("model"), "mistral-7b");
  EXPECT_EQ(json.at("left_out").size(), 0U);
  EXPECT_EQ(json.at("groups").at(0).at("tpot").at("runs"), 2);  // of all runs
  EXPECT_TRUE(json.at("groups").at(0).at("ttft").is_null());    // their warm-up is unknown
  const double tpot_s = json.at("runs").at(0).at("simulated_tpot_s");
  EXPECT_GT(tpot_s, 0.001);
  EXPECT_LT(tpot_s, 0.1);
}

TEST_F(CommandLine, AFileThatCannotBeWrittenEndsWithOne) {
  const Outcome outcome = run("run " + short_run_ + "-o /nowhere/out.h5");
  EXPECT_EQ(outcome.code, 1);
  EXPECT_NE(outcome.err.find("/nowhere"), std::string::npos);
}

TEST_F(CommandLine, ValidateNamesThePlaceOfEachFault) {
  const Outcome text = run("validate tests/unit/scenario/five_faults.yaml");
  const Outcome json = run("validate tests/unit/scenario/five_faults.yaml --json");
  EXPECT_EQ(json.code, 2);
  const auto faults = nlohmann::json::parse(json.out).at("faults");
  EXPECT_EQ(faults.size(), 5U);
  for (const auto& fault : faults) {
    EXPECT_EQ(fault.get<std::string>().find("tests/unit/scenario/five_faults.yaml:"), 0U);
    EXPECT_NE(text.err.find(fault.get<std::string>()), std::string::npos);
  }
}

TEST_F(CommandLine, TheResolvedScenarioGivesTheSameDigest) {
  const Outcome resolved = run("validate " + short_run_ + "--resolved");
  ASSERT_EQ(resolved.code, 0) << resolved.err;
  std::ofstream(file("resolved.yaml")) << resolved.out;
  const auto first = nlohmann::json::parse(run("run " + short_run_ + "--json").out);
  const Outcome again = run("run " + file("resolved.yaml") + " --json");
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(first.at("digest"), nlohmann::json::parse(again.out).at("digest"));
}

TEST_F(CommandLine, RunPrintsOneJsonObjectAndNothingElse) {
  const Outcome outcome = run("run " + short_run_ + "--json --policy marginal_cost --seed 3");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
  const auto json = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(json.at("policy"), "marginal_cost");
  EXPECT_EQ(json.at("seed"), 3);
  EXPECT_EQ(json.at("digest").get<std::string>().size(), 16U);
  EXPECT_GT(json.at("scenario").at("capacity_per_s").get<double>(), 0);
  const auto& metrics = json.at("metrics");
  EXPECT_EQ(metrics.at("arrived"),
            metrics.at("finished").get<int>() + metrics.at("rejected_too_long").get<int>());
  EXPECT_LT(metrics.at("counted"), metrics.at("arrived"));  // those of the warm-up are not
  EXPECT_EQ(metrics.at("unfinished"), 0);
  EXPECT_LE(metrics.at("events_per_request").get<double>(), 6);
}

TEST_F(CommandLine, TheTableShowsCapacityRefusalsMomentsAndDigest) {
  const Outcome outcome = run("run " + short_run_);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  for (const char* word : {"capacity", "load", "counted", "too long", "unfinished", "TTFT", "TPOT",
                           "E2E", "own_prefill", "decode", "events", "digest", "requests/s"}) {
    EXPECT_NE(outcome.out.find(word), std::string::npos) << word;
  }
}

TEST_F(CommandLine, EqualSeedsGiveEqualDigestsOnAnyNumberOfThreads) {
  const std::string arguments =
      "evaluate " + short_run_ + "--policies round_robin,marginal_cost --seeds 1..6 --json ";
  const Outcome one = run(arguments + "--threads 1"), two = run(arguments + "--threads 2");
  ASSERT_EQ(one.code, 0) << one.err;
  auto a = nlohmann::json::parse(one.out), b = nlohmann::json::parse(two.out);
  a.erase("wall_s");
  b.erase("wall_s");
  EXPECT_EQ(a, b);
  EXPECT_EQ(a.at("policies").at("marginal_cost").at("digests").size(), 6U);
  EXPECT_NE(a.at("policies").at("marginal_cost").at("digests").at(0),
            a.at("policies").at("marginal_cost").at("digests").at(1));
}

TEST_F(CommandLine, RunAndEvaluateAgreeOnARun) {
  const auto single =
      nlohmann::json::parse(run("run " + short_run_ + "--policy random --seed 5 --json").out);
  const auto many = nlohmann::json::parse(
      run("evaluate " + short_run_ + "--policies random --seeds 4..5 --json").out);
  EXPECT_EQ(single.at("digest"), many.at("policies").at("random").at("digests").at(1));
}

TEST_F(CommandLine, EvaluateWritesWhatItPrints) {
  const Outcome outcome =
      run("evaluate " + short_run_ + "--policies random,round_robin --seeds 7..9 --json -o " +
          file("out.h5"));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto json = nlohmann::json::parse(outcome.out);
  const Reader reader(file("out.h5"));
  EXPECT_EQ(reader.runs().size(), 6U);
  EXPECT_EQ(reader.text_attribute("/runs/round_robin/8", "digest"),
            json.at("policies").at("round_robin").at("digests").at(1));
  EXPECT_NE(reader.text_attribute("/", "command").find("--seeds 7..9"), std::string::npos);
  const auto mean = reader.real_column("/summary/mean");
  EXPECT_EQ(
      mean.at(0),
      json.at("policies").at("random").at("metrics").at("objective_s").at("value").at("mean"));
  const auto arrived = reader.real_column("/runs/random/7/tasks/arrival_s");
  EXPECT_GT(arrived.size(), 10U);
  EXPECT_GT(reader.real_column("/runs/random/7/nodes/time_s").size(), 100U);
}

TEST_F(CommandLine, NothingIsWrittenWithoutAnOutputFile) {
  const Outcome outcome = run("evaluate " + short_run_ + "--policies random --seeds 1");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(results_files(), 0U);
}

TEST_F(CommandLine, AnExistingFileIsReplacedOnlyByForce) {
  std::ofstream(file("out.h5")) << "precious";
  const std::string arguments = "run " + short_run_ + "-o " + file("out.h5");
  EXPECT_EQ(run(arguments).code, 2);
  EXPECT_EQ(content(file("out.h5")), "precious");
  EXPECT_EQ(run(arguments + " --force").code, 0);
  EXPECT_EQ(Reader(file("out.h5")).runs().size(), 1U);
}

TEST_F(CommandLine, ForceReplacesRegularFilesOnly) {
  std::ofstream(file("target.h5")) << "precious";
  fs::create_symlink(file("target.h5"), file("link.h5"));
  fs::create_symlink(file("nowhere"), file("dangling.h5"));
  fs::create_directory(file("folder.h5"));
  ASSERT_EQ(mkfifo(file("fifo.h5").c_str(), 0600), 0);
  for (const char* name : {"link.h5", "dangling.h5", "folder.h5", "fifo.h5"}) {
    const fs::file_type before = fs::symlink_status(file(name)).type();
    for (const char* force : {"", " --force"}) {
      const Outcome outcome = run("run " + short_run_ + "-o " + file(name) + force);
      EXPECT_EQ(outcome.code, 2) << name << force;
      EXPECT_NE(outcome.err.find("not a regular file"), std::string::npos) << outcome.err;
    }
    EXPECT_EQ(fs::symlink_status(file(name)).type(), before) << name;
  }
  EXPECT_EQ(content(file("target.h5")), "precious");
  EXPECT_EQ(results_files(), 5U);  // no temporary file is left
}

TEST_F(CommandLine, WithoutACostOfRefusalsThereIsNoObjectiveAndNoRanking) {
  const std::string refusing = short_run_ + "--set 'nodes.0.engine={max_model_len: 3000}' ";
  const auto objective = [&](const std::string& more) {
    return nlohmann::json::parse(run("run " + refusing + more + "--json").out)
        .at("metrics")
        .at("objective_s");
  };
  EXPECT_TRUE(objective("").is_null());
  const double cheap = objective("--set 'objective.reject_penalty=1 s' ");
  const double dear = objective("--set 'objective.reject_penalty=100 s' ");
  EXPECT_GT(dear, 5 * cheap);
  const Outcome text = run("run " + refusing);
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_NE(text.out.find("objective - ("), std::string::npos) << text.out;
  EXPECT_NE(text.out.find("objective.reject_penalty"), std::string::npos);

  const std::string evaluation =
      "evaluate " + refusing + "--policies random,round_robin --seeds 1..2 ";
  for (const std::string& more : {std::string(), "--json -o " + file("out.h5")}) {
    const Outcome outcome = run(evaluation + more);
    EXPECT_EQ(outcome.code, 2);
    EXPECT_EQ(outcome.out, "");
    EXPECT_NE(outcome.err.find("objective.reject_penalty"), std::string::npos) << outcome.err;
  }
  EXPECT_EQ(results_files(), 0U);
  EXPECT_EQ(run(evaluation + "--set 'objective.reject_penalty=60 s'").code, 0);
}

TEST_F(CommandLine, AttainmentIsShownOnlyForTenantsWithAnObjective) {
  const Outcome without = run("run " + short_run_ + "-o " + file("out.h5"));
  EXPECT_NE(without.out.find("SLO      - "), std::string::npos) << without.out;
  const auto json = nlohmann::json::parse(run("run " + short_run_ + "--json").out);
  EXPECT_TRUE(json.at("metrics").at("slo_attainment").is_null());
  EXPECT_TRUE(json.at("metrics").at("goodput_per_s").is_null());
  const Reader reader(file("out.h5"));
  const std::string metrics = "/runs/" + reader.runs().at(0).path().substr(6) + "/metrics/";
  const std::vector<std::string> names = reader.text_column(metrics + "name");
  const auto at = std::find(names.begin(), names.end(), "slo_attainment") - names.begin();
  EXPECT_TRUE(std::isnan(reader.real_column(metrics + "value").at(static_cast<std::size_t>(at))));
  const Outcome with =
      run("run " + short_run_ + "--set 'workload.tenants=[{slo: {ttft: 2 s}}]' --json");
  EXPECT_GT(nlohmann::json::parse(with.out).at("metrics").at("slo_attainment").get<double>(), 0.5);
}

TEST_F(CommandLine, JsonIsOneObjectAndNothingElse) {
  for (const std::string& arguments : std::vector<std::string>{
           "run " + short_run_, "evaluate " + short_run_ + "--policies random --seeds 1..2 ",
           "validate " + short_run_, "list ", "list gpus ",
           "conform tests/data/vllm/slow_node_0.32_async.jsonl "}) {
    const Outcome outcome = run(arguments + " --json");
    EXPECT_EQ(outcome.code, 0) << arguments << outcome.err;
    EXPECT_EQ(outcome.err, "") << arguments;
    EXPECT_TRUE(nlohmann::json::parse(outcome.out).is_object()) << arguments;
  }
  EXPECT_EQ(run("list --json --scenario-reference").code, 2);
}

TEST_F(CommandLine, MoreSeedsThanTheTraceHasWindowsAreRefused) {
  std::ofstream trace(file("trace.csv"));
  trace << "TIMESTAMP,ContextTokens,GeneratedTokens\n";
  for (int i = 0; i < 100; ++i) {
    trace << "2023-11-16 18:" << 10 + i / 50 << ":" << 10 + i % 50 << ".0000000,500,50\n";
  }
  trace.close();
  const std::string arguments =
      "evaluate scenarios/azure_conversation.yaml --policies random --set workload.trace=" +
      file("trace.csv") + " ";
  EXPECT_EQ(run(arguments + "--seeds 1").code, 0) << run(arguments + "--seeds 1").err;
  const Outcome refused = run(arguments + "--seeds 1..2");
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(refused.err.find("window"), std::string::npos);
}

TEST_F(CommandLine, AnInterruptLeavesNoFile) {
  const pid_t child = fork();
  if (child == 0) {
    if (chdir(YARDMASTER_SOURCE_DIR) != 0 ||
        std::freopen(file("stdout").c_str(), "w", stdout) == nullptr ||
        std::freopen(file("stderr").c_str(), "w", stderr) == nullptr) {
      _exit(99);
    }
    execl(YARDMASTER_COMMAND, YARDMASTER_COMMAND, "evaluate", "scenarios/minimal.yaml", "--seeds",
          "1..5000", "-o", file("out.h5").c_str(), nullptr);
    _exit(99);
  }
  for (int i = 0; i < 600 && results_files() == 0; ++i) {  // until the temporary file is there
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  EXPECT_EQ(results_files(), 1U);
  EXPECT_FALSE(fs::exists(file("out.h5")));
  kill(child, SIGINT);
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 1);
  EXPECT_EQ(results_files(), 0U);
  EXPECT_NE(content(file("stderr")).find("interrupted"), std::string::npos);
}

TEST_F(CommandLine, ListHasEveryKindOfName) {
  const auto json = nlohmann::json::parse(run("list --json").out);
  for (const char* kind : {"policies", "orderings", "gpus", "models", "engines", "scenarios"}) {
    EXPECT_FALSE(json.at(kind).empty()) << kind;
  }
  const Outcome gpus = run("list gpus");
  EXPECT_NE(gpus.out.find("h100-sxm"), std::string::npos);
  EXPECT_EQ(gpus.out.find("marginal_cost"), std::string::npos);
}

TEST_F(CommandLine, KnobsAreTakenWhereverAPolicyIs) {
  const std::string rule = "cache_aware:match_threshold=0.4,balance_abs=32";
  const std::string quick = "scenarios/minimal.yaml --set duration='2 s' --json";
  const auto ran = nlohmann::json::parse(run("run " + quick + " --policy " + rule).out);
  EXPECT_EQ(ran.at("policy"), rule);
  const Outcome evaluated =
      run("evaluate " + quick + " --seeds 1,2 --policies random," + rule + ",marginal_cost:k=0.7");
  EXPECT_NE(evaluated.out.find(rule), std::string::npos) << evaluated.out;
  const Outcome resolved =
      run("validate scenarios/minimal.yaml --resolved --set 'compare.policies=[" + rule +
          ", random]' --set dispatch.ordering=shortest_predicted_job:output_weight=3");
  EXPECT_NE(resolved.out.find(rule), std::string::npos) << resolved.out;
  EXPECT_NE(resolved.out.find("shortest_predicted_job:output_weight=3"), std::string::npos);
}

TEST_F(CommandLine, AWrongKnobEndsWith2AndNamesTheRange) {
  const std::string quick = " scenarios/minimal.yaml --set duration='2 s' ";
  for (const std::string& command :
       {"run" + quick + "--policy marginal_cost:k=101",
        "evaluate" + quick + "--seeds 1,2 --policies random,marginal_cost:k=101",
        "validate" + quick + "--set compare.policies=marginal_cost:k=101",
        "run" + quick + "--set dispatch.ordering=shortest_predicted_job:output_weight=-1",
        "train" + quick + "--base marginal_cost:k=101"}) {
    const Outcome outcome = run(command);
    EXPECT_EQ(outcome.code, 2) << command;
    EXPECT_NE(outcome.err.find("is out of range (expected 0 to "), std::string::npos)
        << command << "\n"
        << outcome.err;
  }
}

TEST_F(CommandLine, ListPoliciesShowsKnobsWithDefaultRangeAndMeaning) {
  const Outcome text = run("list policies");
  EXPECT_NE(text.out.find(":k=1 "), std::string::npos) << text.out;
  EXPECT_NE(text.out.find("(0 to 100)"), std::string::npos) << text.out;
  const auto json = nlohmann::json::parse(run("list policies --json").out);
  for (const auto& policy : json.at("policies")) {
    if (policy.at("name") == "marginal_cost") {
      EXPECT_EQ(policy.at("knobs").at(0).at("name"), "k");
      EXPECT_EQ(policy.at("knobs").at(0).at("default"), 1);
      EXPECT_EQ(policy.at("knobs").at(0).at("max"), 100);
    }
  }
}

}  // namespace
}  // namespace yardmaster
