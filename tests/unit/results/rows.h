// A small scenario and tasks, written by hand for the tests of results.
#pragma once

#include "env/scenario/scenario.h"
#include "env/simulation/observer.h"

namespace yardmaster::testing {

inline Time at_s(double seconds) { return {Duration::from_seconds(seconds).ps}; }

/// Two nodes of one kind whose steps take 10 ms + 1 ms per token in prefill, and two tenants. The
/// first has SLOs of 1 s for TTFT and 5 s for E2E. Arrivals count from 10 s on.
inline Scenario two_node_scenario() {
  Scenario s;
  s.name = "by hand";
  s.resolved = "name: by hand\n";
  s.duration = Duration::from_seconds(100);
  s.warm_up = Duration::from_seconds(10);
  NodeKind kind;
  kind.name = "pair";
  kind.count = 2;
  kind.gpu.name = "gpu";
  kind.model.name = "model";
  kind.engine.name = "engine";
  kind.settings.grant.blocks = 100;
  kind.settings.rules.max_num_batched_tokens = 100;
  kind.settings.rules.max_num_seqs = 4;
  kind.settings.rules.max_model_len = 1600;
  const StepCost cost =
      StepCost::affine(Duration::from_seconds(0.01), {}, Duration::from_seconds(0.001), {},
                       {.max_num_seqs = 4, .max_num_batched_tokens = 100});
  kind.settings.costs = CostBook(cost);
  kind.work = {.flops_per_token = 2,
               .flops_per_sample = 1,
               .flops_per_pair = 1,
               .kv_bytes_per_token = 3,
               .peak_flops = 1000,
               .peak_bandwidth = 500};
  s.kinds = {kind};
  s.kind_of = {0, 0};
  Tenant interactive, batch;
  interactive.name = "interactive";
  interactive.slo.ttft = Duration::from_seconds(1);
  interactive.slo.e2e = Duration::from_seconds(5);
  batch.name = "batch";
  s.workload.tenants = {interactive, batch};
  return s;
}

/// A finished task, scheduled 0.1 s after its arrival. Its time is split between two moments.
inline TaskRow finished_row(std::uint32_t tenant, std::uint32_t number, double arrival, double ttft,
                            double e2e, std::int32_t output_tokens) {
  TaskRow r;
  r.address = {tenant, number, 0, 0, 0, 0};
  r.node = node_id(number % 2);
  r.outcome = Outcome::finished;
  r.prompt_tokens = 50;
  r.output_tokens = output_tokens;
  r.predicted_tokens = output_tokens + 1;
  r.arrival = at_s(arrival);
  r.first_scheduled = at_s(arrival + 0.1);
  r.first_token = at_s(arrival + ttft);
  r.last_token = at_s(arrival + e2e);
  r.moments[static_cast<std::size_t>(Moment::own_prefill)] = r.first_token - r.arrival;
  r.moments[static_cast<std::size_t>(Moment::decode)] = r.last_token - r.first_token;
  return r;
}

/// A task that was refused.
inline TaskRow rejected_row(std::uint32_t tenant, std::uint32_t number, double arrival,
                            Outcome outcome) {
  TaskRow r;
  r.address = {tenant, number, 0, 0, 0, 0};
  r.outcome = outcome;
  r.prompt_tokens = 5000;
  r.output_tokens = r.predicted_tokens = 1;
  r.arrival = at_s(arrival);
  r.first_scheduled = r.first_token = r.last_token = Time::never();
  return r;
}

}  // namespace yardmaster::testing
