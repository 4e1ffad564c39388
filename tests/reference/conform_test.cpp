// `yardmaster conform` on small cases of our own, as the slow node decides them.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "tests/golden/golden_file.h"
#include "tests/reference/random_trial.h"
#include "tests/reference/recordings.h"

namespace yardmaster::reference {
namespace {

namespace fs = std::filesystem;

constexpr const char* kCases = "recorded_cases.jsonl";

/// The trial's node and load as a case to record; without what recordings do not have.
RecordedCase case_of(const Trial& trial) {
  RecordedCase c;
  c.id = "own" + std::to_string(trial.seed);
  c.regime = "random";
  NodeSettings& n = c.settings = trial.settings;
  c.engine = n.rules.engine.freed_blocks_to_back ? "0.19.1" : "0.32.0";
  n.rules.engine = rules_of_vllm(c.engine).value();
  n.rules.watermark_blocks = n.rules.engine.knows_watermark ? n.rules.watermark_blocks : 0;
  n.rules.response_latency = Duration::zero();
  n.rules.recomputed_output_is_context = true;
  c.step_cost = {1'000'000};
  c.entry_cost = {10'000};
  c.token_cost = {3'000};
  c.context_cost = {7};
  n.costs = CostBook(StepCost::affine(c.step_cost, c.entry_cost, c.token_cost, c.context_cost,
                                      {n.rules.max_num_seqs, n.rules.max_num_batched_tokens}));
  for (const ScriptEvent& event : trial.script) {
    RecordedRequest request;
    request.arrival = event.arrives;
    request.prompt_tokens = event.prompt_tokens;
    request.output_tokens = event.output_tokens;
    request.priority = event.priority;
    request.stop_token = event.stop_token && n.rules.steps_in_flight == 2;
    for (const BlockHash block : event.blocks) {
      request.blocks.emplace_back(static_cast<std::int64_t>(block) - 1, 1);
    }
    c.requests.push_back(request);
  }
  std::stable_sort(c.requests.begin(), c.requests.end(),
                   [](const auto& a, const auto& b) { return a.arrival < b.arrival; });
  return c;
}

bool is_small(const Trial& trial) {
  std::int64_t tokens = 0;
  for (const ScriptEvent& event : trial.script) {
    tokens += event.output_tokens;
  }
  return trial.script.size() > 1 && trial.script.size() < 8 && tokens < 100;
}

std::string own_cases() {
  std::string lines;
  int cases = 0;
  for (std::uint64_t seed = 1; cases < 16; ++seed) {
    const Trial trial = random_trial(seed, false);
    if (is_small(trial)) {
      lines += case_line(case_of(trial));
      ++cases;
    }
  }
  return lines;
}

/// Runs `yardmaster conform` on a file of this text.
struct Outcome {
  int code = -1;
  std::string printed;
};
Outcome conform(const std::string& text) {
  const fs::path folder =
      fs::temp_directory_path() / ("yardmaster-conform-" + std::to_string(getpid()));
  fs::create_directories(folder);
  std::ofstream(folder / "cases.jsonl") << text;
  const std::string command = std::string(YARDMASTER_COMMAND) + " conform " +
                              (folder / "cases.jsonl").string() + " > " +
                              (folder / "printed").string() + " 2>&1";
  const int status = std::system(command.c_str());
  std::ifstream in(folder / "printed");
  const Outcome outcome{WIFEXITED(status) ? WEXITSTATUS(status) : -1,
                        {std::istreambuf_iterator<char>(in), {}}};
  fs::remove_all(folder);
  return outcome;
}

TEST(Conform, OwnCasesAreWhatTheSlowNodeDecides) { expect_golden(kCases, own_cases()); }

TEST(Conform, TheNodeAgreesOnEveryStepAndTimeOfOurOwnCases) {
  const Outcome outcome = conform(own_cases());
  EXPECT_EQ(outcome.code, 0) << outcome.printed;
  EXPECT_NE(outcome.printed.find("16 of 16 cases agree"), std::string::npos) << outcome.printed;
}

/// The trial with every other prompt longer than the model takes, which no server lets in but the
/// engine plans as far as its length limit.
Trial with_overlong_prompts(Trial trial) {
  trial.settings.rules.policy = QueuePolicy::fcfs;  // else two may preempt each other for ever
  trial.settings.rules.reserve_full_isl = true;
  BlockHash own = 1'000'000;
  for (std::size_t i = 0; i < trial.script.size(); i += 2) {
    ScriptEvent& event = trial.script[i];
    const auto beyond = static_cast<std::int32_t>((trial.seed + i) % 40) - 1;  // from one short on
    event.prompt_tokens = trial.settings.rules.max_model_len + beyond;
    event.output_tokens = 1 + static_cast<std::int32_t>(i % 5);
    while (event.blocks.size() < static_cast<std::size_t>(event.prompt_tokens / kBlockTokens)) {
      event.blocks.push_back(++own);
    }
  }
  return trial;
}

TEST(Conform, PromptsBeyondTheModelsLengthArePlannedAsTheSlowNodeDoes) {
  std::string lines;
  for (std::uint64_t seed = 1; seed <= 1'000; ++seed) {
    lines += case_line(case_of(with_overlong_prompts(random_trial(seed, false))));
  }
  EXPECT_NE(lines.find("\"stuck\""), std::string::npos);
  const Outcome outcome = conform(lines);
  EXPECT_EQ(outcome.code, 0) << outcome.printed.substr(0, 2'000);
  EXPECT_NE(outcome.printed.find("1000 of 1000 cases agree"), std::string::npos);
}

TEST(Conform, OneWrongNumberIsFoundAndShownInFull) {
  std::string text = own_cases();
  const std::size_t wrong = text.find("\"d\":") + 4;
  text[wrong + 1] = text[wrong + 1] == '9' ? '8' : '9';
  const Outcome outcome = conform(text);
  EXPECT_EQ(outcome.code, 1);
  EXPECT_NE(outcome.printed.find("step 0, recorded:"), std::string::npos) << outcome.printed;
  EXPECT_NE(outcome.printed.find("15 of 16 cases agree"), std::string::npos) << outcome.printed;
}

TEST(Conform, WhatIsNoRecordingIsRefusedWithItsLine) {
  const std::string text = own_cases();
  const std::string first = text.substr(0, text.find('\n') + 1);
  for (const std::string& bad :
       {first + "{\"id\":\"x\"}\n", first + text.substr(0, 100), first + "no JSON\n"}) {
    const Outcome outcome = conform(bad);
    EXPECT_EQ(outcome.code, 2) << outcome.printed;
    EXPECT_NE(outcome.printed.find("cases.jsonl:2: "), std::string::npos) << outcome.printed;
  }
  const Outcome empty = conform("");
  EXPECT_EQ(empty.code, 2);
  EXPECT_NE(empty.printed.find("cases.jsonl: no recorded case"), std::string::npos)
      << empty.printed;
}

}  // namespace
}  // namespace yardmaster::reference
