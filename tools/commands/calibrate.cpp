// `yardmaster calibrate`: makes catalogue entries from kernel profiles. With --host, it finds the
// two host times of a machine from a measured run.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cctype>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <system_error>
#include <utility>

#include "env/config/document.h"
#include "env/hardware/catalogue.h"
#include "tools/command.h"
#include "tools/shipped_catalogue.h"
#include "tools/validation/host_fit.h"
#include "tools/validation/profile_fit.h"

namespace yardmaster {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDefaultSource = "layer profiles given by the user";

struct CalibrateOptions {
  std::string folder, gpu, model, source, output, measured, requests;
  ScenarioOptions scenario;
  bool host = false, force = false, json = false;
};

/// `key: [a, b, ...]`, wrapped, with four significant digits unless `whole`.
std::string yaml_list(const std::string& key, const std::vector<double>& values, bool whole) {
  std::string text = "    " + key + ": [", line = text;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::string value =
        whole ? fmt::format("{:.0f}", values[i]) : fmt::format("{:.4g}", values[i]);
    const std::string item = value + (i + 1 < values.size() ? ", " : "]\n");
    if (line.size() + item.size() > 120) {
      text.back() = '\n';
      line = "      ";
      text += line;
    }
    line += item;
    text += item;
  }
  return text;
}

std::string percent(const FitError& e) {
  return fmt::format("{:.1f}/{:.1f}/{:.0f} % on {} cells", 100 * e.mean, 100 * e.p90, 100 * e.worst,
                     e.cells);
}

std::string yaml_text(const FittedProfile& fitted, const CalibrateOptions& options) {
  const StepProfile& p = fitted.profile;
  const std::string skew = fitted.skew.cells > 0
                               ? "batches with up to half long contexts " + percent(fitted.skew)
                               : "no skew profiled, none assumed";
  std::string text = fmt::format(
      "# Made by `yardmaster calibrate`: times of all layers together in microseconds, without\n"
      "# communication and host time. Errors are mean / 90th percentile / worst.\n"
      "profiles:\n  {}:\n    source: \"{}. Thinned tables against all of its cells: decode-only "
      "attention {}; attention with a chunk {}; {}\"\n"
      "    gpu: {}\n    model: {}\n    tensor_parallel: {}\n",
      p.name, options.source, percent(fitted.decode), percent(fitted.mixed), skew, p.gpu, p.model,
      p.tensor_parallel);
  text += yaml_list("tokens", p.tokens, true) + yaml_list("dense_us", p.dense_us, false);
  if (!p.experts_us.empty()) {
    text += yaml_list("experts_us", p.experts_us, false);
  }
  text += yaml_list("sequences", p.sequences, true) + yaml_list("head_us", p.head_us, false) +
          yaml_list("decodes", p.decodes, true) + yaml_list("contexts", p.contexts, true) +
          yaml_list("decode_us", p.decode_us, false) + yaml_list("chunks", p.chunks, true) +
          yaml_list("histories", p.histories, true) +
          yaml_list("mixed_decodes", p.mixed_decodes, true) +
          yaml_list("mixed_contexts", p.mixed_contexts, true) +
          yaml_list("mixed_us", p.mixed_us, false);
  return text + fmt::format(
                    "    other_token_us: {:.4g}\n    other_pair_us: {:.4g}\n"
                    "    unsplit_decodes: {}\n    skew_us: {:.4g}\n    floor_us: {:.4g}\n",
                    p.other_token_us, p.other_pair_us, p.unsplit_decodes, p.skew_us, p.floor_us);
}

void write_whole(const fs::path& path, const std::string& text) {
  const std::string temporary = path.string() + ".tmp";
  std::ofstream out(temporary, std::ios::trunc);
  out << text;
  out.close();
  if (!out || std::rename(temporary.c_str(), path.c_str()) != 0) {
    std::remove(temporary.c_str());
    throw std::runtime_error("cannot write " + path.string());
  }
}

/// The degrees of tensor parallelism that a folder holds: 1 at its top, the others in tp2, tp4 ...
std::vector<int> degrees_in(const fs::path& folder) {
  std::vector<int> degrees = {1};
  for (int k = 2; k <= 64; ++k) {
    std::error_code ignored;
    if (fs::is_directory(folder / fmt::format("tp{}", k), ignored)) {
      degrees.push_back(k);
    }
  }
  return degrees;
}

