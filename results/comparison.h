// Policies compared on the same seeds: every metric's mean with its interval, and the paired
// difference to the best baseline.
#pragma once

#include <string>
#include <vector>

#include "env/simulation/metrics.h"
#include "results/statistics.h"

namespace yardmaster {

/// The metrics of one policy, one entry per seed. All policies have the same seeds in the same
/// order.
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
  double p_value = 0;   // of the objective's difference, Holm-corrected over policies; else NaN
};

/// Policies compared on the same seeds.
struct Comparison {
  std::vector<std::string> ranking;  // policies, best mean objective first; ties in the given order
  std::string best_baseline;         // lowest mean objective of the baselines; of all if none
  std::vector<ComparisonRow> rows;   // policy by policy in the given order, metric by metric

  /// The row of that policy and metric. REQUIRES that there is one.
  [[nodiscard]] const ComparisonRow& row(const std::string& policy,
                                         const std::string& metric) const;
};

/// The name of the metric that ranks: the cost per task by the scenario's objective.
inline constexpr const char* kRankingMetric = "objective_s";

/// Compares. REQUIRES at least one policy, and the same number of runs of each.
Comparison compare(const std::vector<PolicyRuns>& policies);

}  // namespace yardmaster
