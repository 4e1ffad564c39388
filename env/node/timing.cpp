#include "env/node/timing.h"

#include <algorithm>

#include "env/node/planner.h"

namespace yardmaster {

namespace {

// The earliest change that would make the engine plan otherwise than the segment foresees. A
// newcomer counts only if it could be admitted: not behind others unless it may overtake them, not
// without a seat, not in steps whose whole budget goes to a partly computed prompt.
inline Time cut_time(const NodeRef& ref) {
  const Node& node = ref.node;
  if (!node.queues.mailbox.empty() &&
      (node.queues.waiting.empty() || ref.rules.policy == QueuePolicy::priority) &&
      node.batch.running < ref.rules.max_num_seqs &&
      !(node.segment.has_chunks && node.batch.prefilling != kNoTask)) {
    return std::min(node.next.change, node.queues.mailbox.front().at);
  }
  return node.next.change;
}

inline PlanPoint next_plan_point(const NodeRef& ref, Time cut) {
  const Node& node = ref.node;
  const ActiveSegment& segment = node.segment;
  if (node.plan.idle) {
    const Ring<Delivery, 2>& mailbox = node.queues.mailbox;
    const Time replan = node.changes.replan_at;
    const Time due = mailbox.empty() ? replan : std::min(replan, mailbox.front().at);
    return {std::max(node.plan.end, due), 0};
  }
  if (segment.steps == 0) {
    return {node.plan.end, 0};  // the pipeline drains: the engine waits for the step in flight
  }
  if (cut < segment.plan_if_undisturbed) {
    const int ahead = ref.rules.steps_in_flight;
    StepBoundary b = segment.first_boundary(cut);
    if (b.steps < 2 - ahead) {
      b = {segment.boundary(2 - ahead), 2 - ahead};
    }
    if (b.steps < segment.steps - ahead + 1) {
      return {b.at, static_cast<std::int32_t>(b.steps + ahead - 1)};
    }
  }
  return {segment.plan_if_undisturbed, segment.steps};
}

// Whether it is certain that the next plan computes the whole prompt of the only newcomer in one
// step beside the decodes, and changes nothing else. Blocks that come free before are not counted.
bool admits_only_newcomer(const NodeRef& ref) {
  const NodeRules& rules = ref.rules;
  const Node& node = ref.node;
  const RunningBatch& batch = node.batch;
  const Queues& queues = node.queues;
  const PlanPoint& point = node.next.plan_point;
  if (queues.mailbox.size() != 1 || queues.mailbox.front().at > point.time ||
      !queues.waiting.empty() || !node.next.change.is_never() || node.plan.needs_literal_plan ||
      !batch.joining.empty() || batch.prefilling != kNoTask || node.first_step.extra_decodes > 0 ||
      rules.enable_prefix_caching || rules.long_prefill_token_threshold > 0) {
    return false;
  }
  const std::int64_t step = node.segment.step + point.steps;
  const std::int32_t tokens = ref.request(queues.mailbox.front().task).spec.prompt_tokens;
  const bool no_end_before = batch.by_finish.empty() || batch.by_finish.front().step() >= step;
  const std::int64_t left = node.kv.free_blocks - blocks_for(tokens) - rules.watermark_blocks;
  return no_end_before && batch.running < rules.max_num_seqs &&
         tokens <= rules.max_num_batched_tokens - batch.decodes &&
         (batch.phases.most_blocks(point.steps + 1) <= left ||
          batch.phases.blocks(node.segment.step, point.steps + 1) <= left);
}

// The step that computes the only newcomer's prompt.
Duration newcomers_step(const NodeRef& ref) {
  const Node& node = ref.node;
  MixedStep step;
  step.add_chunk(0, ref.request(node.queues.mailbox.front().task).spec.prompt_tokens);
  step.decodes = node.batch.decodes;
  step.context_tokens = node.batch.context(node.segment.step + node.next.plan_point.steps);
  step.sampled = node.batch.decodes + 1;
  return ref.step_cost().mixed(step);
}

// `kept`: when the steps that stay as planned have ended. Not inlined, so that the common way out
// of find_next() saves no registers.
[[gnu::noinline]] void find_next_plan(const NodeRef& ref, Time cut, Time kept) {
  Node& node = ref.node;
  Upcoming& next = node.next;
  if (admits_only_newcomer(ref)) {
    // Then the next output is known too: the first token of that newcomer.
    next.output = std::min(next.output, kept + newcomers_step(ref) + ref.rules.response_latency);
    next.plan = Time::never();
  } else if (node.plan.idle || !node.queues.waiting.empty() ||
             (node.segment.steps == 0 && !cut.is_never()) ||
             next.plan_point.steps < node.segment.steps) {
    next.plan = next.plan_point.time;
  } else if (!cut.is_never()) {
    // A newcomer during the last step of the segment finds the next step planned without it.
    next.plan = next.plan_point.time >= cut ? next.plan_point.time : node.segment.end;
  } else {
    // Only the segment itself: the plan can wait until its outputs are collected.
    next.plan = next.output.is_never() ? next.plan_point.time : Time::never();
  }
}

}  // namespace

void find_next(const NodeRef& ref, Time cut) {
  Node& node = ref.node;
  const ActiveSegment& segment = node.segment;
  Upcoming& next = node.next;
  const Duration latency = ref.rules.response_latency;
  next.output = node.outputs.empty() ? Time::never() : node.outputs.front().at;
  if (segment.steps > 0 && !node.batch.by_finish.empty() &&
      node.batch.by_finish.front().step() == segment.step + segment.steps - 1) {
    next.output = std::min(next.output, segment.end + latency);
  }
  // What the next plan lays out ends after `kept` and is seen later still. Only a cancel that the
  // plan carries out is seen at once.
  const Time kept = next.plan_point.steps == segment.steps
                        ? std::max(segment.end, next.plan_point.time)
                        : segment.boundary(next.plan_point.steps);
  if ((next.change.is_never() || node.changes.cancels.empty()) &&
      next.output.ps - latency.ps <= kept.ps) {
    next.plan = Time::never();  // it can wait until the output is collected
    return;
  }
  find_next_plan(ref, cut, kept);
}

void reschedule(const NodeRef& ref) {
  const Time cut = cut_time(ref);
  ref.node.next.plan_point = next_plan_point(ref, cut);
  find_next(ref, cut);
}

void make_plans(const NodeRef& ref, Time limit, bool inclusive) {
  Node& node = ref.node;
  PlanPoint& point = node.next.plan_point;
  do {
    if (point.steps < node.segment.steps) {
      node.segment.set_steps(point.steps, ref.rules.steps_in_flight);
    }
    plan(ref, point.time);
    point = next_plan_point(ref, cut_time(ref));
  } while (point.time < limit || (point.time == limit && inclusive));
}

void NodeRef::catch_up_before(Time now) const {
  if (node.next.plan_point.time < now) {
    make_plans(*this, now, false);
    find_next(*this, cut_time(*this));
  }
}

void NodeRef::catch_up(Time now) const {
  if (node.next.plan_point.time <= now) {
    make_plans(*this, now, true);
    find_next(*this, cut_time(*this));
  }
}

}  // namespace yardmaster
