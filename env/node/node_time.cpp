// When a node must be looked at next: boundaries of steps, instants of planning, laziness.
#include <algorithm>
#include <cmath>

#include "env/base/check.h"
#include "env/node/node.h"

namespace yardmaster {

namespace {

constexpr double kHardlyGrown = 1.0 / 32;  // its square is far below a step

}  // namespace

// The first boundary at or after `at`.
Node::Boundary Node::first_boundary(Time at) const {
  const std::int64_t distance = (at - start_).ps;
  if (distance <= 0) {
    return {start_, 0};
  }
  // Solve first q + growth q (q - 1) / 2 = distance in doubles, then settle it in integers. The
  // next event waits for this: where steps hardly grow, no division and no root.
  const auto growth = static_cast<double>(segment_.growth.ps);
  const auto wanted = static_cast<double>(distance);
  double guess = wanted * per_first_;
  const double grown = growth * per_first_ * guess;  // of a step, as a share of the first
  if (grown < kHardlyGrown) {
    guess -= guess * grown / 2;
  } else {
    const double linear = static_cast<double>(segment_.first.ps) - growth / 2;
    guess = 2 * wanted / (linear + std::sqrt(linear * linear + 2 * growth * wanted));
  }
  std::int64_t q = std::max<std::int64_t>(0, static_cast<std::int64_t>(guess));
  std::int64_t total = segment_.total(q).ps;
  while (total < distance) {
    total += segment_.step(q).ps;
    ++q;
  }
  while (q > 0 && total - segment_.step(q - 1).ps >= distance) {
    --q;
    total -= segment_.step(q).ps;
  }
  return {start_ + Duration{total}, q};
}

// The earliest thing that would make the engine plan otherwise than the segment foresees.
inline Time Node::cut_time(const NodeSettings& settings) const {
  // A newcomer counts only if it could be admitted: not behind others unless it may overtake them,
  // not without a seat, not in steps whose whole budget goes to a long prompt.
  if (!mailbox_.empty() && (waiting_.empty() || settings.policy == QueuePolicy::priority) &&
      running_ < settings.max_num_seqs && !(mixed_ && prefilling_ != kNoTask)) {
    return std::min(change_at_, mailbox_.front().at);
  }
  return change_at_;
}

// When the next plan is made, and how much of the segment under way stays.
inline Node::PlanPoint Node::next_plan_point(const NodeSettings& settings, Time cut) const {
  if (idle_) {
    const Time due = mailbox_.empty() ? replan_at_ : std::min(replan_at_, mailbox_.front().at);
    return {std::max(end_, due), 0};
  }
  if (steps_ == 0) {
    return {end_, 0};  // the pipeline drains: the engine waits for the last step in flight
  }
  if (cut < natural_plan_) {
    const int ahead = settings.steps_in_flight;
    Boundary b = first_boundary(cut);
    if (b.steps < 2 - ahead) {
      b = {boundary(2 - ahead), 2 - ahead};
    }
    if (b.steps < steps_ - ahead + 1) {
      return {b.at, static_cast<std::int32_t>(b.steps + ahead - 1)};
    }
  }
  return {natural_plan_, steps_};
}

// The segment under way shall have this many steps.
void Node::set_steps(const NodeSettings& settings, std::int64_t steps) {
  steps_ = static_cast<std::int32_t>(steps);
  segment_end_ = boundary(steps);
  natural_plan_ =
      settings.steps_in_flight == 1 ? segment_end_ : segment_end_ - segment_.step(steps - 1);
}

// Makes the plans that are due, of which there is one at least; find_next() must follow.
void Node::make_plans(const NodeContext& context, Time limit, bool inclusive) {
  do {
    if (plan_point_.steps < steps_) {
      set_steps(context.settings, plan_point_.steps);
    }
    plan(context, plan_point_.time);
    plan_point_ = next_plan_point(context.settings, cut_time(context.settings));
  } while (plan_point_.time < limit || (plan_point_.time == limit && inclusive));
}

void Node::catch_up_before(const NodeContext& context, Time now) {
  if (plan_point_.time < now) {
    make_plans(context, now, false);
    find_next(context, cut_time(context.settings));
  }
}

void Node::catch_up(const NodeContext& context, Time now) {
  if (plan_point_.time <= now) {
    make_plans(context, now, true);
    find_next(context, cut_time(context.settings));
  }
}

// After a change from outside.
void Node::reschedule(const NodeContext& context) {
  const Time cut = cut_time(context.settings);
  plan_point_ = next_plan_point(context.settings, cut);
  find_next(context, cut);
}

// Finds the next output and the latest instant at which the next plan may still be made.
void Node::find_next(const NodeContext& context, Time cut) {
  const Duration way = context.settings.response_latency;
  next_output_ = outputs_.empty() ? Time::never() : outputs_.front().at;
  if (steps_ > 0 && !by_finish_.empty() && by_finish_.front().step() == step_ + steps_ - 1) {
    next_output_ = std::min(next_output_, segment_end_ + way);
  }
  // What the next plan lays out ends after this, and is seen later still; but it may carry out a
  // cancel, which is seen at once.
  const Time kept = plan_point_.steps == steps_ ? std::max(segment_end_, plan_point_.time)
                                                : boundary(plan_point_.steps);
  if ((change_at_.is_never() || cancels_.empty()) && next_output_.ps - way.ps <= kept.ps) {
    next_plan_ = Time::never();  // it can wait until the output is collected
    return;
  }
  find_next_plan(context, cut, kept);
}

// Not inlined: the common way out of find_next() then saves no registers.
void Node::find_next_plan(const NodeContext& context, Time cut, Time kept) {
  const Duration way = context.settings.response_latency;
  if (admits_only_newcomer(context)) {
    // So is what it lays out known: that newcomer's first token.
    next_output_ = std::min(next_output_, kept + newcomers_step(context) + way);
    next_plan_ = Time::never();
  } else if (idle_ || !waiting_.empty() || (steps_ == 0 && !cut.is_never()) ||
             plan_point_.steps < steps_) {
    next_plan_ = plan_point_.time;
  } else if (!cut.is_never()) {
    // A newcomer during the last step of the segment finds the next one planned without it.
    next_plan_ = plan_point_.time >= cut ? plan_point_.time : segment_end_;
  } else {
    // Nothing but the segment itself: the plan can wait until its outputs are collected.
    next_plan_ = next_output_.is_never() ? plan_point_.time : Time::never();
  }
}

// Whether it is certain that the next plan computes the whole prompt of the only newcomer in one
// step beside the decodes, and changes nothing else. What comes free till then is not counted on.
bool Node::admits_only_newcomer(const NodeContext& context) const {
  const NodeSettings& settings = context.settings;
  if (mailbox_.size() != 1 || mailbox_.front().at > plan_point_.time || !waiting_.empty() ||
      !change_at_.is_never() || irregular_ || !joining_.empty() || prefilling_ != kNoTask ||
      extra_decodes_ > 0 || settings.enable_prefix_caching ||
      settings.long_prefill_token_threshold > 0) {
    return false;
  }
  const std::int64_t step = step_ + plan_point_.steps;
  const std::int32_t tokens =
      context.tables.requests[index(mailbox_.front().task)].spec.prompt_tokens;
  const bool nobody_ends = by_finish_.empty() || by_finish_.front().step() >= step;
  const std::int64_t left = free_blocks_ - blocks_for(tokens) - settings.watermark_blocks;
  return nobody_ends && running_ < settings.max_num_seqs &&
         tokens <= settings.max_num_batched_tokens - decodes_ &&
         (phases_.most_blocks(plan_point_.steps + 1) <= left ||
          phases_.blocks(step_, plan_point_.steps + 1) <= left);
}

// The step that computes the only newcomer's prompt.
Duration Node::newcomers_step(const NodeContext& context) const {
  MixedStep step;
  step.add_chunk(0, context.tables.requests[index(mailbox_.front().task)].spec.prompt_tokens);
  step.decodes = decodes_;
  step.context_tokens = decodes_ * (step_ + plan_point_.steps) + offset_sum_;
  step.sampled = decodes_ + 1;
  return context.settings.cost[cost_level_].mixed(step);
}

}  // namespace yardmaster
