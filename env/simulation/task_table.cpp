#include "env/simulation/task_table.h"

namespace yardmaster {

namespace {

// Tasks at once per node, for which memory is reserved.
constexpr std::size_t kUsualTasksPerNode = 64;
// Copied, because GCC compiles Request{} to `rep stos`, whose start-up takes longer than the copy.
constexpr Request kNewRequest;

}  // namespace

TaskTable::TaskTable(const Scenario& scenario) : scenario_(&scenario) {
  tables_.paths = &scenario.workload.paths;
  tables_.requests.items.reserve(kUsualTasksPerNode * scenario.nodes());
  tables_.links.items.reserve(kUsualTasksPerNode * scenario.nodes());
}

TaskSlot TaskTable::create(const TaskSpec& spec, Time now) {
  ++live_;
  TaskSlot slot = kNoTask;
  if (free_slots_.empty()) {
    slot = tables_.add_slot();
  } else {
    slot = free_slots_.back();
    free_slots_.pop_back();
  }
  Request& r = (*this)[slot];
  r = kNewRequest;
  r.spec = spec;
  r.booked_until = spec.arrival;
  r.ready = now;
  r.book(Moment::frontend, now);
  return slot;
}

void TaskTable::start_next_attempt(TaskSlot slot, Time now) {
  Request& r = (*this)[slot];
  Request next = kNewRequest;
  next.spec = r.spec;
  TaskAddress address = r.spec.address;
  ++address.attempt;
  next.spec.set_address(address);
  next.preemptions = r.preemptions;
  next.ready = now;
  next.booked_until = r.spec.arrival;
  next.book(Moment::frontend,
            r.spec.arrival + r.moments[static_cast<std::size_t>(Moment::frontend)]);
  next.book(Moment::rework, now);
  r = next;
}

}  // namespace yardmaster
