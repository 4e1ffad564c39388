#include "tools/validation/closed_loop.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <set>

#include "env/base/check.h"
#include "env/base/random.h"
#include "env/base/statistics.h"
#include "env/node/solo_node.h"
#include "tools/command.h"
#include "tools/shipped_catalogue.h"
#include "tools/validation/csv.h"

namespace yardmaster::closed_loop {
namespace {

constexpr int kRequestsPerClient = 10;
constexpr int kMostClients = 100'000;

/// A row that cannot be replayed, and why.
struct LeftOut {
  std::string why;
};

std::string lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char c) {
    return static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  });
  return text;
}

/// The entry of `known` for a cell; without one the row is left out.
const std::string& found(const Names& known, const std::string& column, const std::string& cell) {
  const auto entry = known.find(cell);
  if (entry == known.end()) {
    throw LeftOut{column + " " + cell};
  }
  return entry->second;
}

/// `meta-llama/Llama-3.1-8B-Instruct` is llama-3.1-8b.
std::string base_model(std::string name) {
  name = lower_case(name.substr(name.find('/') + 1));  // without a slash the whole name
  const std::string owner = "meta-";
  if (name.starts_with(owner)) {
    name.erase(0, owner.size());
  }
  for (const std::string tuned : {"-fp8", "-instruct"}) {
    if (name.ends_with(tuned)) {
      name.erase(name.size() - tuned.size());
    }
  }
  return name;
}

/// Reads the rows of one file.
class Reader {
 public:
  Reader(const std::string& path, const Catalogue& catalogue, const Names& names)
      : path_(path), csv_(path), catalogue_(catalogue), names_(names) {}

  Table read() {
    if (csv_.size() == 0) {
      throw BadInput(path_ + ": no run (expected one per row below the header)");
    }
    Table table;
    for (std::size_t row = 0; row < csv_.size(); ++row) {
      try {
        table.runs.push_back(run_of(row));
      } catch (const LeftOut& left_out) {
        ++table.left_out[left_out.why];
      }
    }
    for (const auto& [name, entry] : names_) {
      if (used_.count(name) == 0) {
        throw BadInput(
            fmt::format("--as {}={}: no row has this system, model or engine", name, entry));
      }
    }
    return table;
  }

 private:
  /// The catalogue's name that the caller gave for a cell, or null.
  const std::string* given(const std::string& cell) {
    const auto entry = names_.find(cell);
    if (entry == names_.end()) {
      return nullptr;
    }
    used_.insert(cell);
    return &entry->second;
  }

  template <class Spec>
  const Spec& given_entry(const std::vector<CatalogueEntry<Spec>>& entries, const std::string& cell,
                          const std::string& name) {
    return named(entries, "--as " + cell, name);
  }

  GpuSpec gpu_of(std::size_t row) {
    static const Names others = {{"a100-sxm", "a100-80gb-sxm"},
                                 {"a100-pcie", "a100-80gb-sxm"},
                                 {"rtx-pro-6000-server", "rtx-pro-6000"}};
    const std::string& cell = csv_.text(row, "system");
    if (const std::string* name = given(cell)) {
      return given_entry(catalogue_.gpus, cell, *name);
    }
    std::string name = lower_case(cell);
    std::replace(name.begin(), name.end(), '_', '-');
    const auto other = others.find(name);
    const auto* entry = find_entry(catalogue_.gpus, other == others.end() ? name : other->second);
    if (entry == nullptr) {
      throw LeftOut{"system " + cell};
    }
    return entry->spec;
  }

  ModelSpec model_of(std::size_t row, Dtype weights) {
    const std::string& cell = csv_.text(row, "model");
    const std::string* name = given(cell);
    const std::string base = base_model(cell);
    const auto* entry = find_entry(catalogue_.models, base);
    if (name == nullptr && entry == nullptr) {
      throw LeftOut{"model " + base};
    }
    ModelSpec model = name != nullptr ? given_entry(catalogue_.models, cell, *name) : entry->spec;
    if (weights == Dtype::fp8 && model.weights != weights) {
      model.name += "-fp8";
      model.weights = weights;
    }
    return model;
  }

