// yardmaster train: learns a dispatcher and leaves a checkpoint.
#include <dlfcn.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <thread>

#include "agents/trainer.h"
#include "tools/command.h"
#include "tools/progress.h"

namespace yardmaster {
namespace {

struct TrainCommand {
  ScenarioOptions scenario;
  TrainOptions options;
  std::string train_seeds = "1000000..1999999", validation_seeds = "500000..500063";
  bool no_double = false, no_dueling = false, json = false;
};

// A range as first..last: training needs millions of seeds, too many for a list.
SeedRange parse_range(const std::string& option, const std::string& text) {
  SeedRange range;
  std::uint64_t last = 0;
  const char* const end = text.data() + text.size();
  const auto first_end = std::from_chars(text.data(), end, range.first);
  const bool dots =
      first_end.ec == std::errc{} && std::string_view(first_end.ptr, end).starts_with("..");
  const auto last_end = dots ? std::from_chars(first_end.ptr + 2, end, last) : first_end;
  if (!dots || last_end.ec != std::errc{} || last_end.ptr != end || last < range.first) {
    throw BadInput(option + ": \"" + text +
                   "\" is no range of seeds (expected first..last, as 1000..1999)");
  }
  range.count = last - range.first + 1;
  return range;
}

// Whether two ranges hold one world in common. On a trace, seeds that choose the same window do.
bool share_a_world(const Scenario& scenario, const SeedRange& a, const SeedRange& b) {
  if (scenario.workload.trace.empty()) {
    return a.overlaps(b);
  }
  std::set<std::uint32_t> windows;
  for (std::uint64_t k = 0; k < std::min<std::uint64_t>(a.count, scenario.workload.windows); ++k) {
    windows.insert(trace_window(scenario.workload, a.at(k)));
  }
  for (std::uint64_t k = 0; k < std::min<std::uint64_t>(b.count, scenario.workload.windows); ++k) {
    if (windows.contains(trace_window(scenario.workload, b.at(k)))) {
      return true;
    }
  }
  return false;
}

// Worlds that were trained on or chosen by prove nothing, so the three sets must not meet.
void check_disjoint(const Scenario& scenario, const TrainOptions& options) {
  const std::string hint =
      scenario.workload.trace.empty()
          ? ""
          : " (a seed chooses one of " + std::to_string(scenario.workload.windows) +
                " windows of the trace, seed modulo windows; a shorter duration gives more)";
  if (share_a_world(scenario, options.train, options.validation)) {
    throw BadInput("--train-seeds and --validation-seeds overlap" + hint);
  }
  for (const std::uint64_t seed : scenario.seeds) {
    const SeedRange one{seed, 1};
    if (share_a_world(scenario, options.train, one) ||
        share_a_world(scenario, options.validation, one)) {
      throw BadInput(
          "seed " + std::to_string(seed) +
          ", of the scenario's evaluation seeds, is among those to train or to validate on" + hint);
    }
  }
}

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

void check_resume(const TrainOptions& options) {
  if (options.resume.empty()) {
    return;
  }
  try {
    const Checkpoint before = load_checkpoint(options.resume);
    if (before.algorithm != options.algorithm) {
      throw BadInput(options.resume + ": trained by " + before.algorithm + ", not by " +
                     options.algorithm);
    }
    if (options.algorithm == "residual_dqn" && before.network->base != options.base) {
      throw BadInput(options.resume + ": a residual on " + before.network->base + ", not on " +
                     options.base);
    }
  } catch (const CheckpointError& fault) {
    throw BadInput(fault.what());
  }
}

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
    std::string error;
    if (train_(&scenario, &options, &progress, &result, &error) != 0) {
      throw std::runtime_error(error);
    }
    return result;
  }

 private:
  void* handle_ = nullptr;
  TrainDqnFunction train_ = nullptr;
};

// One bar a phase; silent when the output is no terminal.
class TrainBar {
 public:
  bool operator()(const TrainProgress& now) {
    if (phase_ != now.phase) {
      bar_.reset();
      phase_ = now.phase;
      bar_ = std::make_unique<Progress>(phase_, now.total);
    }
    char note[80];
    std::snprintf(note, sizeof note, "loss %.3g  cost %.4g task-s/s", now.loss, -now.reward_per_s);
    bar_->note(now.reward_per_s < 0 ? note : "");
    bar_->set(now.done);
    return !interrupted();
  }

 private:
  std::string phase_;
  std::unique_ptr<Progress> bar_;
};

void print_json(const Checkpoint& c, const std::string& path) {
  nlohmann::json out = {{"checkpoint", path},
                        {"algorithm", c.algorithm},
                        {"decisions", c.training.decisions},
                        {"updates", c.training.updates},
                        {"line_search", nlohmann::json::array()}};
  for (const LineSearchPoint& p : c.training.line_search) {
    out["line_search"].push_back({{"lambda", p.lambda},
                                  {"mean_s", p.mean_s},
                                  {"difference_s", p.difference_s},
                                  {"error_s", p.error_s}});
  }
  if (c.network) {
    out["base"] = c.network->base;
    out["lambda"] = c.network->lambda;
  }
  std::printf("%s\n", out.dump(2).c_str());
}

