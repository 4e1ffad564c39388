// How a policy orders the ready queue.
#pragma once

#include "env/base/units.h"
#include "env/view/task_view.h"

namespace yardmaster {

/// What an ordering can see besides the task.
struct QueueView {
  Time now;
};

/// Orders the ready queue: the smallest key is served first, ties by time of readiness. Immutable,
/// so one object serves any number of worlds and threads, and a fork orders as the original does.
/// A world borrows its ordering as it borrows its scenario.
class OrderingPolicy {
 public:
  virtual ~OrderingPolicy() = default;
  /// The task's key. Computed once, when the task becomes ready; it must not be NaN.
  [[nodiscard]] virtual double key(const TaskView&, const QueueView&) const = 0;
};

}  // namespace yardmaster
