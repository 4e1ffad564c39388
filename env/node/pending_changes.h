// Changes from outside that take effect at a node's next plan.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "env/base/ids.h"
#include "env/base/units.h"

namespace yardmaster {

/// A request to abandon a running request at `at`.
struct PendingCancel {
  TaskSlot task = kNoTask;
  Time at;
};

/// Each takes effect at the first plan at or after its time.
struct PendingChanges {
  /// The step costs of speed level `cost_level` are used.
  Time cost_at = Time::never();
  /// A plan must be made, because a request that left may have held up those behind it.
  Time replan_at = Time::never();
  std::vector<PendingCancel> cancels;
  std::uint8_t cost_level = 0;

  /// The time of the first change; never() for none.
  [[nodiscard]] Time first() const {
    Time at = std::min(cost_at, replan_at);
    for (const PendingCancel& c : cancels) {
      at = std::min(at, c.at);
    }
    return at;
  }
};

}  // namespace yardmaster
