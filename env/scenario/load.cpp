#include "env/scenario/load.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "env/scenario/capacity.h"
#include "env/scenario/sections.h"
#include "env/workload/trace.h"

namespace yardmaster {

namespace {

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) {
    text += (text.empty() ? "" : "\n") + line;
  }
  return text;
}

void throw_if_any(const yaml::Faults& faults) {
  if (!faults.empty()) {
    throw ConfigError(faults.lines());
  }
}

std::string decimal(double value) { return yaml::format(std::round(value * 1000) / 1000); }

/// Compiles the step costs and finds the capacities of all kinds of node.
void compile_nodes(Draft& draft, yaml::Faults& faults) {
  Scenario& scenario = draft.scenario;
  for (std::size_t k = 0; k < scenario.kinds.size(); ++k) {
    NodeKind& kind = scenario.kinds[k];
    compile_kind(kind, scenario.network);
    kind.capacity_per_s = saturated_rate(kind.settings, scenario.workload);
    scenario.capacity_per_s += kind.count * kind.capacity_per_s;
    for (std::int32_t i = 0; i < kind.count; ++i) {
      scenario.kind_of.push_back(static_cast<std::uint32_t>(k));
    }
  }
  // A kind on which no request fits is legal for none; it stands idle beside the others.
  for (std::size_t k = 0; k < scenario.kinds.size() && !(scenario.capacity_per_s > 0); ++k) {
    faults.add(draft.node_places[k], "nodes[" + std::to_string(k) + "]",
               "no request of the workload fits (prompt and output may have " +
                   std::to_string(scenario.kinds[k].settings.rules.max_model_len) +
                   " tokens together)");
  }
}

/// Requests/s of a trace at its own speed: its span has n - 1 gaps.
double own_rate(const std::vector<TraceRow>& trace) {
  return static_cast<double>(trace.size() - 1) / trace.back().arrival.seconds();
}

/// Scale, length and windows of a trace.
void fit_trace(Draft& draft, yaml::Faults& faults) {
  Scenario& scenario = draft.scenario;
  Workload& work = scenario.workload;
  work.time_scale = own_rate(work.trace) / work.rate_per_s;
  // Its length is its span and one more gap, so rate times length is its number of rows.
  const double length_s = static_cast<double>(work.trace.size()) / work.rate_per_s;
  if (!(length_s < kLongestDuration.seconds())) {
    faults.add(draft.rate_place, "workload",
               "the trace would last longer than 50 days at " + decimal(work.rate_per_s) + " /s");
    return;
  }
  const Duration length = Duration::from_seconds(length_s);
  scenario.duration = draft.duration.value_or(length);
  if (scenario.duration > length) {
    faults.add(draft.duration_place, "duration",
               "the trace lasts only " + decimal(length.seconds()) + " s at " +
                   decimal(work.rate_per_s) + " /s (expected no more)");
    return;
  }
  work.window = scenario.duration;
  work.windows =
      static_cast<std::uint32_t>(std::min<std::int64_t>(length.ps / work.window.ps, 0xFFFFFFFF));
}

/// A trace has no randomness: equal windows would count the same evidence twice.
void fit_seeds(Draft& draft, yaml::Faults& faults) {
  Scenario& scenario = draft.scenario;
  const std::uint32_t windows = scenario.workload.windows;
  if (!draft.seeds) {
    scenario.seeds.resize(std::min<std::size_t>(scenario.seeds.size(), windows));
    return;
  }
  std::set<std::uint64_t> chosen;
  for (const std::uint64_t seed : scenario.seeds) {
    chosen.insert(seed % windows);
  }
  if (chosen.size() < scenario.seeds.size()) {
    faults.add(draft.seeds_place, "compare.seeds",
               std::to_string(scenario.seeds.size()) + " seeds select only " +
                   std::to_string(chosen.size()) + " different ones of the trace's " +
                   std::to_string(windows) + " windows (a seed selects window seed mod " +
                   std::to_string(windows) + "; a shorter duration gives more windows)");
  }
}

/// Rates and times, once the capacity is known.
void fit_workload(Draft& draft, yaml::Faults& faults) {
  Scenario& scenario = draft.scenario;
  Workload& work = scenario.workload;
  work.mean = mean_task(work);
  work.load = draft.load.value_or(0);
  work.rate_per_s = draft.load         ? *draft.load * scenario.capacity_per_s
                    : draft.rate_per_s ? *draft.rate_per_s
                    : draft.has_trace  ? own_rate(work.trace)
                                       : 0;
  if (draft.has_trace) {
    fit_trace(draft, faults);
    if (faults.empty()) {
      fit_seeds(draft, faults);
    }
  } else {
    scenario.duration = draft.duration.value_or(Duration::from_seconds(60));
    if (work.rate_per_s * scenario.duration.seconds() > 2e9) {
      faults.add(draft.rate_place, "workload", "more than 2e9 requests in all");
    }
  }
  scenario.warm_up = draft.warm_up.value_or(Duration{scenario.duration.ps / 10});
  if (scenario.warm_up >= scenario.duration && faults.empty()) {
    faults.add(draft.warm_up_place, "warm_up",
               "leaves nothing of the duration, " + yaml::format(scenario.duration));
  }
}

