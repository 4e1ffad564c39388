// A key without effect is a fault: changing any key of a scenario changes some run.
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "env/scenario/load.h"

namespace yardmaster {
namespace {

namespace fs = std::filesystem;

/// Keys that no `run` reads, and what does.
const std::map<std::string, std::string> kReadElsewhere = {
    {"name", "tables"},
    {"nodes[].name", "tables"},
    {"workload.tenants[].name", "tables"},
    {"dispatch.allow_rejection", "environments for learners that offer rejection"},
    {"reports.fields", "observations of learners"},
    {"objective.discount_time", "environments for learners"},
    {"compare.policies", "evaluate"},
    {"compare.seeds", "evaluate"},
};

/// A scenario in which some keys have an effect, and the policy that runs it.
struct Context {
  std::string policy, nodes, tenant, rest;
  std::string source = "load: 0.8, ";

  [[nodiscard]] std::string text() const {
    return "duration: 4 s\nwarm_up: 0 s\nnodes:\n  - {gpu: rtx-4090, model: llama-3.1-8b, count: "
           "2" +
           nodes + "}\nworkload: {" + source + "tenants: [{" + tenant + "}]}\n" + rest;
  }
};

struct Change {
  std::string context, key, value;
};

class ScenarioKeys : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) / ("yardmaster_keys_" + std::to_string(getpid()));
    fs::create_directories(folder_);
    write_trace("a.jsonl", 50);
    write_trace("b.jsonl", 60);
    const std::string trace = "trace: " + (folder_ / "a.jsonl").string() + ", ";
    contexts_ = {
        {"plain", {"marginal_cost", "", "name: a", ""}},
        {"rate", {"marginal_cost", "", "name: a", "", "rate: 9 /s, "}},
        {"slo", {"marginal_cost", "", "slo: {ttft: 1 s, tpot: 30 ms, e2e: 2 s}", ""}},
        {"two", {"marginal_cost", "", "name: a}, {name: b, output_tokens: 20", ""}},
        {"bursty",
         {"marginal_cost", "",
          "arrivals: {process: bursty, calm: 1 s, burst: 1 s, profile: [0.5, 1.5], period: 2 s}",
          ""}},
        {"fixed",
         {"marginal_cost", "", "prompt_tokens: {value: 300}, output_tokens: {value: 30}", ""}},
        {"exponential",
         {"marginal_cost", "", "prompt_tokens: {mean: 300}, output_tokens: {mean: 30}", ""}},
        {"queue",
         {"marginal_cost", ", engine: {max_num_seqs: 4}", "name: a",
          "dispatch: {ordering: shortest_predicted_job}\n", "load: 2, "}},
        {"window",
         {"marginal_cost", "", "name: a",
          "dispatch: {window: 4, ordering: shortest_predicted_job}\n"}},
        {"memory", {"marginal_cost", ", engine: {kv_blocks: 300}", "name: a", ""}},
        {"refused", {"marginal_cost", ", engine: {max_model_len: 1500}", "name: a", ""}},
        {"crashes",
         {"marginal_cost", ", failures: {between: 2 s, repair: 500 ms}", "name: a",
          "dispatch: {detection: 300 ms}\n"}},
        {"slow", {"marginal_cost", ", slowdowns: {between: 1 s, lasting: 1 s}", "name: a", ""}},
        {"reports", {"least_kv_use", "", "name: a", ""}},
        {"trace", {"cache_aware", "", "name: a", "reports: {interval: 2 s}\n", trace}},
    };
  }
  void TearDown() override { fs::remove_all(folder_); }

  /// Requests that share half of their prompt with every fourth other one.
  void write_trace(const std::string& name, int rows) {
    std::ofstream out(folder_ / name);
    for (int i = 0; i < rows; ++i) {
      const nlohmann::json row = {{"timestamp", 100 * i},
                                  {"input_length", 2300 - 6 * rows},
                                  {"output_length", 20},
                                  {"hash_ids", {i % 4, 100 + i % 4, 200 + i, 300 + i}}};
      out << row.dump() << "\n";
    }
  }

  /// Digest and metrics of one run.
  std::string outcome(const Context& context, const std::string& set) {
    const fs::path file = folder_ / "s.yaml";
    std::ofstream(file) << context.text();
    const std::string command = std::string(YARDMASTER_COMMAND) + " run " + file.string() +
                                " --json -p " + context.policy + set + " 2>&1";
    std::string out;
    FILE* pipe = popen(command.c_str(), "r");
    std::array<char, 4096> buffer{};
    while (std::fgets(buffer.data(), buffer.size(), pipe) != nullptr) {
      out += buffer.data();
    }
    EXPECT_EQ(pclose(pipe), 0) << command << "\n" << out;
    const auto json = nlohmann::json::parse(out, nullptr, false);
    if (json.is_discarded()) {
      return out;
    }
    return json.at("digest").dump() + json.at("metrics").dump();
  }

  fs::path folder_;
  std::map<std::string, Context> contexts_;
};

/// All keys of a scenario but those of the catalogue, as the reference names them.
std::set<std::string> all_keys() {
  std::set<std::string> keys;
  std::istringstream reference(scenario_reference());
  std::string line, section;
  while (std::getline(reference, line)) {
    if (line.starts_with("## ")) {
      section = line == "## Top level" ? "" : line.substr(4, line.size() - 5) + ".";
    } else if (line.starts_with("| `") && !section.starts_with("catalogue") &&
               line.find("| section") == std::string::npos &&
               line.find("| list of sections") == std::string::npos &&
               line.find("| sections by name") == std::string::npos) {
      keys.insert(section + line.substr(3, line.find('`', 3) - 3));
    }
  }
  return keys;
}

