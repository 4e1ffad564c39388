// `yardmaster train` as a user meets it: exit codes, files, and that its worlds stay apart from
// those of `evaluate`.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>

#include "agents/checkpoint.h"

namespace yardmaster {
namespace {

namespace fs = std::filesystem;

struct Outcome {
  int code = -1;
  std::string out;
  std::string err;
};

std::string content(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// A folder of its own for each test, in which the command runs.
class TrainCommand : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(fs::exists(YARDMASTER_COMMAND)) << "build the target yardmaster first";
    folder_ = fs::temp_directory_path() /
              ("yardmaster-train-" + std::to_string(getpid()) + "-" +
               ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  [[nodiscard]] Outcome run(const std::string& arguments) const {
    const fs::path out = folder_.string() + ".out", err = folder_.string() + ".err";
    const std::string command = "cd " + folder_.string() + " && " + YARDMASTER_COMMAND + " " +
                                arguments + " > " + out.string() + " 2> " + err.string();
    const int status = std::system(command.c_str());
    Outcome outcome{WIFEXITED(status) ? WEXITSTATUS(status) : -1, content(out), content(err)};
    fs::remove(out);
    fs::remove(err);
    return outcome;
  }
  [[nodiscard]] std::size_t files() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_), {}));
  }
  void write(const char* name, const std::string& text) const {
    std::ofstream(folder_ / name) << text;
  }
  // A trace of `windows` windows of 5 s at 8 requests per second.
  void write_trace(int windows, const std::string& seeds) const {
    std::string rows = "TIMESTAMP,ContextTokens,GeneratedTokens\n";
    for (int i = 0; i < 40 * windows; ++i) {
      rows += std::to_string(i) + ".0," + std::to_string(500 + i) + ",60\n";
    }
    write("trace.csv", rows);
    write("trace.yaml",
          "duration: 5 s\nwarm_up: 0 s\n"
          "nodes: [{count: 2, gpu: h100-sxm, model: llama-3.1-8b}]\n"
          "workload: {trace: trace.csv, rate: 8 /s}\ncompare: {seeds: " +
              seeds + "}\n");
  }
  // A checkpoint of a network with 16 units.
  void write_network(const char* name) const {
    Checkpoint c;
    c.algorithm = "residual_dqn";
    c.discount_time_s = 30;
    NetworkAgent agent;
    agent.columns = ObservationSpec::of({{"finish"}, {}, {}});
    agent.weights = NetworkWeights::initial({1, 0, 16}, 1);
    agent.node = {{0}, {1}};
    agent.base = "marginal_cost";
    c.network = agent;
    save_checkpoint(c, (folder_ / name).string());
  }

  const std::string minimal_ = std::string(YARDMASTER_SOURCE_DIR) +
                               "/scenarios/minimal.yaml --set 'duration=3 s' --set 'warm_up=0 s' "
                               "--set 'objective.discount_time=30 s' ";
  const std::string tabular_ = "--algorithm tabular_q --updates 30 --envs 4 --threads 2 ";
  fs::path folder_;
};

TEST_F(TrainCommand, WritesNothingWithoutAnOutput) {
  const Outcome outcome = run("train " + minimal_ + tabular_);
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.out.find("Nothing was written"), std::string::npos) << outcome.out;
  EXPECT_EQ(files(), 0U);
}

TEST_F(TrainCommand, ReplacesAFileWithForceOnly) {
  write("kept.json", "precious");
  EXPECT_EQ(run("train " + minimal_ + tabular_ + "-o kept.json").code, 2);
  EXPECT_EQ(content(folder_ / "kept.json"), "precious");
  EXPECT_EQ(run("train " + minimal_ + tabular_ + "-o kept.json --force").code, 0);
  EXPECT_EQ(load_checkpoint((folder_ / "kept.json").string()).algorithm, "tabular_q");
  EXPECT_EQ(files(), 1U) << "no temporary file stays";
}

TEST_F(TrainCommand, PrintsOneJsonObjectAndNothingElse) {
  const Outcome outcome = run("train " + minimal_ + tabular_ + "--json");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const nlohmann::json json = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(json.at("decisions"), 120);
  EXPECT_TRUE(json.at("checkpoint").is_null());
}

TEST_F(TrainCommand, ResumeRefusesOptionsThatContradictTheCheckpoint) {
  write_network("net.json");
  const std::string resume = "train " + minimal_ + "--updates 16 --resume net.json ";
  for (const std::string& option :
       {std::string("--hidden 64"), std::string("--base shortest_expected_delay"),
        std::string("--algorithm dqn"), std::string("--algorithm tabular_q"),
        std::string("--no-dueling"), std::string("--set 'objective.discount_time=10 s'")}) {
    const Outcome outcome = run(resume + option);
    EXPECT_EQ(outcome.code, 2) << option << outcome.err;
    EXPECT_NE(outcome.err.find("--resume: the checkpoint was trained with"), std::string::npos)
        << outcome.err;
  }
}

