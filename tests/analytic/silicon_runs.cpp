#include "tests/analytic/silicon_runs.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <map>
#include <sstream>

#include "env/base/check.h"
#include "env/base/random.h"
#include "env/node/node.h"

namespace yardmaster::silicon {
namespace {

constexpr int kRequestsPerClient = 10;

using Row = std::map<std::string, std::string>;

std::vector<std::string> split(const std::string& line) {
  std::vector<std::string> cells;
  std::istringstream in(line);
  for (std::string cell; std::getline(in, cell, ',');) {
    cells.push_back(cell);
  }
  return cells;
}

std::vector<Row> read_table(const std::string& path) {
  std::vector<Row> rows;
  const gzFile file = gzopen(path.c_str(), "rb");
  if (file == nullptr) {
    return rows;
  }
  std::vector<std::string> header;
  std::array<char, 4096> buffer{};
  while (gzgets(file, buffer.data(), static_cast<int>(buffer.size())) != nullptr) {
    std::string line(buffer.data());
    line.erase(line.find_last_not_of("\r\n") + 1);
    const std::vector<std::string> cells = split(line);
    if (header.empty()) {
      header = cells;
      continue;
    }
    Row& row = rows.emplace_back();
    for (std::size_t i = 0; i < std::min(header.size(), cells.size()); ++i) {
      row[header[i]] = cells[i];
    }
  }
  gzclose(file);
  return rows;
}

/// A row that cannot be replayed, and why.
struct LeftOut {
  std::string why;
};

using Names = std::map<std::string, std::string>;

/// The catalogue's name for a cell of the table.
const std::string& known(const Names& names, const Row& row, const std::string& column) {
  const auto found = names.find(row.at(column));
  if (found == names.end()) {
    throw LeftOut{column + " " + row.at(column)};
  }
  return found->second;
}

/// `meta-llama/Llama-3.1-8B-Instruct` is llama-3.1-8b.
std::string base_model(std::string name) {
  name.erase(0, name.find('/') + 1);
  std::transform(name.begin(), name.end(), name.begin(), [](char c) {
    return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  });
  const std::string tuned = "-instruct";
  return name.ends_with(tuned) ? name.substr(0, name.size() - tuned.size()) : name;
}

MeasuredRun run_of(const Row& row) {
  static const Names gpus = {
      {"h100_sxm", "h100-sxm"},      {"h200_sxm", "h200-sxm"},       {"b200_sxm", "b200-sxm"},
      {"a100_sxm", "a100-80gb-sxm"}, {"a100_pcie", "a100-80gb-sxm"}, {"l40s", "l40s"},
      {"mi300x", "mi300x"}};
  static const Names formats = {
      {"unstated", ""}, {"bf16", ""}, {"bfloat16", ""}, {"fp8", "-fp8"}, {"fp8_block", "-fp8"}};
  static const Names engines = {
      {"vllm", "vllm-2025-10"}, {"sglang", "sglang-0.5.6"}, {"trtllm", "tensorrt-llm-1.0"}};
  MeasuredRun run;
  run.gpu = known(gpus, row, "system");
  run.model = base_model(row.at("model")) + known(formats, row, "dtype");
  run.engine = known(engines, row, "engine");
  if (row.at("engine") == "trtllm" && run.gpu == "h200-sxm") {
    run.engine = "tensorrt-llm-2025-10";  // with kernels and a KV format of its own
    run.gpu += "-trtllm";
    run.model += "-kv8";
  }
  run.gpus = std::stoi(row.at("tp"));
  if (std::stoi(row.at("n_gpu")) != run.gpus) {
    throw LeftOut{"more than tensor parallelism"};
  }
  run.prompt_tokens = std::stoi(row.at("isl"));
  run.output_tokens = std::stoi(row.at("osl"));
  run.clients = std::stoi(row.at("concurrency_or_rate"));
  run.shortest = row.at("family") == "inferencemax" ? 0.8 : 1.0;
  run.ttft_s = std::stod(row.at("ttft_ms")) / 1000;
  run.tpot_s = std::stod(row.at("tpot_ms")) / 1000;
  return run;
}

template <class Spec>
const Spec& entry(const std::vector<CatalogueEntry<Spec>>& entries, const std::string& name) {
  const CatalogueEntry<Spec>* found = find_entry(entries, name);
  check(found != nullptr, "the catalogue lacks an entry that a measured run needs");
  return found->spec;
}

/// Whether the catalogue has what the run needs, and the node room for it.
void check_replayable(const MeasuredRun& run, const Catalogue& catalogue) {
  if (find_entry(catalogue.models, run.model) == nullptr) {
    throw LeftOut{"model " + run.model};
  }
  const auto& gpu = entry(catalogue.gpus, run.gpu);
  const auto& model = entry(catalogue.models, run.model);
  if (!gpu.runs(model, run.gpus)) {
    throw LeftOut{"figures of " + run.gpu + " for " + run.model};
  }
  const double share = entry(catalogue.engines, run.engine).memory_utilisation;
  if (usable_kv_blocks(gpu, model, run.gpus, share) * kBlockTokens <
      run.prompt_tokens + run.output_tokens) {
    throw LeftOut{"memory of " + run.gpu + " for " + run.model};
  }
}

NodeSettings settings_of(const MeasuredRun& run, const Catalogue& catalogue) {
  const auto& gpu = entry(catalogue.gpus, run.gpu);
  const auto& model = entry(catalogue.models, run.model);
  const auto& engine = entry(catalogue.engines, run.engine);
  const StepLimits limits = default_limits(gpu, engine);
  NodeSettings settings;
  settings.max_num_seqs = limits.max_num_seqs;
  settings.max_num_batched_tokens = limits.max_num_batched_tokens;
  settings.max_model_len = run.prompt_tokens + run.output_tokens;
  settings.usable_blocks =
      static_cast<std::int32_t>(usable_kv_blocks(gpu, model, run.gpus, engine.memory_utilisation));
  settings.steps_in_flight = engine.asynchronous ? 2 : 1;
  settings.cost[0] = StepCost(gpu, model, engine, run.gpus, limits);
  settings.cost[1] = settings.cost[0];
  return settings;
}

/// A length between `shortest` of nominal and nominal, by the number of the request.
std::int32_t length(std::int32_t nominal, double shortest, Purpose purpose, std::uint32_t request) {
  const auto least = static_cast<std::int32_t>(shortest * nominal);
  const Draw draw{Seed{1}, purpose, object_address(0, request)};
  return least +
         static_cast<std::int32_t>(draw.below(static_cast<std::uint32_t>(nominal - least + 1)));
}

/// Clients around one node. Every request has a slot of its own.
class ClosedLoop {
 public:
  ClosedLoop(const MeasuredRun& run, const NodeSettings& settings)
      : run_(run),
        settings_(settings),
        node_(node_id(0), settings_),
        requests_(static_cast<std::size_t>(kRequestsPerClient * run.clients)),
        links_(requests_.size()) {}

