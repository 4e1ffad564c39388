// What the objective charges, integrated over a run.
#pragma once

#include <vector>

#include "env/base/units.h"

namespace yardmaster {

/// Integrals of what the objective charges. A reward is minus a difference of two of these.
struct CostIntegral {
  /// Weight x unfinished, integrated from the start, seconds.
  double unfinished_task_s = 0;
  /// The same since the last decision, discounted to that instant by the objective.
  double discounted_task_s = 0;
  /// Weight x seconds beyond the E2E objective, of tasks that have ended.
  double late_task_s = 0;
  /// Weight x tasks rejected.
  double rejected = 0;
};

/// Integrates the weighted number of unfinished tasks. The discounted part is computed when it is
/// read, so that runs without a learner do not pay for it.
class CostMeter {
 public:
  /// A task that arrived at `arrival` is seen at `now`: it was unfinished in between.
  void task_arrived(Time arrival, Time now, double weight) {
    advance(now);
    unfinished_weight_ += weight;
    charge(arrival, now, weight);
  }
  void task_ended(Time now, double weight) {
    advance(now);
    unfinished_weight_ -= weight;
  }
  void task_was_late(Duration by, double weight) { late_task_s_ += weight * by.seconds(); }
  void task_was_rejected(double weight) { rejected_ += weight; }

  /// Charges what is unfinished until `now`.
  void advance(Time now) {
    if (now > charged_until_) {
      charge(charged_until_, now, unfinished_weight_);
      charged_until_ = now;
    }
  }
  /// A decision was made: discounting starts again.
  void decision_made(Time now) {
    decided_at_ = now;
    charges_.clear();
  }

  /// The integrals up to the last advance().
  [[nodiscard]] CostIntegral integral(Duration discount_time) const;

 private:
  struct Charge {
    Time from, until;
    double weight = 0;  // unfinished in between
  };
  void charge(Time from, Time until, double weight) {
    unfinished_task_ps_ += weight * static_cast<double>((until - from).ps);
    charges_.push_back({from, until, weight});
  }

  Time charged_until_, decided_at_;
  double unfinished_weight_ = 0;
  double unfinished_task_ps_ = 0;
  double late_task_s_ = 0, rejected_ = 0;
  std::vector<Charge> charges_;  // since the last decision
};

}  // namespace yardmaster
