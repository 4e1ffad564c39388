// The steps under way: where their boundaries lie, in closed form.
#pragma once

#include <cstdint>

#include "env/base/units.h"
#include "env/hardware/step_cost.h"

namespace yardmaster {

/// The end of a step, and how many steps of the segment have ended by then.
struct StepBoundary {
  Time at;
  std::int64_t steps = 0;
};

/// Steps `step` to `step` + `steps` - 1 of the node, planned as one stretch.
struct ActiveSegment {
  /// When its first step starts on the device.
  Time start;
  Segment shape{};
  /// 1 / shape.first.
  double steps_per_ps = 0;
  std::int64_t step = 0;
  /// 0: no segment is under way.
  std::int32_t steps = 0;
  /// Its steps compute prefill chunks.
  bool has_chunks = false;
  /// When its last step ends, and when the steps after it are planned if nothing cuts it.
  Time end;
  Time plan_if_undisturbed;

  /// When its first `n` steps have ended.
  [[nodiscard]] Time boundary(std::int64_t n) const { return start + shape.total(n); }
  /// The first boundary at or after `at`, as if the segment went on for ever.
  [[nodiscard]] StepBoundary first_boundary(Time at) const;
  /// Makes it `count` steps long.
  void set_steps(std::int64_t count, std::int32_t steps_in_flight) {
    steps = static_cast<std::int32_t>(count);
    end = boundary(count);
    plan_if_undisturbed = steps_in_flight == 1 ? end : end - shape.step(count - 1);
  }
};

}  // namespace yardmaster