  Prediction play() {
    for (int client = 0; client < run_.clients; ++client) {
      send(Time{0});
      if (staggered()) {
        Request& first = requests_[sent_ - 1];
        first.output_tokens = std::max(2, first.output_tokens * (client + 1) / run_.clients);
      }
    }
    while (ended_ < sent_) {
      const Time output = node_.next_output();
      const Time plan = node_.next_plan();
      check(!output.is_never() || !plan.is_never(),
            "requests are unfinished and nothing will happen");
      if (output <= plan) {
        answer(output);
      } else {
        node_.catch_up(context(), plan);
      }
    }
    return {ttft_s_ / counted_, tpot_s_ / counted_, node_.counters().preemptions};
  }

 private:
  [[nodiscard]] bool staggered() const { return run_.shortest == 1.0; }
  [[nodiscard]] bool counts(TaskSlot task) const {
    return !staggered() || index(task) >= static_cast<std::size_t>(run_.clients);
  }
  NodeContext context() { return {settings_, requests_, links_, facts_}; }

  void send(Time at) {
    Request& request = requests_[sent_];
    request.address = object_address(0, sent_);
    request.prompt_tokens =
        length(run_.prompt_tokens, run_.shortest, Purpose::prompt_length, sent_);
    request.output_tokens =
        length(run_.output_tokens, run_.shortest, Purpose::output_length, sent_);
    request.mark = at;
    node_.deliver(context(), TaskSlot{sent_}, at);
    ++sent_;
  }

  void answer(Time now) {
    outputs_.clear();
    node_.collect(context(), now, outputs_);
    for (const NodeOutput& output : outputs_) {
      if (output.kind != NodeOutput::Kind::finished) {
        continue;
      }
      const Request& request = requests_[index(output.task)];
      if (counts(output.task)) {
        ttft_s_ += (request.first_token - request.delivered).seconds();
        tpot_s_ +=
            (request.last_token - request.first_token).seconds() / (request.output_tokens - 1);
        ++counted_;
      }
      ++ended_;
      if (sent_ < requests_.size()) {
        send(now);
      }
    }
  }

  const MeasuredRun& run_;
  const NodeSettings& settings_;
  Node node_;
  std::vector<Request> requests_;
  std::vector<RunningLink> links_;
  FactLog facts_;
  std::vector<NodeOutput> outputs_;
  std::uint32_t sent_ = 0, ended_ = 0, counted_ = 0;
  double ttft_s_ = 0, tpot_s_ = 0;
};

}  // namespace

std::string MeasuredRun::name() const {
  return model + " x" + std::to_string(gpus) + " " + std::to_string(prompt_tokens) + "/" +
         std::to_string(output_tokens) + " C=" + std::to_string(clients);
}

std::string runs_path() {
  const char* given = std::getenv("YARDMASTER_DATA");
  const std::string data =
      given != nullptr ? given : std::string(YARDMASTER_SOURCE_DIR) + "/../shared/data";
  return data + "/silicon/e2e_h100_h200.csv.gz";
}

RunTable read_runs(const std::string& path, const Catalogue& catalogue) {
  RunTable table;
  for (const Row& row : read_table(path)) {
    try {
      const MeasuredRun run = run_of(row);
      check_replayable(run, catalogue);
      table.runs.push_back(run);
    } catch (const LeftOut& left_out) {
      ++table.left_out[left_out.why];
    }
  }
  return table;
}

Prediction replay(const MeasuredRun& run, const Catalogue& catalogue) {
  const NodeSettings settings = settings_of(run, catalogue);
  return ClosedLoop(run, settings).play();
}

}  // namespace yardmaster::silicon
