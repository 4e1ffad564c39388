#include "env/node/counters.h"

#include <algorithm>

#include "env/node/node.h"

namespace yardmaster {

namespace {

using Wide = NodeCounters::Wide;

// The free slots of a request in its last block, at most.
constexpr std::int64_t kSlack = kBlockTokens - 1;

/// Slots that a request of `rate` tokens per step has certainly taken in step `j` of a segment.
std::int64_t grown_slots(std::int64_t rate, std::int64_t j) {
  return std::max<std::int64_t>(rate * (j + 1) - kSlack, 0);
}

/// Sum of grown_slots(rate, j) x segment.step(j) over the first `steps` steps. REQUIRES rate > 0.
Wide grown_slot_ps(std::int64_t rate, std::int64_t steps, const Segment& segment) {
  const std::int64_t from = kSlack / rate;  // none is certain before
  if (steps <= from) {
    return 0;
  }
  const auto sum = [](std::int64_t n) { return n * (n - 1) / 2; };                    // of j < n
  const auto squares = [](std::int64_t n) { return n * (n - 1) * (2 * n - 1) / 6; };  // of j^2
  const Wide slots = rate, first = segment.first.ps, growth = segment.growth.ps;
  const std::int64_t begin = rate - kSlack;
  // (slots j + begin) (first + growth j)
  return slots * growth * (squares(steps) - squares(from)) +
         (slots * first + begin * growth) * (sum(steps) - sum(from)) +
         begin * first * (steps - from);
}

/// Adds the share done / length of a step, rounded down.
void count_part(const NodeRef& ref, const StepWork& work, Duration done, Duration length,
                NodeCounters& counters) {
  const auto part = [&](std::int64_t amount) {
    return static_cast<std::int64_t>(Wide{amount} * done.ps / length.ps);
  };
  counters.decode_tokens += part(work.decodes);
  counters.prefill_tokens += part(work.chunk_tokens);
  counters.other_samples += part(work.other_samples);
  counters.weights_kib += part(ref.step_cost().weights_kib(work.decodes + work.chunk_tokens));
  counters.context_tokens += part(work.context_tokens);
  counters.chunk_pairs += part(work.chunk_pairs);
  counters.kv_slot_ps += Wide{work.kv_slots} * done.ps;
  counters.busy += done;
  counters.busy_with_prefill += work.chunk_tokens > 0 ? done : Duration::zero();
}

void take_back(const NodeRef& ref, const StepWork& work, Duration length, NodeCounters& counters) {
  --counters.steps;
  counters.decode_tokens -= work.decodes;
  counters.prefill_tokens -= work.chunk_tokens;
  counters.other_samples -= work.other_samples;
  counters.unread_kib -= ref.step_cost().unread_kib(work.decodes + work.chunk_tokens);
  counters.context_tokens -= work.context_tokens;
  counters.chunk_pairs -= work.chunk_pairs;
  counters.kv_slot_ps -= Wide{work.kv_slots} * length.ps;
  counters.busy -= length;
  counters.busy_with_prefill -= work.chunk_tokens > 0 ? length : Duration::zero();
}

// Of the first step of the segment under way.
inline StepWork work_of_first_step(const NodeRef& ref) {
  const Node& node = ref.node;
  const FirstStep& first = node.first_step;
  StepWork work;
  work.decodes = node.batch.decodes + first.extra_decodes;
  work.context_tokens = node.batch.context(node.segment.step) + first.extra_context;
  work.kv_slots = kBlockTokens * std::int64_t{ref.grant.blocks - node.kv.free_blocks};
  if (node.segment.has_chunks) {
    work.other_samples = first.shape.sampled - work.decodes;
    work.chunk_tokens = first.shape.chunk_tokens;
    work.chunk_pairs = first.shape.chunk_pairs;
  }
  return work;
}

// Turns the work of the first step of the segment into that of step `j`.
inline void move_to_step(const RunningBatch& batch, std::int64_t j, StepWork& work) {
  work.context_tokens += work.decodes * j;
  if (j >= kSlack) {
    work.kv_slots += batch.decodes * grown_slots(1, j);
  }
  if (batch.chunk_tokens > 0) {
    const std::int64_t chunk_tokens = batch.chunk_tokens;
    work.chunk_pairs += 2 * chunk_tokens * chunk_tokens * j;
    work.kv_slots += grown_slots(chunk_tokens, j);
  }
}

// Adds `steps` steps of the segment under way, the first of which is `first`.
inline void count_steps(const NodeRef& ref, const StepWork& first, std::int64_t steps,
                        Duration length, NodeCounters& counters) {
  const Node& node = ref.node;
  const std::int64_t pairs_of_steps = steps * (steps - 1) >> 1;
  counters.steps += steps;
  counters.decode_tokens += first.decodes * steps;
  counters.context_tokens += first.context_tokens * steps + first.decodes * pairs_of_steps;
  counters.busy += length;
  counters.kv_slot_ps += Wide{first.kv_slots} * length.ps;
  if (steps > kSlack && node.batch.decodes > 0) {
    counters.kv_slot_ps += node.batch.decodes * grown_slot_ps(1, steps, node.segment.shape);
  }
  if (!ref.step_cost().reads_all_weights()) {
    counters.unread_kib += ref.step_cost().unread_kib(first.decodes + first.chunk_tokens) * steps;
  }
  if (node.segment.has_chunks) {
    const std::int64_t chunk_tokens = node.batch.chunk_tokens;
    counters.other_samples += first.other_samples * steps;
    counters.prefill_tokens += first.chunk_tokens * steps;
    counters.chunk_pairs +=
        first.chunk_pairs * steps + 2 * chunk_tokens * chunk_tokens * pairs_of_steps;
    counters.busy_with_prefill += length;
    if (chunk_tokens > 0) {
      counters.kv_slot_ps += grown_slot_ps(chunk_tokens, steps, node.segment.shape);
    }
  }
}

}  // namespace

void count_segment(const NodeRef& ref) {
  Node& node = ref.node;
  const ActiveSegment& segment = node.segment;
  StepWork work = work_of_first_step(ref);
  count_steps(ref, work, segment.steps, segment.end - segment.start, node.counters);
  ++node.counters.segments;
  move_to_step(node.batch, segment.steps - 1, work);
  node.last_step_work = work;
}

NodeCounters NodeRef::counters_at(Time at) const {
  const ActiveSegment& segment = node.segment;
  const PlanState& plan = node.plan;
  NodeCounters counters = node.counters;
  const std::int64_t all_kib = step_cost().weights_kib(0) + step_cost().unread_kib(0);
  const auto weights_of_whole_steps = [&] {
    return all_kib * counters.steps - counters.unread_kib;
  };
  if (at < plan.end) {
    // Asynchronous scheduling closes a segment when its last step begins.
    const Duration length = plan.end - plan.last_step_start;
    take_back(*this, node.last_step_work, length, counters);
    counters.weights_kib = weights_of_whole_steps();
    count_part(*this, node.last_step_work, at - plan.last_step_start, length, counters);
  } else if (segment.steps > 0 && at > segment.start) {
    std::int64_t ended = segment.steps;
    if (at < segment.end) {
      const StepBoundary next = segment.first_boundary(at);
      ended = next.at == at ? next.steps : next.steps - 1;
    }
    StepWork work = work_of_first_step(*this);
    count_steps(*this, work, ended, segment.shape.total(ended), counters);
    counters.weights_kib = weights_of_whole_steps();
    if (ended < segment.steps) {
      move_to_step(node.batch, ended, work);
      count_part(*this, work, at - segment.boundary(ended), segment.shape.step(ended), counters);
    }
  } else {
    counters.weights_kib = weights_of_whole_steps();
  }
  counters.unread_kib = all_kib * counters.steps - counters.weights_kib;
  return counters;
}

}  // namespace yardmaster
