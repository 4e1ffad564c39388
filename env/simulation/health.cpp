// Crashes, their detection and repair, and slow-downs.
#include "env/simulation/simulation.h"

namespace yardmaster {

// The k-th exponential time of this kind on this node, counted from now; never beyond what time
// holds.
Time Simulation::draw_after(NodeId n, Purpose purpose, std::uint32_t k, Duration mean) const {
  const Draw draw{seed_, purpose, object_address(static_cast<std::uint32_t>(n), k)};
  const double seconds = mean.seconds() * draw.exponential();
  return seconds < kLongestDuration.seconds() ? now_ + Duration::from_seconds(seconds)
                                              : Time::never();
}

void Simulation::start_health() {
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const NodeKind& kind = scenario_->kind(node_id(i));
    if (kind.failures.between > Duration::zero()) {
      health_[i].crash_at = draw_after(node_id(i), Purpose::failure, 0, kind.failures.between);
    }
    if (kind.slowdowns.between > Duration::zero()) {
      health_[i].slow_toggle_at =
          draw_after(node_id(i), Purpose::slow_start, 0, kind.slowdowns.between);
    }
    find_next_health(node_id(i));
    reschedule(node_id(i));
  }
}

void Simulation::find_next_health(NodeId n) {
  const Health& h = health_[index(n)];
  health_due_[index(n)] =
      std::min(std::min(h.crash_at, h.detect_at), std::min(h.repair_at, h.slow_toggle_at));
}

void Simulation::handle_health(NodeId n, Observer* observer) {
  Health& health = health_[index(n)];
  while (health_due_[index(n)] <= now_) {
    if (health.crash_at <= now_) {
      crash(n);
    } else if (health.detect_at <= now_) {
      detect(n, observer);
    } else if (health.repair_at <= now_) {
      repair(n);
    } else {
      toggle_slow(n);
    }
    find_next_health(n);
  }
  reschedule(n);
}

// The KV cache and all work are gone; nobody knows yet.
void Simulation::crash(NodeId n) {
  Health& health = health_[index(n)];
  const Duration mean_repair = scenario_->kind(n).failures.lasting;
  before_change(n);
  alive_[index(n)] = 0;
  nodes_[index(n)].crash(context(n), now_, health.lost);
  health.crash_at = Time::never();
  health.detect_at = now_ + scenario_->dispatch.detection;
  // A node is not back before it was missed: repair begins with detection at the earliest.
  health.repair_at =
      std::max(draw_after(n, Purpose::repair, health.crashes, mean_repair), health.detect_at);
  ++health.crashes;
  ++counts_.failures;
}

// The dispatcher takes the tasks over.
void Simulation::detect(NodeId n, Observer* observer) {
  Health& health = health_[index(n)];
  health.detect_at = Time::never();
  up_[index(n)] = 0;
  refresh_open(n);
  prefixes_.forget(n);
  for (const TaskSlot slot : health.lost) {
    retry(slot, observer);
  }
  health.lost.clear();
  offer_at(now_);
}

void Simulation::retry(TaskSlot slot, Observer* observer) {
  Request& r = tables_.requests[index(slot)];
  tables_.facts.add(Fact::failed, r.spec.address, r.spec.address_hash, r.node, now_);
  returned(slot, r.node);
  if (r.cancelled) {
    end_task(slot, r.node, Outcome::cancelled, observer);
    return;
  }
  ++counts_.retried;
  Request fresh;
  fresh.spec = r.spec;
  TaskAddress next_attempt = r.spec.address;
  ++next_attempt.attempt;
  fresh.spec.set_address(next_attempt);
  fresh.preemptions = r.preemptions;
  fresh.mark = r.spec.arrival;
  fresh.ready = now_;
  fresh.book(Moment::frontend,
             r.spec.arrival + r.moments[static_cast<std::size_t>(Moment::frontend)]);
  fresh.book(Moment::rework, now_);
  r = fresh;
  make_ready(slot);
}

void Simulation::repair(NodeId n) {
  Health& health = health_[index(n)];
  before_change(n);
  alive_[index(n)] = 1;
  health.repair_at = Time::never();
  health.crash_at =
      draw_after(n, Purpose::failure, health.crashes, scenario_->kind(n).failures.between);
  up_[index(n)] = 1;
  refresh_open(n);
  offer_at(now_);
}

void Simulation::toggle_slow(NodeId n) {
  Health& health = health_[index(n)];
  const Outages& slowdowns = scenario_->kind(n).slowdowns;
  before_change(n);
  health.slow = !health.slow;
  nodes_[index(n)].set_cost_level(context(n), health.slow ? 1 : 0, now_);
  ++health.toggles;
  health.slow_toggle_at =
      health.slow ? draw_after(n, Purpose::slow_end, health.toggles, slowdowns.lasting)
                  : draw_after(n, Purpose::slow_start, health.toggles, slowdowns.between);
}

}  // namespace yardmaster