TEST_F(TrainCommand, ResumeSaysThatTheReplayBufferIsNotRestoredAndKeepsTheWorldsOfBothRuns) {
  const std::string first = "--train-seeds 5000..5099 ", second = "--train-seeds 6000..6099 ";
  ASSERT_EQ(run("train " + minimal_ + tabular_ + first + "-o q.json").code, 0);
  const Outcome outcome =
      run("train " + minimal_ + "--updates 30 --envs 4 --resume q.json " + second + "-o r.json");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_NE(outcome.err.find("replay buffer is not restored"), std::string::npos);
  const std::string evaluate = "evaluate " + minimal_ + "--policies r.json,round_robin --seeds ";
  EXPECT_EQ(run(evaluate + "5050").code, 2) << "trained on in the first run";
  EXPECT_EQ(run(evaluate + "6050").code, 2) << "trained on in the second run";
  EXPECT_EQ(run(evaluate + "7050").code, 0);
  EXPECT_EQ(run("train " + minimal_ + "--resume q.json --validation-seeds 5000..5001").code, 2)
      << "validation on worlds of the first training";
}

TEST_F(TrainCommand, ErrorsOfTheUserEndWithTwo) {
  for (const std::string& options :
       {std::string("--set nodes.0.count=1"), std::string("--hidden 30"),
        std::string("--base crystal_ball"), std::string("--train-seeds 7"),
        std::string("--train-seeds 9..3"), std::string("--train-seeds 500000..500001"),
        std::string("--train-seeds 1000..1001"), std::string("--resume nosuch.json")}) {
    const Outcome outcome = run("train " + minimal_ + options + " -o x.json");
    EXPECT_EQ(outcome.code, 2) << options << outcome.err;
    EXPECT_EQ(outcome.out, "") << options;
    EXPECT_EQ(files(), 0U) << options;
  }
  EXPECT_EQ(run("train " + minimal_ + tabular_ + "-o no/such/folder/x.json").code, 1);
}

TEST_F(TrainCommand, AsksForTheCostOfRefusalsWhereATaskMayFitOnNoNode) {
  const std::string too_long =
      "--set 'workload.tenants=[{prompt_tokens: {value: 100000}, output_tokens: {value: 40000}}, "
      "{prompt_tokens: {value: 100}, output_tokens: {value: 10}}]' ";
  const std::string train = "train " + minimal_ + tabular_;
  const Outcome refused = run(train + too_long + "-o x.json");
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(refused.err.find("objective.reject_penalty: missing"), std::string::npos)
      << refused.err;
  EXPECT_EQ(files(), 0U);
  EXPECT_EQ(run(train + too_long + "--set 'objective.reject_penalty=60 s' -o x.json").code, 0);
}

TEST_F(TrainCommand, AScenarioWithoutADecisionEndsWithTwo) {
  const Outcome outcome = run("train " + minimal_ + tabular_ +
                              "--set 'duration=1 ms' --set workload.load=0.001 -o x.json");
  EXPECT_EQ(outcome.code, 2) << outcome.err;
  EXPECT_NE(outcome.err.find("has a decision"), std::string::npos) << outcome.err;
  EXPECT_EQ(files(), 0U);
}

TEST_F(TrainCommand, ASeedThatWasTrainedOnIsRefusedUnderAnotherScenarioName) {
  ASSERT_EQ(run("train " + minimal_ + tabular_ + "--train-seeds 2000..2009 -o q.json").code, 0);
  const std::string evaluate =
      "evaluate " + minimal_ + "--set name=another --policies q.json,round_robin --seeds ";
  const Outcome refused = run(evaluate + "2009");
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(refused.err.find("q.json was trained on the world of seed 2009"), std::string::npos)
      << refused.err;
  EXPECT_EQ(run(evaluate + "500001").code, 2) << "validated on";
  EXPECT_EQ(run(evaluate + "2010").code, 0);
}

TEST_F(TrainCommand, ASeedOfATraceIsRefusedWhenItChoosesAWindowThatWasTrainedOn) {
  write_trace(7, "[6]");
  ASSERT_EQ(
      run("train trace.yaml " + tabular_ + "--train-seeds 0..3 --validation-seeds 4..5 -o q.json")
          .code,
      0);
  const std::string evaluate = "evaluate trace.yaml --policies q.json,round_robin --seeds ";
  EXPECT_EQ(run(evaluate + "0..1").code, 2);
  const Outcome refused = run(evaluate + "7..10");
  EXPECT_EQ(refused.code, 2) << "seed 7 chooses window 0 of 7";
  EXPECT_NE(refused.err.find("window 0"), std::string::npos) << refused.err;
  EXPECT_EQ(run(evaluate + "6").code, 0);
  EXPECT_EQ(run(evaluate + "13").code, 0);
}

TEST_F(TrainCommand, DefaultRangesOfATraceAreDisjoint) {
  write_trace(7, "[1, 6]");
  const Outcome outcome = run("train trace.yaml " + tabular_ + "--json");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const nlohmann::json json = nlohmann::json::parse(outcome.out);
  EXPECT_EQ(json.at("train_seeds"), (nlohmann::json{{"first", 2}, {"last", 4}}));
  EXPECT_EQ(json.at("validation_seeds"), (nlohmann::json{{"first", 5}, {"last", 5}}));
  write_trace(7, "[0, 1, 2, 3, 4, 6]");
  EXPECT_EQ(run("train trace.yaml " + tabular_).code, 2) << "one window is not enough";
}

}  // namespace
}  // namespace yardmaster