void print_summary(const Checkpoint& c, const std::string& path) {
  std::printf("%s: %llu decisions, %llu updates\n", c.algorithm.c_str(),
              static_cast<unsigned long long>(c.training.decisions),
              static_cast<unsigned long long>(c.training.updates));
  if (!c.training.line_search.empty()) {
    std::printf("\nweight of the network, tried on %llu validation seeds\n%8s  %20s  %12s  %14s\n",
                static_cast<unsigned long long>(c.training.validation.count), "weight",
                "mean completion [s]", "change [s]", "std. error [s]");
    for (const LineSearchPoint& p : c.training.line_search) {
      std::printf("%8.2f  %20.4f  %+12.4f  %14.4f%s\n", p.lambda, p.mean_s, p.difference_s,
                  p.error_s, c.network && p.lambda == c.network->lambda ? "  chosen" : "");
    }
    if (c.network && !c.network->base.empty() && c.network->lambda == 0) {
      std::printf(
          "No weight was better by more than its error: the checkpoint decides as %s does.\n",
          c.network->base.c_str());
    }
  }
  std::printf("\nwrote %s\n", path.c_str());
}

int run_train(TrainCommand command) {
  TrainOptions& options = command.options;
  options.double_q = !command.no_double;
  options.dueling = !command.no_dueling;
  options.train = parse_range("--train-seeds", command.train_seeds);
  options.validation = parse_range("--validation-seeds", command.validation_seeds);
  check_options(options);
  check_resume(options);
  const Scenario scenario = command.scenario.load();
  check_disjoint(scenario, options);
  if (scenario.nodes() < 2) {
    throw BadInput("a fleet of one node leaves nothing to learn");
  }
  std::filesystem::path folder = std::filesystem::path(options.output).parent_path();
  if (!folder.empty()) {
    std::filesystem::create_directories(folder);
  }
  Checkpoint checkpoint;
  {
    TrainBar bar;
    const ProgressFunction progress = std::ref(bar);
    checkpoint = options.algorithm == "tabular_q"
                     ? train_tabular(scenario, options, progress)
                     : TorchModule().train(scenario, options, progress);
  }
  if (command.json) {
    print_json(checkpoint, options.output);
  } else {
    print_summary(checkpoint, options.output);
  }
  return interrupted() ? kExitFailure : kExitOk;
}

// How deep Q-learning learns.
void add_learning_options(CLI::App& command, TrainOptions& o) {
  command.add_option("--hidden", o.hidden, "units of a hidden layer")
      ->check(CLI::Range(4, 256))
      ->capture_default_str();
  command.add_option("--batch", o.batch, "transitions of a gradient step")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  command.add_option("--replay", o.replay_decisions, "decisions that the replay memory holds")
      ->capture_default_str();
  command
      .add_option("--decisions-per-update", o.decisions_per_update,
                  "played between two gradient steps, by all environments")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  command.add_option("--n-step", o.n_step, "rewards summed before the bootstrap")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  command.add_option("--learning-rate", o.learning_rate, "of Adam, at the start")
      ->capture_default_str();
  command
      .add_option("--target-rate", o.target_rate,
                  "how far the target network moves at each gradient step")
      ->capture_default_str();
  command.add_option("--epsilon", o.epsilon_first, "share of exploring decisions at the start")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command.add_option("--epsilon-end", o.epsilon_last, "and from the middle on")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  command.add_option("--temperature", o.temperature, "of exploring decisions, in units of reward")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
}

}  // namespace

void add_train_command(CLI::App& app, Command& chosen) {
  const auto command = std::make_shared<TrainCommand>();
  TrainOptions& o = command->options;
  o.threads = static_cast<int>(std::clamp(std::thread::hardware_concurrency(), 1U, 16U));
  o.output = "checkpoint.json";
  CLI::App* sub = app.add_subcommand("train",
                                     "Learns a dispatcher on a scenario and writes a checkpoint, "
                                     "which run and evaluate take as a policy.\n"
                                     "residual_dqn learns what to add to a rule; how much of it is "
                                     "trusted is chosen on validation seeds, and\n"
                                     "may be nothing. dqn learns from nothing, tabular_q learns "
                                     "which rule decides; both are for comparison.");
  command->scenario.add_to(*sub);
  sub->add_option("--algorithm", o.algorithm, "residual_dqn, dqn or tabular_q")
      ->check(CLI::IsMember({"residual_dqn", "dqn", "tabular_q"}))
      ->capture_default_str();
  sub->add_option("--base", o.base, "residual_dqn: the rule, one whose scores are seconds")
      ->capture_default_str();
  sub->add_option("-o,--output", o.output, "checkpoint to write, also now and then on the way")
      ->capture_default_str();
  sub->add_option(
         "--resume", o.resume,
         "go on from this checkpoint, with an empty replay memory and the first training seeds")
      ->check(CLI::ExistingFile);
  sub->add_option("--updates", o.updates,
                  "gradient steps; tabular_q: decisions of each environment")
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{1'000'000'000}))
      ->capture_default_str();
  sub->add_option("--seed", o.seed, "of weights, exploration and replay")->capture_default_str();
  sub->add_option("--train-seeds", command->train_seeds, "worlds to train on, first..last")
      ->capture_default_str();
  sub->add_option("--validation-seeds", command->validation_seeds,
                  "worlds that choose the network's weight")
      ->capture_default_str();
  sub->add_option("--threads", o.threads,
                  "of actors and validation; the result does not depend on it")
      ->check(CLI::Range(1, 256));
  sub->add_option("--envs", o.envs, "environments played at the same time")
      ->check(CLI::Range(1, 4096))
      ->capture_default_str();
  add_learning_options(*sub, o);
  sub->add_option("--trust", o.trust, "residual_dqn: weight of the network while it trains")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  sub->add_flag("--no-double", command->no_double,
                "choose and value the next action by the same network");
  sub->add_flag("--no-dueling", command->no_dueling, "no separate value of the state");
  sub->add_flag("--json", command->json, "print the result as JSON");
  sub->callback([command, &chosen] { chosen = [command] { return run_train(*command); }; });
}

}  // namespace yardmaster
