// `yardmaster validate-closed-loop`: compares published closed-loop runs with the same loops on a
// simulated node.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <array>
#include <memory>
#include <nlohmann/json.hpp>

#include "tools/command.h"
#include "tools/progress.h"
#include "tools/shipped_catalogue.h"
#include "tools/table.h"
#include "tools/validation/closed_loop.h"

namespace yardmaster {
namespace {

using closed_loop::Errors;
using closed_loop::Prediction;
using closed_loop::PublishedRun;

struct ClosedLoopOptions {
  std::string file;
  std::vector<std::string> as;
  bool runs = false, json = false;
};

/// Published runs, and the node's prediction for each: [run].
struct Compared {
  closed_loop::Table table;
  std::vector<Prediction> predictions;
};

closed_loop::Names parse_names(const std::vector<std::string>& as) {
  closed_loop::Names names;
  for (const std::string& text : as) {
    const std::size_t equals = text.find('=');
    if (equals == 0 || equals == std::string::npos || equals + 1 == text.size()) {
      throw BadInput(fmt::format("--as {}: expected NAME=ENTRY, such as h100_pcie=h100-sxm", text));
    }
    const std::string name = text.substr(0, equals);
    if (!names.emplace(name, text.substr(equals + 1)).second) {
      throw BadInput(fmt::format("--as {}: {} is listed twice", text, name));
    }
  }
  return names;
}

Compared compare(const ClosedLoopOptions& options) {
  Compared compared{
      closed_loop::read_runs(options.file, shipped_catalogue(), parse_names(options.as)), {}};
  Progress progress("runs", compared.table.runs.size());
  for (const PublishedRun& run : compared.table.runs) {
    if (interrupted()) {
      throw Interrupted();
    }
    compared.predictions.push_back(replay(run));
    progress.add();
  }
  return compared;
}

/// GPU, engine, model, number of GPUs; an empty one stands for all.
using Group = std::array<std::string, 4>;
struct GroupErrors {
  Errors tpot, ttft;
};

/// Errors of all runs, per GPU, and per configuration. TTFT counts only where the published value
/// has no warm-up in it, which is where lengths vary.
std::map<Group, GroupErrors> errors_of(const Compared& compared) {
  std::map<Group, GroupErrors> groups;
  for (std::size_t i = 0; i < compared.predictions.size(); ++i) {
    const PublishedRun& run = compared.table.runs[i];
    const Prediction& p = compared.predictions[i];
    const std::string& gpu = run.gpu.name;
    for (const Group& group :
         {Group{}, Group{gpu},
          Group{gpu, run.engine.name, run.model.name, fmt::to_string(run.gpus)}}) {
      groups[group].tpot.add(p.tpot_s, run.tpot_s);
      if (run.shortest < 1) {
        groups[group].ttft.add(p.ttft_s, run.ttft_s);
      }
    }
  }
  return groups;
}

std::string percent(double share) { return fmt::format("{:.1f}", 100 * share); }

void print_groups(const std::map<Group, GroupErrors>& groups) {
  TextTable table({"GPU", "engine", "model", "GPUs", "runs", "TPOT: mean %", "p90 %", "worst %",
                   "TTFT: mean %", "p90 %", "worst %"},
                  3);
  for (const auto& [group, errors] : groups) {
    std::vector<std::string> cells(group.begin(), group.end());
    cells.front() = cells.front().empty() ? "all" : cells.front();
    cells.push_back(fmt::to_string(errors.tpot.size()));
    for (const Errors* e : {&errors.tpot, &errors.ttft}) {
      const bool any = e->size() > 0;
      cells.push_back(any ? percent(e->mean()) : "-");
      cells.push_back(any ? percent(e->quantile(0.9)) : "-");
      cells.push_back(any ? percent(e->quantile(1)) : "-");
    }
    table.add(cells);
  }
  fmt::print("{}", table.text());
}

void print_runs(const Compared& compared) {
  TextTable table({"GPU", "engine", "run", "TPOT, ms", "node", "%", "TTFT, ms", "node", "%"}, 3);
  for (std::size_t i = 0; i < compared.predictions.size(); ++i) {
    const PublishedRun& run = compared.table.runs[i];
    const Prediction& p = compared.predictions[i];
    table.add({run.gpu.name, run.engine.name, run.name(), fmt::format("{:.2f}", 1e3 * run.tpot_s),
               fmt::format("{:.2f}", 1e3 * p.tpot_s),
               fmt::format("{:+.1f}", 100 * (p.tpot_s / run.tpot_s - 1)),
               fmt::format("{:.0f}", 1e3 * run.ttft_s), fmt::format("{:.0f}", 1e3 * p.ttft_s),
               fmt::format("{:+.0f}", 100 * (p.ttft_s / run.ttft_s - 1))});
  }
  fmt::print("{}\n", table.text());
}

nlohmann::ordered_json json_of(const Errors& errors) {
  if (errors.size() == 0) {
    return nullptr;
  }
  return {{"runs", errors.size()},
          {"mean_percent", 100 * errors.mean()},
          {"p90_percent", 100 * errors.quantile(0.9)},
          {"worst_percent", 100 * errors.quantile(1)}};
}

void print_json(const Compared& compared) {
  nlohmann::ordered_json runs = nlohmann::ordered_json::array();
  for (std::size_t i = 0; i < compared.predictions.size(); ++i) {
    const PublishedRun& run = compared.table.runs[i];
    const Prediction& p = compared.predictions[i];
    runs.push_back({{"gpu", run.gpu.name},
                    {"engine", run.engine.name},
                    {"model", run.model.name},
                    {"gpus", run.gpus},
                    {"prompt_tokens", run.prompt_tokens},
                    {"output_tokens", run.output_tokens},
                    {"clients", run.clients},
                    {"tpot_s", run.tpot_s},
                    {"simulated_tpot_s", p.tpot_s},
                    {"ttft_s", run.ttft_s},
                    {"simulated_ttft_s", p.ttft_s},
                    {"preemptions", p.preemptions}});
  }
  nlohmann::ordered_json groups = nlohmann::ordered_json::array();
  for (const auto& [group, errors] : errors_of(compared)) {
    groups.push_back({{"gpu", group[0]},
                      {"engine", group[1]},
                      {"model", group[2]},
                      {"gpus", group[3]},
                      {"tpot", json_of(errors.tpot)},
                      {"ttft", json_of(errors.ttft)}});
  }
  fmt::print("{}\n",
             nlohmann::ordered_json{
                 {"groups", groups}, {"left_out", compared.table.left_out}, {"runs", runs}}
                 .dump(2));
}

int validate_closed_loop(const ClosedLoopOptions& options) {
  const Compared compared = compare(options);
  if (options.json) {
    print_json(compared);
    return kExitOk;
  }
  if (options.runs) {
    print_runs(compared);
  }
  print_groups(errors_of(compared));
  for (const auto& [why, rows] : compared.table.left_out) {
    fmt::print("left out: {} row{}, {}\n", rows, rows == 1 ? "" : "s", why);
  }
  return kExitOk;
}

}  // namespace

void add_validate_closed_loop_command(CLI::App& app, Command& chosen) {
  const auto options = std::make_shared<ClosedLoopOptions>();
  CLI::App& command = *app.add_subcommand(
      "validate-closed-loop",
      "Compare TPOT and TTFT of published closed-loop runs with nodes of the catalogue");
  command
      .add_option("FILE", options->file,
                  "CSV, one run per line: system, n_gpu, tp, engine, model, dtype, isl, osl, "
                  "concurrency_or_rate, ttft_ms, tpot_ms; optional: engine_version, family "
                  "(docs/validation.md)")
      ->required();
  command
      .add_option("--as", options->as,
                  "Use this entry of the catalogue for a system, model or engine NAME of the "
                  "file; may be repeated")
      ->type_name("NAME=ENTRY")
      ->take_all()
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  command.add_flag("--runs", options->runs, "Also print every run");
  command.add_flag("--json", options->json, "Print one JSON object on stdout and nothing else");
  command.callback(
      [options, &chosen] { chosen = [options] { return validate_closed_loop(*options); }; });
}

}  // namespace yardmaster