/// The words of a name in lower case: runs of letters and digits.
std::set<std::string> words_of(const std::string& name) {
  std::set<std::string> words;
  std::string word;
  for (const char c : name + " ") {
    const bool part = std::isalnum(static_cast<unsigned char>(c)) != 0;
    if (part) {
      word += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    } else if (!word.empty()) {
      words.insert(std::exchange(word, ""));
    }
  }
  return words;
}

/// Whether a profiler's name of a GPU or model may mean this entry of the catalogue: it contains
/// all words of the entry's name except those for form factor and number format.
bool may_be(const std::string& profiled, const std::string& name) {
  const std::set<std::string> words = words_of(profiled);
  const std::set<std::string> optional = {"sxm", "trtllm", "fp8", "kv8"};
  const std::set<std::string> asked = words_of(name);
  return std::all_of(asked.begin(), asked.end(), [&](const std::string& word) {
    return words.contains(word) || optional.contains(word);
  });
}

/// Warns on stderr when the profiler's own record seems to name another GPU or model. Names are
/// free text, so it may still be the same one.
void warn_of_other_names(const CalibrateOptions& options) {
  const fs::path path = fs::path(options.folder) / "meta.yaml";
  if (!fs::exists(path)) {
    return;
  }
  yaml::Faults faults;  // ignored: a record that cannot be read contradicts nothing
  const yaml::Node record = yaml::parse_file(path.string(), faults);
  const std::array<std::array<std::string, 3>, 2> names = {
      {{"gpu", "--gpu", options.gpu}, {"model", "--model", options.model}}};
  for (const auto& [key, option, name] : names) {
    const yaml::Node* profiled = yaml::find(record, key);
    if (profiled != nullptr && !profiled->scalar.empty() && !may_be(profiled->scalar, name)) {
      fmt::print(stderr, "{}:{}: warning: {} is \"{}\", which may not be {} {}\n", path.string(),
                 profiled->place.line, key, profiled->scalar, option, name);
    }
  }
}

int calibrate_profile(const CalibrateOptions& options) {
  if (options.gpu.empty() || options.model.empty()) {
    throw BadInput("calibrate needs --gpu and --model, names of the catalogue");
  }
  const Catalogue catalogue = shipped_catalogue();
  const GpuSpec gpu = named(catalogue.gpus, "--gpu", options.gpu);
  const ModelSpec model = named(catalogue.models, "--model", options.model);
  warn_of_other_names(options);
  std::vector<std::pair<fs::path, std::string>> files;
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const int k : degrees_in(options.folder)) {
    const std::string folder = options.folder + (k > 1 ? fmt::format("/tp{}", k) : "");
    const FittedProfile fitted = fit_profile(folder, options.folder, gpu, model, k);
    const fs::path path = fs::path(options.output) / (fitted.profile.name + ".yaml");
    if (!options.output.empty()) {
      check_output_file(path.string(), options.force);
    }
    files.emplace_back(path, yaml_text(fitted, options));
    const auto error = [](const FitError& e) {
      return nlohmann::ordered_json{
          {"cells", e.cells}, {"mean", e.mean}, {"p90", e.p90}, {"worst", e.worst}};
    };
    rows.push_back({{"profile", fitted.profile.name},
                    {"decode", error(fitted.decode)},
                    {"mixed", error(fitted.mixed)},
                    {"skew", error(fitted.skew)}});
    if (!options.json) {
      fmt::print("{}: decode-only attention {}; with a chunk {}; unequal contexts {}\n",
                 fitted.profile.name, percent(fitted.decode), percent(fitted.mixed),
                 percent(fitted.skew));
    }
  }
  if (!options.output.empty()) {
    fs::create_directories(options.output);
    for (const auto& [path, text] : files) {
      write_whole(path, text);
    }
  }
  if (options.json) {
    fmt::print("{}\n", nlohmann::ordered_json{{"profiles", rows}}.dump(2));
  }
  return kExitOk;
}

