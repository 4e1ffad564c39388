// `yardmaster list`: the names that scenarios and command lines may use.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

#include "env/hardware/catalogue.h"
#include "tools/command.h"
#include "tools/shipped_catalogue.h"
#include "tools/table.h"

namespace yardmaster {
namespace {

namespace fs = std::filesystem;

/// A table of names. The first `texts` columns are text, the others are numbers.
struct Listing {
  std::size_t texts;
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;
  std::vector<std::vector<Knob>> knobs = {};  // [row], of policies
};

template <class Entry>
Listing list_table(std::span<const Entry> table, const char* what_it_does) {
  Listing listing{2, {"name", what_it_does}, {}};
  for (const Entry& entry : table) {
    Knobs defaults;
    entry.make(defaults);
    listing.rows.push_back({std::string(entry.name), std::string(entry.summary)});
    listing.knobs.push_back(defaults.declared());
  }
  return listing;
}

Listing list_policies() { return list_table(dispatch_table(), "sends a task to"); }
Listing list_orderings() { return list_table(ordering_table(), "serves first"); }

Listing list_gpus() {
  Listing listing{1, {"name", "bf16 TFLOP/s", "memory GiB", "bandwidth GB/s"}, {}};
  for (const auto& entry : shipped_catalogue().gpus) {
    listing.rows.push_back({entry.spec.name, fmt::format("{:.0f}", entry.spec.bf16.flops / 1e12),
                            fmt::format("{:.1f}", entry.spec.memory_bytes / 1024 / 1024 / 1024),
                            fmt::format("{:.0f}", entry.spec.memory_bandwidth / 1e9)});
  }
  return listing;
}

Listing list_models() {
  Listing listing{1, {"name", "parameters, 1e9", "layers", "context tokens"}, {}};
  for (const auto& entry : shipped_catalogue().models) {
    listing.rows.push_back({entry.spec.name, fmt::format("{:.2f}", entry.spec.parameters / 1e9),
                            std::to_string(entry.spec.layers),
                            std::to_string(entry.spec.max_context_tokens)});
  }
  return listing;
}

Listing list_engines() {
  Listing listing{2, {"name", "scheduling", "max_num_seqs", "max_num_batched_tokens"}, {}};
  for (const auto& entry : shipped_catalogue().engines) {
    listing.rows.push_back({entry.spec.name,
                            entry.spec.asynchronous ? "asynchronous" : "synchronous",
                            std::to_string(entry.spec.max_num_seqs),
                            std::to_string(entry.spec.max_num_batched_tokens)});
  }
  return listing;
}

// The first sentence of the comment at the top of a scenario.
std::string first_sentence(const fs::path& path) {
  std::ifstream in(path);
  std::string line, text;
  while (std::getline(in, line) && line.rfind("# ", 0) == 0) {
    text += (text.empty() ? "" : " ") + line.substr(2);
  }
  text = text.substr(0, text.find(". "));
  return text.substr(0, text.find_last_not_of('.') + 1);
}

Listing list_scenarios() {
  Listing listing{2, {"name", "description"}, {}};
  const fs::path folder = fs::path(catalogue_folder("")).parent_path();
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == ".yaml") {
      files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  for (const fs::path& file : files) {
    listing.rows.push_back(
        {file.lexically_proximate(fs::current_path()).string(), first_sentence(file)});
  }
  return listing;
}

const std::vector<std::pair<std::string, Listing (*)()>>& kinds() {
  static const std::vector<std::pair<std::string, Listing (*)()>> table = {
      {"policies", list_policies}, {"orderings", list_orderings}, {"gpus", list_gpus},
      {"models", list_models},     {"engines", list_engines},     {"scenarios", list_scenarios}};
  return table;
}

struct ListOptions {
  std::string kind;
  bool json = false, scenario_reference = false;
};

std::span<const Knob> knobs_of(const Listing& listing, std::size_t row) {
  return row < listing.knobs.size() ? std::span<const Knob>(listing.knobs[row])
                                    : std::span<const Knob>();
}

std::string listing_text(const Listing& listing) {
  TextTable table(listing.columns, listing.texts);
  for (std::size_t r = 0; r < listing.rows.size(); ++r) {
    table.add(listing.rows[r]);
    for (const Knob& knob : knobs_of(listing, r)) {
      table.add({fmt::format("  :{}={}", knob.name, knob.value),
                 fmt::format("  {} ({} to {})", knob.doc, knob.min, knob.max)});
    }
  }
  return table.text();
}

nlohmann::ordered_json listing_json(const Listing& listing) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (std::size_t r = 0; r < listing.rows.size(); ++r) {
    nlohmann::ordered_json object;
    for (std::size_t c = 0; c < listing.columns.size(); ++c) {
      object[listing.columns[c]] = listing.rows[r][c];
    }
    for (const Knob& knob : knobs_of(listing, r)) {
      object["knobs"].push_back({{"name", knob.name},
                                 {"default", knob.value},
                                 {"min", knob.min},
                                 {"max", knob.max},
                                 {"meaning", knob.doc}});
    }
    rows.push_back(std::move(object));
  }
  return rows;
}

int list(const ListOptions& options) {
  if (options.scenario_reference) {
    fmt::print("{}", scenario_reference());
    return kExitOk;
  }
  nlohmann::ordered_json json;
  std::string text;
  for (const auto& [name, make] : kinds()) {
    if (options.kind.empty() || options.kind == name) {
      const Listing listing = make();
      json[name] = listing_json(listing);
      text += (text.empty() ? "" : "\n") + (options.kind.empty() ? name + "\n" : std::string()) +
              listing_text(listing);
    }
  }
  fmt::print("{}", options.json ? json.dump(2) + "\n" : text);
  return kExitOk;
}

}  // namespace

void add_list_command(CLI::App& app, Command& chosen) {
  const auto options = std::make_shared<ListOptions>();
  CLI::App& command = *app.add_subcommand(
      "list", "List policies, orderings, GPUs, models, engines and scenarios by name");
  std::vector<std::string> names;
  for (const auto& [name, make] : kinds()) {
    names.push_back(name);
  }
  command
      .add_option("what", options->kind,
                  fmt::format("One of {}; default: all", fmt::join(names, ", ")))
      ->check(CLI::IsMember(names))
      ->type_name("WHAT");
  CLI::Option* reference =
      command.add_flag("--scenario-reference", options->scenario_reference,
                       "Print docs/scenario.md, generated from the declarations of the reader");
  command.add_flag("--json", options->json, "Print one JSON object on stdout and nothing else")
      ->excludes(reference);
  command.callback([options, &chosen] { chosen = [options] { return list(*options); }; });
}

}  // namespace yardmaster
