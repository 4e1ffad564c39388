#include "tests/reference/recorded_trial.h"

#include <algorithm>
#include <array>

#include "tests/reference/recordings.h"

namespace yardmaster::reference {

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

namespace {

bool is_small(const Trial& trial) {
  std::int64_t tokens = 0;
  for (const ScriptEvent& event : trial.script) {
    tokens += event.output_tokens;
  }
  return trial.script.size() > 1 && trial.script.size() < 8 && tokens < 60;
}

constexpr std::size_t kRules = 9;
/// Which rules matter in a recorded case.
std::array<bool, kRules> rules_in(const RecordedCase& c, const std::string& line) {
  const NodeSettings& n = c.settings;
  const bool preempts = line.find("\"p\":") != std::string::npos;
  const bool priority = n.rules.policy == QueuePolicy::priority;
  return {preempts && !priority,
          preempts && priority,
          line.find("\"h\":") != std::string::npos,
          line.find("\"stuck\"") != std::string::npos,
          n.rules.watermark_blocks > 0,
          n.rules.long_prefill_token_threshold > 0,
          !n.rules.reserve_full_isl,
          line.find("\"eos\":") != std::string::npos,
          !preempts};
}

}  // namespace

std::string small_recordings(const std::string& version, bool asynchronous) {
  constexpr std::uint64_t kSeeds = 4'000;
  constexpr int kCasesPerRule = 2;
  std::array<int, kRules> cases{};
  std::string lines;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const Trial trial = random_trial(seed, false);
    if (!is_small(trial) || (trial.settings.rules.steps_in_flight == 2) != asynchronous) {
      continue;
    }
    const RecordedCase c = case_of(trial);
    if (c.engine != version) {
      continue;
    }
    const std::string line = case_line(c);
    const std::array<bool, kRules> rules = rules_in(c, line);
    bool adds = false;
    for (std::size_t i = 0; i < kRules; ++i) {
      adds = adds || (rules[i] && cases[i] < kCasesPerRule);
    }
    if (adds) {
      lines += line;
      for (std::size_t i = 0; i < kRules; ++i) {
        cases[i] += rules[i] ? 1 : 0;
      }
    }
  }
  return lines;
}

}  // namespace yardmaster::reference
