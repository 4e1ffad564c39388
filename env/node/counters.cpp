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
void count_part(const StepWork& work, Duration done, Duration length, NodeCounters& counters) {
  const auto part = [&](std::int64_t amount) {
    return static_cast<std::int64_t>(Wide{amount} * done.ps / length.ps);
  };
  counters.decode_tokens += part(work.decodes);
  counters.prefill_tokens += part(work.chunk_tokens);
  counters.sampled_tokens += part(work.sampled);
  counters.weights_kib += part(work.weights_kib);
  counters.context_tokens += part(work.context_tokens);
  counters.chunk_pairs += part(work.chunk_pairs);
  counters.kv_slot_ps += Wide{work.kv_slots} * done.ps;
  counters.busy += done;
  counters.busy_with_prefill += work.chunk_tokens > 0 ? done : Duration::zero();
}

void take_back(const StepWork& work, Duration length, NodeCounters& counters) {
  --counters.steps;
  counters.decode_tokens -= work.decodes;
  counters.prefill_tokens -= work.chunk_tokens;
  counters.sampled_tokens -= work.sampled;
  counters.weights_kib -= work.weights_kib;
  counters.context_tokens -= work.context_tokens;
  counters.chunk_pairs -= work.chunk_pairs;
  counters.kv_slot_ps -= Wide{work.kv_slots} * length.ps;
  counters.busy -= length;
  counters.busy_with_prefill -= work.chunk_tokens > 0 ? length : Duration::zero();
}

// Of step `j` of the segment under way, the first being 0.
StepWork work_of_step(const NodeRef& ref, std::int64_t j) {
  const Node& node = ref.node;
  const RunningBatch& batch = node.batch;
  const FirstStep& first = node.first_step;
  StepWork work;
  work.decodes = work.sampled = batch.decodes + first.extra_decodes;
  work.context_tokens =
      batch.context(node.segment.step) + first.extra_context + std::int64_t{work.decodes} * j;
  work.kv_slots = kBlockTokens * std::int64_t{ref.grant.blocks - node.kv.free_blocks} +
                  batch.decodes * grown_slots(1, j);
  if (node.segment.has_chunks) {
    work.sampled = first.shape.sampled;
    work.chunk_tokens = first.shape.chunk_tokens;
    work.chunk_pairs =
        first.shape.chunk_pairs + 2 * std::int64_t{batch.chunk_tokens} * batch.chunk_tokens * j;
    work.kv_slots += batch.chunk_tokens > 0 ? grown_slots(batch.chunk_tokens, j) : 0;
  }
  work.weights_kib = ref.costs.at(ref.grant.cost, 0).weights_kib(work.decodes + work.chunk_tokens);
  return work;
}

// Adds the first `steps` steps of the segment under way.
void count_steps(const NodeRef& ref, std::int64_t steps, NodeCounters& counters) {
  const Node& node = ref.node;
  const Segment& shape = node.segment.shape;
  const std::int64_t chunk_tokens = node.batch.chunk_tokens;
  const std::int64_t pairs_of_steps = steps * (steps - 1) >> 1;
  const StepWork first = work_of_step(ref, 0);
  const Duration length = shape.total(steps);
  counters.steps += steps;
  counters.decode_tokens += first.decodes * steps;
  counters.sampled_tokens += first.sampled * steps;
  counters.weights_kib += first.weights_kib * steps;
  counters.context_tokens += first.context_tokens * steps + first.decodes * pairs_of_steps;
  counters.busy += length;
  const Wide slots = kBlockTokens * std::int64_t{ref.grant.blocks - node.kv.free_blocks};
  counters.kv_slot_ps += slots * length.ps;
  if (steps > kSlack && node.batch.decodes > 0) {
    counters.kv_slot_ps += node.batch.decodes * grown_slot_ps(1, steps, shape);
  }
  if (node.segment.has_chunks) {
    counters.prefill_tokens += first.chunk_tokens * steps;
    counters.chunk_pairs +=
        first.chunk_pairs * steps + 2 * chunk_tokens * chunk_tokens * pairs_of_steps;
    counters.busy_with_prefill += length;
    if (chunk_tokens > 0) {
      counters.kv_slot_ps += grown_slot_ps(chunk_tokens, steps, shape);
    }
  }
}

}  // namespace

void count_segment(const NodeRef& ref) {
  Node& node = ref.node;
  count_steps(ref, node.segment.steps, node.counters);
  ++node.counters.segments;
  node.last_step_work = work_of_step(ref, node.segment.steps - 1);
}

NodeCounters NodeRef::counters_at(Time at) const {
  const ActiveSegment& segment = node.segment;
  const PlanState& plan = node.plan;
  NodeCounters counters = node.counters;
  if (at < plan.end) {
    // Asynchronous scheduling closes a segment when its last step begins.
    const Duration length = plan.end - plan.last_step_start;
    take_back(node.last_step_work, length, counters);
    count_part(node.last_step_work, at - plan.last_step_start, length, counters);
  } else if (segment.steps > 0 && at > segment.start) {
    std::int64_t ended = segment.steps;
    if (at < segment.end) {
      const StepBoundary next = segment.first_boundary(at);
      ended = next.at == at ? next.steps : next.steps - 1;
    }
    count_steps(*this, ended, counters);
    if (ended < segment.steps) {
      count_part(work_of_step(*this, ended), at - segment.boundary(ended),
                 segment.shape.step(ended), counters);
    }
  }
  return counters;
}

}  // namespace yardmaster
