// The command `yardmaster`. LibTorch is not linked here: `train` loads it on demand.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <exception>

#include "env/base/check.h"
#include "results/schema.h"
#include "tools/command.h"
#include "tools/version.h"

namespace yardmaster {
namespace {

constexpr const char* kDescription =
    "Simulates a fleet of large language models at work and learns to run it.\n\n"
    "  yardmaster run scenarios/quickstart.yaml           simulate one policy on one seed\n"
    "  yardmaster evaluate scenarios/quickstart.yaml      compare policies on the same seeds\n"
    "  yardmaster train scenarios/quickstart.yaml -o F    train a dispatch policy\n"
    "  yardmaster validate scenarios/quickstart.yaml      list every fault in a scenario\n"
    "  yardmaster list                                    list the names that a scenario may use\n"
    "  yardmaster conform RECORDING...                    compare the node with an engine's "
    "scheduler";

constexpr const char* kFooter =
    "Exit codes: 0 success; 1 a file could not be read or written, or the command was interrupted; "
    "2 the\nscenario, an option or their combination is wrong, and nothing was written; 134 a bug "
    "in "
    "this program,\nreported with the seed and the decision that reproduce it. "
    "`yardmaster COMMAND --help` lists the options.";

int dispatch(const Command& command) {
  try {
    return command();
  } catch (const InternalFault& fault) {
    fmt::print(stderr, "yardmaster: {}\n", fault.what());
    std::abort();
  } catch (const ConfigError& error) {
    for (const std::string& fault : error.faults()) {
      fmt::print(stderr, "{}\n", fault);
    }
    return kExitBadInput;
  } catch (const BadInput& error) {
    fmt::print(stderr, "yardmaster: {}\n", error.what());
    return kExitBadInput;
  } catch (const std::exception& error) {
    fmt::print(stderr, "yardmaster: {}\n", error.what());
    return kExitFailure;
  }
}

int run_main(int argc, char** argv) {
  CLI::App app(kDescription, "yardmaster");
  app.footer(kFooter);
  app.set_version_flag("--version", fmt::format("yardmaster {}", kVersion));
  app.require_subcommand(1);
  Command command;
  add_run_command(app, command);
  add_evaluate_command(app, command);
  add_train_command(app, command);
  add_validate_command(app, command);
  add_list_command(app, command);
  add_conform_command(app, command);
  add_calibrate_command(app, command);
  add_validate_node_command(app, command);
  add_validate_closed_loop_command(app, command);
  for (CLI::App* subcommand : app.get_subcommands({})) {
    subcommand->footer(
        "Exit codes: 0 success, 1 failed or interrupted, 2 wrong input (nothing written).");
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitOk : kExitBadInput;
  }
  install_signal_handlers();
  return dispatch(command);
}

}  // namespace
}  // namespace yardmaster

int main(int argc, char** argv) {
  try {
    return yardmaster::run_main(argc, argv);
  } catch (...) {  // stderr itself failed
    return yardmaster::kExitFailure;
  }
}
