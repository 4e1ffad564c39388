// `yardmaster validate`: every fault in a scenario with its place, or what it resolves to.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "tools/command.h"
#include "tools/report.h"

namespace yardmaster {
namespace {

struct ValidateOptions {
  ScenarioOptions scenario;
  bool json = false, resolved = false;
};

// The reader of scenarios does not know the names of policies and orderings.
Scenario load_and_check_names(const ValidateOptions& options) {
  Scenario scenario = options.scenario.load();
  static_cast<void>(resolve_ordering(scenario));
  for (const std::string& name : scenario.policies) {
    static_cast<void>(resolve_policy(name));
  }
  return scenario;
}

int print_faults(const ValidateOptions& options, const std::vector<std::string>& faults) {
  if (options.json) {
    fmt::print("{}\n", nlohmann::ordered_json{{"valid", false}, {"faults", faults}}.dump(2));
  } else {
    for (const std::string& fault : faults) {
      fmt::print(stderr, "{}\n", fault);
    }
  }
  return kExitBadInput;
}

int validate(const ValidateOptions& options) {
  try {
    const Scenario scenario = load_and_check_names(options);
    if (options.json) {
      fmt::print("{}\n", nlohmann::ordered_json{{"valid", true},
                                                {"scenario", scenario_json(scenario)},
                                                {"resolved", scenario.resolved}}
                             .dump(2));
    } else if (options.resolved) {
      fmt::print("{}", scenario.resolved);
    } else {
      fmt::print("{}: valid\n{}", options.scenario.file, scenario_text(scenario));
    }
    return kExitOk;
  } catch (const ConfigError& error) {
    return print_faults(options, error.faults());
  } catch (const BadInput& error) {
    return print_faults(options, {error.what()});
  }
}

}  // namespace

void add_validate_command(CLI::App& app, Command& chosen) {
  const auto options = std::make_shared<ValidateOptions>();
  CLI::App& command = *app.add_subcommand(
      "validate", "Check a scenario and list every fault with file:line:column and key path");
  options->scenario.add_to(command);
  command.add_flag("--resolved", options->resolved,
                   "Print the scenario as YAML with every default written out");
  command.add_flag("--json", options->json, "Print one JSON object on stdout and nothing else");
  command.callback([options, &chosen] { chosen = [options] { return validate(*options); }; });
}

}  // namespace yardmaster
