// Statistics of comparisons: means with bootstrap intervals, paired differences, Holm's correction.
// Resampling is addressed by (resample, position), so the same values always give the same
// interval.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace yardmaster {

/// A mean and its 95 % interval; the ends are NaN with fewer than two values.
struct Interval {
  double mean = 0, low = 0, high = 0;
};

/// The percentile bootstrap (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter
/// 13) over samples of one size: the resamples are drawn once and serve any number of metrics.
class Bootstrap {
 public:
  /// `size` values in a sample. 4,000 resamples place the ends of a 95 % interval within about 3 %
  /// of its width.
  explicit Bootstrap(std::size_t size, std::size_t resamples = 4'000);

  /// Mean with its 95 % interval. REQUIRES `size` values.
  [[nodiscard]] Interval mean(std::span<const double> values) const;
  /// Mean of a[i] - b[i] with its interval. REQUIRES `size` of both, the i-th on the same seed.
  [[nodiscard]] Interval paired_difference(std::span<const double> a,
                                           std::span<const double> b) const;

 private:
  std::size_t size_;
  std::vector<std::uint32_t> drawn_;  // [resample][position]: index of a value
};

/// Two-sided p-value of the hypothesis that a[i] - b[i] is symmetric about zero: the sign-flip
/// permutation test of Fisher, with all 2^n flips up to n = 14 and 20,000 addressed ones beyond. 1
/// when every difference is zero. REQUIRES equal lengths.
double paired_p_value(std::span<const double> a, std::span<const double> b);

/// Holm's step-down correction (Scandinavian Journal of Statistics 6, 1979): adjusted p-values in
/// the given order. NaN entries stay NaN and do not count.
std::vector<double> holm(std::span<const double> p_values);

}  // namespace yardmaster
