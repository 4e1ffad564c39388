// `yardmaster validate-node`: a measured run beside the same requests on the simulated node.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "tools/command.h"
#include "tools/measured_run.h"

namespace yardmaster {
namespace {

struct ValidateNodeOptions {
  ScenarioOptions scenario;
  std::string measured, requests;
  bool json = false;
};

double percent(double real, double simulated) {
  return real > 0 ? 100 * (simulated / real - 1) : 0;
}

void print_table(const ServedTable& real, const ServedTable& simulated) {
  fmt::print("{:<26}{:<6}{:>12}{:>14}{:>14}\n", "", "", "real, ms", "simulated, ms",
             "difference, %");
  for (std::size_t m = 0; m < kServedMeasures.size(); ++m) {
    for (std::size_t s = 0; s < kServedStatistics.size(); ++s) {
      fmt::print("{:<26}{:<6}{:>12.2f}{:>14.2f}{:>+14.1f}\n", s == 0 ? kServedMeasures[m] : "",
                 kServedStatistics[s], 1e3 * real[m][s], 1e3 * simulated[m][s],
                 percent(real[m][s], simulated[m][s]));
    }
  }
  const auto [mean, worst] = mean_and_worst_error(real, simulated);
  fmt::print("\n15 statistics of TTFT, TPOT and E2E: mean error {:.2f} %, worst {:.2f} %\n",
             100 * mean, 100 * worst);
}

void print_json(const ServedTable& real, const ServedTable& simulated, std::size_t requests) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (std::size_t m = 0; m < kServedMeasures.size(); ++m) {
    for (std::size_t s = 0; s < kServedStatistics.size(); ++s) {
      rows.push_back({{"measure", kServedMeasures[m]},
                      {"statistic", kServedStatistics[s]},
                      {"real_s", real[m][s]},
                      {"simulated_s", simulated[m][s]},
                      {"difference_percent", percent(real[m][s], simulated[m][s])}});
    }
  }
  const auto [mean, worst] = mean_and_worst_error(real, simulated);
  fmt::print("{}\n", nlohmann::ordered_json{{"requests", requests},
                                            {"statistics", rows},
                                            {"mean_error_percent", 100 * mean},
                                            {"worst_error_percent", 100 * worst}}
                         .dump(2));
}

int validate_node(const ValidateNodeOptions& options) {
  const std::vector<Served> run = read_measured_run(options.measured);
  const auto [first, last] = parse_requests(options.requests, run.size());
  const Scenario scenario = options.scenario.load();
  const std::vector<Served> played = replay_scenario(run, scenario);
  const auto part = [&, from = first, to = last](const std::vector<Served>& all) {
    return statistics_of({all.begin() + static_cast<std::ptrdiff_t>(from),
                          all.begin() + static_cast<std::ptrdiff_t>(to) + 1});
  };
  const ServedTable real = part(run), simulated = part(played);
  if (options.json) {
    print_json(real, simulated, last - first + 1);
    return kExitOk;
  }
  const NodeKind& kind = scenario.kinds.front();
  fmt::print("{}: requests {} to {} of {}\n{}, {}, tensor parallel {}, {}; step times: {}\n\n",
             options.measured, first, last, run.size(), kind.gpu.name, kind.model.name,
             kind.tensor_parallel, kind.engine.name,
             kind.profile.empty() ? "formula" : "profile " + kind.profile.name);
  print_table(real, simulated);
  return kExitOk;
}

}  // namespace

void add_validate_node_command(CLI::App& app, Command& chosen) {
  const auto options = std::make_shared<ValidateNodeOptions>();
  CLI::App& command = *app.add_subcommand(
      "validate-node",
      "Replay a measured run on the scenario's first node: real, simulated, difference in %");
  command
      .add_option("--measured", options->measured,
                  "CSV of requests: arrival_s, input_tokens, output_tokens, scheduled_s, "
                  "first_token_s, last_token_s; with prefix_block_ids the node caches prefixes")
      ->required();
  options->scenario.add_as_option(command);
  command.add_option("--requests", options->requests,
                     "Compare these only, FIRST..LAST in order of arrival; all are replayed");
  command.add_flag("--json", options->json, "Print one JSON object on stdout, and nothing else");
  command.callback([options, &chosen] { chosen = [options] { return validate_node(*options); }; });
}

}  // namespace yardmaster
