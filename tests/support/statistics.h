// Means with their standard errors over independent runs.
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

namespace yardmaster {

/// Mean of independent values and its standard error.
struct SampleMean {
  double mean = 0, error = 0;
  std::size_t count = 0;

  /// Half the width of the 95 % interval by the normal distribution, so for 20 values or more.
  [[nodiscard]] double half() const { return 1.96 * error; }
  /// Whether `value` lies within `errors` standard errors.
  [[nodiscard]] bool holds(double value, double errors) const {
    return std::abs(value - mean) <= errors * error;
  }
};

inline SampleMean sample_mean(const std::vector<double>& values) {
  SampleMean out;
  out.count = values.size();
  for (const double v : values) {
    out.mean += v / static_cast<double>(values.size());
  }
  double squares = 0;
  for (const double v : values) {
    squares += (v - out.mean) * (v - out.mean);
  }
  const auto n = static_cast<double>(values.size());
  out.error = std::sqrt(squares / (n - 1) / n);
  return out;
}

}  // namespace yardmaster
