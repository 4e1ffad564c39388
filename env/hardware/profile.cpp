#include "env/hardware/profile.h"

#include <algorithm>
#include <cstddef>

#include "env/base/check.h"
#include "env/hardware/step_cost.h"

namespace yardmaster {

double interpolate(const std::vector<double>& xs, const std::vector<double>& ys, double x) {
  check(!xs.empty() && xs.size() == ys.size(),
        "a table's axis is empty or does not match its values");
  if (xs.size() == 1) {
    return ys[0];
  }
  const auto after = std::upper_bound(xs.begin(), xs.end(), x);
  const auto i = static_cast<std::size_t>(std::clamp<std::ptrdiff_t>(
      after - xs.begin(), 1, static_cast<std::ptrdiff_t>(xs.size()) - 1));
  return ys[i - 1] + (ys[i] - ys[i - 1]) * (x - xs[i - 1]) / (xs[i] - xs[i - 1]);
}

std::int32_t unsplit_decodes(std::int32_t multiprocessors, std::int32_t kv_heads) {
  constexpr std::int32_t kLargestGraphs = 512;
  constexpr double kBlocksPerMultiprocessor = 1.6;
  if (multiprocessors <= 0) {
    return 0;
  }
  std::int32_t decodes = 1;
  while (decodes < kLargestGraphs && captured_tokens(decodes, kLargestGraphs) * kv_heads <
                                         kBlocksPerMultiprocessor * multiprocessors) {
    ++decodes;
  }
  return decodes;
}

}  // namespace yardmaster
