#include "env/view/report_board.h"

#include <algorithm>
#include <bit>

namespace yardmaster {

ReportBoard::ReportBoard(const Scenario& scenario, Seed seed, Reporting reporting)
    : scenario_(&scenario),
      seed_(seed),
      reporting_(reporting),
      interval_(scenario.reports.interval),
      delay_(scenario.reports.delay),
      loss_(scenario.reports.loss),
      depth_(std::bit_ceil(static_cast<std::size_t>(delay_.ps / interval_.ps) + 2)),
      due_(scenario.nodes()),
      clocks_(scenario.nodes()),
      snapshots_(scenario.nodes() * depth_),
      arrived_(scenario.nodes()) {
  ReportColumns<Kept>::for_each([&](const char*, auto& column) { column.resize(scenario.nodes()); },
                                columns);
  columns.report_taken.assign(scenario.nodes(), Time::never());
  for (std::size_t n = 0; n < scenario.nodes(); ++n) {
    const Draw draw{seed, Purpose::report_phase, object_address(static_cast<std::uint32_t>(n), 0)};
    clocks_[n].phase = {
        static_cast<std::int64_t>(draw.uniform() * static_cast<double>(interval_.ps))};
    const bool read = reporting == Reporting::read;
    due_[n] = read ? taken_at(n, 0) : Time::never();
    clocks_[n].next_arrival = read ? taken_at(n, 0) + delay_ : Time::never();
    turn_.push_back(node_id(n));
  }
  std::stable_sort(turn_.begin(), turn_.end(), [&](NodeId a, NodeId b) {
    return clocks_[index(a)].phase < clocks_[index(b)].phase;
  });
}

// Called after a report was shown. If the round skipped reports, the next one in turn is where
// arrival times decrease, not where the round ended.
void ReportBoard::find_next_in_turn(Time now) {
  const std::size_t nodes = turn_.size();
  const auto next = [nodes](std::size_t turn) { return turn + 1 < nodes ? turn + 1 : 0; };
  const auto arrival = [&](std::size_t turn) { return clocks_[index(turn_[turn])].next_arrival; };
  std::size_t before = next_in_turn_;
  next_in_turn_ = next(before);
  if (arrival(next_in_turn_) > now) {
    while (arrival(next_in_turn_) > arrival(before)) {
      before = next_in_turn_;
      next_in_turn_ = next(before);
    }
  }
}

// The last report taken at or before `t`; -1 for none.
std::int64_t ReportBoard::last_by(std::size_t node, Time t) const {
  const std::int64_t since = t.ps - clocks_[node].phase.ps;
  return since < 0 ? -1 : since / interval_.ps;
}

// The same without a division if the result is `guess`, which is nearly always so.
std::int64_t ReportBoard::last_by(std::size_t node, Time t, std::int64_t guess) const {
  const Duration since = t - taken_at(node, guess);
  return since >= Duration::zero() && since < interval_ ? guess : last_by(node, t);
}

bool ReportBoard::lost(std::size_t node, std::int64_t report) const {
  if (loss_ <= 0) {
    return false;
  }
  const Draw draw{
      seed_, Purpose::report_loss,
      object_address(static_cast<std::uint32_t>(node), static_cast<std::uint32_t>(report))};
  return draw.uniform() < loss_;
}

// Keeps the newest of the reports up to `report`, which have arrived: later ones may be lost, and
// those that are not will overwrite it in the ring.
void ReportBoard::keep_arrived(std::size_t node, std::int64_t report) {
  const auto depth = static_cast<std::int64_t>(depth_);
  for (std::int64_t k = std::min(report, clocks_[node].last_taken);
       k > std::max(arrived_[node].report, clocks_[node].last_taken - depth); --k) {
    if (slot(node, k).report == k) {
      arrived_[node] = slot(node, k);
      return;
    }
  }
}

inline void ReportBoard::show(NodeId n, std::int64_t report, std::int32_t kv_blocks,
                              const NodeLoad& load, std::int64_t sent, std::int64_t returned) {
  const std::size_t i = index(n);
  const bool dynamo = scenario_->reports.fields != ReportFields::vllm;
  const bool full = scenario_->reports.fields == ReportFields::full;
  clocks_[i].shown = report;
  columns.report_taken[i] = taken_at(i, report);
  columns.running[i] = load.running;
  columns.waiting[i] = load.waiting;
  columns.kv_use[i] = static_cast<float>(load.used_blocks) / static_cast<float>(kv_blocks);
  columns.reported_prefill_tokens[i] = dynamo ? load.prefill_tokens : 0;
  columns.reported_context_tokens[i] = full ? load.context_tokens : 0;
  columns.sent_since[i] = static_cast<std::int32_t>(sent);
  columns.returned_since[i] = static_cast<std::int32_t>(returned);
}

// Takes and shows a report that has arrived and supersedes all earlier ones. The node has not
// changed since.
inline void ReportBoard::take_and_show(NodeId n, std::int64_t report, const NodeRef& node) {
  const std::size_t i = index(n);
  const Time at = taken_at(i, report);
  node.catch_up_before(at);
  show(n, report, node.grant.blocks, node.load(at), 0, 0);
  clocks_[i].last_taken = report;
  due_[i] = at + interval_;
}

void ReportBoard::snapshot(NodeId n, Time t, const NodeRef& node, bool up, std::int64_t sent,
                           std::int64_t returned) {
  const std::size_t i = index(n);
  Clock& clock = clocks_[i];
  const std::int64_t last = last_by(i, t, clock.last_taken + 1);
  if (up && loss_ <= 0 && taken_at(i, last) + delay_ <= t) {
    take_and_show(n, last, node);
    return;
  }
  const std::int64_t arrived = last_by(i, t - delay_, clock.shown);
  keep_arrived(i, arrived);
  // Reports before the newest that has arrived by `t` are superseded and will not be read.
  std::int64_t from = arrived;
  while (from > clock.last_taken && lost(i, from)) {
    --from;
  }
  for (std::int64_t k = std::max(from, clock.last_taken + 1); k <= last && up; ++k) {
    if (!lost(i, k)) {
      const Time at = taken_at(i, k);
      node.catch_up_before(at);
      const Snapshot taken_now{k, sent, returned, node.load(at)};
      (k <= arrived ? arrived_[i] : slot(i, k)) = taken_now;
    }
  }
  clock.last_taken = last;
  due_[i] = taken_at(i, last + 1);
}

bool ReportBoard::show_newest(NodeId n, Time now, const NodeRef& node, bool up, std::int64_t sent,
                              std::int64_t returned) {
  const std::size_t i = index(n);
  Clock& clock = clocks_[i];
  const std::int64_t newest = last_by(i, now - delay_, clock.shown + 1);
  const bool takes = newest > clock.last_taken;
  if (takes && up && loss_ <= 0) {
    take_and_show(n, newest, node);
  } else if (clock.shown < newest) {
    if (takes) {
      snapshot(n, now, node, up, sent, returned);
    }
    keep_arrived(i, newest);
    const Snapshot& s = arrived_[i];
    if (s.report > clock.shown) {
      show(n, s.report, node.grant.blocks, s.load, sent - s.sent, returned - s.returned);
    }
  }
  clock.next_arrival = taken_at(i, newest + 1) + delay_;
  find_next_in_turn(now);
  return takes;
}

Time ReportBoard::next_arrival_after(Time now) const {
  Time next = Time::never();
  for (std::size_t i = 0; i < clocks_.size(); ++i) {
    next = std::min(next, taken_at(i, last_by(i, now - delay_) + 1) + delay_);
  }
  return next;
}

}  // namespace yardmaster
