// Scenarios built by hand for tests: no YAML, no catalogue.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "env/scenario/capacity.h"
#include "env/scenario/scenario.h"
#include "tests/support/dice.h"
#include "tests/unit/hardware/specimens.h"

namespace yardmaster {

inline constexpr Duration kMillisecond{1'000'000'000};
inline constexpr Duration kSecond{kPsPerSecond};

/// `count` nodes whose steps follow the formula for the specimens.
inline NodeKind formula_kind(std::int32_t count, std::int32_t usable_blocks = 4000,
                             double slow = 2.0) {
  NodeKind kind;
  kind.name = "formula";
  kind.count = count;
  kind.gpu = specimens::gpu();
  kind.model = specimens::model();
  kind.engine = specimens::engine();
  kind.settings.rules.max_num_seqs = 64;
  kind.settings.rules.max_num_batched_tokens = 2048;
  kind.settings.rules.max_model_len = std::min(8192, usable_blocks * kBlockTokens);
  kind.settings.grant.blocks = usable_blocks;
  const StepLimits limits{kind.settings.rules.max_num_seqs,
                          kind.settings.rules.max_num_batched_tokens};
  kind.settings.costs = CostBook(StepCost(kind.gpu, kind.model, kind.engine, 1, limits),
                                 StepCost(kind.gpu, kind.model, kind.engine, 1, limits, slow));
  kind.slowdown_factor = slow;
  kind.work = work_cost(kind.gpu, kind.model, 1);
  return kind;
}

/// `count` nodes with affine steps:
///   step + entry * entries + token * tokens + context * context_tokens
inline NodeKind affine_kind(std::int32_t count, NodeSettings settings, Duration step,
                            Duration entry, Duration token, Duration context) {
  NodeKind kind = formula_kind(count);
  kind.name = "affine";
  kind.work = {};  // such costs are of no hardware
  kind.settings = std::move(settings);
  const StepLimits limits{kind.settings.rules.max_num_seqs,
                          kind.settings.rules.max_num_batched_tokens};
  kind.settings.costs =
      CostBook(StepCost::affine(step, entry, token, context, limits),
               StepCost::affine(step * 2, entry * 2, token * 2, context * 2, limits));
  return kind;
}

/// A length that is always the same.
inline LengthDistribution fixed_length(std::int32_t tokens) {
  return {LengthDistribution::Kind::fixed, static_cast<double>(tokens), 0, tokens, tokens};
}

/// A lognormal length, clamped to [1, max].
inline LengthDistribution lognormal_length(double median, double sigma, std::int32_t max) {
  return {LengthDistribution::Kind::lognormal, median, sigma, 1, max};
}

/// One tenant of Poisson arrivals.
inline Tenant poisson_tenant(LengthDistribution prompt, LengthDistribution output) {
  Tenant tenant;
  tenant.name = "tenant";
  tenant.prompt_tokens = prompt;
  tenant.output_tokens = output;
  return tenant;
}

/// A scenario of these nodes and tenants: reports every 100 ms, network latency 0.5 ms each way.
inline Scenario make_scenario(std::vector<NodeKind> kinds, std::vector<Tenant> tenants,
                              double rate_per_s, Duration duration) {
  Scenario s;
  s.name = "test";
  s.duration = duration;
  s.workload.tenants = std::move(tenants);
  s.workload.mean = mean_task(s.workload);
  s.workload.rate_per_s = rate_per_s;
  s.workload.window = duration;
  s.network = {
      .frontend = kMillisecond, .latency = {kMillisecond.ps / 2}, .bandwidth_bytes_per_s = 0};
  s.dispatch.detection = kSecond;
  s.reports = {.interval = kMillisecond * 100,
               .delay = kMillisecond * 10,
               .loss = 0,
               .fields = ReportFields::vllm};
  s.objective.discount_time = kSecond * 10;
  s.objective.reject_penalty = kSecond * 60;
  for (std::size_t k = 0; k < kinds.size(); ++k) {
    kinds[k].settings.rules.response_latency = s.network.latency;
    s.kind_of.insert(s.kind_of.end(), static_cast<std::size_t>(kinds[k].count),
                     static_cast<std::uint32_t>(k));
  }
  s.kinds = std::move(kinds);
  return s;
}

/// Fills in the capacities that Estimates reads.
inline void add_capacity(Scenario& s) {
  s.capacity_per_s = 0;
  for (NodeKind& kind : s.kinds) {
    kind.capacity_per_s = saturated_rate(kind.settings, s.workload);
    s.capacity_per_s += kind.count * kind.capacity_per_s;
  }
}

/// Sets all latencies outside nodes to zero, as queueing theory assumes.
inline void remove_latencies(Scenario& s) {
  s.network = {};
  for (NodeKind& kind : s.kinds) {
    kind.settings.rules.response_latency = {};
  }
}

namespace detail {

inline NodeKind random_kind(Dice& dice) {
  NodeKind kind =
      formula_kind(dice.tokens(1, 3), dice.pick({40, 100, 400, 4000}), 1.0 + 3 * dice.share());
  kind.settings.rules.max_num_seqs = dice.pick({1, 3, 16, 64});
  kind.settings.rules.max_num_batched_tokens = dice.pick({64, 256, 2048});
  if (dice.one_in(3)) {  // many things in the same instant
    kind = affine_kind(kind.count, kind.settings, kMillisecond * 10, {}, {}, {});
  }
  kind.settings.rules.steps_in_flight = dice.tokens(1, 2);
  if (dice.one_in(2)) {
    kind.failures = {kSecond * dice.between(2, 30), kSecond * dice.between(1, 5)};
  }
  if (dice.one_in(2)) {
    kind.slowdowns = {kSecond * dice.between(2, 10), kSecond * dice.between(1, 10)};
  }
  return kind;
}

inline Tenant random_tenant(Dice& dice, std::int32_t longest) {
  Tenant tenant = poisson_tenant(lognormal_length(dice.pick({20.0, 150.0, 500.0}), 1.2, longest),
                                 lognormal_length(dice.pick({3.0, 40.0, 200.0}), 1.0,
                                                  std::min(longest, dice.pick({150, 400}))));
  tenant.weight = dice.pick({1.0, 1.0, 3.0});
  tenant.slo.e2e = kSecond * dice.between(0, 8);
  if (dice.one_in(4)) {
    tenant.arrivals.kind = ArrivalProcess::Kind::deterministic;
  } else if (dice.one_in(3)) {
    tenant.arrivals = {ArrivalProcess::Kind::bursty, 5.0, kSecond * 4, kSecond, {}, {}};
  }
  return tenant;
}

}  // namespace detail

/// A random scenario: nodes of several kinds, failures, slow-downs, windows, lost reports, several
/// tenants; each feature is switched on or off independently.
inline Scenario random_scenario(std::uint64_t seed) {
  Dice dice(seed);
  std::vector<NodeKind> kinds;
  const std::int64_t kind_count = dice.between(1, 3), tenant_count = dice.between(1, 2);
  for (std::int64_t k = 0; k < kind_count; ++k) {
    kinds.push_back(detail::random_kind(dice));
  }
  std::vector<Tenant> tenants;
  for (std::int64_t t = 0; t < tenant_count; ++t) {
    tenants.push_back(detail::random_tenant(dice, dice.pick({600, 600, 3000})));
    tenants.back().share = 1.0 / static_cast<double>(tenant_count);
  }
  Scenario s = make_scenario(std::move(kinds), std::move(tenants),
                             dice.pick({1.0, 5.0, 20.0, 60.0}), kSecond * dice.between(3, 12));
  s.workload.length_error = dice.one_in(3) ? 0 : 0.7;
  s.calibration_error = dice.one_in(2) ? 0 : 0.2;
  s.dispatch.window = dice.pick({1, 3, 20, kUnlimitedWindow, kUnlimitedWindow});
  s.dispatch.allow_rejection = dice.one_in(3);
  s.dispatch.detection = kMillisecond * dice.pick({0, 50, 700});
  s.reports.loss = dice.one_in(3) ? 0.3 : 0;
  s.reports.delay = kMillisecond * dice.pick({0, 10, 250});
  s.reports.fields = dice.pick({ReportFields::vllm, ReportFields::dynamo, ReportFields::full});
  if (dice.one_in(4)) {
    remove_latencies(s);
  }
  if (dice.one_in(3)) {
    s.network.bandwidth_bytes_per_s = 1e6;
  }
  add_capacity(s);
  return s;
}

}  // namespace yardmaster
