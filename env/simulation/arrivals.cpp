#include "env/simulation/arrivals.h"

namespace yardmaster {

Arrivals::Arrivals(const Scenario& scenario, Seed seed) : scenario_(&scenario) {
  for (std::uint32_t t = 0; t < scenario.workload.tenants.size(); ++t) {
    cursors_.push_back(first_arrival(scenario.workload, t, seed, end()));
  }
}

TaskSpec Arrivals::take(std::size_t tenant, Seed seed) {
  ArrivalCursor& cursor = cursors_[tenant];
  const auto t = static_cast<std::uint32_t>(tenant);
  const TaskSizes sizes = task_sizes(cursor, scenario_->workload, t, seed);
  TaskSpec spec;
  spec.set_address({t, cursor.count, 0, 0, 0, 0});
  spec.prompt_tokens = sizes.prompt_tokens;
  spec.output_tokens = sizes.output_tokens;
  spec.max_tokens = sizes.max_tokens;
  spec.predicted_tokens = sizes.predicted_tokens;
  spec.path = sizes.path;
  spec.arrival = cursor.next;
  next_arrival(cursor, scenario_->workload, t, seed, end());
  return spec;
}

void Arrivals::redraw(Seed seed, Time now) {
  if (!scenario_->workload.trace.empty()) {
    return;
  }
  for (std::uint32_t t = 0; t < cursors_.size(); ++t) {
    ArrivalCursor& cursor = cursors_[t];
    if (cursor.next.is_never()) {
      continue;
    }
    cursor.next = now;
    --cursor.count;  // the arrival that was due is drawn again
    next_arrival(cursor, scenario_->workload, t, seed, end());
  }
}

}  // namespace yardmaster
