// The section `workload`.
#include <algorithm>
#include <array>
#include <filesystem>

#include "env/scenario/sections.h"

namespace yardmaster {

namespace {

using yaml::Only;
using yaml::Section;
using Lengths = LengthDistribution;

// Default lengths: medians, deviations of the logarithm and extremes of the conversations in the
// Azure LLM inference trace 2023 (19,366 requests).
const Lengths kUsualPrompt{Lengths::Kind::lognormal, 1020, 0.99, 2, 14050};
const Lengths kUsualOutput{Lengths::Kind::lognormal, 129, 0.86, 7, 1000};
constexpr std::int32_t kLongest = 1 << 24;

Lengths read_lengths(Section& s, const Lengths& usual) {
  using Kind = Lengths::Kind;
  Lengths lengths;
  const std::string guess = s.has("value") ? "fixed" : s.has("mean") ? "exponential" : "lognormal";
  lengths.kind = s.choice<Kind>(
      {.key = "distribution",
       .doc = "Distribution of lengths.",
       .fallback = guess,
       .fallback_text = "`fixed` with `value`, `exponential` with `mean`, else `lognormal`"},
      {{"fixed", Kind::fixed},
       {"uniform", Kind::uniform},
       {"lognormal", Kind::lognormal},
       {"exponential", Kind::exponential}});
  const bool fixed = lengths.kind == Kind::fixed, exponential = lengths.kind == Kind::exponential;
  const bool lognormal = lengths.kind == Kind::lognormal;
  const double value = s.get<double>({.key = "value",
                                      .doc = "Tokens.",
                                      .min = 1.0,
                                      .max = kLongest,
                                      .only = {fixed, "with `distribution: fixed`"}});
  const double mean = s.get<double>({.key = "mean",
                                     .doc = "Tokens, before clipping.",
                                     .min = 1.0,
                                     .max = kLongest,
                                     .only = {exponential, "with `distribution: exponential`"}});
  const double median = s.get<double>({.key = "median",
                                       .doc = "Tokens.",
                                       .fallback = usual.value,
                                       .min = 1.0,
                                       .max = kLongest,
                                       .only = {lognormal, "with `distribution: lognormal`"}});
  lengths.sigma = s.get<double>({.key = "sigma",
                                 .doc = "Standard deviation of the logarithm.",
                                 .fallback = usual.sigma,
                                 .min = 0.0,
                                 .max = 5.0,
                                 .only = {lognormal, "with `distribution: lognormal`"}});
  lengths.value = fixed ? value : exponential ? mean : lognormal ? median : 0;
  const Only varies{!fixed, "unless `distribution: fixed`"};
  lengths.min = s.get<std::int32_t>({.key = "min",
                                     .doc = "Shorter lengths are raised to this.",
                                     .fallback = 1,
                                     .min = 1,
                                     .max = kLongest,
                                     .only = varies});
  lengths.max = s.get<std::int32_t>({.key = "max",
                                     .doc = "Longer lengths are cut to this.",
                                     .fallback = usual.max,
                                     .min = 1,
                                     .max = kLongest,
                                     .only = varies});
  if (fixed) {
    lengths.min = lengths.max = static_cast<std::int32_t>(value + 0.5);
  }
  if (s.sound() && lengths.min > lengths.max) {
    s.fault("max",
            std::to_string(lengths.max) + " is less than min, " + std::to_string(lengths.min));
  }
  return lengths;
}

/// Scales the profile to a mean of 1, because the mean rate is the workload's.
void normalise_profile(Section& s, std::vector<double>& profile) {
  double sum = 0;
  for (const double factor : profile) {
    sum += factor;
  }
  if (s.sound() && !profile.empty() && !(sum > 0)) {
    s.fault("profile", "every factor is 0");
  }
  for (double& factor : profile) {
    factor *= sum > 0 ? static_cast<double>(profile.size()) / sum : 1;
  }
}

ArrivalProcess read_arrivals(Section& s) {
  using Kind = ArrivalProcess::Kind;
  ArrivalProcess process;
  process.kind = s.choice<Kind>(
      {.key = "process",
       .doc = "Process of arrivals: `poisson`; `deterministic`, with equal gaps; `bursty`, Poisson "
              "that switches between calm and burst at exponential intervals.",
       .fallback = "poisson"},
      {{"poisson", Kind::poisson},
       {"deterministic", Kind::deterministic},
       {"bursty", Kind::bursty}});
  const Only bursty{process.kind == Kind::bursty, "with `process: bursty`"};
  process.burst_factor = s.get<double>({.key = "burst_factor",
                                        .doc = "Rate in a burst divided by the rate in a calm.",
                                        .fallback = 5.0,
                                        .min = 1.0,
                                        .max = 1000.0,
                                        .only = bursty});
  process.calm = s.get<Duration>({.key = "calm",
                                  .doc = "Mean length of a calm.",
                                  .fallback = Duration::from_seconds(20),
                                  .min = Duration{1'000'000},
                                  .only = bursty});
  process.burst = s.get<Duration>({.key = "burst",
                                   .doc = "Mean length of a burst.",
                                   .fallback = Duration::from_seconds(5),
                                   .min = Duration{1'000'000},
                                   .only = bursty});
  process.profile = s.list_of<double>({.key = "profile",
                                       .doc = "Factors of the rate over one period, in equal "
                                              "intervals, scaled to a mean of 1.",
                                       .min = 0.0,
                                       .max = 1e6},
                                      {});
  process.period = s.get<Duration>({.key = "period",
                                    .doc = "Length of one period of the profile.",
                                    .fallback = Duration::from_seconds(86'400),
                                    .min = Duration{1'000'000'000},
                                    .only = {!process.profile.empty(), "with `profile`"}});
  normalise_profile(s, process.profile);
  return process;
}

Slo read_slo(Section& s) {
  const auto objective = [&s](std::string_view key, std::string_view doc) {
    return s.get<Duration>({.key = key, .doc = doc, .fallback = Duration::zero(), .word = "none"});
  };
  Slo slo;
  slo.ttft = objective("ttft", "To the first token.");
  slo.tpot = objective("tpot", "Per token after the first, on average.");
  slo.e2e = objective("e2e", "To the last token.");
  return slo;
}

Tenant read_tenant(Section& s, bool has_trace, std::size_t number) {
  Tenant tenant;
  const std::string usual = has_trace     ? "trace"
                            : number == 0 ? "tenant"
                                          : "tenant-" + std::to_string(number + 1);
  tenant.name = s.get<std::string>({.key = "name",
                                    .doc = "Name in tables.",
                                    .fallback = usual,
                                    .fallback_text = "`tenant`, `tenant-2` ..."});
  const Only generated{!has_trace, "without `workload.trace`"};
  tenant.share = s.get<double>({.key = "share",
                                .doc = "Share of all requests. Shares are scaled to a sum of 1.",
                                .fallback = 1.0,
                                .min = 1e-6,
                                .max = 1e6,
                                .only = generated});
  tenant.weight = s.get<double>({.key = "weight",
                                 .doc = "Weight of its tasks in the objective.",
                                 .fallback = 1.0,
                                 .min = 0.0,
                                 .max = 1e6});
  s.section("slo", "Latency objectives, for metrics. `e2e` also counts in the `objective`.",
            [&](Section& o) { tenant.slo = read_slo(o); });
  if (has_trace) {
    return tenant;  // the trace has times and lengths
  }
  s.section(
      "arrivals", "Arrivals of its requests.",
      [&](Section& a) { tenant.arrivals = read_arrivals(a); }, "process");
  s.section(
      "prompt_tokens", "Lengths of prompts.",
      [&](Section& l) { tenant.prompt_tokens = read_lengths(l, kUsualPrompt); }, "value");
  s.section(
      "output_tokens",
      "Lengths of outputs. The largest is also the `max_tokens` that a task declares.",
      [&](Section& l) { tenant.output_tokens = read_lengths(l, kUsualOutput); }, "value");
  return tenant;
}

void read_tenants(Section& s, Draft& draft) {
  std::vector<Tenant>& tenants = draft.scenario.workload.tenants;
  s.list("tenants", "Sources of requests. With a trace at most one, for its `slo` and `weight`.",
         "one tenant with the defaults below",
         [&](Section& t, std::size_t i) { tenants.push_back(read_tenant(t, draft.has_trace, i)); });
  if (tenants.empty()) {
    yaml::Node map, list;
    map.kind = yaml::Node::Kind::map;
    list.kind = yaml::Node::Kind::list;
    yaml::Faults none;
    Section usual(map, none);
    tenants.push_back(read_tenant(usual, draft.has_trace, 0));
    list.items.push_back(usual.resolved());
    s.resolve_node("tenants", std::move(list));
  }
  if (s.sound() && draft.has_trace && tenants.size() > 1) {
    s.fault("tenants", "a trace has one tenant");
  }
  double sum = 0;
  for (std::size_t i = 0; i < tenants.size(); ++i) {
    sum += tenants[i].share;
    for (std::size_t j = 0; j < i; ++j) {
      if (tenants[i].name == tenants[j].name && s.sound()) {
        s.fault("tenants", "two are named \"" + tenants[i].name + "\"");
      }
    }
  }
  for (Tenant& tenant : tenants) {
    tenant.share /= sum;
  }
}

/// A path on the command line is relative to the working directory, one in a file to the file.
void read_trace_path(Section& s, Draft& draft) {
  const auto trace = s.find<std::string>(
      {.key = "trace",
       .doc =
           "A trace to replay instead of generated work: "
           "CSV with TIMESTAMP, ContextTokens, GeneratedTokens, or Mooncake's JSON lines, "
           "which also say what prompts share. MaxTokens or `max_tokens` is optional; without it a "
           "task declares its output length. Plain or gzipped. "
           "The path is relative to the scenario, or with `--set` to the working directory.",
       .fallback_text = "none"});
  draft.has_trace = s.has("trace");
  draft.trace_place = s.place("trace");
  if (!trace) {
    return;
  }
  namespace fs = std::filesystem;
  const bool in_file = draft.trace_place.source == draft.scenario.path;
  const fs::path path =
      in_file ? fs::path(draft.scenario.path).parent_path() / fs::path(*trace) : fs::path(*trace);
  draft.scenario.workload.trace_path = path.lexically_normal().string();
  std::error_code ignored;
  s.resolve("trace", fs::absolute(path, ignored).lexically_normal().string());
}

}  // namespace

void read_workload(Section& root, Draft& draft) {
  root.section("workload", "Work that is submitted, and how much.", [&](Section& s) {
    draft.load = s.find<double>({.key = "load",
                                 .doc = "Requests/s as a share of the fleet's capacity, which "
                                        "is found by simulation. Excludes `rate`.",
                                 .fallback_text = "0.7; with a trace, its own speed",
                                 .min = 0.001,
                                 .max = 10.0});
    const auto rate = s.find<yaml::PerSecond>({.key = "rate",
                                               .doc = "Requests/s. Excludes `load`.",
                                               .fallback_text = "from `load`",
                                               .min = yaml::PerSecond{0.001},
                                               .max = yaml::PerSecond{1e7}});
    draft.rate_place = s.place(rate ? "rate" : "load");
    if (rate && draft.load) {
      s.fault("rate", "excludes load; give one of them");
    }
    draft.rate_per_s = rate ? std::optional(rate->value) : std::nullopt;
    read_trace_path(s, draft);
    if (!draft.load && !rate && !draft.has_trace) {
      draft.load = 0.7;
      s.resolve("load", *draft.load);
    }
    read_tenants(s, draft);
  });
}

}  // namespace yardmaster
