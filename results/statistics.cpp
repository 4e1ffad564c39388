#include "results/statistics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>

#include "env/base/check.h"
#include "env/base/random.h"
#include "env/base/statistics.h"

namespace yardmaster {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

// Streams of their own, apart from every Purpose of a simulated world.
constexpr std::array<std::uint32_t, 2> kBootstrapKey = {0x626F6F74U, 0x73747261U};
constexpr std::array<std::uint32_t, 2> kSignFlipKey = {0x7369676EU, 0x666C6970U};

constexpr std::size_t kExactSignFlips = 14;
constexpr std::uint32_t kRandomSignFlips = 20'000;

std::vector<double> differences(std::span<const double> a, std::span<const double> b) {
  check(a.size() == b.size(), "paired values have different lengths");
  std::vector<double> d(a.size());
  std::transform(a.begin(), a.end(), b.begin(), d.begin(), std::minus<>());
  return d;
}

double flipped_sum(std::span<const double> d, std::uint64_t signs) {
  double sum = 0;
  for (std::size_t i = 0; i < d.size(); ++i) {
    sum += ((signs >> i) & 1U) != 0 ? -d[i] : d[i];
  }
  return sum;
}

double randomly_flipped_sum(std::span<const double> d, std::uint32_t flip) {
  double sum = 0;
  for (std::uint32_t i = 0; i < d.size(); i += 32) {
    const std::uint32_t signs = philox4x32({flip, i, 0, 0}, kSignFlipKey)[0];
    sum += flipped_sum(d.subspan(i, std::min<std::size_t>(32, d.size() - i)), signs);
  }
  return sum;
}

}  // namespace

Bootstrap::Bootstrap(std::size_t size, std::size_t resamples) : size_(size) {
  if (size < 2) {
    return;
  }
  drawn_.reserve(size * resamples);
  for (std::uint32_t r = 0; r < resamples; ++r) {
    std::array<std::uint32_t, 4> words{};
    for (std::uint32_t i = 0; i < size; ++i) {
      if (i % 4 == 0) {
        words = philox4x32({r, i, 0, 0}, kBootstrapKey);
      }
      drawn_.push_back(static_cast<std::uint32_t>((std::uint64_t{words[i % 4]} * size) >> 32));
    }
  }
}

Interval Bootstrap::mean(std::span<const double> values) const {
  check(values.size() == size_, "a bootstrap of another size");
  const double centre = yardmaster::mean(values);
  // A NaN of any seed makes the mean one; it must not enter a selection.
  if (size_ < 2 || std::isnan(centre)) {
    return {centre, kNan, kNan};
  }
  std::vector<double> means(drawn_.size() / size_);
  for (std::size_t r = 0; r < means.size(); ++r) {
    double sum = 0;
    for (std::size_t i = r * size_; i < (r + 1) * size_; ++i) {
      sum += values[drawn_[i]];
    }
    means[r] = sum / static_cast<double>(size_);
  }
  return {centre, quantile(means, 0.025), quantile(means, 0.975)};
}

Interval Bootstrap::paired_difference(std::span<const double> a, std::span<const double> b) const {
  return mean(differences(a, b));
}

double paired_p_value(std::span<const double> a, std::span<const double> b) {
  const std::vector<double> d = differences(a, b);
  if (d.empty()) {
    return kNan;
  }
  // A flip that equals the observed sum but for rounding counts as equal.
  const double scale = std::accumulate(d.begin(), d.end(), 0.0,
                                       [](double sum, double x) { return sum + std::abs(x); });
  const double observed = std::abs(flipped_sum(d, 0)) - 1e-12 * scale;
  std::uint64_t extreme = 0;
  if (d.size() <= kExactSignFlips) {
    const std::uint64_t all = std::uint64_t{1} << d.size();
    for (std::uint64_t signs = 0; signs < all; ++signs) {
      extreme += std::abs(flipped_sum(d, signs)) >= observed ? 1U : 0U;
    }
    return static_cast<double>(extreme) / static_cast<double>(all);
  }
  for (std::uint32_t flip = 0; flip < kRandomSignFlips; ++flip) {
    extreme += std::abs(randomly_flipped_sum(d, flip)) >= observed ? 1U : 0U;
  }
  return static_cast<double>(extreme + 1) / static_cast<double>(kRandomSignFlips + 1);
}

std::vector<double> holm(std::span<const double> p_values) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < p_values.size(); ++i) {
    if (!std::isnan(p_values[i])) {
      order.push_back(i);
    }
  }
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t i, std::size_t j) { return p_values[i] < p_values[j]; });
  std::vector<double> adjusted(p_values.size(), kNan);
  double running = 0;
  for (std::size_t rank = 0; rank < order.size(); ++rank) {
    const double factor = static_cast<double>(order.size() - rank);
    running = std::max(running, std::min(1.0, factor * p_values[order[rank]]));
    adjusted[order[rank]] = running;
  }
  return adjusted;
}

}  // namespace yardmaster
