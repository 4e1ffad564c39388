// Policies compared on the same seeds: every metric's mean with its interval, and the paired
// difference to the best baseline.
#pragma once

#include <string>
#include <vector>

#include "env/simulation/metrics.h"
#include "results/statistics.h"

namespace yardmaster {

/// What one policy did: its metrics, one entry a seed, in the order of the seeds that all share.
struct PolicyRuns {
  std::string policy;
  bool baseline = true;  // a rule of the table; false for a learned one
  std::vector<Metrics> runs;
};

/// One metric of one policy over all seeds.
struct ComparisonRow {
  std::string policy, metric, unit;
  Interval value;
  Interval difference;  // to the best baseline, on the same seeds; NaN for that baseline itself
  double p_value =
      0;  // of the difference, Holm-corrected over policies; of the objective only, else NaN
};

/// The verdict.
struct Comparison {
  std::vector<std::string> ranking;  // policies, best mean objective first; ties by order given
  std::string best_baseline;  // lowest mean objective among the baselines, or among all if none
  std::vector<ComparisonRow> rows;  // policy by policy in the order given, metric by metric

  /// The row of that policy and metric. REQUIRES that there is one.
  [[nodiscard]] const ComparisonRow& row(const std::string& policy,
                                         const std::string& metric) const;
};

/// The name of the metric that ranks: what the scenario's objective costs, per task.
inline constexpr const char* kRankingMetric = "objective_s";

/// Compares. REQUIRES at least one policy, and as many runs of each.
Comparison compare(const std::vector<PolicyRuns>& policies);

}  // namespace yardmaster