  EngineSpec engine_of(std::size_t row) {
    static const Names engines = {
        {"vllm", "vllm-2025-10"}, {"sglang", "sglang-0.5.6"}, {"trtllm", "tensorrt-llm-2025-10"}};
    const std::string& cell = csv_.text(row, "engine");
    const std::string* name = given(cell);
    if (name != nullptr) {
      return given_entry(catalogue_.engines, cell, *name);
    }
    const bool first_trtllm = cell == "trtllm" && csv_.has("engine_version") &&
                              csv_.text(row, "engine_version").starts_with("1.0");
    const auto* entry = find_entry(
        catalogue_.engines, first_trtllm ? "tensorrt-llm-1.0" : found(engines, "engine", cell));
    check(entry != nullptr, "the catalogue lacks an engine that closed-loop runs are read as");
    return entry->spec;
  }

  PublishedRun run_of(std::size_t row) {
    static const Names formats = {{"", "bf16"},         {"unstated", "bf16"}, {"bf16", "bf16"},
                                  {"bfloat16", "bf16"}, {"fp8", "fp8"},       {"fp8_block", "fp8"}};
    PublishedRun run;
    run.gpu = gpu_of(row);
    const std::string& format = found(formats, "dtype", csv_.text(row, "dtype"));
    run.model = model_of(row, format == "fp8" ? Dtype::fp8 : Dtype::bf16);
    run.engine = engine_of(row);
    if (run.engine.name == "tensorrt-llm-2025-10" && run.model.weights == Dtype::fp8) {
      // The figures of its own kernels, where they are known, and its KV format.
      const auto* kernels = find_entry(catalogue_.gpus, run.gpu.name + "-trtllm");
      run.gpu = kernels != nullptr ? kernels->spec : run.gpu;
      run.model.name += "-kv8";
      run.model.kv = Dtype::fp8;
    }
    run.gpus = at_least(1, row, "tp");
    if (csv_.whole(row, "n_gpu") != run.gpus) {
      throw LeftOut{"more than tensor parallelism"};
    }
    read_loop(row, run);
    check_replayable(run);
    return run;
  }

  void read_loop(std::size_t row, PublishedRun& run) {
    run.prompt_tokens = at_least(1, row, "isl");
    run.output_tokens = at_least(1, row, "osl");
    run.clients = at_least(1, row, "concurrency_or_rate");
    if (run.clients > kMostClients) {
      throw BadInput(fmt::format("{}: concurrency_or_rate is {} (expected at most {})",
                                 csv_.where(row), run.clients, kMostClients));
    }
    run.shortest = csv_.has("family") && csv_.text(row, "family") == "inferencemax" ? 0.8 : 1;
    run.ttft_s = csv_.positive(row, "ttft_ms") / 1000;
    run.tpot_s = csv_.positive(row, "tpot_ms") / 1000;
  }

  [[nodiscard]] int at_least(int least, std::size_t row, const std::string& column) const {
    const int value = csv_.whole(row, column);
    if (value < least) {
      throw BadInput(
          fmt::format("{}: {} is {} (expected {} or more)", csv_.where(row), column, value, least));
    }
    return value;
  }

  /// Throws LeftOut unless the catalogue has the figures of the run and its requests fit in memory.
  static void check_replayable(const PublishedRun& run) {
    if (run.shortest * run.output_tokens < 2) {
      throw LeftOut{"outputs of one token, which have no TPOT"};
    }
    if (!run.gpu.runs(run.model, run.gpus)) {
      throw LeftOut{"figures of " + run.gpu.name + " for " + run.model.name};
    }
    const std::int64_t tokens = std::int64_t{run.prompt_tokens} + run.output_tokens;
    if (tokens > run.model.max_context_tokens) {
      throw LeftOut{"context of " + run.model.name};
    }
    const double share = run.engine.memory_utilisation;
    if (usable_kv_blocks(run.gpu, run.model, run.gpus, share) * kBlockTokens < tokens) {
      throw LeftOut{"memory of " + run.gpu.name + " for " + run.model.name};
    }
  }

  const std::string path_;
  const CsvTable csv_;
  const Catalogue& catalogue_;
  const Names& names_;
  std::set<std::string> used_;
};

