// What a run is judged by. docs and results use these words and no others:
//
//   TTFT        first token - arrival
//   E2E         last token - arrival
//   TPOT        (last - first token) / (n - 1), one value per request with n > 1 tokens
//   queue time  first scheduled - arrival
//   slowdown    E2E / isolated latency, at least 1
//
// The isolated latency is the least E2E that the fleet allows: the task alone on its fastest node,
// with every block of the prompt that other requests share in that node's prefix cache.
//
// The measured window is [warm-up, last arrival]. Distributions, SLO attainment and the objective
// cover the tasks that arrived in it ("counted"). Rates cover the tasks that ended in it.
// Percentiles interpolate linearly between order statistics.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "env/base/statistics.h"
#include "env/scenario/scenario.h"
#include "env/simulation/observer.h"
#include "env/simulation/sampler.h"
#include "env/simulation/simulation.h"

namespace yardmaster {

/// Jain's index of fairness, (sum x)^2 / (n sum x^2) (Jain, Chiu, Hawe: DEC-TR-301, 1984): 1 when
/// all values are equal, 1/n when one has everything. 1 for no values and for zeros.
double jain_index(std::span<const double> values);

/// The summary of one run. Seconds, tokens and requests per second, shares in [0, 1].
struct Metrics {
  double window_s = 0;
  // Of the tasks that arrived in the window.
  std::uint64_t counted = 0;
  Summary ttft, tpot, e2e, queue_time, slowdown;
  // Share of the counted tasks that met every SLO of their tenant. NaN when no tenant has an SLO.
  double slo_attainment = 0;
  // Mean cost per counted task, as the scenario's objective says. NaN when a counted task was
  // refused and a refusal has no cost (objective.reject_penalty is 0).
  double objective_s = 0;
  std::array<double, kMomentCount> moment_mean_s{};  // of finished tasks; they sum to e2e.mean
  std::array<double, kMomentCount> moment_tail_s{};  // of those with E2E at or above its p99
  double tail_e2e_s = 0;                             // mean E2E of those
  // Jain's index over tenants of their mean slowdown. With one tenant: over nodes of their
  // compute_utilisation.
  double fairness = 1;
  // Of the tasks that ended in the window, per second of the window.
  double requests_per_s = 0;
  double prompt_tokens_per_s = 0;
  double output_tokens_per_s = 0;
  double goodput_per_s = 0;  // those that met every SLO; NaN when no tenant has one
  // Means over nodes, between the first sample after the warm-up and the last before the last
  // arrival.
  double compute_utilisation = 0;
  double memory_utilisation = 0;
  double bandwidth_utilisation = 0;
  double busy = 0;
  // Of the whole run.
  RunCounts counts;
  std::uint64_t preemptions = 0;
  std::uint64_t unfinished = 0;
  double end_s = 0;  // simulated time at its end
  double events_per_request = 0;
  double segments_per_request = 0;
  double decisions_per_request = 0;
};

/// One number of Metrics, for tables and files.
struct NamedMetric {
  std::string name;
  double value = 0;
  std::string unit;  // "s", "1/s", "tokens/s", "share", "ratio" or "count"
};

/// Every number of `m`, in the order in which tables list them.
std::vector<NamedMetric> named_metrics(const Metrics& m);

/// The least seconds in which a node of the scenario, otherwise idle, serves a task of these sizes:
/// network, prefill in chunks of the token budget, decode in a batch of one. `shared_tokens` of the
/// prompt, whole blocks, are cached on nodes with a prefix cache; at least one token is computed.
/// NaN when the task fits on no node.
double isolated_latency_s(const Scenario&, std::int32_t prompt_tokens, std::int32_t output_tokens,
                          std::int32_t shared_tokens);

/// Collects rows during a run and summarises them at its end: about 100 bytes per task, and no
/// percentile or logarithm before the end.
class MetricsCollector final : public Observer {
 public:
  /// Borrows the scenario.
  explicit MetricsCollector(const Scenario& scenario);
  void on_task(const TaskRow&) override;

  /// The metrics of the run that fed this collector and ended, or was cut, at `end`.
  [[nodiscard]] Metrics finish(const RunCounts&, std::uint64_t unfinished, Time end,
                               const NodeSampler&) const;
  [[nodiscard]] Metrics finish(const Simulation& world, const NodeSampler& sampler) const {
    return finish(world.counts(), world.unfinished(), world.now(), sampler);
  }

 private:
  struct Record {
    Duration e2e, ttft, queue_time;
    Time last_token;
    std::int32_t prompt_tokens, output_tokens, shared_tokens;
    std::uint32_t tenant;
    bool counted, met;
    std::array<float, kMomentCount> moments_s;
  };

  void count(const TaskRow&, const Tenant&);
  void add_distributions(Metrics&) const;
  void add_slo(Metrics&) const;
  void add_moments(Metrics&) const;
  void add_rates(Metrics&) const;
  void add_utilisation(Metrics&, const NodeSampler&) const;
  [[nodiscard]] double slowdown(const Record&) const;
  [[nodiscard]] double tenant_fairness() const;

  const Scenario* scenario_;
  std::vector<Record> finished_;
  std::uint64_t counted_ = 0;
  std::uint64_t refused_for_nothing_ = 0;  // counted tasks that did not finish and cost nothing
  std::uint64_t preemptions_ = 0;
  Time last_arrival_;
  double weight_ = 0;  // of the counted tasks, in the objective
  double cost_ = 0;    // of the counted tasks
};

}  // namespace yardmaster
