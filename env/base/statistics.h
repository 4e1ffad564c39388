// Order statistics and means: defined once, for every table and file. Inference (intervals, tests)
// is in results/statistics.h.
#pragma once

#include <cstdint>
#include <span>

namespace yardmaster {

/// One distribution. NaN where it is empty.
struct Summary {
  std::uint64_t count = 0;
  double mean = 0, p50 = 0, p90 = 0, p99 = 0;
};

/// Arithmetic mean; NaN of nothing.
double mean(std::span<const double> values);

/// The p-quantile with linear interpolation between order statistics (type 7 of Hyndman and Fan,
/// The American Statistician 50, 1996; NumPy's default). Reorders `values`; NaN of nothing.
/// REQUIRES 0 <= p <= 1.
double quantile(std::span<double> values, double p);

/// Mean and percentiles; reorders `values`.
Summary summarise(std::span<double> values);

}  // namespace yardmaster
