// How a request of a node changes its state: it is admitted, stops to decode, is preempted, leaves.
#pragma once

#include <cstdint>

#include "env/base/ids.h"
#include "env/base/units.h"
#include "env/node/node.h"

namespace yardmaster {

/// Adds an output that has been decided.
inline void push_output(Node& node, NodeOutput output) {
  node.outputs.insert_sorted(output,
                             [](const NodeOutput& a, const NodeOutput& b) { return a.at > b.at; });
}
/// The output will never be seen.
void forget_output(const NodeRef&, const NodeOutput&);

/// A waiting request goes to the end of the running list, with nothing computed.
void enter(const NodeRef&, TaskSlot, Time now);
/// Takes a request out of the sums of the decoding ones, as of the end of the last closed step; not
/// out of RunningBatch::by_finish.
inline void stop_decoding(const NodeRef& ref, Request& r) {
  Node& node = ref.node;
  RunningBatch& batch = node.batch;
  --batch.decodes;
  batch.offset_sum -= r.context_offset;
  batch.longest_left = batch.longest_left || r.context_offset == batch.longest_offset;
  batch.phases.remove(r.context_offset);
  r.computed = static_cast<std::int32_t>(node.segment.step + r.context_offset);
  const Duration beside_prefill = node.counters.busy_with_prefill - r.prefill_time_before;
  r.moments[static_cast<std::size_t>(Moment::others_prefill)] += beside_prefill;
  r.moments[static_cast<std::size_t>(Moment::decode)] +=
      node.plan.end - r.booked_until - beside_prefill;
  r.booked_until = node.plan.end;
}
/// The last token of a request was in the last closed step. An end by a stop token is not foreseen,
/// so that the next step computes one more token.
inline void start_leaving(const NodeRef& ref, TaskSlot task, Request& r) {
  r.state = RequestState::leaving;
  ref.node.batch.leaving.push_back({task, ref.node.segment.step - 1 + ref.rules.steps_in_flight});
  ref.node.plan.needs_literal_plan =
      ref.node.plan.needs_literal_plan || (r.spec.stop_token && ref.rules.steps_in_flight > 1);
}
/// A running request has no entry in the next step.
void leave_batch(const NodeRef&, TaskSlot);

/// The entry of a preempted request in the step that is being planned, which is withdrawn, and the
/// free blocks before.
struct WithdrawnEntry {
  std::int32_t tokens = 0, blocks = 0;
  std::int64_t free = 0;
};
/// A running request loses its blocks and its seat and goes back to the queue. Its tokens stay.
void preempt(const NodeRef&, TaskSlot, Time now, const WithdrawnEntry&);
/// A cancel takes effect.
void cancel_running(const NodeRef&, TaskSlot, Time now);

/// Ended requests give back their seats and blocks, which are free when `step` is planned.
void release_leaving(const NodeRef&, std::int64_t step);
/// The dispatcher has seen the end of a request and forgets it, so the node must forget it too.
/// Without latency this comes just before the plan that would release it.
void release(const NodeRef&, TaskSlot);

}  // namespace yardmaster
