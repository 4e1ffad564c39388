// `yardmaster train`: learns a dispatcher and leaves a checkpoint.
#include <dlfcn.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "agents/trainer.h"
#include "agents/worlds.h"
#include "env/rl/usage_error.h"
#include "env/scenario/refusals.h"
#include "tools/command.h"
#include "tools/progress.h"

namespace yardmaster {
namespace {

struct TrainCommand {
  ScenarioOptions scenario;
  OutputOptions output;
  TrainOptions options;
  std::string train_seeds;       // empty: the default
  std::string validation_seeds;  // empty: the default
  bool no_double = false;
  bool no_dueling = false;
  // Options that follow from the checkpoint to resume unless they are given.
  const CLI::Option* algorithm = nullptr;
  const CLI::Option* base = nullptr;
  const CLI::Option* hidden = nullptr;
};

// ---- Seeds ----

// A range as first..last: training needs millions of seeds, too many for a list.
SeedRange parse_range(const char* option, const std::string& text) {
  SeedRange range;
  std::uint64_t last = 0;
  const char* const end = text.data() + text.size();
  const auto first_end = std::from_chars(text.data(), end, range.first);
  const bool dots =
      first_end.ec == std::errc{} && std::string_view(first_end.ptr, end).starts_with("..");
  const auto last_end = dots ? std::from_chars(first_end.ptr + 2, end, last) : first_end;
  if (!dots || last_end.ec != std::errc{} || last_end.ptr != end || last < range.first) {
    throw BadInput(fmt::format(
        "{}: \"{}\" is not a range of seeds (expected first..last, for example 1000..1999)", option,
        text));
  }
  range.count = last - range.first + 1;
  if (range.count == 0) {
    throw BadInput(fmt::format("{}: {} has too many seeds", option, text));
  }
  return range;
}

// Windows of a trace, [first, end).
struct Windows {
  std::uint64_t first = 0;
  std::uint64_t end = 0;
  bool operator<(const Windows& other) const { return first < other.first; }
};

void add_windows(std::vector<Windows>& to, const Workload& workload, const SeedRange& seeds) {
  const std::uint64_t count = std::min<std::uint64_t>(seeds.count, workload.windows);
  const std::uint64_t first = trace_window(workload, Seed{seeds.first});
  const std::uint64_t end = std::min<std::uint64_t>(first + count, workload.windows);
  to.push_back({first, end});
  to.push_back({0, first + count - end});
}

// The longest stretch of windows which none of `taken` covers.
Windows longest_gap(std::vector<Windows> taken, std::uint64_t windows) {
  taken.push_back({windows, windows});
  std::sort(taken.begin(), taken.end());
  Windows longest;
  std::uint64_t from = 0;
  for (const Windows& w : taken) {
    if (w.first > from && w.first - from > longest.end - longest.first) {
      longest = {from, w.first};
    }
    from = std::max(from, w.end);
  }
  return longest;
}

// Seeds of a trace which were not asked for are those of windows that nothing else uses.
void choose_windows(const Scenario& scenario, bool train_given, bool validation_given,
                    TrainOptions& options) {
  const Workload& workload = scenario.workload;
  std::vector<Windows> taken;
  for (const std::uint64_t seed : scenario.seeds) {
    add_windows(taken, workload, {seed, 1});
  }
  if (train_given) {
    add_windows(taken, workload, options.train);
  }
  if (validation_given) {
    add_windows(taken, workload, options.validation);
  }
  const Windows free = longest_gap(taken, workload.windows);
  const std::uint64_t count = free.end - free.first;
  const bool both = !train_given && !validation_given;
  if (count < (both ? 2U : 1U)) {
    throw BadInput(fmt::format(
        "of the {} windows of the trace, compare.seeds and the given seeds leave {} for training "
        "and validation (fewer compare.seeds, or a shorter duration, which gives more windows)",
        workload.windows, count));
  }
  const std::uint64_t validating =
      both ? std::clamp<std::uint64_t>(count / 3, 1, options.validation.count) : count;
  if (!validation_given) {
    options.validation = {free.end - validating, validating};
  }
  if (!train_given) {
    options.train = {free.first, both ? count - validating : count};
  }
}

// Results on worlds which were trained on or validated on prove nothing, so the three sets are
// disjoint.
void check_disjoint(const Scenario& scenario, const TrainOptions& options) {
  const WorldIndex index(scenario);
  const std::string hint =
      scenario.workload.trace.empty()
          ? ""
          : fmt::format(
                " (a seed chooses one of the {} windows of the trace, seed modulo windows; a "
                "shorter duration gives more)",
                scenario.workload.windows);
  const Worlds train = index.of(options.train), validation = index.of(options.validation);
  if (train.overlaps(validation)) {
    throw BadInput("--train-seeds and --validation-seeds overlap" + hint);
  }
  for (const std::uint64_t seed : scenario.seeds) {
    const Worlds evaluation = index.of({seed, 1});
    const bool trained = train.overlaps(evaluation);
    if (trained || validation.overlaps(evaluation)) {
      throw BadInput(
          fmt::format("seed {} of compare.seeds, which is for evaluation, is also among {}{}", seed,
                      trained ? "--train-seeds" : "--validation-seeds", hint));
    }
  }
}

void choose_seeds(const Scenario& scenario, const TrainCommand& command, TrainOptions& options) {
  const bool train_given = !command.train_seeds.empty();
  const bool validation_given = !command.validation_seeds.empty();
  if (train_given) {
    options.train = parse_range("--train-seeds", command.train_seeds);
  }
  if (validation_given) {
    options.validation = parse_range("--validation-seeds", command.validation_seeds);
  }
  if (!scenario.workload.trace.empty() && !(train_given && validation_given)) {
    choose_windows(scenario, train_given, validation_given, options);
  }
  check_disjoint(scenario, options);
}

// ---- Options ----

void check_options(const TrainOptions& options) {
  const auto refuse = [](bool wrong, const char* message) {
    if (wrong) {
      throw BadInput(message);
    }
  };
  refuse(options.hidden % 4 != 0, "--hidden: a multiple of 4 is expected");
  if (options.algorithm == "residual_dqn") {
    try {
      make_dispatch(options.base);
    } catch (const PolicyFault& fault) {
      throw BadInput(std::string("--base: ") + fault.what());
    }
  }
  refuse(options.replay_decisions < options.batch, "--replay: smaller than a batch");
}

// What the training of a checkpoint has fixed is taken from it; a given option must agree.
void follow_checkpoint(const TrainCommand& command, TrainOptions& options) {
  if (options.resume.empty()) {
    return;
  }
  try {
    TrainOptions stored = options;
    adopt(load_checkpoint(options.resume), stored);
    const auto given = [](const CLI::Option* option) { return option->count() > 0; };
    options.algorithm = given(command.algorithm) ? options.algorithm : stored.algorithm;
    options.base = given(command.base) ? options.base : stored.base;
    options.hidden = given(command.hidden) ? options.hidden : stored.hidden;
    options.dueling = command.no_dueling ? options.dueling : stored.dueling;
  } catch (const CheckpointError& error) {
    throw BadInput(error.what());
  }
}

void check_folder(const std::string& file) {
  const std::filesystem::path folder = std::filesystem::path(file).parent_path();
  if (!folder.empty() && !std::filesystem::is_directory(folder)) {
    throw CheckpointError(
        fmt::format("cannot write {}: there is no folder {}", file, folder.string()));
  }
}

// ---- Training ----

// The learners on LibTorch, opened on demand: loading it takes 0.4 s, which no other command pays.
class TorchModule {
 public:
  TorchModule() {
    // OpenBLAS reads this when it is loaded; its threads make small products slower.
    ::setenv("OPENBLAS_NUM_THREADS", "1", 0);
    const std::filesystem::path file =
        std::filesystem::read_symlink("/proc/self/exe").parent_path() / "yardmaster_torch.so";
    handle_ = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle_ == nullptr) {
      throw std::runtime_error(
          "cannot load the learners on LibTorch (" + std::string(::dlerror()) +
          "); build the target yardmaster_torch, or use --algorithm tabular_q");
    }
    const auto interface =
        reinterpret_cast<TrainerInterfaceFunction>(::dlsym(handle_, kTrainerInterfaceSymbol));
    train_ = reinterpret_cast<TrainDqnFunction>(::dlsym(handle_, kTrainDqnSymbol));
    if (interface == nullptr || train_ == nullptr || interface() != kTrainerInterface) {
      throw std::runtime_error(file.string() +
                               " was built from another version of this program; build it again");
    }
  }
  // Never closed: LibTorch's threads and static objects do not survive it.

