#include "env/simulation/fleet.h"

#include <algorithm>
#include <utility>

namespace yardmaster {

namespace {

// The k-th exponential time of this kind on this node, counted from `now`; never() if it is longer
// than time can hold.
Time draw_after(NodeId n, Time now, Seed seed, Purpose purpose, std::uint32_t k, Duration mean) {
  const Draw draw{seed, purpose, object_address(static_cast<std::uint32_t>(n), k)};
  const double seconds = mean.seconds() * draw.exponential();
  return seconds < kLongestDuration.seconds() ? now + Duration::from_seconds(seconds)
                                              : Time::never();
}

}  // namespace

Fleet::Fleet(const Scenario& scenario, Seed seed, bool log_kv_events)
    : scenario_(&scenario),
      health_(scenario.nodes()),
      health_due_(scenario.nodes(), Time::never()),
      alive_(scenario.nodes(), 1) {
  for (std::size_t i = 0; i < scenario.nodes(); ++i) {
    const NodeId n = node_id(i);
    const NodeKind& kind = scenario.kind(n);
    places_.push_back({scenario.kind_of[i], kind.settings.grant});
    nodes_.emplace_back(n, kind.settings.rules, kind.settings.grant, log_kv_events);
    if (kind.failures.between > Duration::zero()) {
      health_[i].crash_at =
          draw_after(n, Time{0}, seed, Purpose::failure, 0, kind.failures.between);
    }
    if (kind.slowdowns.between > Duration::zero()) {
      health_[i].slow_toggle_at =
          draw_after(n, Time{0}, seed, Purpose::slow_start, 0, kind.slowdowns.between);
    }
    find_next_change(n);
  }
}

bool Fleet::deliver(NodeId n, TaskSlot slot, Time at, Time now, NodeTables& tables) {
  if (!alive(n)) {
    health_[index(n)].lost.push_back(slot);
    return false;
  }
  tables.requests[index(slot)].book(Moment::network, at);
  ref(n, tables).deliver(slot, at, now);
  return true;
}

bool Fleet::cancel(NodeId n, TaskSlot slot, Time now, NodeTables& tables) {
  return std::erase(health_[index(n)].lost, slot) > 0 || ref(n, tables).cancel(slot, now);
}

NodeState Fleet::state(NodeId n, Time now, NodeTables& tables) {
  const NodeRef node = ref(n, tables);
  node.catch_up_before(now);
  const NodeLoad load = node.load(now);
  return {alive(n), load.running, load.waiting,
          static_cast<double>(load.used_blocks) / node.grant.blocks, node.counters_at(now)};
}

HealthChange Fleet::due_change(NodeId n, Time now) const {
  const Health& health = health_[index(n)];
  return health_due_[index(n)] > now ? HealthChange::none
         : health.crash_at <= now    ? HealthChange::crashed
         : health.detect_at <= now   ? HealthChange::detected
         : health.repair_at <= now   ? HealthChange::repaired
                                     : HealthChange::slowed;
}

void Fleet::change_health(NodeId n, Time now, Seed seed, NodeTables& tables) {
  switch (due_change(n, now)) {
    case HealthChange::crashed:
      crash(n, now, seed, tables);
      break;
    case HealthChange::detected:
      health_[index(n)].detect_at = Time::never();
      break;
    case HealthChange::repaired:
      repair(n, now, seed);
      break;
    case HealthChange::slowed:
      toggle_slow(n, now, seed, tables);
      break;
    case HealthChange::none:
      break;
  }
  find_next_change(n);
}

std::vector<TaskSlot> Fleet::take_lost(NodeId n) {
  return std::exchange(health_[index(n)].lost, {});
}

void Fleet::crash(NodeId n, Time now, Seed seed, NodeTables& tables) {
  Health& health = health_[index(n)];
  alive_[index(n)] = 0;
  ref(n, tables).crash(now, health.lost);
  health.crash_at = Time::never();
  health.detect_at = now + scenario_->dispatch.detection;
  // Repair begins with detection at the earliest, so that every lost task is missed before its node
  // is back.
  health.repair_at = std::max(draw_after(n, now, seed, Purpose::repair, health.crashes,
                                         scenario_->kind(n).failures.lasting),
                              health.detect_at);
  ++health.crashes;
}

void Fleet::repair(NodeId n, Time now, Seed seed) {
  Health& health = health_[index(n)];
  alive_[index(n)] = 1;
  health.repair_at = Time::never();
  health.crash_at = draw_after(n, now, seed, Purpose::failure, health.crashes,
                               scenario_->kind(n).failures.between);
}

void Fleet::toggle_slow(NodeId n, Time now, Seed seed, NodeTables& tables) {
  Health& health = health_[index(n)];
  const Outages& slowdowns = scenario_->kind(n).slowdowns;
  health.slow = !health.slow;
  ref(n, tables).set_cost_level(health.slow ? 1 : 0, now);
  ++health.toggles;
  health.slow_toggle_at =
      health.slow
          ? draw_after(n, now, seed, Purpose::slow_end, health.toggles, slowdowns.lasting)
          : draw_after(n, now, seed, Purpose::slow_start, health.toggles, slowdowns.between);
}

void Fleet::redraw_health(NodeId n, Time now, Seed seed) {
  const NodeKind& kind = scenario_->kind(n);
  Health& health = health_[index(n)];
  if (!health.crash_at.is_never()) {
    health.crash_at =
        draw_after(n, now, seed, Purpose::failure, health.crashes, kind.failures.between);
  }
  if (!health.repair_at.is_never() && health.detect_at.is_never()) {
    health.repair_at =
        draw_after(n, now, seed, Purpose::repair, health.crashes, kind.failures.lasting);
  }
  if (!health.slow_toggle_at.is_never()) {
    health.slow_toggle_at =
        health.slow
            ? draw_after(n, now, seed, Purpose::slow_end, health.toggles, kind.slowdowns.lasting)
            : draw_after(n, now, seed, Purpose::slow_start, health.toggles, kind.slowdowns.between);
  }
  find_next_change(n);
}

void Fleet::find_next_change(NodeId n) {
  const Health& h = health_[index(n)];
  health_due_[index(n)] =
      std::min(std::min(h.crash_at, h.detect_at), std::min(h.repair_at, h.slow_toggle_at));
}

}  // namespace yardmaster
