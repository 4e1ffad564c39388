#include "env/scenario/sections.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "env/scenario/policy_list.h"

namespace yardmaster {

namespace {

using yaml::Section;

constexpr Duration kMillisecond{1'000'000'000};
constexpr Duration kSecond{kPsPerSecond};
constexpr Duration kShortest{1};  // of durations that must not be zero

void read_own_catalogue(Section& root, Catalogue& catalogue, const std::string& scenario_path) {
  root.optional_section(
      "catalogue",
      "Your own GPUs, models and engines, in addition to the shipped ones of "
      "`scenarios/catalogue/`.",
      [&](Section& s) {
        const auto file = s.find<std::string>(
            {.key = "file",
             .doc = "A file with the sections below. Its path is relative to the scenario.",
             .fallback_text = "none"});
        if (file && s.sound()) {
          const std::filesystem::path path =
              std::filesystem::path(scenario_path).parent_path() / std::filesystem::path(*file);
          yaml::Faults& faults = s.faults();
          const yaml::Node tree = yaml::parse_file(path.lexically_normal().string(), faults);
          Section own(tree, faults);
          read_catalogue(own, catalogue);
          own.finish();
        }
        read_catalogue(s, catalogue);
      },
      "file");
}

void read_network(Section& s, Network& network) {
  network.frontend = s.get<Duration>({.key = "frontend",
                                      .doc = "From a request's arrival to the dispatcher.",
                                      .fallback = kMillisecond});
  network.latency = s.get<Duration>({.key = "latency",
                                     .doc = "Between dispatcher and node, each way.",
                                     .fallback = Duration{kMillisecond.ps / 5}});
  network.bandwidth_bytes_per_s =
      s.get<yaml::BytesPerSecond>({.key = "bandwidth",
                                   .doc = "To a node, for prompts of 4 bytes per token.",
                                   .fallback = yaml::BytesPerSecond{1.25e9},
                                   .word = "unlimited",
                                   .word_value = yaml::BytesPerSecond{0}})
          .value;
}

void read_dispatch(Section& s, DispatchRules& rules) {
  rules.window =
      s.get<std::int32_t>({.key = "window",
                           .doc = "Unfinished tasks on one node, at most. The others wait in the "
                                  "ready queue.",
                           .fallback = kUnlimitedWindow,
                           .min = 1,
                           .max = kUnlimitedWindow,
                           .word = "unlimited",
                           .word_value = kUnlimitedWindow});
  rules.ordering = s.get<std::string>(
      {.key = "ordering",
       .doc = "Ordering of the ready queue: NAME or NAME:KNOB=VALUE,KNOB=VALUE of "
              "`yardmaster list orderings`. Has an effect only if tasks wait: in the "
              "ready queue, with a finite `window`, or on nodes with `policy: priority`.",
       .fallback = rules.ordering});
  rules.detection = s.get<Duration>({.key = "detection",
                                     .doc = "From a node's crash until the dispatcher "
                                            "sends its tasks elsewhere. Read with `failures`.",
                                     .fallback = kSecond * 5});
  rules.allow_rejection = s.get<bool>(
      {.key = "allow_rejection",
       .doc = "Whether tasks may be rejected. Read by environments for learners that offer "
              "rejection; no rule and no algorithm of `train` rejects.",
       .fallback = false});
  rules.prefix_index = s.choice<PrefixSource>(
      {.key = "prefix_index",
       .doc = "Source of the dispatcher's prefix index. `events`: what the nodes report of their "
              "caches. `sent`: the dispatcher's own record of what it sent. Read by `cache_aware`, "
              "where prompts share prefixes.",
       .fallback = "events"},
      {{"events", PrefixSource::events}, {"sent", PrefixSource::sent}});
}

void read_reports(Section& s, Reports& reports) {
  reports.interval = s.get<Duration>({.key = "interval",
                                      .doc = "Between two reports of a node. Each node has "
                                             "its own phase.",
                                      .fallback = kMillisecond * 100,
                                      .min = kShortest});
  reports.delay = s.get<Duration>(
      {.key = "delay", .doc = "From taking a report to its arrival.", .fallback = kMillisecond});
  reports.loss = s.get<double>({.key = "loss",
                                .doc = "Share of reports that are lost.",
                                .fallback = 0.0,
                                .min = 0.0,
                                .max = 0.99});
  reports.fields = s.choice<ReportFields>(
      {.key = "fields",
       .doc = "Contents of a report. `vllm`: running, waiting and KV use. `dynamo`: also prompt "
              "tokens not yet computed. `full`: also context tokens. No rule reads the additional "
              "ones; checkpoints of `train` do.",
       .fallback = "vllm"},
      {{"vllm", ReportFields::vllm},
       {"dynamo", ReportFields::dynamo},
       {"full", ReportFields::full}});
}

void read_estimates(Section& s, Scenario& scenario) {
  scenario.calibration_error = s.get<double>(
      {.key = "calibration_error",
       .doc = "Error of the step times in estimates: sigma of a lognormal factor, one "
              "draw per node. Read by `shortest_expected_delay`, `earliest_finish`, "
              "`marginal_cost` and checkpoints.",
       .fallback = 0.1,
       .min = 0.0,
       .max = 2.0});
  scenario.workload.length_error = s.get<double>(
      {.key = "length_error",
       .doc = "Error of predicted output lengths: sigma of a lognormal factor, one draw "
              "per request. Read by policies that use predictions: `earliest_finish`, "
              "`marginal_cost`, checkpoints and `shortest_predicted_job`.",
       .fallback = 0.7,
       .min = 0.0,
       .max = 4.0});
}

/// Twice the longest E2E objective; nothing without one.
std::optional<Duration> default_penalty(const Workload& workload) {
  Duration longest = Duration::zero();
  for (const Tenant& tenant : workload.tenants) {
    longest = std::max(longest, tenant.slo.e2e);
  }
  if (longest == Duration::zero()) {
    return std::nullopt;
  }
  return Duration{std::min(longest.ps * 2, kLongestDuration.ps)};
}

void read_objective(Section& s, const Scenario& scenario, Objective& objective) {
  objective.discount_time = s.get<Duration>({.key = "discount_time",
                                             .doc = "A cost dt later counts exp(-dt / "
                                                    "discount_time). Read by `train`.",
                                             .fallback = kSecond * 30,
                                             .min = kMillisecond});
  objective.latency_weight = s.get<double>({.key = "latency_weight",
                                            .doc = "Cost per second of an unfinished task.",
                                            .fallback = 1.0,
                                            .min = 0.0});
  objective.slo_weight = s.get<double>({.key = "slo_weight",
                                        .doc = "Cost per second beyond a task's `slo.e2e`.",
                                        .fallback = 0.0,
                                        .min = 0.0});
  const auto given =
      s.find<Duration>({.key = "reject_penalty",
                        .doc = "Cost of a task that is rejected, or refused because no node can "
                               "serve it, in seconds of an unfinished one.",
                        .fallback_text = "twice the longest `slo.e2e`; without one, 0 s, "
                                         "and required when rejection is allowed, and by "
                                         "`train` and `evaluate` when tasks may be refused"});
  const std::optional<Duration> otherwise = default_penalty(scenario.workload);
  if (!given && !otherwise && scenario.dispatch.allow_rejection && s.sound()) {
    s.fault(
        "missing key \"reject_penalty\": dispatch.allow_rejection without any slo.e2e needs it, or "
        "rejecting everything would be best");
  }
  objective.reject_penalty = given.value_or(otherwise.value_or(Duration::zero()));
  s.resolve("reject_penalty", objective.reject_penalty);
}

void read_compare(Section& s, Draft& draft) {
  draft.scenario.policies = join_knobs(s.list_of<std::string>(
      {.key = "policies",
       .doc =
           "Policies that `evaluate` compares unless `--policies` is given; `run` uses the first. "
           "Each is NAME or NAME:KNOB=VALUE,KNOB=VALUE of `yardmaster list policies`, or the "
           "path of a checkpoint."},
      {"round_robin", "join_shortest_queue", "shortest_expected_delay", "marginal_cost"}));
  s.resolve_node("policies", yaml::list_node(draft.scenario.policies));
  const bool given = s.has("seeds");
  const std::vector<std::int64_t> standard = [] {
    std::vector<std::int64_t> seeds;
    for (std::int64_t seed = 1000; seed < 1020; ++seed) {
      seeds.push_back(seed);
    }
    return seeds;
  }();
  const std::vector<std::int64_t> seeds = s.list_of<std::int64_t>(
      {.key = "seeds",
       .doc = "Seeds of evaluation, such as `1000..1019`. With a trace, a seed selects a window. "
              "Read by "
              "`evaluate`; `train` refuses to train on them.",
       .fallback_text = "1000..1019; with a trace, at most as many as it has windows",
       .min = 0},
      standard);
  draft.seeds_place = s.place("seeds");
  draft.scenario.seeds.assign(seeds.begin(), seeds.end());
  if (given) {
    draft.seeds = seeds;
  }
  if (s.sound() && std::set<std::int64_t>(seeds.begin(), seeds.end()).size() != seeds.size()) {
    s.fault("seeds", "a seed is given twice");
  }
  if (s.sound() && (seeds.empty() || draft.scenario.policies.empty())) {
    s.fault(seeds.empty() ? "seeds" : "policies", "the list is empty");
  }
}

}  // namespace

void read_scenario(Section& root, Catalogue& catalogue, Draft& draft) {
  Scenario& scenario = draft.scenario;
  const std::string stem = std::filesystem::path(scenario.path).stem().string();
  scenario.name = root.get<std::string>({.key = "name",
                                         .doc = "Name in tables.",
                                         .fallback = stem.empty() ? "scenario" : stem,
                                         .fallback_text = "the file's name"});
  root.resolve("duration", Duration::zero());  // keeps their places; load.cpp writes the values
  root.resolve("warm_up", Duration::zero());
  draft.duration = root.find<Duration>({.key = "duration",
                                        .doc = "Arrivals stop then. `run` and "
                                               "`evaluate` finish what has arrived.",
                                        .fallback_text = "60 s; with a trace, all of it",
                                        .min = kMillisecond});
  draft.duration_place = root.place("duration");
  draft.warm_up = root.find<Duration>({.key = "warm_up",
                                       .doc = "Tasks that arrive earlier are not counted.",
                                       .fallback_text = "a tenth of `duration`"});
  draft.warm_up_place = root.place("warm_up");
  // Before `nodes`, which refer to its entries.
  read_own_catalogue(root, catalogue, scenario.path);
  read_nodes(root, catalogue, draft);
  read_workload(root, draft);
  root.section("network", "Latencies and bandwidth between client, dispatcher and nodes.",
               [&](Section& s) { read_network(s, scenario.network); });
  root.section("dispatch", "The dispatcher.",
               [&](Section& s) { read_dispatch(s, scenario.dispatch); });
  root.section(
      "reports",
      "State that nodes report to the dispatcher. Read by `least_kv_use`, `cache_aware` with "
      "`prefix_index: events`, and checkpoints; the other rules use the dispatcher's own ledger.",
      [&](Section& s) { read_reports(s, scenario.reports); });
  root.section("estimates", "Errors of the cost model and of the predictions that policies use.",
               [&](Section& s) { read_estimates(s, scenario); });
  root.section("objective", "What `train` minimises, and what `evaluate` ranks by.",
               [&](Section& s) { read_objective(s, scenario, scenario.objective); });
  root.section("compare", "Defaults of `evaluate`.", [&](Section& s) { read_compare(s, draft); });
}

}  // namespace yardmaster
