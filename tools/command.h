// The pattern of a subcommand, and what subcommands share.
//
// add_x_command(app, chosen) declares the options of `yardmaster x`. When the command line names x,
// parsing stores what to do in `chosen`, and main runs it afterwards. So `--help` and a wrong
// option load nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "agents/checkpoint.h"
#include "env/scenario/load.h"
#include "policies/policy.h"
#include "results/writer.h"

namespace CLI {  // NOLINT(readability-identifier-naming): the library's name
class App;
}

namespace yardmaster {

/// Exit codes of the program, as --help documents them.
enum ExitCode : int {
  kExitOk = 0,
  kExitFailure = 1,   // a file cannot be read or written, or the command was interrupted
  kExitBadInput = 2,  // the scenario, an option or their combination is wrong; nothing was written
};

/// What a parsed subcommand does; returns an ExitCode. May throw: main turns ConfigError and
/// BadInput into kExitBadInput, every other exception into kExitFailure.
using Command = std::function<int()>;

void add_run_command(CLI::App&, Command& chosen);
void add_train_command(CLI::App&, Command& chosen);
void add_evaluate_command(CLI::App&, Command& chosen);
void add_validate_command(CLI::App&, Command& chosen);
void add_list_command(CLI::App&, Command& chosen);
void add_conform_command(CLI::App&, Command& chosen);
void add_calibrate_command(CLI::App&, Command& chosen);
void add_validate_node_command(CLI::App&, Command& chosen);
void add_validate_closed_loop_command(CLI::App&, Command& chosen);

/// The command line or its combination with the scenario is wrong: one line for the user, exit
/// code 2.
class BadInput : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The scenario of a command: FILE and any number of `--set key.path=value`.
struct ScenarioOptions {
  std::string file;
  std::vector<std::string> set;

  /// Declares FILE and --set.
  void add_to(CLI::App&);
  /// The same, with FILE as the value of --scenario.
  void add_as_option(CLI::App&, bool required = true);
  /// The --set options. Throws BadInput for one without `=`.
  [[nodiscard]] std::vector<Override> overrides() const;
  /// Reads the scenario, FILE or else the shipped one of that name. Throws ConfigError, or BadInput
  /// for a --set without `=`.
  [[nodiscard]] Scenario load() const;
};

/// `1000..1019`, `1,2,5` or a mixture, in the order written. Throws BadInput: empty, malformed,
/// duplicate, or more than 10,000.
std::vector<std::uint64_t> parse_seeds(const std::string& text);

/// Throws BadInput when two of the seeds choose the same window of a trace: its requests would
/// count twice.
void check_windows(const Scenario&, const std::vector<std::uint64_t>& seeds);

/// A policy of the table, or the one in a checkpoint.
struct NamedPolicy {
  std::string name;  // a rule with its knobs as written, or the file's name without folder
  std::unique_ptr<DispatchPolicy> policy;
  bool baseline = true;                    // a rule of the table
  std::optional<TrainingRecord> training;  // of a checkpoint: how it was trained
};

/// A rule as NAME or NAME:KNOB=VALUE,KNOB=VALUE, or the path of a checkpoint. Throws BadInput that
/// lists the known names.
NamedPolicy resolve_policy(const std::string& name_or_path);

/// All of them. Throws BadInput for a duplicate name and for an empty list.
std::vector<NamedPolicy> resolve_policies(const std::vector<std::string>& names);

/// Throws BadInput if a checkpoint was trained or validated on a world that one of these seeds
/// chooses (agents/worlds.h): its result there is not evidence.
void check_held_out(const Scenario&, const std::vector<NamedPolicy>&,
                    const std::vector<std::uint64_t>& seeds);

/// The scenario's ordering. Throws BadInput that lists the known names.
std::unique_ptr<OrderingPolicy> resolve_ordering(const Scenario&);

/// Throws BadInput when the output file `path` must not be written: it exists and `force` was not
/// given, or it is anything but a regular file. Symlinks are not followed.
void check_output_file(const std::string& path, bool force);

/// Where results go: `-o FILE`, `--force`, `--json`.
struct OutputOptions {
  std::string file;  // empty: nothing is written
  bool force = false, json = false;

  /// Declares them.
  void add_to(CLI::App&);
  /// As check_output_file(), unless no FILE was given. To be called before any work.
  void check() const;
};

/// The parts of `text` between commas, without empty ones.
std::vector<std::string> split_list(const std::string& text);

/// This program's version and the command line of this process, for the root of a results file.
Origin origin();

/// True after SIGINT or SIGTERM. Long loops check it and throw Interrupted.
bool interrupted();
/// Makes SIGINT and SIGTERM set that flag. A second one ends the process at once.
void install_signal_handlers();

/// Unwinds an interrupted command, so that its temporary files are removed.
class Interrupted : public std::runtime_error {
 public:
  Interrupted() : std::runtime_error("interrupted") {}
};

}  // namespace yardmaster
