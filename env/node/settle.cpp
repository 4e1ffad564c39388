#include "env/node/settle.h"

#include "env/node/counters.h"
#include "env/node/kv.h"
#include "env/node/requests.h"

namespace yardmaster {

namespace {

// Decodes from the next step on, unless its first token was its last.
inline void start_decoding(const NodeRef& ref, TaskSlot task) {
  Node& node = ref.node;
  RunningBatch& batch = node.batch;
  Request& r = ref.request(task);
  if (r.finish_step < node.segment.step) {
    start_leaving(ref, task, r);
    return;
  }
  r.state = RequestState::decoding;
  r.context_offset = r.computed - node.segment.step;
  r.prefill_time_before = node.counters.busy_with_prefill;
  if (batch.decodes == 0 || r.context_offset >= batch.longest_offset) {
    batch.longest_offset = r.context_offset;
    batch.longest_left = false;
  }
  ++batch.decodes;
  batch.offset_sum += r.context_offset;
  batch.phases.add(r.context_offset);
  batch.by_finish.push({r.finish_step, task});
}

inline void finish(const NodeRef& ref, TaskSlot task) {
  Request& r = ref.request(task);
  stop_decoding(ref, r);
  start_leaving(ref, task, r);
  r.last_token = ref.node.plan.end + ref.rules.response_latency;
  push_output(ref.node, {NodeOutput::Kind::finished, task, r.last_token});
}

}  // namespace

void close_segment(const NodeRef& ref) {
  Node& node = ref.node;
  ActiveSegment& segment = node.segment;
  RunningBatch& batch = node.batch;
  if (segment.steps == 0) {
    return;
  }
  const std::int32_t steps = segment.steps;
  const Time last_start = segment.end - segment.shape.step(steps - 1);
  const Time one_before =
      steps >= 2 ? last_start - segment.shape.step(steps - 2) : node.plan.last_step_start;
  node.plan.last_plan_chance = ref.rules.steps_in_flight == 1 ? last_start : one_before;
  node.plan.last_step_start = last_start;
  node.plan.end = segment.end;
  count_segment(ref);
  if (ref.tables.recorder != nullptr) {
    ref.tables.recorder->segments.back().steps = steps;
  }
  node.kv.free_blocks -= static_cast<std::int32_t>(
      steps == 1 ? batch.phases.blocks(segment.step) : batch.phases.blocks(segment.step, steps));
  if (batch.prefilling != kNoTask && batch.chunk_tokens > 0) {
    Request& r = ref.request(batch.prefilling);
    const std::int32_t held = blocks_for(r.computed);
    r.computed += batch.chunk_tokens * steps;
    node.kv.free_blocks -= blocks_for(r.computed) - held;
    if (ref.rules.enable_prefix_caching) {
      node.kv.take_until(node.kv.free_blocks);
      publish(ref, r, r.computed, r.computed);
    }
  }
  node.plan.planned_with_all_tokens = node.plan.planned_with_all_tokens && steps == 1;
  segment.step += steps;
  segment.steps = 0;
  batch.chunk_tokens = 0;
  for (std::size_t i = 0; i < batch.joining.size(); ++i) {
    start_decoding(ref, batch.joining[i]);
  }
  batch.joining.clear();
  while (!batch.by_finish.empty() && batch.by_finish.front().step() < segment.step) {
    const TaskSlot task = batch.by_finish.front().task();
    batch.by_finish.pop();
    finish(ref, task);
  }
}

}  // namespace yardmaster