  [[nodiscard]] Checkpoint train(const Scenario& scenario, const TrainOptions& options,
                                 const ProgressFunction& progress) const {
    Checkpoint result;
    std::exception_ptr error;
    train_(&scenario, &options, &progress, &result, &error);
    if (error != nullptr) {
      std::rethrow_exception(error);
    }
    return result;
  }

 private:
  void* handle_ = nullptr;
  TrainDqnFunction train_ = nullptr;
};

// One bar per phase; silent unless the output is a terminal.
class TrainBar {
 public:
  bool operator()(const TrainProgress& now) {
    if (phase_ != now.phase) {
      bar_.reset();
      phase_ = now.phase;
      bar_ = std::make_unique<Progress>(phase_, now.total);
    }
    bar_->note(now.reward_per_s < 0
                   ? fmt::format("loss {:.3g}  cost {:.4g} task-s/s", now.loss, -now.reward_per_s)
                   : std::string());
    bar_->set(now.done);
    return !interrupted();
  }

 private:
  std::string phase_;
  std::unique_ptr<Progress> bar_;
};

// ---- Output ----

nlohmann::ordered_json range_json(const SeedRange& range) {
  return {{"first", range.first}, {"last", range.last()}};
}

nlohmann::ordered_json train_json(const Checkpoint& c, const std::string& path) {
  nlohmann::ordered_json out = {{"checkpoint", nullptr},
                                {"algorithm", c.algorithm},
                                {"train_seeds", range_json(c.training.train)},
                                {"validation_seeds", range_json(c.training.validation)},
                                {"decisions", c.training.decisions},
                                {"updates", c.training.updates},
                                {"line_search", nlohmann::ordered_json::array()}};
  if (!path.empty()) {
    out["checkpoint"] = path;
  }
  for (const LineSearchPoint& p : c.training.line_search) {
    out["line_search"].push_back({{"lambda", p.lambda},
                                  {"objective_s", p.objective_s},
                                  {"difference_s", p.difference_s},
                                  {"error_s", p.error_s}});
  }
  if (c.network) {
    out["base"] = c.network->base;
    out["lambda"] = c.network->lambda;
  }
  return out;
}

std::string line_search_text(const Checkpoint& c) {
  const std::vector<LineSearchPoint>& points = c.training.line_search;
  if (points.empty() || !c.network) {
    return "";
  }
  std::string out = fmt::format(
      "\nweight of the network, tried on {} validation seeds\n{:>8}  {:>14}  {:>12}  {:>14}\n",
      c.training.validation.count, "weight", "objective [s]", "change [s]", "std. error [s]");
  for (const LineSearchPoint& p : points) {
    out += fmt::format("{:8.2f}  {:14.4f}  {:+12.4f}  {:14.4f}{}\n", p.lambda, p.objective_s,
                       p.difference_s, p.error_s, p.lambda == c.network->lambda ? "  chosen" : "");
  }
  if (c.network->lambda == 0) {
    out += fmt::format(
        "No weight was better by more than twice its error: the checkpoint decides as {} does.\n",
        c.network->base);
  }
  return out;
}

std::string train_text(const Checkpoint& c, const std::string& path) {
  const auto range = [](const SeedRange& r) { return fmt::format("{}..{}", r.first, r.last()); };
  return fmt::format("{}: {} decisions, {} updates; trained on seeds {}, validated on {}\n",
                     c.algorithm, c.training.decisions, c.training.updates, range(c.training.train),
                     range(c.training.validation)) +
         line_search_text(c) +
         (path.empty() ? "\nNothing was written (-o FILE keeps the checkpoint).\n"
                       : fmt::format("\nwrote {}\n", path));
}

Checkpoint train(const Scenario& scenario, const TrainOptions& options) {
  TrainBar bar;
  const ProgressFunction progress = std::ref(bar);
  try {
    return options.algorithm == "tabular_q" ? train_tabular(scenario, options, progress)
                                            : TorchModule().train(scenario, options, progress);
  } catch (const UsageError& error) {
    throw BadInput(error.what());
  }
}

int run_train(const TrainCommand& command) {
  command.output.check();
  check_folder(command.output.file);
  TrainOptions options = command.options;
  options.output = command.output.file;
  options.double_q = !command.no_double;
  options.dueling = !command.no_dueling;
  follow_checkpoint(command, options);
  check_options(options);
  const Scenario scenario = command.scenario.load();
  if (scenario.nodes() < 2) {
    throw BadInput("a fleet of one node leaves nothing to learn");
  }
  if (scenario.objective.reject_penalty == Duration::zero() && refusals_are_possible(scenario)) {
    throw BadInput(
        fmt::format("{}: objective.reject_penalty: missing, and tasks of this workload may be too "
                    "long for every "
                    "node (expected a duration: without a cost, refusing them would be best)",
                    scenario.path));
  }
  choose_seeds(scenario, command, options);
  if (!options.resume.empty()) {
    try {
      check_resumable(load_checkpoint(options.resume), options, scenario);
    } catch (const UsageError& error) {
      throw BadInput(error.what());
    }
    fmt::print(stderr,
               "--resume: the replay buffer is not restored; it starts empty, and training starts "
               "again at the first of its seeds\n");
  }
  const Checkpoint checkpoint = train(scenario, options);
  if (command.output.json) {
    fmt::print("{}\n", train_json(checkpoint, options.output).dump(2));
  } else {
    fmt::print("{}", train_text(checkpoint, options.output));
  }
  return interrupted() ? kExitFailure : kExitOk;
}

// Declares how deep Q-learning learns.
void add_learning_options(CLI::App& app, TrainCommand& command) {
  TrainOptions& o = command.options;
  command.hidden = app.add_option("--hidden", o.hidden, "Units per hidden layer")
                       ->check(CLI::Range(4, 256))
                       ->capture_default_str();
  app.add_option("--batch", o.batch, "Transitions per gradient step")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  app.add_option("--replay", o.replay_decisions, "Decisions that the replay buffer holds")
      ->capture_default_str();
  app.add_option("--decisions-per-update", o.decisions_per_update,
                 "Decisions of all environments between two gradient steps")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  app.add_option("--n-step", o.n_step, "Rewards summed before the bootstrap")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--learning-rate", o.learning_rate, "Of Adam, at the start")
      ->capture_default_str();
  app.add_option("--target-rate", o.target_rate,
                 "How far the target network moves in each gradient step")
      ->capture_default_str();
  app.add_option("--epsilon", o.epsilon_first, "Share of exploring decisions at the start")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app.add_option("--epsilon-end", o.epsilon_last,
                 "Share of exploring decisions from the middle of the training on")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app.add_option("--temperature", o.temperature, "Of exploring decisions, in units of reward")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--trust", o.trust, "residual_dqn: weight of the network during training")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app.add_flag("--no-double", command.no_double,
               "Choose and value the next action by the same network");
  app.add_flag("--no-dueling", command.no_dueling, "No separate value of the state");
}

