#include "env/simulation/fleet_monitor.h"

namespace yardmaster {

namespace {

std::vector<std::int32_t> kv_blocks(const Scenario& scenario) {
  std::vector<std::int32_t> blocks;
  for (std::size_t i = 0; i < scenario.nodes(); ++i) {
    blocks.push_back(scenario.kind(node_id(i)).settings.grant.blocks);
  }
  return blocks;
}

bool prompts_share(const Scenario& scenario) { return scenario.workload.paths.runs() > 0; }

}  // namespace

FleetMonitor::FleetMonitor(const Scenario& scenario, Seed seed, Reporting reporting)
    : scenario_(&scenario),
      ledger_(scenario.nodes()),
      board_(scenario, seed, reporting),
      estimates_(scenario, seed),
      prefixes_(kv_blocks(scenario)),
      reads_kv_events_(reporting == Reporting::read && prompts_share(scenario) &&
                       scenario.dispatch.prefix_index == PrefixSource::events),
      kv_events_(reads_kv_events_ ? scenario.nodes() : 0),
      up_(scenario.nodes(), 1) {}

void FleetMonitor::task_sent(NodeId n, const LedgerEntry& entry, std::span<const PathSpan> shared) {
  ledger_.sent(n, entry);
  if (prompts_share(*scenario_) && scenario_->dispatch.prefix_index == PrefixSource::sent) {
    prefixes_.sent(n, shared, entry.prompt_tokens / kBlockTokens);
  }
  ++board_.columns.sent_since[index(n)];
}

void FleetMonitor::set_up(NodeId n, bool up) {
  up_[index(n)] = up ? 1 : 0;
  if (!up) {
    prefixes_.forget(n);
  }
}

void FleetMonitor::take_report(NodeId n, Time now, Fleet& fleet, NodeTables& tables) {
  board_.snapshot(n, now, fleet.ref(n, tables), fleet.alive(n), ledger_.sent_total[index(n)],
                  ledger_.returned_total[index(n)]);
  if (reads_kv_events_ && fleet.alive(n)) {
    collect_kv_events(n, fleet, tables);
  }
}

void FleetMonitor::show_report(NodeId n, Time now, Fleet& fleet, NodeTables& tables) {
  const bool taken =
      board_.show_newest(n, now, fleet.ref(n, tables), fleet.alive(n), ledger_.sent_total[index(n)],
                         ledger_.returned_total[index(n)]);
  if (reads_kv_events_) {
    if (taken && fleet.alive(n)) {
      collect_kv_events(n, fleet, tables);
    }
    apply_kv_events(n, now);
  }
}

// The events of the plans before the node's last report, whenever these were made.
void FleetMonitor::collect_kv_events(NodeId n, Fleet& fleet, NodeTables& tables) {
  const NodeRef node = fleet.ref(n, tables);
  node.catch_up_before(board_.last_taken(n));
  node.drain_kv_events(kv_drained_);
  for (const KvEvent& e : kv_drained_) {
    kv_events_[index(n)].push_back(e);
  }
  kv_drained_.clear();
}

// Events arrive with the first report after them. Unlike reports they are never lost.
void FleetMonitor::apply_kv_events(NodeId n, Time now) {
  Ring<KvEvent>& events = kv_events_[index(n)];
  while (!events.empty() && board_.arrival_after(n, events.front().at) <= now) {
    const KvEvent& e = events.front();
    if (e.run == kNoRun) {
      prefixes_.forget(n);
    } else {
      prefixes_.set_cached(n, e.run, scenario_->workload.paths.begin(e.run), e.end);
    }
    events.pop_front();
  }
}

const FleetView& FleetMonitor::view(Time now, std::size_t ready, Fleet& fleet, NodeTables& tables) {
  for (NodeId n = board_.next_stale(now); n != kNoNode; n = board_.next_stale(now)) {
    show_report(n, now, fleet, tables);
  }
  if (view_.up.data() != up_.data() || view_.estimates != &estimates_) {
    bind_view();
  }
  view_.now = now;
  view_.last_sent = ledger_.last_sent;
  view_.ready = static_cast<std::int32_t>(ready);
  return view_;
}

// The view's columns are this world's own. Those of a world that was copied or moved here are
// still the other's.
void FleetMonitor::bind_view() {
  const auto bind = [](const char* /*name*/, auto& shown, const auto& kept) { shown = kept; };
  ReportColumns<Shown>::for_each(bind, view_, board_.columns);
  LedgerColumns<Shown>::for_each(bind, view_, ledger_.columns);
  view_.up = up_;
  view_.estimates = &estimates_;
  view_.prefixes = prompts_share(*scenario_) ? &prefixes_ : nullptr;
}

}  // namespace yardmaster
