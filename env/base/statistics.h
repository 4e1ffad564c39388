// Means and order statistics, defined once for every table and file. Confidence intervals and tests
// are in results/statistics.h.
#pragma once

#include <cstdint>
#include <span>

namespace yardmaster {

/// Summary of one distribution. All but the count are NaN if it is empty.
struct Summary {
  std::uint64_t count = 0;
  double mean = 0;
  double p50 = 0;
  double p90 = 0;
  double p99 = 0;
};

/// Arithmetic mean. NaN if there are no values.
double mean(std::span<const double> values);

/// The p-quantile with linear interpolation between order statistics (type 7 of Hyndman and Fan,
/// The American Statistician 50, 1996; NumPy's default). NaN if there are no values. Reorders
/// `values`. REQUIRES 0 <= p <= 1.
double quantile(std::span<double> values, double p);

/// Count, mean and percentiles. Reorders `values`.
Summary summarise(std::span<double> values);

}  // namespace yardmaster