void read_the_trace(Draft& draft, yaml::Faults& faults) {
  Workload& work = draft.scenario.workload;
  if (work.trace_path.empty()) {
    return;
  }
  yaml::Faults inside;
  Trace trace = read_trace(work.trace_path, kBlockTokens, inside);
  work.trace = std::move(trace.rows);
  work.paths = std::move(trace.paths);
  work.declares_max_tokens = trace.declares_max_tokens;
  for (const std::string& line : inside.lines()) {
    faults.add(draft.trace_place, "workload.trace", line);
  }
  if (!inside.empty()) {
    faults.add(draft.trace_place, "workload.trace", "give a trace with --set workload.trace=PATH");
  } else if (work.trace.back().arrival == Duration::zero()) {
    faults.add(draft.trace_place, "workload.trace", "all requests arrive at the same time");
  }
}

/// The catalogue entries that the nodes use, so that the resolved text needs no other catalogue.
yaml::Node used_entries(const Scenario& scenario, const Catalogue& catalogue) {
  yaml::Node all;
  all.kind = yaml::Node::Kind::map;
  const auto add = [&](const char* kind, const auto& entries, const auto& is_used) {
    yaml::Node map;
    map.kind = yaml::Node::Kind::map;
    for (const auto& entry : entries) {
      if (std::any_of(scenario.kinds.begin(), scenario.kinds.end(),
                      [&](const NodeKind& k) { return is_used(k) == entry.spec.name; })) {
        map.entries.push_back({entry.spec.name, {}, entry.resolved});
      }
    }
    all.entries.push_back({kind, {}, std::move(map)});
  };
  add("gpus", catalogue.gpus, [](const NodeKind& k) { return k.gpu.name; });
  add("models", catalogue.models, [](const NodeKind& k) { return k.model.name; });
  add("engines", catalogue.engines, [](const NodeKind& k) { return k.engine.name; });
  add("profiles", catalogue.profiles, [](const NodeKind& k) { return k.profile.name; });
  return all;
}

/// The scenario as text: everything that was read, with defaults replaced by derived values.
std::string resolved_text(yaml::Section& root, const Scenario& scenario,
                          const Catalogue& catalogue) {
  root.resolve("duration", scenario.duration);
  root.resolve("warm_up", scenario.warm_up);
  yaml::Node all = root.resolved();
  std::erase_if(all.entries, [](const yaml::Entry& entry) { return entry.key == "catalogue"; });
  for (yaml::Entry& section : all.entries) {
    for (yaml::Entry& entry : section.value.entries) {
      if (section.key == "compare" && entry.key == "seeds") {
        entry.value = yaml::list_node(
            std::vector<std::int64_t>(scenario.seeds.begin(), scenario.seeds.end()));
      }
    }
  }
  all.entries.push_back({"catalogue", {}, used_entries(scenario, catalogue)});
  return yaml::emit(all);
}

Scenario compile(yaml::Node tree, const std::string& path, const std::vector<Override>& overrides,
                 yaml::Faults& faults) {
  for (const auto& [key, value] : overrides) {
    yaml::override_value(tree, key, value, faults);
  }
  Catalogue catalogue;
  load_catalogue(catalogue_folder(path), catalogue, faults);
  Draft draft;
  draft.scenario.path = path;
  yaml::Section root(tree, faults);
  read_scenario(root, catalogue, draft);
  root.finish();
  read_the_trace(draft, faults);
  throw_if_any(faults);
  compile_nodes(draft, faults);
  throw_if_any(faults);
  fit_workload(draft, faults);
  throw_if_any(faults);
  for (NodeKind& kind : draft.scenario.kinds) {  // after capacity, which is without prefix hits
    kind.settings.rules.enable_prefix_caching =
        kind.prefix_caching.value_or(draft.scenario.workload.paths.runs() > 0);
  }
  draft.scenario.resolved = resolved_text(root, draft.scenario, catalogue);
  return std::move(draft.scenario);
}

}  // namespace

void compile_kind(NodeKind& kind, const Network& network) {
  NodeSettings& settings = kind.settings;
  const StepLimits limits{settings.rules.max_num_seqs, settings.rules.max_num_batched_tokens};
  const auto cost = [&](double slow) {
    return kind.profile.empty()
               ? StepCost(kind.gpu, kind.model, kind.engine, kind.tensor_parallel, limits, slow)
               : StepCost(kind.profile, kind.gpu, kind.model, kind.engine, limits, slow);
  };
  settings.rules.steps_in_flight = kind.engine.asynchronous ? 2 : 1;
  // Rounded as in vLLM: a share of all blocks, including the null block.
  settings.rules.watermark_blocks =
      static_cast<std::int32_t>(kind.watermark * static_cast<double>(settings.grant.blocks + 1));
  settings.rules.response_latency = network.latency;
  const StepCost normal = cost(1);
  const bool slows = kind.slowdowns.between > Duration::zero() && kind.slowdown_factor > 1;
  settings.costs = CostBook(normal, slows ? cost(kind.slowdown_factor) : normal);
  kind.work = work_cost(kind.gpu, kind.model, kind.tensor_parallel);
}

ConfigError::ConfigError(std::vector<std::string> faults)
    : std::runtime_error(joined(faults)), faults_(std::move(faults)) {}

Scenario load_scenario(const std::string& path, const std::vector<Override>& overrides) {
  yaml::Faults faults;
  yaml::Node tree = yaml::parse_file(path, faults);
  if (tree.place.line == 0) {
    throw_if_any(faults);  // no file: every key would be reported as missing too
  }
  return compile(std::move(tree), path, overrides, faults);
}

Scenario load_scenario_text(const std::string& text, const std::string& path,
                            const std::vector<Override>& overrides) {
  yaml::Faults faults;
  yaml::Node tree = yaml::parse(text, path, faults);
  return compile(std::move(tree), path, overrides, faults);
}

}  // namespace yardmaster
