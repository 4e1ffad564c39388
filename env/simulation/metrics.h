// What a run is judged by. docs and results use these words and no others:
//
//   TTFT        first token - arrival             E2E   last token - arrival
//   TPOT        (last - first token) / (n - 1), one value a request with n > 1 tokens
//   queue time  first scheduled - arrival
//   slowdown    E2E over the E2E of the same task alone on the fastest idle node
//
// The measured window is [warm-up, last arrival]. Distributions, SLO attainment and the objective
// are of the tasks that arrived in it ("counted"); rates are of the tasks that ended in it.
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
/// all are equal, 1/n when one has everything. 1 of nothing or of zeros.
double jain_index(std::span<const double> values);

/// Everything that one run is summarised by. Seconds, tokens and requests a second, shares in [0,
/// 1].
struct Metrics {
  double window_s = 0;
  // Of the tasks that arrived in the window.
  std::uint64_t counted = 0;
  Summary ttft, tpot, e2e, queue_time, slowdown;
  double slo_attainment = 0;  // share of the counted that met every SLO of their tenant
  double objective_s = 0;     // mean cost of a counted task, as the scenario's objective says
  std::array<double, kMomentCount> moment_mean_s{};  // of the finished; they sum to e2e.mean
  std::array<double, kMomentCount> moment_tail_s{};  // of the finished with E2E at or above its p99
  double tail_e2e_s = 0;                             // mean E2E of those
  double fairness =
      1;  // Jain over tenants of mean slowdown; over nodes of compute_utilisation if one tenant
  // Of the tasks that ended in the window, a second of the window.
  double requests_per_s = 0, prompt_tokens_per_s = 0, output_tokens_per_s = 0;
  double goodput_per_s = 0;  // those that met every SLO
  // Of the fleet, between the first sample after the warm-up and the last before the last arrival.
  double compute_utilisation = 0, memory_utilisation = 0, bandwidth_utilisation = 0, busy = 0;
  // Of the whole run.
  RunCounts counts;
  std::uint64_t preemptions = 0, unfinished = 0;
  double end_s = 0;  // simulated time when it was over
  double events_per_request = 0, segments_per_request = 0, decisions_per_request = 0;
};

/// One number of Metrics, for tables and files.
struct NamedMetric {
  std::string name;
  double value = 0;
  std::string unit;  // "s", "1/s", "tokens/s", "share", "count"
};

/// Every number of `m`, in the order in which tables list them.
std::vector<NamedMetric> named_metrics(const Metrics& m);

/// The least seconds in which some node of the scenario, idle, serves a task of these sizes:
/// network, prefill in chunks of the token budget, then decode alone. NaN when it fits on none.
double alone_s(const Scenario&, std::int32_t prompt_tokens, std::int32_t output_tokens);

/// Collects rows during a run and sums them up at its end: about 100 bytes a task, no percentile
/// and no logarithm before the end.
class MetricsCollector final : public Observer {
 public:
  /// Borrows the scenario.
  explicit MetricsCollector(const Scenario& scenario);
  void on_task(const TaskRow&) override;

  /// The metrics of the run that fed this collector and was over, or cut, at `end`.
  [[nodiscard]] Metrics finish(const RunCounts&, std::uint64_t unfinished, Time end,
                               const NodeSampler&) const;
  [[nodiscard]] Metrics finish(const Simulation& world, const NodeSampler& sampler) const {
    return finish(world.counts(), world.unfinished(), world.now(), sampler);
  }

 private:
  struct Record {
    Duration e2e, ttft, queue_time;
    Time last_token;
    std::int32_t prompt_tokens, output_tokens;
    std::uint32_t tenant;
    bool counted, met;
    std::array<float, kMomentCount> moments_s;
  };

  void add_distributions(Metrics&) const;
  void add_moments(Metrics&) const;
  void add_rates(Metrics&) const;
  void add_utilisation(Metrics&, const NodeSampler&) const;
  [[nodiscard]] double tenant_fairness() const;

  const Scenario* scenario_;
  std::vector<Record> finished_;
  std::uint64_t counted_ = 0, preemptions_ = 0;
  Time last_arrival_;
  double weight_ = 0, cost_ = 0;  // of counted tasks, in the objective
};

}  // namespace yardmaster
