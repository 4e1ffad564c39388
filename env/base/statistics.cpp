#include "env/base/statistics.h"

#include <algorithm>
#include <cstddef>
#include <limits>

namespace yardmaster {

namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// The p-quantile of values whose first `from` are already in place. Reorders the others.
double quantile_from(std::span<double> values, std::size_t from, double p) {
  const double position = p * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(position);
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(below);
  std::nth_element(values.begin() + static_cast<std::ptrdiff_t>(from), at, values.end());
  const double low = *at;
  if (below + 1 == values.size()) {
    return low;
  }
  const double high = *std::min_element(at + 1, values.end());
  return low + (position - static_cast<double>(below)) * (high - low);
}

}  // namespace

double mean(std::span<const double> values) {
  double sum = 0;
  for (const double x : values) {
    sum += x;
  }
  return values.empty() ? kNan : sum / static_cast<double>(values.size());
}

double quantile(std::span<double> values, double p) {
  return values.empty() ? kNan : quantile_from(values, 0, p);
}

Summary summarise(std::span<double> values) {
  if (values.empty()) {
    return {0, kNan, kNan, kNan, kNan};
  }
  Summary s;
  s.count = values.size();
  s.mean = mean(values);
  const auto last = static_cast<double>(values.size() - 1);
  s.p50 = quantile_from(values, 0, 0.5);
  s.p90 = quantile_from(values, static_cast<std::size_t>(0.5 * last), 0.9);
  s.p99 = quantile_from(values, static_cast<std::size_t>(0.9 * last), 0.99);
  return s;
}

}  // namespace yardmaster
