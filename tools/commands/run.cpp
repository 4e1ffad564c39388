// `yardmaster run`: simulates one policy on one seed and prints every metric.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <memory>
#include <optional>

#include "tools/command.h"
#include "tools/episode.h"
#include "tools/progress.h"
#include "tools/report.h"
#include "tools/table.h"

namespace yardmaster {
namespace {

struct RunOptions {
  ScenarioOptions scenario;
  OutputOptions output;
  std::string policy;
  std::uint64_t seed = 1;
};

std::string default_policy(const Scenario& scenario) {
  return scenario.policies.empty() ? "marginal_cost" : scenario.policies.front();
}

std::string run_text(const Scenario& scenario, const std::string& policy, std::uint64_t seed,
                     const EpisodeResult& result, double load_s) {
  std::string out = scenario_text(scenario);
  out += fmt::format(
      "run      policy {}, ordering {}, seed {}{}\n", policy, scenario.dispatch.ordering, seed,
      scenario.workload.trace.empty() ? std::string()
                                      : fmt::format(", trace window {}", result.trace_window));
  out += metrics_text(scenario, result.metrics);
  const auto arrived = static_cast<double>(result.metrics.counts.arrived);
  const auto decisions = static_cast<double>(result.metrics.counts.decisions);
  out += fmt::format(
      "speed    simulated in {} ({} requests/s, {} decisions/s), scenario loaded in {}\n",
      seconds_text(result.wall_s), count_text(static_cast<std::uint64_t>(arrived / result.wall_s)),
      count_text(static_cast<std::uint64_t>(decisions / result.wall_s)), seconds_text(load_s));
  return out + fmt::format("digest   {}\n", digest_text(result.digest));
}

nlohmann::ordered_json run_json(const Scenario& scenario, const std::string& policy,
                                std::uint64_t seed, const EpisodeResult& result, double load_s) {
  const RunCounts& counts = result.metrics.counts;
  return {{"scenario", scenario_json(scenario)},
          {"policy", policy},
          {"seed", seed},
          {"trace_window", result.trace_window},
          {"digest", digest_text(result.digest)},
          {"metrics", metrics_json(result.metrics)},
          {"wall_s", result.wall_s},
          {"load_s", load_s},
          {"requests_per_wall_s", static_cast<double>(counts.arrived) / result.wall_s},
          {"decisions_per_wall_s", static_cast<double>(counts.decisions) / result.wall_s}};
}

int run(const RunOptions& options) {
  options.output.check();
  const auto start = std::chrono::steady_clock::now();
  const Scenario scenario = options.scenario.load();
  const std::chrono::duration<double> load = std::chrono::steady_clock::now() - start;
  const NamedPolicy policy =
      resolve_policy(options.policy.empty() ? default_policy(scenario) : options.policy);
  const auto ordering = resolve_ordering(scenario);
  std::optional<Writer> writer;
  if (!options.output.file.empty()) {
    writer.emplace(options.output.file, scenario, origin(), options.output.force);
  }
  constexpr std::uint64_t kBarSteps = 1000;
  EpisodeResult result;
  {
    Progress progress(policy.name, kBarSteps);
    result = run_episode(
        scenario, {options.seed}, policy, *ordering, writer ? &*writer : nullptr,
        [&](double share) { progress.set(static_cast<std::uint64_t>(share * kBarSteps)); });
  }
  if (writer) {
    writer->add_summary(compare({{policy.name, policy.baseline, {result.metrics}}}).rows);
    writer->commit();
  }
  if (options.output.json) {
    fmt::print("{}\n", run_json(scenario, policy.name, options.seed, result, load.count()).dump(2));
  } else {
    fmt::print("{}", run_text(scenario, policy.name, options.seed, result, load.count()));
    if (writer) {
      fmt::print("wrote    {}\n", options.output.file);
    }
  }
  return kExitOk;
}

}  // namespace

void add_run_command(CLI::App& app, Command& chosen) {
  const auto options = std::make_shared<RunOptions>();
  CLI::App& command =
      *app.add_subcommand("run", "Simulate one policy on one seed and print every metric");
  options->scenario.add_to(command);
  command
      .add_option("-p,--policy", options->policy,
                  "A rule (see `yardmaster list policies`) or a checkpoint written by `train`; "
                  "default: the first of the scenario's compare.policies")
      ->type_name("NAME[:KNOB=VALUE,...]|FILE");
  command.add_option("--seed", options->seed, "Seed of everything random in the run")
      ->capture_default_str();
  options->output.add_to(command);
  command.callback([options, &chosen] { chosen = [options] { return run(*options); }; });
}

}  // namespace yardmaster
