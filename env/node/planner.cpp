#include "env/node/planner.h"

#include <algorithm>
#include <cstddef>
#include <limits>

#include "env/base/check.h"
#include "env/node/admit.h"
#include "env/node/literal_planner.h"
#include "env/node/settle.h"

namespace yardmaster {

namespace {

// Whether the batch only goes on decoding, as in most plans. The general case would do more that
// has no effect then.
inline bool only_decodes(const NodeRef& ref) {
  const Node& node = ref.node;
  return node.batch.decodes > 0 && node.queues.waiting.empty() &&
         node.batch.prefilling == kNoTask && !node.plan.needs_literal_plan &&
         node.kv.contested_publishers == 0 && ref.tables.recorder == nullptr &&
         node.batch.phases.blocks(node.segment.step) <= node.kv.free_blocks;
}

void apply_changes(const NodeRef& ref, Time now) {
  PendingChanges& changes = ref.node.changes;
  if (changes.replan_at <= now) {
    changes.replan_at = Time::never();
  }
  if (changes.cost_at <= now) {
    ref.node.plan.cost_level = changes.cost_level;
    changes.cost_at = Time::never();
  }
  for (std::size_t i = 0; i < changes.cancels.size();) {
    if (changes.cancels[i].at > now) {
      ++i;
      continue;
    }
    cancel_running(ref, changes.cancels[i].task, now);
    changes.cancels.erase(changes.cancels.begin() + static_cast<std::ptrdiff_t>(i));
  }
  ref.node.next.change = changes.first();
}

// Blocks that the next chunk of the partly computed prompt takes.
std::int32_t chunk_blocks(const NodeRef& ref) {
  const RunningBatch& batch = ref.node.batch;
  if (batch.prefilling == kNoTask) {
    return 0;
  }
  const Request& r = ref.request(batch.prefilling);
  return blocks_for(r.computed + batch.chunk_tokens) - blocks_for(r.computed);
}

// Whether the next step follows from counts alone. Sets the chunk of the partly computed prompt.
inline bool has_closed_form(const NodeRef& ref) {
  const NodeRules& rules = ref.rules;
  Node& node = ref.node;
  RunningBatch& batch = node.batch;
  if (node.plan.needs_literal_plan || node.kv.contested_publishers > 0 ||
      (rules.long_prefill_token_threshold > 0 && !node.queues.waiting.empty() &&
       batch.running < rules.max_num_seqs)) {
    return false;
  }
  if (batch.prefilling != kNoTask) {
    const Request& r = ref.request(batch.prefilling);
    if (r.known_tokens() >= rules.max_model_len) {
      return false;  // no server accepts such a prompt
    }
    batch.chunk_tokens =
        std::min(r.known_tokens() - r.computed, rules.max_num_batched_tokens - batch.decodes);
  }
  if (batch.phases.blocks(node.segment.step) + chunk_blocks(ref) <= node.kv.free_blocks) {
    return true;
  }
  batch.chunk_tokens = 0;
  return false;
}

// The partly computed prompt gets its chunk; with the last one it joins the decoding requests.
inline void continue_prefill(const NodeRef& ref) {
  Node& node = ref.node;
  RunningBatch& batch = node.batch;
  if (batch.prefilling == kNoTask || batch.chunk_tokens == 0) {
    return;
  }
  Request& r = ref.request(batch.prefilling);
  add_chunk(ref, r, batch.chunk_tokens);
  if (ref.tables.recorder != nullptr) {
    ref.tables.recorder->next.entries.push_back({batch.prefilling, batch.chunk_tokens, r.computed});
  }
  if (r.computed + batch.chunk_tokens == r.known_tokens()) {
    node.kv.free_blocks -= chunk_blocks(ref);
    r.computed += batch.chunk_tokens;
    if (ref.rules.enable_prefix_caching) {
      node.kv.take_until(node.kv.free_blocks - batch.phases.blocks(node.segment.step));
      publish(ref, r, r.computed, r.computed);
    }
    batch.joining.push_back(batch.prefilling);
    batch.prefilling = kNoTask;
    batch.chunk_tokens = 0;
  }
}

// The chunk of a request that has just been admitted.
inline void start_prefill(const NodeRef& ref, const Admission& left, const Admitted& admitted) {
  Node& node = ref.node;
  Request& r = ref.request(admitted.task);
  add_chunk(ref, r, admitted.chunk_tokens);
  if (ref.tables.recorder != nullptr) {
    ref.tables.recorder->next.entries.push_back(
        {admitted.task, admitted.chunk_tokens, admitted.found.tokens});
  }
  if (!admitted.whole) {
    node.batch.prefilling = admitted.task;
    node.batch.chunk_tokens = admitted.chunk_tokens;
    return;
  }
  r.computed = r.known_tokens();
  node.kv.free_blocks -= blocks_for(r.computed) - admitted.found.blocks;
  if (ref.rules.enable_prefix_caching) {
    node.kv.take_until(left.free_blocks);
    publish(ref, r, r.computed, r.computed);
  }
  node.batch.joining.push_back(admitted.task);
}

inline void admit(const NodeRef& ref, Time now) {
  Node& node = ref.node;
  Admission left{
      ref.rules,
      ref.rules.max_num_batched_tokens - node.batch.decodes - node.first_step.shape.chunk_tokens,
      std::numeric_limits<std::int32_t>::max(), node.kv.free_blocks};
  node.plan.head_awaits_publication = false;
  if (node.queues.waiting.empty() || !left.open(node.batch.running)) {
    return;
  }
  left.free_blocks -= node.batch.phases.blocks(node.segment.step);
  if (ref.rules.enable_prefix_caching) {
    node.kv.take_until(left.free_blocks);
    publish_shared(ref, true);
  }
  admit_waiting(ref, now, left,
                [&](const Admitted& admitted) { start_prefill(ref, left, admitted); });
}

// The longest context of the decoding requests. They are looked at one by one only if the request
// that had it has left.
std::int64_t longest_context(const NodeRef& ref) {
  Node& node = ref.node;
  RunningBatch& batch = node.batch;
  if (batch.decodes == 0) {
    return node.first_step.extra_longest;
  }
  if (batch.longest_left) {
    batch.longest_offset = std::numeric_limits<std::int64_t>::min();
    for (const Finishing f : batch.by_finish.entries()) {
      batch.longest_offset = std::max(batch.longest_offset, ref.request(f.task()).context_offset);
    }
    batch.longest_left = false;
  }
  return std::max(batch.longest_offset + node.segment.step, node.first_step.extra_longest);
}

// Whether the instant at which seats and blocks come free matters: to requests that wait for them,
// to the order of the cache's free queue, to a recorder. Otherwise they may be released when the
// end of the request is seen.
inline bool releases_matter(const NodeRef& ref) {
  return !ref.node.queues.waiting.empty() || ref.node.batch.running >= ref.rules.max_num_seqs ||
         ref.rules.enable_prefix_caching || ref.tables.recorder != nullptr;
}

// Seats and blocks that come free end a segment, because waiting requests may take them.
inline std::int64_t steps_until_release(const Node& node) {
  const Ring<Leaving, 2>& leaving = node.batch.leaving;
  std::int64_t steps = std::numeric_limits<std::int64_t>::max();
  for (std::size_t i = 0; i < leaving.size(); ++i) {
    steps = std::min(steps, std::max<std::int64_t>(1, leaving[i].release_step - node.segment.step));
  }
  return steps;
}

// The longest stretch of decode steps, at least one, that the free blocks allow.
inline std::int64_t steps_that_fit(const Node& node, std::int64_t limit) {
  const BlockPhases& phases = node.batch.phases;
  const std::int32_t free = node.kv.free_blocks;
  if (phases.most_blocks(limit) <= free) {
    return std::max<std::int64_t>(limit, 1);
  }
  const std::int64_t rounds =
      std::min(limit / kBlockTokens, static_cast<std::int64_t>(free / node.batch.decodes));
  std::int64_t blocks = rounds * node.batch.decodes;
  std::int64_t steps = rounds * kBlockTokens;
  while (steps < limit) {
    blocks += phases.blocks(node.segment.step + steps);
    if (blocks > free) {
      break;
    }
    ++steps;
  }
  return std::max<std::int64_t>(steps, 1);
}

// The same for a run of full chunks of one prompt beside the decodes.
std::int64_t chunk_steps_that_fit(const NodeRef& ref, std::int64_t limit) {
  const RunningBatch& batch = ref.node.batch;
  const Request& r = ref.request(batch.prefilling);
  const std::int64_t held = blocks_for(r.computed);
  std::int64_t decode = 0;
  std::int64_t steps = 0;
  while (steps < limit) {
    decode += batch.phases.blocks(ref.node.segment.step + steps);
    const auto computed = static_cast<std::int32_t>(r.computed + (steps + 1) * batch.chunk_tokens);
    if (decode + blocks_for(computed) - held > ref.node.kv.free_blocks) {
      break;
    }
    ++steps;
  }
  return std::max<std::int64_t>(steps, 1);
}

// One prompt alone: its full chunks are a run of equal steps, without the last chunk. The run is a
// single step if another request publishes too, if its steps are not all of one cost, or if its
// last chunk may be cut.
inline std::int64_t full_chunk_steps(const NodeRef& ref) {
  const Node& node = ref.node;
  const RunningBatch& batch = node.batch;
  const Request& r = ref.request(batch.prefilling);
  std::int64_t limit = (r.known_tokens() - r.computed - 1) / batch.chunk_tokens;
  if (node.kv.contested_publishers > 0 ||
      (ref.rules.recomputed_output_is_context && r.produced > 0) ||
      r.known_tokens() >= ref.rules.max_model_len) {
    limit = 1;
  }
  if (!batch.by_finish.empty()) {
    limit = std::min(limit, batch.by_finish.front().step() - node.segment.step + 1);
  }
  limit = std::min({limit, steps_until_release(node), ref.step_cost().most_chunk_steps()});
  return chunk_steps_that_fit(ref, limit);
}

inline void start_mixed(const NodeRef& ref) {
  Node& node = ref.node;
  const RunningBatch& batch = node.batch;
  ActiveSegment& segment = node.segment;
  const FirstStep& first = node.first_step;
  MixedStep& shape = node.first_step.shape;
  const StepCost& cost = ref.step_cost();
  shape.decodes = batch.decodes + first.extra_decodes;
  shape.context_tokens += batch.context(segment.step) + first.extra_context;
  shape.sampled += batch.decodes + static_cast<std::int32_t>(batch.joining.size());
  segment.shape = {cost.mixed(shape), Duration::zero()};
  std::int64_t steps = 1;
  if (batch.joining.empty() && batch.chunk_tokens > 0) {
    steps = full_chunk_steps(ref);
    segment.shape.growth = cost.mixed_growth(shape);
  }
  segment.set_steps(steps, ref.rules.steps_in_flight);
}

// `single`: the step after the first must be planned anew.
inline void start_decode(const NodeRef& ref, bool single) {
  Node& node = ref.node;
  const RunningBatch& batch = node.batch;
  ActiveSegment& segment = node.segment;
  const FirstStep& first = node.first_step;
  const StepCost& cost = ref.step_cost();
  const std::int32_t decodes = batch.decodes + first.extra_decodes;
  const std::int64_t longest = cost.depends_on_longest(decodes) ? longest_context(ref) : 0;
  const DecodeRun run =
      cost.decode_run(decodes, batch.context(segment.step) + first.extra_context, longest);
  segment.shape = run.segment;
  if (single) {
    segment.set_steps(1, ref.rules.steps_in_flight);
    return;
  }
  std::int64_t limit = std::min(run.steps, batch.by_finish.front().step() - segment.step + 1);
  if (releases_matter(ref)) {
    limit = std::min(limit, steps_until_release(node));
  }
  segment.set_steps(steps_that_fit(node, limit), ref.rules.steps_in_flight);
}

inline void begin_segment(Node& node) {
  node.plan.idle = false;
  check(node.segment.shape.first.ps > 0, "a step takes no time");
  node.segment.steps_per_ps = 1 / static_cast<double>(node.segment.shape.first.ps);
}

// The requests whose last chunk is in this step get a token when it ends, at `step_end`.
inline void emit_joining(const NodeRef& ref, Time step_end) {
  Node& node = ref.node;
  const Ring<TaskSlot, 2>& joining = node.batch.joining;
  const Time seen = step_end + ref.rules.response_latency;
  for (std::size_t i = 0; i < joining.size(); ++i) {
    const TaskSlot task = joining[i];
    Request& r = ref.request(task);
    if (r.state == RequestState::stalled) {
      r.book(node.segment.has_chunks ? Moment::others_prefill : Moment::decode, step_end);
    } else {
      r.book(r.preemptions > 0 ? Moment::recomputed : Moment::own_prefill, step_end);
    }
    r.state = RequestState::joining;
    r.finish_step = node.segment.step + (r.spec.output_tokens - r.produced) - 1;
    if (!r.first_token_seen) {
      r.first_token_seen = true;
      r.first_token = seen;
      push_output(node, {NodeOutput::Kind::first_token, task, seen});
    }
    if (r.finish_step == node.segment.step) {
      r.last_token = seen;
      push_output(node, {NodeOutput::Kind::finished, task, seen});
    }
  }
}

// Lays out the steps from segment.step on, as far as nothing changes.
inline void start_segment(const NodeRef& ref, Time now, bool preempted) {
  Node& node = ref.node;
  node.segment.has_chunks = node.first_step.shape.chunks > 0;
  if (node.segment.has_chunks) {
    start_mixed(ref);
  } else if (node.batch.decodes + node.first_step.extra_decodes > 0) {
    // After a preemption the next step admits again; the chunk of a partly computed prompt found no
    // budget; the head of the queue may be admitted by what is published next.
    start_decode(ref, preempted || node.plan.needs_literal_plan ||
                          node.first_step.extra_decodes > 0 || node.batch.prefilling != kNoTask ||
                          node.kv.contested_publishers > 0 || node.plan.head_awaits_publication);
  } else {
    node.segment.steps = 0;
    // A head of the queue that never fits waits for ever.
    node.plan.idle = now >= node.plan.end && !preempted;
    return;
  }
  begin_segment(node);
  emit_joining(ref, node.segment.start + node.segment.shape.first);
}

// The decodes of the step that is being planned, in the order of the running list.
void record_decodes(const NodeRef& ref) {
  for (TaskSlot task = ref.node.batch.first; task != kNoTask; task = ref.after(task)) {
    const Request& r = ref.request(task);
    if (r.state == RequestState::decoding) {
      ref.tables.recorder->next.entries.push_back({task, 1, computed_tokens(ref.node, r)});
    }
  }
}

void record_plan(const NodeRef& ref, Time now, bool preempted) {
  const Node& node = ref.node;
  NodeRecorder& recorder = *ref.tables.recorder;
  if (node.segment.steps > 0 || preempted) {
    PlannedSegment& planned = recorder.next;
    planned.planned = now;
    planned.start = node.segment.start;
    planned.length = node.segment.steps > 0 ? node.segment.shape : Segment{};
    planned.free_blocks = node.kv.free_blocks -
                          static_cast<std::int32_t>(node.batch.phases.blocks(node.segment.step)) -
                          chunk_blocks(ref);
    recorder.segments.push_back(std::move(planned));
  }
  recorder.next = {};
}

// Returns whether it preempted.
inline bool plan_step(const NodeRef& ref, Time now) {
  if (!has_closed_form(ref)) {
    return plan_literally(ref, now);
  }
  if (ref.tables.recorder != nullptr) {
    record_decodes(ref);
  }
  continue_prefill(ref);
  admit(ref, now);
  return false;
}

}  // namespace

void plan(const NodeRef& ref, Time now) {
  Node& node = ref.node;
  if (ref.rules.enable_prefix_caching) {
    node.kv.cache.set_time(now);
  }
  close_segment(ref);
  const bool drained = now >= node.plan.end;
  node.plan.tokens_in_flight = !drained;
  if (node.next.change <= now) {
    apply_changes(ref, now);
  }
  if (!node.batch.leaving.empty()) {
    release_leaving(ref, drained ? std::numeric_limits<std::int64_t>::max() : node.segment.step);
  }
  if (!node.queues.mailbox.empty() && node.queues.mailbox.front().at <= now) {
    node.queues.take_arrived(ref.tables.requests, ref.rules.policy, now);
  }
  node.segment.start = std::max(now, node.plan.end);
  node.first_step.extra_decodes = 0;
  node.first_step.extra_context = node.first_step.extra_longest = 0;
  if (only_decodes(ref)) {
    node.segment.has_chunks = node.plan.head_awaits_publication = false;
    start_decode(ref, false);
    begin_segment(node);
    node.plan.last_plan_chance = now;
    node.plan.planned_with_all_tokens = drained;
    return;
  }
  node.first_step.shape = {};
  const bool preempted = plan_step(ref, now);
  start_segment(ref, now, preempted);
  if (node.segment.steps > 0 || !preempted || now < node.plan.end) {
    node.plan.last_plan_chance = now;  // otherwise the engine plans again in the same instant
  }
  if (node.segment.steps > 0) {
    node.plan.planned_with_all_tokens = drained;
  }
  if (ref.tables.recorder != nullptr) {
    record_plan(ref, now, preempted);
  }
}

}  // namespace yardmaster
