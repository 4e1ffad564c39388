#include "env/node/active_segment.h"

#include <algorithm>
#include <cmath>

namespace yardmaster {

namespace {

// A growth of the whole stretch, as a share of a step, whose square is negligible.
constexpr double kHardlyGrown = 1.0 / 32;

}  // namespace

// The smallest q with first q + growth q (q - 1) / 2 >= distance. A guess in doubles is corrected
// in integers. Where steps hardly grow, the guess needs neither a division nor a root, because the
// next event waits for it.
StepBoundary ActiveSegment::first_boundary(Time at) const {
  const std::int64_t distance = (at - start).ps;
  if (distance <= 0) {
    return {start, 0};
  }
  const auto growth = static_cast<double>(shape.growth.ps);
  const auto wanted = static_cast<double>(distance);
  double guess = wanted * steps_per_ps;
  const double grown = growth * steps_per_ps * guess;
  if (grown < kHardlyGrown) {
    guess -= guess * grown / 2;
  } else {
    const double linear = static_cast<double>(shape.first.ps) - growth / 2;
    guess = 2 * wanted / (linear + std::sqrt(linear * linear + 2 * growth * wanted));
  }
  std::int64_t q = std::max<std::int64_t>(0, static_cast<std::int64_t>(guess));
  std::int64_t total = shape.total(q).ps;
  while (total < distance) {
    total += shape.step(q).ps;
    ++q;
  }
  while (q > 0 && total - shape.step(q - 1).ps >= distance) {
    --q;
    total -= shape.step(q).ps;
  }
  return {start + Duration{total}, q};
}

}  // namespace yardmaster