int calibrate_host(const CalibrateOptions& options) {
  if (options.measured.empty() || options.scenario.file.empty()) {
    throw BadInput("calibrate --host needs --measured FILE and --scenario FILE");
  }
  const std::vector<Served> run = read_measured_run(options.measured);
  const auto [first, last] = parse_requests(options.requests, run.size());
  warn_of_unit(run);
  const HostFit fit = fit_host(run, options.scenario.load(), first, last);
  if (options.json) {
    const auto number = [](const HostNumber& n) {
      return nlohmann::ordered_json{{"value_s", n.value}, {"low_s", n.low}, {"high_s", n.high}};
    };
    fmt::print("{}\n", nlohmann::ordered_json{{"step", number(fit.step)},
                                              {"uncaptured_step", number(fit.uncaptured_step)}}
                           .dump(2));
    return kExitOk;
  }
  const auto line = [](const char* key, const HostNumber& n) {
    fmt::print("  {}: {:.3f} ms   # {:.3f} to {:.3f}\n", key, 1e3 * n.value, 1e3 * n.low,
               1e3 * n.high);
  };
  fmt::print(
      "# in addition to the scenario's own host times; 95 % bootstrap intervals; requests {} to "
      "{}\nmachine:\n",
      first, last);
  line("step", fit.step);
  line("uncaptured_step", fit.uncaptured_step);
  return kExitOk;
}

/// Throws BadInput for an option of the other mode.
void check_options(const CalibrateOptions& o) {
  if (o.host == !o.folder.empty()) {
    throw BadInput("calibrate takes either PROFILE_DIR or --host");
  }
  const std::array<std::pair<const char*, bool>, 5> of_profiles = {
      {{"--gpu", !o.gpu.empty()},
       {"--model", !o.model.empty()},
       {"--source", o.source != kDefaultSource},
       {"--output", !o.output.empty()},
       {"--force", o.force}}};
  const std::array<std::pair<const char*, bool>, 4> of_host = {
      {{"--measured", !o.measured.empty()},
       {"--requests", !o.requests.empty()},
       {"--scenario", !o.scenario.file.empty()},
       {"--set", !o.scenario.set.empty()}}};
  const auto refuse = [](const auto& others, const char* of) {
    for (const auto& [option, given] : others) {
      if (given) {
        throw BadInput(fmt::format("{} is an option of calibrate {}", option, of));
      }
    }
  };
  o.host ? refuse(of_profiles, "PROFILE_DIR, not of --host")
         : refuse(of_host, "--host, not of PROFILE_DIR");
}

int calibrate(const CalibrateOptions& options) {
  check_options(options);
  return options.host ? calibrate_host(options) : calibrate_profile(options);
}

}  // namespace

void add_calibrate_command(CLI::App& app, Command& chosen) {
  const auto options = std::make_shared<CalibrateOptions>();
  CLI::App& command = *app.add_subcommand(
      "calibrate", "Make catalogue entries from kernel profiles, or find a machine's host times");
  command
      .add_option("profile", options->folder,
                  "Folder with the tables dense, per_sequence, attention and optionally moe and "
                  "skew as .csv or .csv.gz; those of 2 GPUs in its folder tp2, and so on")
      ->type_name("PROFILE_DIR");
  command.add_option("--gpu", options->gpu, "The profiled GPU: a name of the catalogue");
  command.add_option("--model", options->model, "The profiled model: a name of the catalogue");
  options->source = kDefaultSource;
  command.add_option("--source", options->source,
                     "Source of the profiles, to be stated in the entry");
  command
      .add_option("-o,--output", options->output,
                  "Write one YAML file per number of GPUs here; without it nothing is written")
      ->type_name("DIR");
  command.add_flag("--force", options->force, "Replace existing files");
  command.add_flag("--host", options->host,
                   "Find machine.step and machine.uncaptured_step from a measured run");
  command.add_option("--measured", options->measured,
                     "With --host: a measured run as for validate-node, with scheduled_s");
  options->scenario.add_as_option(command, false);
  command.add_option("--requests", options->requests,
                     "With --host: fit only these, FIRST..LAST in order of arrival");
  command.add_flag("--json", options->json, "Print one JSON object on stdout and nothing else");
  command.callback([options, &chosen] { chosen = [options] { return calibrate(*options); }; });
}

}  // namespace yardmaster
