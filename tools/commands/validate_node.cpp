// `yardmaster validate-node`: compares a measured run with the same requests on the simulated node.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "tools/command.h"
#include "tools/validation/measured_run.h"

namespace yardmaster {
namespace {

struct ValidateNodeOptions {
  ScenarioOptions scenario;
  std::string measured, requests;
  bool json = false;
};

/// Both sides of the comparison.
struct Compared {
  ServedTable real, simulated;
  std::size_t requests = 0;
  std::size_t measures = 0;  // how many of kServedMeasures are compared, from the first

  /// In per cent; nullopt without a real value.
  [[nodiscard]] std::optional<double> difference(std::size_t measure, std::size_t statistic) const {
    const double value = real[measure][statistic];
    return value > 0 ? std::optional(100 * (simulated[measure][statistic] / value - 1))
                     : std::nullopt;
  }
};

Compared compare(const std::vector<Served>& run, const std::vector<Served>& played,
                 std::size_t first, std::size_t last) {
  const auto part = [&](const std::vector<Served>& all) {
    return statistics_of({all.begin() + static_cast<std::ptrdiff_t>(first),
                          all.begin() + static_cast<std::ptrdiff_t>(last) + 1});
  };
  const bool scheduled = !std::isnan(run.front().scheduled_s);
  return {part(run), part(played), last - first + 1, scheduled ? kServedMeasures.size() : 3};
}

std::string cell(double value, const char* format) {
  return std::isnan(value) ? "-" : fmt::format(fmt::runtime(format), value);
}

void print_table(const Compared& c) {
  fmt::print("{:<26}{:<6}{:>12}{:>14}{:>14}\n", "", "", "real, ms", "simulated, ms",
             "difference, %");
  for (std::size_t m = 0; m < c.measures; ++m) {
    for (std::size_t s = 0; s < kServedStatistics.size(); ++s) {
      fmt::print("{:<26}{:<6}{:>12}{:>14}{:>14}\n", s == 0 ? kServedMeasures[m] : "",
                 kServedStatistics[s], cell(1e3 * c.real[m][s], "{:.2f}"),
                 cell(1e3 * c.simulated[m][s], "{:.2f}"),
                 cell(c.difference(m, s).value_or(NAN), "{:+.1f}"));
    }
  }
  const auto [mean, worst] = mean_and_worst_error(c.real, c.simulated);
  const std::size_t comparable = comparable_statistics(c.real);
  fmt::print("\n{} statistics of TTFT, TPOT and E2E{}: mean error {} %, worst {} %\n", comparable,
             comparable < 15 ? " with a real value above 0" : "", cell(100 * mean, "{:.2f}"),
             cell(100 * worst, "{:.2f}"));
}

nlohmann::ordered_json number_or_null(std::optional<double> value) {
  return value && !std::isnan(*value) ? nlohmann::ordered_json(*value) : nullptr;
}

void print_json(const Compared& c) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (std::size_t m = 0; m < c.measures; ++m) {
    for (std::size_t s = 0; s < kServedStatistics.size(); ++s) {
      rows.push_back({{"measure", kServedMeasures[m]},
                      {"statistic", kServedStatistics[s]},
                      {"real_s", number_or_null(c.real[m][s])},
                      {"simulated_s", number_or_null(c.simulated[m][s])},
                      {"difference_percent", number_or_null(c.difference(m, s))}});
    }
  }
  const auto [mean, worst] = mean_and_worst_error(c.real, c.simulated);
  fmt::print("{}\n", nlohmann::ordered_json{{"requests", c.requests},
                                            {"statistics", rows},
                                            {"statistics_compared", comparable_statistics(c.real)},
                                            {"mean_error_percent", number_or_null(100 * mean)},
                                            {"worst_error_percent", number_or_null(100 * worst)}}
                         .dump(2));
}

/// What is compared.
void print_header(const std::string& measured, std::size_t requests, std::size_t first,
                  std::size_t last, const Scenario& scenario) {
  const NodeKind& kind = scenario.kinds.front();
  fmt::print("{}: requests {} to {} of {}\n{}, {}, tensor parallel {}, {}; step times: {}\n",
             measured, first, last, requests, kind.gpu.name, kind.model.name, kind.tensor_parallel,
             kind.engine.name, kind.profile.empty() ? "formula" : "profile " + kind.profile.name);
  const Duration before = scenario.network.frontend + scenario.network.latency;
  if (before > Duration::zero()) {
    fmt::print(
        "network: {:.4g} ms before each request (frontend and latency of the scenario's network; "
        "set both to 0 if the times were measured in the server)\n",
        1e3 * before.seconds());
  }
  fmt::print("\n");
}

int validate_node(const ValidateNodeOptions& options) {
  const std::vector<Served> run = read_measured_run(options.measured, Columns::all_but_scheduled);
  const auto [first, last] = parse_requests(options.requests, run.size());
  const Scenario scenario = options.scenario.load();
  warn_of_unit(run);
  const Compared compared = compare(run, replay_scenario(run, scenario), first, last);
  if (options.json) {
    print_json(compared);
  } else {
    print_header(options.measured, run.size(), first, last, scenario);
    print_table(compared);
  }
  return kExitOk;
}

}  // namespace

void add_validate_node_command(CLI::App& app, Command& chosen) {
  const auto options = std::make_shared<ValidateNodeOptions>();
  CLI::App& command = *app.add_subcommand(
      "validate-node",
      "Compare a measured run with the same requests on the scenario's first node");
  command
      .add_option("--measured", options->measured,
                  "CSV, one request per line: arrival_s, input_tokens, output_tokens, "
                  "first_token_s, last_token_s; optional: scheduled_s, which adds two measures, "
                  "and prefix_block_ids, with which the node caches prefixes")
      ->required();
  options->scenario.add_as_option(command);
  command.add_option("--requests", options->requests,
                     "Compare only these, FIRST..LAST in order of arrival; all are replayed");
  command.add_flag("--json", options->json, "Print one JSON object on stdout and nothing else");
  command.callback([options, &chosen] { chosen = [options] { return validate_node(*options); }; });
}

}  // namespace yardmaster
