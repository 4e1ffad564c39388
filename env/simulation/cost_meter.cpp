#include "env/simulation/cost_meter.h"

#include <algorithm>

#include "env/base/math.h"

namespace yardmaster {

CostIntegral CostMeter::integral(Duration discount_time) const {
  CostIntegral cost;
  cost.unfinished_task_s = unfinished_task_ps_ / static_cast<double>(kPsPerSecond);
  cost.late_task_s = late_task_s_;
  cost.rejected = rejected_;
  const double tau = discount_time.seconds();
  for (const Charge& c : charges_) {
    if (tau <= 0) {
      cost.discounted_task_s += c.weight * (c.until - c.from).seconds();
      continue;
    }
    // The time before the decision, in the frontend, is not discounted.
    const Time from = std::max(c.from, decided_at_);
    cost.discounted_task_s += c.weight * (from - c.from).seconds();
    cost.discounted_task_s += c.weight * tau *
                              (math::exp(-(from - decided_at_).seconds() / tau) -
                               math::exp(-(std::max(c.until, from) - decided_at_).seconds() / tau));
  }
  return cost;
}

}  // namespace yardmaster