NodeSettings settings_of(const PublishedRun& run) {
  const StepLimits limits = default_limits(run.gpu, run.engine);
  NodeSettings settings;
  settings.rules.max_num_seqs = limits.max_num_seqs;
  settings.rules.max_num_batched_tokens = limits.max_num_batched_tokens;
  settings.rules.max_model_len = run.prompt_tokens + run.output_tokens;
  settings.grant.blocks = static_cast<std::int32_t>(
      usable_kv_blocks(run.gpu, run.model, run.gpus, run.engine.memory_utilisation));
  settings.rules.steps_in_flight = run.engine.asynchronous ? 2 : 1;
  settings.costs = CostBook(StepCost(run.gpu, run.model, run.engine, run.gpus, limits));
  return settings;
}

/// A length between `shortest` * nominal and nominal, drawn by the number of the request.
std::int32_t length(std::int32_t nominal, double shortest, Purpose purpose, std::uint32_t request) {
  const auto least = static_cast<std::int32_t>(shortest * nominal);
  const Draw draw{Seed{1}, purpose, object_address(0, request)};
  return least +
         static_cast<std::int32_t>(draw.below(static_cast<std::uint32_t>(nominal - least + 1)));
}

/// Clients of one node. Every request has its own slot.
class Loop {
 public:
  Loop(const PublishedRun& run, const NodeSettings& settings)
      : node_(settings,
              static_cast<std::size_t>(kRequestsPerClient) * static_cast<std::size_t>(run.clients)),
        run_(run) {}

  Prediction play() {
    for (int client = 0; client < run_.clients; ++client) {
      send(Time{0});
      if (staggered()) {
        Request& first = node_.request(TaskSlot{sent_ - 1});
        first.spec.output_tokens = static_cast<std::int32_t>(std::max<std::int64_t>(
            2, std::int64_t{first.spec.output_tokens} * (client + 1) / run_.clients));
      }
    }
    while (ended_ < sent_) {
      for (const NodeOutput& output : node_.advance()) {
        if (output.kind == NodeOutput::Kind::finished) {
          answer(output);
        }
      }
    }
    return {ttft_s_ / counted_, tpot_s_ / counted_, node_.counters().preemptions};
  }

 private:
  [[nodiscard]] bool staggered() const { return run_.shortest == 1.0; }
  [[nodiscard]] bool counts(TaskSlot task) const {
    return !staggered() || index(task) >= static_cast<std::size_t>(run_.clients);
  }

  void send(Time at) {
    Request& request = node_.request(TaskSlot{sent_});
    request.spec.address = object_address(0, sent_);
    request.spec.prompt_tokens =
        length(run_.prompt_tokens, run_.shortest, Purpose::prompt_length, sent_);
    request.spec.output_tokens =
        length(run_.output_tokens, run_.shortest, Purpose::output_length, sent_);
    node_.deliver(TaskSlot{sent_}, at);
    ++sent_;
  }

  // A client's request has ended: it sends its next one.
  void answer(const NodeOutput& end) {
    const Request& request = node_.request(end.task);
    if (counts(end.task)) {
      ttft_s_ += (request.first_token - request.delivered).seconds();
      tpot_s_ +=
          (request.last_token - request.first_token).seconds() / (request.spec.output_tokens - 1);
      ++counted_;
    }
    ++ended_;
    if (sent_ < node_.slots()) {
      send(end.at);
    }
  }

  SoloNode node_;
  const PublishedRun& run_;
  std::uint32_t sent_ = 0, ended_ = 0, counted_ = 0;
  double ttft_s_ = 0, tpot_s_ = 0;
};

}  // namespace

std::string PublishedRun::name() const {
  return fmt::format("{} x{} {}/{} C={}", model.name, gpus, prompt_tokens, output_tokens, clients);
}

Table read_runs(const std::string& path, const Catalogue& catalogue, const Names& names) {
  return Reader(path, catalogue, names).read();
}

Prediction replay(const PublishedRun& run) {
  const NodeSettings settings = settings_of(run);
  return Loop(run, settings).play();
}

void Errors::add(double predicted, double measured) {
  sizes_.push_back(std::abs(predicted / measured - 1));
}

double Errors::mean() const { return yardmaster::mean(sizes_); }

double Errors::quantile(double p) const {
  std::vector<double> sizes = sizes_;  // quantile() reorders its argument
  return yardmaster::quantile(sizes, p);
}

}  // namespace yardmaster::closed_loop
