// What the dispatcher knows of the fleet.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "env/base/ids.h"
#include "env/base/random.h"
#include "env/base/units.h"
#include "env/node/ring.h"
#include "env/scenario/scenario.h"
#include "env/simulation/fleet.h"
#include "env/view/fleet_view.h"
#include "env/view/ledger.h"
#include "env/view/prefix_index.h"
#include "env/view/report_board.h"

namespace yardmaster {

/// Reports as old as they are, the dispatcher's own ledger, detected health, and the index of
/// prefixes: everything that a FleetView shows.
class FleetMonitor {
 public:
  /// Borrows the scenario.
  FleetMonitor(const Scenario&, Seed, Reporting);

  /// Whether nodes must log the changes of their prefix caches for the index.
  [[nodiscard]] bool reads_kv_events() const { return reads_kv_events_; }

  /// Must be called before node `n` or its part of the ledger changes at `now`, because a report
  /// that is due shows both as they were.
  void before_change(NodeId n, Time now, Fleet& fleet, NodeTables& tables) {
    if (board_.due(n, now)) {
      take_report(n, now, fleet, tables);
    }
  }

  // The ledger's events.
  /// A task of this path and prompt goes to node `n`.
  void task_sent(NodeId n, const LedgerEntry&, std::span<const PathSpan> shared);
  void first_token_passed(NodeId n, const LedgerEntry& entry) { ledger_.first_token(n, entry); }
  /// The task has ended, failed or been abandoned.
  void task_returned(NodeId n, const LedgerEntry& entry) {
    ledger_.returned(n, entry);
    ++board_.columns.returned_since[index(n)];
  }
  /// The dispatcher learns that the node is down, and so are its cached prefixes; or up.
  void set_up(NodeId n, bool up);

  /// Whether node `n` is up, as far as is known, and has fewer unfinished tasks than `window`.
  [[nodiscard]] bool has_room(NodeId n, std::int32_t window) const {
    return up_[index(n)] != 0 && ledger_.columns.in_flight[index(n)] < window;
  }
  /// When the next report of any node arrives after `now`, lost ones included.
  [[nodiscard]] Time next_report_after(Time now) const { return board_.next_arrival_after(now); }

  /// The view at `now`, with `ready` tasks in the queue. Reports that are due are taken and shown.
  const FleetView& view(Time now, std::size_t ready, Fleet&, NodeTables&);

 private:
  void take_report(NodeId n, Time now, Fleet&, NodeTables&);
  void show_report(NodeId n, Time now, Fleet&, NodeTables&);
  void collect_kv_events(NodeId n, Fleet&, NodeTables&);
  void apply_kv_events(NodeId n, Time now);
  void bind_view();

  const Scenario* scenario_;
  Ledger ledger_;
  ReportBoard board_;
  Estimates estimates_;
  PrefixIndex prefixes_;
  bool reads_kv_events_ = false;
  std::vector<Ring<KvEvent>> kv_events_;  // [node] collected and not yet arrived
  std::vector<KvEvent> kv_drained_;       // scratch, empty between calls
  std::vector<std::uint8_t> up_;          // [node]
  FleetView view_;
};

}  // namespace yardmaster
