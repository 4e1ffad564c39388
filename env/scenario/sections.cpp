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
constexpr Duration kShortest{1};  // for durations that must not be zero

void read_own_catalogue(Section& root, Catalogue& catalogue, const std::string& scenario_path) {
  root.optional_section(
      "catalogue",
      "Own GPUs, models and engines, beside the shipped ones of `scenarios/catalogue/`.",
      [&](Section& s) {
        const auto file = s.find<std::string>(
            {.key = "file",
             .doc = "A file with the sections below; its path starts at the scenario's folder.",
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
                                      .doc = "From a request's arrival to the dispatcher's sight.",
                                      .fallback = kMillisecond});
  network.latency = s.get<Duration>({.key = "latency",
                                     .doc = "Between dispatcher and node, each way.",
                                     .fallback = Duration{kMillisecond.ps / 5}});
  network.bandwidth_bytes_per_s =
      s.get<yaml::BytesPerSecond>({.key = "bandwidth",
                                   .doc = "To a node, for prompts of 4 bytes a token.",
                                   .fallback = yaml::BytesPerSecond{1.25e9},
                                   .word = "unlimited",
                                   .word_value = yaml::BytesPerSecond{0}})
          .value;
}

void read_dispatch(Section& s, DispatchRules& rules) {
  rules.window =
      s.get<std::int32_t>({.key = "window",
                           .doc = "Unfinished tasks on one node, at most. The "
                                  "others wait in the ready queue, which the ordering sorts.",
                           .fallback = kUnlimitedWindow,
                           .min = 1,
                           .max = kUnlimitedWindow,
                           .word = "unlimited",
                           .word_value = kUnlimitedWindow});
  rules.ordering =
      s.get<std::string>({.key = "ordering",
                          .doc = "Ordering of the ready queue, one of `yardmaster list orderings`.",
                          .fallback = rules.ordering});
  rules.detection = s.get<Duration>({.key = "detection",
                                     .doc = "From a node's crash until the dispatcher "
                                            "knows and sends its tasks elsewhere.",
                                     .fallback = kSecond * 5});
  rules.allow_rejection = s.get<bool>(
      {.key = "allow_rejection", .doc = "Whether a policy may reject a task.", .fallback = false});
  rules.prefix_index = s.choice<PrefixSource>(
      {.key = "prefix_index",
       .doc =
           "How the dispatcher knows what lies in the nodes' prefix caches: `events` by what they "
           "tell, when reports arrive; `sent` by its own record of what it sent where.",
       .fallback = "events"},
      {{"events", PrefixSource::events}, {"sent", PrefixSource::sent}});
}

void read_reports(Section& s, Reports& reports) {
  reports.interval = s.get<Duration>({.key = "interval",
                                      .doc = "Between two reports of a node; each has "
                                             "its own phase.",
                                      .fallback = kMillisecond * 100,
                                      .min = kShortest});
  reports.delay = s.get<Duration>(
      {.key = "delay", .doc = "From taking a report to its arrival.", .fallback = kMillisecond});
  reports.loss = s.get<double>({.key = "loss",
                                .doc = "Share of reports that never arrive.",
                                .fallback = 0.0,
                                .min = 0.0,
                                .max = 0.99});
  reports.fields = s.choice<ReportFields>(
      {.key = "fields",
       .doc = "What a report says: `vllm` running, waiting and KV use; `dynamo` prompt "
              "tokens not yet computed as well; `full` context tokens too.",
       .fallback = "vllm"},
      {{"vllm", ReportFields::vllm},
       {"dynamo", ReportFields::dynamo},
       {"full", ReportFields::full}});
}

void read_estimates(Section& s, Scenario& scenario) {
  scenario.calibration_error =
      s.get<double>({.key = "calibration_error",
                     .doc = "Error of the step times that policies reckon "
                            "with: sigma of a lognormal factor, one draw a node.",
                     .fallback = 0.1,
                     .min = 0.0,
                     .max = 2.0});
  scenario.workload.length_error =
      s.get<double>({.key = "length_error",
                     .doc = "Error of predicted output lengths: sigma of a "
                            "lognormal factor, one draw a request.",
                     .fallback = 0.7,
                     .min = 0.0,
                     .max = 4.0});
}

/// Twice the longest deadline; nothing without deadlines.
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
                                             .doc = "A cost that comes dt later "
                                                    "counts exp(-dt / discount_time).",
                                             .fallback = kSecond * 30,
                                             .min = kMillisecond});
  objective.latency_weight = s.get<double>({.key = "latency_weight",
                                            .doc = "Cost of a second of an unfinished task.",
                                            .fallback = 1.0,
                                            .min = 0.0});
  objective.slo_weight = s.get<double>({.key = "slo_weight",
                                        .doc = "Cost of a second beyond a task's `slo.e2e`.",
                                        .fallback = 0.0,
                                        .min = 0.0});
  const auto given =
      s.find<Duration>({.key = "reject_penalty",
                        .doc = "Cost of a rejected or lost task, "
                               "in seconds of an unfinished one.",
                        .fallback_text = "twice the longest `slo.e2e`; without one, 0 s, "
                                         "and required when rejection is allowed"});
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
       .doc = "Policies that `evaluate` compares, of `yardmaster list policies`, or "
              "paths of checkpoints."},
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
       .doc = "Seeds of evaluation, such as `1000..1019`. A trace has no chance of its own: "
              "there a seed chooses a window.",
       .fallback_text = "1000..1019; of a trace as many as it has windows",
       .min = 0},
      standard);
  draft.seeds_place = s.place("seeds");
  draft.scenario.seeds.assign(seeds.begin(), seeds.end());
  if (given) {
    draft.seeds = seeds;
  }
  if (s.sound() && std::set<std::int64_t>(seeds.begin(), seeds.end()).size() != seeds.size()) {
    s.fault("seeds", "a seed stands twice");
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
                                         .doc = "What tables call the scenario.",
                                         .fallback = stem.empty() ? "scenario" : stem,
                                         .fallback_text = "the file's name"});
  root.resolve("duration", Duration::zero());  // keep their places; load.cpp writes what holds
  root.resolve("warm_up", Duration::zero());
  draft.duration = root.find<Duration>({.key = "duration",
                                        .doc = "Arrivals stop then; `run` and "
                                               "`evaluate` finish what has arrived.",
                                        .fallback_text = "60 s; of a trace all of it",
                                        .min = kMillisecond});
  draft.duration_place = root.place("duration");
  draft.warm_up = root.find<Duration>({.key = "warm_up",
                                       .doc = "Tasks that arrive earlier are not counted.",
                                       .fallback_text = "a tenth of `duration`"});
  draft.warm_up_place = root.place("warm_up");
  // Before `nodes`, which name its entries.
  read_own_catalogue(root, catalogue, scenario.path);
  read_nodes(root, catalogue, draft);
  read_workload(root, draft);
  root.section("network", "Latencies and bandwidth between client, dispatcher and nodes.",
               [&](Section& s) { read_network(s, scenario.network); });
  root.section("dispatch", "How the dispatcher works.",
               [&](Section& s) { read_dispatch(s, scenario.dispatch); });
  root.section("reports", "When and what the dispatcher hears from nodes.",
               [&](Section& s) { read_reports(s, scenario.reports); });
  root.section("estimates",
               "How wrong the cost model and the predictions are that policies reckon with.",
               [&](Section& s) { read_estimates(s, scenario); });
  root.section("objective", "What learners minimise.",
               [&](Section& s) { read_objective(s, scenario, scenario.objective); });
  root.section("compare", "What `evaluate` does unless told otherwise.",
               [&](Section& s) { read_compare(s, draft); });
}

}  // namespace yardmaster