std::vector<Change> changes(const std::string& second_trace) {
  std::vector<Change> all = {
      {"plain", "duration", "5 s"},
      {"plain", "warm_up", "1 s"},
      {"plain", "nodes.0.count", "3"},
      {"plain", "nodes.0.gpu", "a100-80gb-sxm"},
      {"plain", "nodes.0.model", "qwen2.5-7b"},
      {"plain", "nodes.0.tensor_parallel", "2"},
      {"plain", "nodes.0.profile", "none"},
      {"plain", "nodes.0.engine.version", "vllm-2025-10"},
      {"plain", "nodes.0.engine.scheduling", "sync"},
      {"plain", "nodes.0.engine.max_num_seqs", "4"},
      {"plain", "nodes.0.engine.max_num_batched_tokens", "512"},
      {"plain", "nodes.0.engine.memory_utilisation", "0.8"},
      {"plain", "nodes.0.engine.long_prefill_token_threshold", "128"},
      {"plain", "nodes.0.engine.max_model_len", "1500"},
      {"plain", "nodes.0.engine.kv_blocks", "300"},
      {"memory", "nodes.0.engine.reserve_full_isl", "false"},
      {"memory", "nodes.0.engine.watermark", "0.4"},
      {"queue", "nodes.0.engine.policy", "priority"},
      {"trace", "nodes.0.engine.enable_prefix_caching", "false"},
      {"plain", "nodes.0.machine.step", "1 ms"},
      {"plain", "nodes.0.machine.uncaptured_step", "5 ms"},
      {"crashes", "nodes.0.failures.between", "1 s"},
      {"crashes", "nodes.0.failures.repair", "2 s"},
      {"crashes", "dispatch.detection", "1 s"},
      {"slow", "nodes.0.slowdowns.between", "500 ms"},
      {"slow", "nodes.0.slowdowns.lasting", "3 s"},
      {"slow", "nodes.0.slowdowns.factor", "4"},
      {"plain", "workload.load", "0.5"},
      {"rate", "workload.rate", "8 /s"},
      {"trace", "workload.trace", second_trace},
      {"two", "workload.tenants.0.share", "3"},
      {"two", "workload.tenants.0.weight", "3"},
      {"slo", "workload.tenants.0.slo.ttft", "10 ms"},
      {"slo", "workload.tenants.0.slo.tpot", "1 ms"},
      {"slo", "workload.tenants.0.slo.e2e", "100 ms"},
      {"plain", "workload.tenants.0.arrivals.process", "deterministic"},
      {"bursty", "workload.tenants.0.arrivals.burst_factor", "10"},
      {"bursty", "workload.tenants.0.arrivals.calm", "3 s"},
      {"bursty", "workload.tenants.0.arrivals.burst", "3 s"},
      {"bursty", "workload.tenants.0.arrivals.profile", "[1.5, 0.5]"},
      {"bursty", "workload.tenants.0.arrivals.period", "3 s"},
      {"plain", "network.frontend", "10 ms"},
      {"plain", "network.latency", "10 ms"},
      {"plain", "network.bandwidth", "1 MB/s"},
      {"plain", "dispatch.window", "2"},
      {"window", "dispatch.ordering", "first_come_first_served"},
      {"trace", "dispatch.prefix_index", "sent"},
      {"reports", "reports.interval", "1 s"},
      {"reports", "reports.delay", "500 ms"},
      {"reports", "reports.loss", "0.9"},
      {"rate", "estimates.calibration_error", "2"},
      {"plain", "estimates.length_error", "2"},
      {"plain", "objective.latency_weight", "2"},
      {"slo", "objective.slo_weight", "1"},
      {"refused", "objective.reject_penalty", "100 s"},
  };
  for (const std::string lengths : {"prompt_tokens", "output_tokens"}) {
    const std::string at = "workload.tenants.0." + lengths + ".";
    all.insert(all.end(), {{"plain", at + "distribution", "uniform"},
                           {"fixed", at + "value", "60"},
                           {"exponential", at + "mean", "60"},
                           {"plain", at + "median", "60"},
                           {"plain", at + "sigma", "0.2"},
                           {"plain", at + "min", "200"},
                           {"plain", at + "max", "200"}});
  }
  return all;
}

TEST_F(ScenarioKeys, EachHasAnEffectOnSomeRun) {
  std::map<std::string, std::string> before;
  for (const auto& [name, context] : contexts_) {
    before[name] = outcome(context, "");
  }
  std::set<std::string> changed;
  for (const Change& change : changes((folder_ / "b.jsonl").string())) {
    EXPECT_NE(
        outcome(contexts_.at(change.context), " --set '" + change.key + "=" + change.value + "'"),
        before.at(change.context))
        << change.key;
    std::string key = change.key;
    if (const std::size_t at = key.find(".0"); at != std::string::npos) {
      key.replace(at, 2, "[]");
    }
    changed.insert(key);
  }
  for (const auto& [key, reader] : kReadElsewhere) {
    changed.insert(key);
  }
  EXPECT_EQ(changed, all_keys());
}

}  // namespace
}  // namespace yardmaster
