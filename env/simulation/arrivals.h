// The tasks to come.
#pragma once

#include <cstddef>
#include <vector>

#include "env/base/random.h"
#include "env/base/units.h"
#include "env/scenario/scenario.h"
#include "env/workload/task_spec.h"
#include "env/workload/workload.h"

namespace yardmaster {

/// The arrival processes of all tenants. Arrivals stop at the scenario's duration.
class Arrivals {
 public:
  /// Borrows the scenario.
  Arrivals(const Scenario&, Seed);

  [[nodiscard]] std::size_t tenants() const { return cursors_.size(); }
  /// When the dispatcher sees the tenant's next task; never() if there is none.
  [[nodiscard]] Time next(std::size_t tenant) const {
    const Time at = cursors_[tenant].next;
    return at.is_never() ? at : at + scenario_->network.frontend;
  }
  /// Whether no task is to come.
  [[nodiscard]] bool over() const {
    for (const ArrivalCursor& cursor : cursors_) {
      if (!cursor.next.is_never()) {
        return false;
      }
    }
    return true;
  }
  /// The tenant's next task, after which the process advances. REQUIRES that there is one.
  TaskSpec take(std::size_t tenant, Seed);
  /// Draws the arrivals after `now` anew. The rows of a trace stay, and so does its window.
  void redraw(Seed, Time now);

 private:
  [[nodiscard]] Time end() const { return Time{scenario_->duration.ps}; }

  const Scenario* scenario_;
  std::vector<ArrivalCursor> cursors_;  // [tenant]
};

}  // namespace yardmaster
