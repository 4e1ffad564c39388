// The live tasks of a world, one row each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "env/base/ids.h"
#include "env/base/units.h"
#include "env/node/node.h"
#include "env/scenario/scenario.h"
#include "env/view/ledger.h"
#include "env/view/task_view.h"

namespace yardmaster {

/// Rows of live tasks, and the facts about them. A slot is reused after its task has ended.
class TaskTable {
 public:
  /// Borrows the scenario.
  explicit TaskTable(const Scenario&);

  /// A new row for a task that the dispatcher sees at `now`. It is in no queue yet.
  TaskSlot create(const TaskSpec&, Time now);
  /// Makes the row that of the task's next attempt, which starts at `now`. What the failed attempt
  /// took is booked as rework.
  void start_next_attempt(TaskSlot, Time now);
  /// Frees the row of a task that has ended.
  void release(TaskSlot slot) {
    (*this)[slot].task_state = TaskState::free;
    free_slots_.push_back(slot);
    --live_;
  }

  Request& operator[](TaskSlot slot) { return tables_.requests[index(slot)]; }
  const Request& operator[](TaskSlot slot) const { return tables_.requests[index(slot)]; }
  /// Rows, free ones included.
  [[nodiscard]] std::size_t slots() const { return tables_.requests.size(); }
  [[nodiscard]] std::uint64_t live() const { return live_; }

  /// What a policy may know of the task.
  [[nodiscard]] TaskView view(TaskSlot slot) const {
    const Request& r = (*this)[slot];
    const Workload& workload = scenario_->workload;
    const Tenant& tenant = workload.tenants[r.spec.address.tenant];
    return {.slot = slot,
            .address = r.spec.address,
            .prompt_tokens = r.spec.prompt_tokens,
            .max_tokens = workload.declares_max_tokens ? r.spec.max_tokens : 0,
            .predicted_tokens = r.spec.predicted_tokens,
            .weight = tenant.weight,
            .arrival = r.spec.arrival,
            .ready = r.ready,
            .shared = workload.paths.shared(r.spec.path)};
  }
  /// Its weight in the objective.
  [[nodiscard]] double weight(TaskSlot slot) const {
    return scenario_->workload.tenants[(*this)[slot].spec.address.tenant].weight;
  }
  /// What the dispatcher's ledger books for it at `now`.
  [[nodiscard]] LedgerEntry ledger_entry(TaskSlot slot, Time now) const {
    const Request& r = (*this)[slot];
    const bool seen = r.first_token_seen && r.first_token <= now;
    return {r.spec.prompt_tokens, r.spec.predicted_tokens, seen ? r.first_token : Time::never()};
  }

  /// Records a fact about the task.
  void record(Fact fact, TaskSlot slot, NodeId node, Time when) {
    const TaskSpec& spec = (*this)[slot].spec;
    tables_.facts.add(fact, spec.address, spec.address_hash, node, when);
  }
  FactLog& facts() { return tables_.facts; }
  [[nodiscard]] const FactLog& facts() const { return tables_.facts; }
  /// The rows as the nodes use them.
  NodeTables& tables() { return tables_; }

 private:
  const Scenario* scenario_;
  NodeTables tables_;
  std::vector<TaskSlot> free_slots_;
  std::uint64_t live_ = 0;
};

}  // namespace yardmaster