void add_seed_options(CLI::App& app, TrainCommand& command) {
  app.add_option("--seed", command.options.seed, "Of weights, exploration and sampled batches")
      ->capture_default_str();
  app.add_option("--train-seeds", command.train_seeds,
                 "Worlds to train on; default: 1000000..1999999, or windows of the trace that "
                 "compare.seeds leave")
      ->type_name("FIRST..LAST");
  app.add_option("--validation-seeds", command.validation_seeds,
                 "Worlds that choose the weight of the network; default: 500000..500063, or "
                 "windows of the trace that nothing else uses")
      ->type_name("FIRST..LAST");
}

void add_output_options(CLI::App& app, OutputOptions& output) {
  app.add_option("-o,--output", output.file,
                 "Write a checkpoint, also from time to time during training; without it nothing "
                 "is written")
      ->type_name("FILE");
  app.add_flag("--force", output.force, "Replace FILE if it exists");
  app.add_flag("--json", output.json, "Print one JSON object on stdout, and nothing else");
}

}  // namespace

void add_train_command(CLI::App& app, Command& chosen) {
  const auto command = std::make_shared<TrainCommand>();
  TrainOptions& o = command->options;
  o.threads = static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1U, 16U));
  CLI::App* sub = app.add_subcommand(
      "train",
      "Learns a dispatcher on a scenario. `run` and `evaluate` take its checkpoint as a policy.\n"
      "residual_dqn learns what to add to a rule; validation seeds choose how much of it counts, "
      "which may be nothing.\n"
      "dqn learns without a rule, tabular_q learns which rule decides; both are for comparison.");
  command->scenario.add_to(*sub);
  command->algorithm = sub->add_option("--algorithm", o.algorithm, "residual_dqn, dqn or tabular_q")
                           ->check(CLI::IsMember({"residual_dqn", "dqn", "tabular_q"}))
                           ->capture_default_str();
  command->base =
      sub->add_option("--base", o.base, "residual_dqn: the rule; its scores must be seconds")
          ->capture_default_str();
  add_output_options(*sub, command->output);
  sub->add_option("--resume", o.resume,
                  "Continue from this checkpoint. The replay buffer is not restored, and training "
                  "starts again at the first of its seeds")
      ->type_name("FILE")
      ->check(CLI::ExistingFile);
  sub->add_option("--updates", o.updates,
                  "Gradient steps; tabular_q: decisions of each environment")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1'000'000'000}))
      ->capture_default_str();
  add_seed_options(*sub, *command);
  sub->add_option("--threads", o.threads,
                  "Of environments and validation; the result does not depend on it")
      ->check(CLI::Range(1, 256));
  sub->add_option("--envs", o.envs, "Environments played at the same time")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  add_learning_options(*sub, *command);
  sub->callback([command, &chosen] { chosen = [command] { return run_train(*command); }; });
}

}  // namespace yardmaster
