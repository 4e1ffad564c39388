#include "tools/command.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>

#include "agents/worlds.h"
#include "env/hardware/catalogue.h"
#include "env/workload/workload.h"
#include "tools/version.h"

namespace yardmaster {
namespace {

constexpr std::size_t kMostSeeds = 10'000;

// A signal handler can reach only a global.
// NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables)
volatile std::sig_atomic_t signalled = 0;

extern "C" void handle_signal(int) {
  if (signalled != 0) {
    _exit(kExitFailure);
  }
  signalled = 1;
}

std::uint64_t parse_seed(const std::string& word) {
  std::uint64_t value = 0;
  const char* end = word.data() + word.size();
  const auto [at, error] = std::from_chars(word.data(), end, value);
  if (word.empty() || at != end || error != std::errc()) {
    throw BadInput(fmt::format("\"{}\" is not a seed (expected 7, 1,2,5 or 1000..1019)", word));
  }
  return value;
}

void append_seeds(std::vector<std::uint64_t>& seeds, const std::string& part) {
  const std::size_t dots = part.find("..");
  const std::uint64_t first = parse_seed(part.substr(0, dots));
  const std::uint64_t last = dots == std::string::npos ? first : parse_seed(part.substr(dots + 2));
  if (last < first) {
    throw BadInput(fmt::format("seeds {}: the last comes before the first", part));
  }
  if (last - first >= kMostSeeds) {
    throw BadInput(fmt::format("seeds {}: more than {}", part, kMostSeeds));
  }
  for (std::uint64_t i = 0; i <= last - first; ++i) {
    seeds.push_back(first + i);
  }
}

}  // namespace

namespace {

// The file itself; where there is none, the shipped scenario of that name, with or without its
// folder: an installed command runs `scenarios/quickstart.yaml` in any directory.
std::string shipped_unless_exists(const std::string& file) {
  namespace fs = std::filesystem;
  const fs::path shipped = fs::path(catalogue_folder("")).parent_path();
  std::error_code ignored;
  for (const fs::path& path : {fs::path(file), shipped.parent_path() / file, shipped / file}) {
    if (fs::exists(path, ignored)) {
      return path.string();
    }
  }
  return file;
}

void add_set(CLI::App& app, std::vector<std::string>& set) {
  app.add_option("--set", set, "Replace one value of the scenario; may be repeated")
      ->type_name("KEY.PATH=VALUE")
      ->take_all()
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

}  // namespace

void ScenarioOptions::add_to(CLI::App& app) {
  app.add_option("scenario", file, "Scenario: a YAML file (docs/scenario.md)")
      ->required()
      ->type_name("FILE");
  add_set(app, set);
}

void ScenarioOptions::add_as_option(CLI::App& app, bool required) {
  app.add_option("--scenario", file, "Scenario: a YAML file (docs/scenario.md)")
      ->required(required)
      ->type_name("FILE");
  add_set(app, set);
}

std::vector<Override> ScenarioOptions::overrides() const {
  std::vector<Override> result;
  for (const std::string& text : set) {
    const std::size_t equals = text.find('=');
    if (equals == 0 || equals == std::string::npos) {
      throw BadInput(fmt::format("--set {}: expected key.path=value", text));
    }
    result.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  return result;
}

Scenario ScenarioOptions::load() const {
  return load_scenario(shipped_unless_exists(file), overrides());
}

std::vector<std::string> split_list(const std::string& text) {
  std::vector<std::string> parts;
  for (std::size_t from = 0; from <= text.size();) {
    const std::size_t end = std::min(text.find(',', from), text.size());
    if (end > from) {
      parts.push_back(text.substr(from, end - from));
    }
    from = end + 1;
  }
  return parts;
}

std::vector<std::uint64_t> parse_seeds(const std::string& text) {
  std::vector<std::uint64_t> seeds;
  for (const std::string& part : split_list(text)) {
    append_seeds(seeds, part);
  }
  if (seeds.empty()) {
    throw BadInput("no seeds given (expected 7, 1,2,5 or 1000..1019)");
  }
  if (std::set<std::uint64_t>(seeds.begin(), seeds.end()).size() != seeds.size()) {
    throw BadInput(fmt::format("seeds {}: a seed is listed twice", text));
  }
  return seeds;
}

void check_windows(const Scenario& scenario, const std::vector<std::uint64_t>& seeds) {
  if (scenario.workload.trace.empty()) {
    return;
  }
  std::set<std::uint32_t> windows;
  for (const std::uint64_t seed : seeds) {
    windows.insert(trace_window(scenario.workload, {seed}));
  }
  if (windows.size() < seeds.size()) {
    throw BadInput(fmt::format(
        "{} seeds choose only {} of the trace's {} windows of {:.6g} s, so the same requests would "
        "count twice (expected fewer seeds, consecutive ones, or a shorter duration)",
        seeds.size(), windows.size(), scenario.workload.windows,
        scenario.workload.window.seconds()));
  }
}

NamedPolicy resolve_policy(const std::string& name_or_path) {
  const bool rule = names_dispatch_rule(name_or_path);
  const std::filesystem::path path(name_or_path);
  if (!rule && std::filesystem::is_regular_file(path)) {
    try {
      const Checkpoint checkpoint = load_checkpoint(name_or_path);
      return {path.filename().string(), make_learned_policy(checkpoint), false,
              checkpoint.training};
    } catch (const CheckpointError& error) {
      throw BadInput(error.what());
    }
  }
  try {
    return {name_or_path, make_dispatch(name_or_path), true, std::nullopt};
  } catch (const PolicyFault& fault) {
    throw BadInput(fmt::format("policy \"{}\": {}{}", name_or_path,
                               rule ? "" : "there is no such file, and ", fault.what()));
  }
}

std::vector<NamedPolicy> resolve_policies(const std::vector<std::string>& names) {
  std::vector<NamedPolicy> policies;
  std::set<std::string> seen;
  for (const std::string& name : names) {
    policies.push_back(resolve_policy(name));
    if (!seen.insert(policies.back().name).second) {
      throw BadInput(fmt::format("policy \"{}\" is listed twice", policies.back().name));
    }
  }
  if (policies.empty()) {
    throw BadInput("no policies given (see `yardmaster list policies`)");
  }
  return policies;
}

void check_held_out(const Scenario& scenario, const std::vector<NamedPolicy>& policies,
                    const std::vector<std::uint64_t>& seeds) {
  const WorldIndex index(scenario);
  for (const NamedPolicy& policy : policies) {
    if (!policy.training) {
      continue;
    }
    for (const std::uint64_t seed : seeds) {
      const Worlds world = index.of({seed, 1});
      const bool trained = policy.training->trained.overlaps(world);
      if (trained || policy.training->validated.overlaps(world)) {
        const std::string window = scenario.workload.trace.empty()
                                       ? ""
                                       : fmt::format(", which chooses window {} of the trace",
                                                     trace_window(scenario.workload, {seed}));
        throw BadInput(
            fmt::format("{} was {} on the world of seed {}{}: its result there is not evidence",
                        policy.name, trained ? "trained" : "validated", seed, window));
      }
    }
  }
}

std::unique_ptr<OrderingPolicy> resolve_ordering(const Scenario& scenario) {
  try {
    return make_ordering(scenario.dispatch.ordering);
  } catch (const PolicyFault& fault) {
    throw BadInput(fmt::format("{}: dispatch.ordering: {}", scenario.path, fault.what()));
  }
}

void OutputOptions::add_to(CLI::App& app) {
  app.add_option("-o,--output", file,
                 "Write an HDF5 file (results/README.md); without it nothing is written")
      ->type_name("FILE");
  app.add_flag("--force", force, "Replace FILE if it exists");
  app.add_flag("--json", json, "Print one JSON object on stdout and nothing else");
}

void check_output_file(const std::string& path, bool force) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::file_status status = fs::symlink_status(path, error);
  if (status.type() == fs::file_type::not_found || status.type() == fs::file_type::none) {
    return;  // what is wrong with the folder shows when the file is created
  }
  if (!fs::is_regular_file(status)) {
    throw BadInput(fmt::format("{} exists and is not a regular file", path));
  }
  if (!force) {
    throw BadInput(fmt::format("{} already exists (--force replaces it)", path));
  }
}

void OutputOptions::check() const {
  if (!file.empty()) {
    check_output_file(file, force);
  }
}

Origin origin() {
  // The kernel's copy of the command line: arguments, each ended by a zero byte.
  std::ifstream in("/proc/self/cmdline", std::ios::binary);
  std::string command(std::istreambuf_iterator<char>(in), {});
  std::replace(command.begin(), command.end(), '\0', ' ');
  command.erase(command.find_last_not_of(' ') + 1);
  return {kVersion, command};
}

bool interrupted() { return signalled != 0; }

void install_signal_handlers() {
  struct sigaction action {};
  action.sa_handler = handle_signal;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

}  // namespace yardmaster
