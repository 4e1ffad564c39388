// A fork whose future is drawn anew: what a policy that plans may look at.
#include "env/base/math.h"
#include "env/simulation/simulation.h"

namespace yardmaster {

// Kept: everything that has happened, lengths of tasks as far as tokens have been seen, crashes
// that have happened (known or not), nodes that are slow now. Redrawn: the rest of each length,
// given its prediction; arrivals; times of coming failures, repairs and slow-downs.
void Simulation::imagine(Seed seed) {
  seed_ = seed;
  redraw_lengths();
  redraw_arrivals();
  redraw_failures();
}

// The posterior of a length under its prediction and a flat prior of its logarithm: the prediction
// times a lognormal, above the tokens seen. Without prediction error the prediction is the truth.
void Simulation::redraw_lengths() {
  const double sigma = scenario_->workload.length_error;
  if (sigma <= 0) {
    return;
  }
  std::vector<std::int32_t> lengths(tables_.requests.size(), 1);
  for (std::size_t i = 0; i < tables_.requests.size(); ++i) {
    Request& r = tables_.requests[i];
    if (r.task_state == TaskState::free) {
      continue;
    }
    const Draw draw{seed_, Purpose::output_length, r.spec.address};
    const double length = r.spec.predicted_tokens * math::exp(-sigma * draw.normal());
    const double limit = r.spec.max_tokens;
    lengths[i] = std::max(1, static_cast<std::int32_t>(std::min(length, limit)));
    if (r.task_state != TaskState::sent) {
      r.spec.output_tokens = lengths[i];
    }
  }
  for (std::size_t n = 0; n < nodes_.size(); ++n) {
    before_change(node_id(n));
    nodes_[n].redraw_lengths(context(node_id(n)), now_, lengths);
    reschedule(node_id(n));
  }
}

// Generated arrivals start afresh from now. The rows of a trace that are still to come stay.
void Simulation::redraw_arrivals() {
  if (!scenario_->workload.trace.empty()) {
    return;
  }
  for (std::uint32_t t = 0; t < arrivals_.size(); ++t) {
    ArrivalCursor& cursor = arrivals_[t];
    if (cursor.next.is_never()) {
      continue;
    }
    cursor.next = now_;
    --cursor.count;  // the one that was due is the one that is drawn again
    next_arrival(cursor, scenario_->workload, t, seed_, Time{scenario_->duration.ps});
    schedule_arrival(t);
  }
}

void Simulation::redraw_failures() {
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const NodeKind& kind = scenario_->kind(node_id(i));
    Health& health = health_[i];
    if (!health.crash_at.is_never()) {
      health.crash_at =
          draw_after(node_id(i), Purpose::failure, health.crashes, kind.failures.between);
    }
    if (!health.repair_at.is_never() && health.detect_at.is_never()) {
      health.repair_at =
          draw_after(node_id(i), Purpose::repair, health.crashes, kind.failures.lasting);
    }
    if (!health.slow_toggle_at.is_never()) {
      health.slow_toggle_at =
          health.slow
              ? draw_after(node_id(i), Purpose::slow_end, health.toggles, kind.slowdowns.lasting)
              : draw_after(node_id(i), Purpose::slow_start, health.toggles, kind.slowdowns.between);
    }
    find_next_health(node_id(i));
    reschedule(node_id(i));
  }
}

}  // namespace yardmaster
