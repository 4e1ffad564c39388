// Does a node of the catalogue's RTX PRO 6000 under vLLM 0.19 serve 300 requests as the measured
// server did (../shared/data/measured)? Two numbers of the engine, `step` and `uncaptured_step`,
// come from a replay of this very run; all others from kernel measurements. The server's prefix
// cache was on, and the node has none yet.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "env/hardware/catalogue.h"
#include "env/node/node.h"

namespace yardmaster {
namespace {

/// One request of the run, as measured.
struct Served {
  std::int32_t prompt_tokens = 0, output_tokens = 0;
  double queued_s = 0, first_token_s = 0, last_token_s = 0;
};

std::string run_path() {
  const char* given = std::getenv("YARDMASTER_DATA");
  const std::string data =
      given != nullptr ? given : std::string(YARDMASTER_SOURCE_DIR) + "/../shared/data";
  return data + "/measured/rtxpro6000_llama-3.1-8b.csv";
}

std::vector<Served> read_run() {
  std::vector<Served> run;
  std::ifstream in(run_path());
  std::string line;
  std::getline(in,
               line);  // request, arrival, input, output, queued, scheduled, first, last, blocks
  while (std::getline(in, line)) {
    std::istringstream cells(line);
    std::vector<std::string> row;
    for (std::string cell; row.size() < 8 && std::getline(cells, cell, ',');) {
      row.push_back(cell);
    }
    run.push_back({std::stoi(row[2]), std::stoi(row[3]), std::stod(row[4]), std::stod(row[6]),
                   std::stod(row[7])});
  }
  std::sort(run.begin(), run.end(),
            [](const Served& a, const Served& b) { return a.queued_s < b.queued_s; });
  return run;
}

/// The server's settings, with figures of the shipped catalogue.
NodeSettings server() {
  Catalogue catalogue;
  yaml::Faults faults;
  load_catalogue(std::string(YARDMASTER_SOURCE_DIR) + "/scenarios/catalogue", catalogue, faults);
  EXPECT_TRUE(faults.empty());
  const GpuSpec& gpu = find_entry(catalogue.gpus, "rtx-pro-6000")->spec;
  const ModelSpec& model = find_entry(catalogue.models, "llama-3.1-8b")->spec;
  const EngineSpec& engine = find_entry(catalogue.engines, "vllm-0.19")->spec;
  NodeSettings settings;
  settings.max_num_seqs = 128;
  settings.max_num_batched_tokens = 2048;
  settings.max_model_len = model.max_context_tokens;
  settings.usable_blocks =
      static_cast<std::int32_t>(usable_kv_blocks(gpu, model, 1, engine.memory_utilisation));
  settings.steps_in_flight = engine.asynchronous ? 2 : 1;
  settings.cost[0] = StepCost(gpu, model, engine, 1, {128, 2048});
  settings.cost[1] = settings.cost[0];
  return settings;
}

/// The same requests at the same times on the node, as served there.
std::vector<Served> serve(const std::vector<Served>& run) {
  const NodeSettings settings = server();
  std::vector<Request> requests(run.size());
  FactLog facts;
  const NodeContext context{settings, requests, facts};
  Node node(node_id(0), settings);
  for (std::uint32_t i = 0; i < run.size(); ++i) {
    requests[i].prompt_tokens = run[i].prompt_tokens;
    requests[i].output_tokens = run[i].output_tokens;
    requests[i].mark = Time{Duration::from_seconds(run[i].queued_s).ps};
    node.deliver(context, TaskSlot{i}, requests[i].mark);
  }
  std::vector<Served> served = run;
  std::vector<NodeOutput> outputs;
  while (!node.next_output().is_never() || !node.next_plan().is_never()) {
    if (node.next_output() > node.next_plan()) {
      node.catch_up(context, node.next_plan());
      continue;
    }
    outputs.clear();
    node.collect(context, node.next_output(), outputs);
    for (const NodeOutput& output : outputs) {
      if (output.kind == NodeOutput::Kind::finished) {
        served[index(output.task)].first_token_s =
            requests[index(output.task)].first_token.seconds();
        served[index(output.task)].last_token_s = requests[index(output.task)].last_token.seconds();
      }
    }
  }
  return served;
}

/// Mean, p50, p90 and p99 of TTFT, TPOT and E2E.
std::map<std::string, double> statistics(const std::vector<Served>& run) {
  std::map<std::string, std::vector<double>> values;
  for (const Served& r : run) {
    values["TTFT"].push_back(r.first_token_s - r.queued_s);
    values["TPOT"].push_back((r.last_token_s - r.first_token_s) / std::max(r.output_tokens - 1, 1));
    values["E2E"].push_back(r.last_token_s - r.queued_s);
  }
  std::map<std::string, double> statistics;
  for (auto& [name, all] : values) {
    std::sort(all.begin(), all.end());
    double sum = 0;
    for (const double value : all) {
      sum += value;
    }
    statistics[name + " mean"] = sum / static_cast<double>(all.size());
    for (const int percent : {50, 90, 99}) {
      statistics[name + " p" + std::to_string(percent)] =
          all[all.size() * static_cast<std::size_t>(percent) / 100];
    }
  }
  return statistics;
}

TEST(SharedRun, LatenciesAreWithin6PercentOfTheMeasured) {
  const std::vector<Served> run = read_run();
  if (run.empty()) {
    GTEST_SKIP() << "the measured run is absent: " << run_path();
  }
  const std::map<std::string, double> measured = statistics(run);
  for (const auto& [name, predicted] : statistics(serve(run))) {
    if (std::getenv("YARDMASTER_SILICON_TABLE") != nullptr) {
      std::printf("| %s | %.4g | %.4g | %+.1f |\n", name.c_str(), measured.at(name), predicted,
                  100 * (predicted / measured.at(name) - 1));
    }
    EXPECT_NEAR(predicted / measured.at(name), 1, 0.06) << name;
  }
}

}  // namespace
}  // namespace yardmaster
