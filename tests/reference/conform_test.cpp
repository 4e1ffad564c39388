// `yardmaster conform` on small recordings that the slow node decided.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "tests/reference/recorded_trial.h"
#include "tests/reference/recordings.h"
#include "tests/support/data.h"

namespace yardmaster::reference {
namespace {

namespace fs = std::filesystem;

/// The small recordings of the newest version.
std::string own_cases() {
  const std::string path = shipped_data("vllm/slow_node_0.32_sync.jsonl");
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

int count_lines(const std::string& text) {
  return static_cast<int>(std::count(text.begin(), text.end(), '\n'));
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

TEST(Conform, EveryStepAndTimeOfTheSmallRecordingsAgrees) {
  const std::string cases = own_cases();
  const int all = count_lines(cases);
  EXPECT_GE(all, 8);
  const Outcome outcome = conform(cases);
  EXPECT_EQ(outcome.code, 0) << outcome.printed;
  EXPECT_NE(outcome.printed.find(fmt::format("{} of {} cases agree", all, all)), std::string::npos)
      << outcome.printed;
}

/// The trial with every other prompt longer than the model's context. No server accepts such a
/// prompt, but the engine plans it up to its length limit.
Trial with_overlong_prompts(Trial trial) {
  trial.settings.rules.policy = QueuePolicy::fcfs;  // else two may preempt each other forever
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

TEST(Conform, PromptsBeyondTheModelsContextArePlannedAsTheSlowNodeDoes) {
  std::string lines;
  for (std::uint64_t seed = 1; seed <= 1'000; ++seed) {
    lines += case_line(case_of(with_overlong_prompts(random_trial(seed, false))));
  }
  EXPECT_NE(lines.find("\"stuck\""), std::string::npos);
  const Outcome outcome = conform(lines);
  EXPECT_EQ(outcome.code, 0) << outcome.printed.substr(0, 2'000);
  EXPECT_NE(outcome.printed.find("1000 of 1000 cases agree"), std::string::npos);
}

TEST(Conform, OneWrongNumberIsFoundAndPrintedWithItsStep) {
  std::string text = own_cases();
  const std::size_t wrong = text.find("\"d\":") + 4;
  text[wrong + 1] = text[wrong + 1] == '9' ? '8' : '9';
  const Outcome outcome = conform(text);
  EXPECT_EQ(outcome.code, 1);
  EXPECT_NE(outcome.printed.find("step 0, recorded:"), std::string::npos) << outcome.printed;
  const int all = count_lines(text);
  EXPECT_NE(outcome.printed.find(fmt::format("{} of {} cases agree", all - 1, all)),
            std::string::npos)
      << outcome.printed;
}

TEST(Conform, AnInvalidRecordingIsRefusedWithItsLine) {
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
