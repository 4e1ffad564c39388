// What a node plans: the rules of vLLM's scheduler over counts instead of lists of tokens.
#include <algorithm>
#include <limits>

#include "env/base/check.h"
#include "env/node/node.h"

namespace yardmaster {

// The engine's schedule() call at `now`, after the outputs that are known by then.
void Node::plan(const NodeContext& context, Time now) {
  if (context.settings.enable_prefix_caching) {
    cache_.set_time(now);
  }
  close_segment(context);
  const bool drained = now >= end_;
  unseen_ = !drained;
  if (change_at_ <= now) {
    apply_changes(context, now);
  }
  if (!leaving_.empty()) {
    release_leaving(context, drained ? std::numeric_limits<std::int64_t>::max() : step_);
  }
  if (!mailbox_.empty() && mailbox_.front().at <= now) {
    hear_mailbox(context, now);
  }
  start_ = std::max(now, end_);
  extra_decodes_ = 0;
  extra_context_ = extra_longest_ = 0;
  bool preempted = false;
  if (only_decodes(context)) {
    mixed_ = head_waits_for_sharer_ = false;
    start_decode(context, false);
    begin_segment();
    opportunity_ = now;
    planned_seen_ = !unseen_;
    return;
  }
  step_shape_ = {};
  if (plain(context)) {
    if (context.tables.recorder != nullptr) {
      record_decodes(context);
    }
    continue_prefill(context);
    admit(context, now);
  } else {
    preempted = plan_literally(context, now);
  }
  start_segment(context, now, preempted);
  if (steps_ > 0 || !preempted || now < end_) {
    opportunity_ = now;  // else the engine calls again at once: that is one and the same
  }
  if (steps_ > 0) {
    planned_seen_ = !unseen_;
  }
  if (context.tables.recorder != nullptr) {
    record_plan(context, now, preempted);
  }
}

// Whether the batch only goes on decoding, as in most plans. What is left out of the general case
// then would do nothing.
inline bool Node::only_decodes(const NodeContext& context) const {
  return decodes_ > 0 && waiting_.empty() && prefilling_ == kNoTask && !irregular_ &&
         rivals_ == 0 && context.tables.recorder == nullptr &&
         phases_.blocks(step_) <= free_blocks_;
}

// What has arrived by now waits.
void Node::hear_mailbox(const NodeContext& context, Time now) {
  while (!mailbox_.empty() && mailbox_.front().at <= now) {
    const TaskSlot task = mailbox_.front().task;
    Request& r = context.tables.requests[index(task)];
    r.state = RequestState::waiting;
    waiting_tokens_ += r.spec.prompt_tokens + r.produced;
    if (context.settings.policy == QueuePolicy::fcfs) {
      waiting_.push_back(task);
    } else {
      wait_by_priority(context, task);
    }
    mailbox_.pop_front();
  }
}

void Node::wait_by_priority(const NodeContext& context, TaskSlot task) {
  waiting_.insert_sorted(task, [&](TaskSlot first, TaskSlot second) {
    const Request& a = context.tables.requests[index(first)];
    const Request& b = context.tables.requests[index(second)];
    if (a.priority != b.priority) {
      return a.priority > b.priority;
    }
    return a.delivered != b.delivered ? a.delivered > b.delivered
                                      : a.arrival_number > b.arrival_number;
  });
}

// Settles the steps that have been made: counters, blocks, chunks, ends.
void Node::close_segment(const NodeContext& context) {
  if (steps_ == 0) {
    return;
  }
  const Time last_start = segment_end_ - segment_.step(steps_ - 1);
  const Time one_before = steps_ >= 2 ? last_start - segment_.step(steps_ - 2) : last_step_start_;
  opportunity_ = context.settings.steps_in_flight == 1 ? last_start : one_before;
  last_step_start_ = last_start;
  end_ = segment_end_;
  count_segment();
  if (context.tables.recorder != nullptr) {
    context.tables.recorder->segments.back().steps = steps_;
  }
  free_blocks_ -= static_cast<std::int32_t>(steps_ == 1 ? phases_.blocks(step_)
                                                        : phases_.blocks(step_, steps_));
  if (prefilling_ != kNoTask && chunk_tokens_ > 0) {
    Request& r = context.tables.requests[index(prefilling_)];
    const std::int32_t held = blocks_for(r.computed);
    r.computed += chunk_tokens_ * steps_;
    free_blocks_ -= blocks_for(r.computed) - held;
    if (context.settings.enable_prefix_caching) {
      take_until(free_blocks_);
      publish(context, r, r.computed, r.computed);
    }
  }
  planned_seen_ = planned_seen_ && steps_ == 1;
  step_ += steps_;
  steps_ = 0;
  chunk_tokens_ = 0;
  for (std::size_t i = 0; i < joining_.size(); ++i) {
    start_decoding(context, joining_[i]);
  }
  joining_.clear();
  while (!by_finish_.empty() && by_finish_.front().step() < step_) {
    const TaskSlot task = by_finish_.front().task();
    by_finish_.pop();
    finish(context, task);
  }
}

inline void Node::count_segment() {
  const std::int64_t n = steps_;
  const std::int64_t pairs_of_steps = n * (n - 1) >> 1;
  const std::int64_t context_first = decodes_ * step_ + offset_sum_ + extra_context_;
  const std::int32_t decodes = decodes_ + extra_decodes_;
  const Duration length = segment_end_ - start_;
  std::int64_t held = context_first, grown = decodes;
  counters_.steps += n;
  ++counters_.segments;
  counters_.decode_tokens += decodes * n;
  counters_.context_tokens += context_first * n + decodes * pairs_of_steps;
  counters_.busy += length;
  if (mixed_) {
    held += step_shape_.chunk_tokens;
    grown += step_shape_.chunk_tokens;
    counters_.prefill_tokens += step_shape_.chunk_tokens * n;
    counters_.chunk_pairs +=
        step_shape_.chunk_pairs * n +
        2 * static_cast<std::int64_t>(chunk_tokens_) * chunk_tokens_ * pairs_of_steps;
    counters_.busy_with_prefill += length;
    prefill_clock_ += length;
  }
  // Tokens held grow by `grown` a step while the steps grow too; the mean of the ends is close
  // enough for a share of memory and exact where steps are equal.
  counters_.kv_token_ps +=
      static_cast<double>(2 * held + grown * (n - 1)) * static_cast<double>(length.ps) / 2;
}

// Its prompt is computed: it decodes from the next step on, unless its first token was its last.
inline void Node::start_decoding(const NodeContext& context, TaskSlot task) {
  Request& r = context.tables.requests[index(task)];
  if (r.finish_step < step_) {
    start_leaving(context.settings, task, r);
    return;
  }
  r.state = RequestState::decoding;
  r.context_offset = r.computed - step_;
  r.prefill_clock = prefill_clock_;
  if (decodes_ == 0 || r.context_offset >= longest_offset_) {
    longest_offset_ = r.context_offset;
    longest_left_ = false;
  }
  ++decodes_;
  offset_sum_ += r.context_offset;
  phases_.add(r.context_offset);
  by_finish_.push({r.finish_step, task});
}

// Takes it out of the decoding batch, as of the end of the last closed step; not out of the heap.
void Node::stop_decoding(const NodeContext& context, TaskSlot task) {
  Request& r = context.tables.requests[index(task)];
  --decodes_;
  offset_sum_ -= r.context_offset;
  longest_left_ = longest_left_ || r.context_offset == longest_offset_;
  phases_.remove(r.context_offset);
  r.computed = static_cast<std::int32_t>(step_ + r.context_offset);
  const Duration beside_prefill = prefill_clock_ - r.prefill_clock;
  r.moments[static_cast<std::size_t>(Moment::others_prefill)] += beside_prefill;
  r.moments[static_cast<std::size_t>(Moment::decode)] += end_ - r.mark - beside_prefill;
  r.mark = end_;
}

inline void Node::finish(const NodeContext& context, TaskSlot task) {
  stop_decoding(context, task);
  Request& r = context.tables.requests[index(task)];
  start_leaving(context.settings, task, r);
  r.last_token = end_ + context.settings.response_latency;
  push_output({NodeOutput::Kind::finished, task, r.last_token});
}

inline void Node::start_leaving(const NodeSettings& settings, TaskSlot task, Request& r) {
  r.state = RequestState::leaving;
  leaving_.push_back({task, step_ - 1 + settings.steps_in_flight});
  irregular_ = irregular_ || (r.spec.stop_token && settings.steps_in_flight > 1);
}

void Node::apply_changes(const NodeContext& context, Time now) {
  if (replan_at_ <= now) {
    replan_at_ = Time::never();
  }
  if (cost_change_at_ <= now) {
    cost_level_ = next_cost_level_;
    cost_change_at_ = Time::never();
  }
  for (std::size_t i = 0; i < cancels_.size();) {
    if (cancels_[i].at > now) {
      ++i;
      continue;
    }
    cancel_running(context, cancels_[i].task, now);
    cancels_.erase(cancels_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  find_next_change();
}

void Node::find_next_change() {
  change_at_ = std::min(cost_change_at_, replan_at_);
  for (const Cancel& c : cancels_) {
    change_at_ = std::min(change_at_, c.at);
  }
}

void Node::cancel_running(const NodeContext& context, TaskSlot task, Time now) {
  Request& r = context.tables.requests[index(task)];
  const Duration way = context.settings.response_latency;
  if (!r.last_token.is_never() && r.last_token - way <= now) {
    return;  // it had ended
  }
  if (r.state == RequestState::waiting) {  // preempted since it was cancelled
    waiting_.remove_if([&](TaskSlot t) { return t == task; });
    waiting_tokens_ -= r.spec.prompt_tokens + r.produced;
  } else if (r.state != RequestState::outside) {
    const std::int32_t published = published_tokens(r, 0);
    leave_batch(context, task);
    free_blocks_ += give_back(context, task, blocks_for(r.computed), published, free_blocks_);
    unlink(context, task);
  }
  outputs_.remove_if([&](const NodeOutput& o) {
    const bool is_void = o.task == task && o.at - way > now;
    if (is_void) {
      forget_output(context, o);
    }
    return is_void;
  });
  push_output({NodeOutput::Kind::cancelled, task, now + way});
}

// The dispatcher forgets the request now: so must the node. Without latency this comes just before
// the plan that would release it.
void Node::release(const NodeContext& context, TaskSlot task) {
  Request& r = context.tables.requests[index(task)];
  if (r.state == RequestState::leaving) {
    release_leaving(context, r.finish_step + context.settings.steps_in_flight);
  }
  r.state = RequestState::outside;
}

// Ended requests give back their seats and blocks once the engine has seen their last token.
inline void Node::release_leaving(const NodeContext& context, std::int64_t step) {
  if (context.settings.enable_prefix_caching && leaving_.size() > 1) {
    release_in_order(context, step);
    return;
  }
  leaving_.remove_if([&](const Leaving& l) {
    if (l.release_step > step) {
      return false;
    }
    release_one(context, l.task);
    return true;
  });
}

// Blocks that the next chunk of the long prompt takes.
std::int32_t Node::chunk_blocks(const NodeContext& context) const {
  if (prefilling_ == kNoTask) {
    return 0;
  }
  const Request& r = context.tables.requests[index(prefilling_)];
  return blocks_for(r.computed + chunk_tokens_) - blocks_for(r.computed);
}

// Whether the next step follows from counts alone. Sets the chunk of the long prompt under way.
inline bool Node::plain(const NodeContext& context) {
  const NodeSettings& settings = context.settings;
  if (irregular_ || rivals_ > 0 ||
      (settings.long_prefill_token_threshold > 0 && !waiting_.empty() &&
       running_ < settings.max_num_seqs)) {
    return false;
  }
  if (prefilling_ != kNoTask) {
    const Request& r = context.tables.requests[index(prefilling_)];
    const std::int32_t tokens = r.spec.prompt_tokens + r.produced;
    if (tokens >= settings.max_model_len) {
      return false;  // no server lets such a prompt in
    }
    chunk_tokens_ = std::min(tokens - r.computed, settings.max_num_batched_tokens - decodes_);
  }
  if (phases_.blocks(step_) + chunk_blocks(context) <= free_blocks_) {
    return true;
  }
  chunk_tokens_ = 0;
  return false;
}

// It loses its blocks and its place; its tokens stay.
void Node::preempt(const NodeContext& context, TaskSlot task, Time now, const Withdrawn& entry) {
  Request& r = context.tables.requests[index(task)];
  ++r.preemptions;
  ++counters_.preemptions;
  context.tables.facts.add(Fact::preempted, r.spec.address, r.spec.address_hash, id_, now);
  if (context.tables.recorder != nullptr) {
    context.tables.recorder->next.preempted.push_back(task);
  }
  const bool has_ended = r.state == RequestState::leaving;
  if (r.state == RequestState::prefilling) {
    const Moment moment = r.preemptions > 1 ? Moment::recomputed : Moment::own_prefill;
    r.book(moment, std::max({now, end_, r.mark}));
  }
  const std::int32_t published = published_tokens(r, entry.tokens);
  leave_batch(context, task);
  const std::int32_t held = blocks_for(r.computed) + entry.blocks;
  free_blocks_ += give_back(context, task, held, published, entry.free) - entry.blocks;
  unlink(context, task);
  r.computed = 0;
  r.state = RequestState::outside;
  if (has_ended) {
    return;  // its last token is on its way: nothing to compute again
  }
  r.state = RequestState::waiting;
  waiting_tokens_ += r.spec.prompt_tokens + r.produced;
  if (context.settings.policy == QueuePolicy::fcfs) {
    waiting_.push_front(task);
  } else {
    wait_by_priority(context, task);
  }
}

// A running request has no entry in the next step.
void Node::leave_batch(const NodeContext& context, TaskSlot task) {
  Request& r = context.tables.requests[index(task)];
  if (r.state == RequestState::decoding) {
    by_finish_.remove(task);
    stop_decoding(context, task);
    r.produced = static_cast<std::int32_t>(r.spec.output_tokens - (r.finish_step - step_ + 1));
  } else if (r.state == RequestState::leaving) {
    leaving_.remove_if([&](const Leaving& l) { return l.task == task; });
  } else if (task == prefilling_) {
    prefilling_ = kNoTask;
  }
}

// The long prompt under way gets its chunk; with the last one it joins the decoding requests.
inline void Node::continue_prefill(const NodeContext& context) {
  if (prefilling_ == kNoTask || chunk_tokens_ == 0) {
    return;
  }
  Request& r = context.tables.requests[index(prefilling_)];
  add_chunk(context.settings, r, chunk_tokens_);
  if (context.tables.recorder != nullptr) {
    context.tables.recorder->next.entries.push_back({prefilling_, chunk_tokens_, r.computed});
  }
  if (r.computed + chunk_tokens_ == r.spec.prompt_tokens + r.produced) {
    free_blocks_ -= chunk_blocks(context);
    r.computed += chunk_tokens_;
    if (context.settings.enable_prefix_caching) {
      take_until(free_blocks_ - phases_.blocks(step_));
      publish(context, r, r.computed, r.computed);
    }
    joining_.push_back(prefilling_);
    prefilling_ = kNoTask;
    chunk_tokens_ = 0;
  }
}

void Node::add_chunk(const NodeSettings& settings, const Request& r, std::int32_t tokens) {
  step_shape_.add_chunk(r.computed, tokens);
  if (settings.recomputed_output_is_context && r.computed >= r.spec.prompt_tokens) {
    step_shape_.context_tokens += r.computed;
  }
}

// Admits from the head of the queue while budget, seats and blocks last; nobody overtakes.
inline void Node::admit(const NodeContext& context, Time now) {
  const NodeSettings& settings = context.settings;
  std::int32_t budget = settings.max_num_batched_tokens - decodes_ - step_shape_.chunk_tokens;
  std::int64_t available = free_blocks_ - (waiting_.empty() ? 0 : phases_.blocks(step_));
  const bool caching = settings.enable_prefix_caching;
  head_waits_for_sharer_ = false;
  if (caching && budget > 0 && !waiting_.empty() && running_ < settings.max_num_seqs) {
    take_until(available);
    publish_shared(context, true);
  }
  while (budget > 0 && !waiting_.empty() && running_ < settings.max_num_seqs) {
    const TaskSlot task = waiting_.front();
    Request& r = context.tables.requests[index(task)];
    const std::int32_t tokens = r.spec.prompt_tokens + r.produced;
    const Prefix prefix = caching ? find_prefix(context, r) : Prefix{};
    const std::int32_t chunk = std::min(tokens - prefix.tokens, budget);
    const std::int32_t whole_sequence =
        settings.reserve_full_isl ? std::min(tokens, settings.max_model_len) : 0;
    const std::int32_t asked =
        blocks_for(std::max(whole_sequence, prefix.tokens + chunk)) - prefix.blocks + prefix.idle;
    if (asked + (running_ > 0 ? settings.watermark_blocks : 0) > available) {
      head_waits_for_sharer_ = sharers_ > 0 && meets_sharer(context, task);
      break;
    }
    waiting_.pop_front();
    waiting_tokens_ -= tokens;
    enter(context, task, now);
    const bool whole = prefix.tokens + chunk == tokens;
    if (caching) {
      hold_prefix(context, task, prefix, whole);
    }
    budget -= chunk;
    add_chunk(settings, r, chunk);
    if (context.tables.recorder != nullptr) {
      context.tables.recorder->next.entries.push_back({task, chunk, prefix.tokens});
    }
    if (whole) {
      const std::int32_t blocks = blocks_for(tokens) - prefix.blocks;
      r.computed = tokens;
      free_blocks_ -= blocks;
      available -= blocks + prefix.idle;
      if (caching) {
        take_until(available);
        publish(context, r, tokens, tokens);
      }
      joining_.push_back(task);
    } else {
      prefilling_ = task;
      chunk_tokens_ = chunk;
    }
  }
}

// To the end of the running list, nothing computed.
void Node::enter(const NodeContext& context, TaskSlot task, Time now) {
  Request& r = context.tables.requests[index(task)];
  link(context, task);
  if (r.first_scheduled.is_never()) {
    r.first_scheduled = now;
    context.tables.facts.add(Fact::scheduled, r.spec.address, r.spec.address_hash, id_, now);
    r.book(r.delivered > opportunity_ ? Moment::step_in_flight : Moment::queued, now);
    r.book(Moment::step_in_flight, start_);
  }
  r.computed = 0;
  r.state = RequestState::prefilling;
  if (context.tables.recorder != nullptr) {
    context.tables.recorder->next.admitted.push_back(task);
  }
}

// Lays out the steps from step_ on, as far as nothing changes.
inline void Node::start_segment(const NodeContext& context, Time now, bool preempted) {
  mixed_ = step_shape_.chunks > 0;
  if (mixed_) {
    start_mixed(context);
  } else if (decodes_ + extra_decodes_ > 0) {
    // After a preemption the next step admits again; the chunk of a prompt under way found no
    // budget. The head of the queue may be let in by what a sharer publishes next.
    start_decode(context, preempted || irregular_ || extra_decodes_ > 0 || prefilling_ != kNoTask ||
                              rivals_ > 0 || head_waits_for_sharer_);
  } else {
    steps_ = 0;
    idle_ = now >= end_ && !preempted;  // a head of the queue that never fits waits for ever
    return;
  }
  begin_segment();
  emit_joining(context, start_ + segment_.first);
}

inline void Node::begin_segment() {
  idle_ = false;
  check(segment_.first.ps > 0, "a step takes no time");
  per_first_ = 1 / static_cast<double>(segment_.first.ps);
}

inline void Node::start_mixed(const NodeContext& context) {
  const StepCost& cost = context.settings.cost[cost_level_];
  step_shape_.decodes = decodes_ + extra_decodes_;
  step_shape_.context_tokens += decodes_ * step_ + offset_sum_ + extra_context_;
  step_shape_.sampled += decodes_ + static_cast<std::int32_t>(joining_.size());
  segment_ = {cost.mixed(step_shape_), Duration::zero()};
  std::int64_t steps = 1;
  if (joining_.empty() && chunk_tokens_ > 0) {
    // One long prompt alone: its full chunks are a run of equal steps, the last chunk is not in it.
    const Request& r = context.tables.requests[index(prefilling_)];
    std::int64_t limit = (r.spec.prompt_tokens + r.produced - r.computed - 1) / chunk_tokens_;
    if (rivals_ > 0 || (context.settings.recomputed_output_is_context && r.produced > 0) ||
        r.spec.prompt_tokens + r.produced >= context.settings.max_model_len) {
      limit = 1;  // others publish too; its steps are not all of one cost; its last may be cut
    }
    if (!by_finish_.empty()) {
      limit = std::min(limit, by_finish_.front().step() - step_ + 1);
    }
    limit = std::min({limit, steps_until_release(), cost.most_chunk_steps()});
    segment_.growth = cost.mixed_growth(step_shape_);
    steps = chunk_steps_that_fit(context, limit);
  }
  set_steps(context.settings, steps);
}

inline void Node::start_decode(const NodeContext& context, bool single) {
  const NodeSettings& settings = context.settings;
  const StepCost& cost = settings.cost[cost_level_];
  const std::int32_t decodes = decodes_ + extra_decodes_;
  const std::int64_t longest = cost.depends_on_longest(decodes) ? longest_context(context) : 0;
  const DecodeRun run =
      cost.decode_run(decodes, decodes_ * step_ + offset_sum_ + extra_context_, longest);
  segment_ = run.segment;
  if (single) {
    set_steps(settings, 1);
    return;
  }
  std::int64_t limit = std::min(run.steps, by_finish_.front().step() - step_ + 1);
  if (releases_count(context)) {
    limit = std::min(limit, steps_until_release());
  }
  set_steps(settings, steps_that_fit(limit));
}

// The longest context of the decoding requests. They are looked at one by one only when the one
// that had it has left.
std::int64_t Node::longest_context(const NodeContext& context) {
  if (decodes_ == 0) {
    return extra_longest_;
  }
  if (longest_left_) {
    longest_offset_ = std::numeric_limits<std::int64_t>::min();
    for (const Finishing f : by_finish_.entries()) {
      longest_offset_ =
          std::max(longest_offset_, context.tables.requests[index(f.task())].context_offset);
    }
    longest_left_ = false;
  }
  return std::max(longest_offset_ + step_, extra_longest_);
}

// The requests whose last chunk is in this step get a token at its end.
inline void Node::emit_joining(const NodeContext& context, Time step_end) {
  const Time seen = step_end + context.settings.response_latency;
  for (std::size_t i = 0; i < joining_.size(); ++i) {
    const TaskSlot task = joining_[i];
    Request& r = context.tables.requests[index(task)];
    if (r.state == RequestState::stalled) {
      r.book(mixed_ ? Moment::others_prefill : Moment::decode, step_end);
    } else {
      r.book(r.preemptions > 0 ? Moment::recomputed : Moment::own_prefill, step_end);
    }
    r.state = RequestState::joining;
    r.finish_step = step_ + (r.spec.output_tokens - r.produced) - 1;
    if (!r.first_token_seen) {
      r.first_token_seen = true;
      r.first_token = seen;
      push_output({NodeOutput::Kind::first_token, task, seen});
    }
    if (r.finish_step == step_) {
      r.last_token = seen;
      push_output({NodeOutput::Kind::finished, task, seen});
    }
  }
}

void Node::link(const NodeContext& context, TaskSlot task) {
  context.tables.links[index(task)] = {last_running_, kNoTask};
  (last_running_ == kNoTask ? first_running_ : context.tables.links[index(last_running_)].next) =
      task;
  last_running_ = task;
  ++running_;
}

void Node::unlink(const NodeContext& context, TaskSlot task) {
  const RunningLink l = context.tables.links[index(task)];
  (l.previous == kNoTask ? first_running_ : context.tables.links[index(l.previous)].next) = l.next;
  (l.next == kNoTask ? last_running_ : context.tables.links[index(l.next)].previous) = l.previous;
  --running_;
}

// Whether it matters when seats and blocks come free: to those who wait for them, to the order of
// the cache's free queue, to a recorder. Else that may wait until the request's end is seen.
inline bool Node::releases_count(const NodeContext& context) const {
  const NodeSettings& settings = context.settings;
  return !waiting_.empty() || running_ >= settings.max_num_seqs || settings.enable_prefix_caching ||
         context.tables.recorder != nullptr;
}

// Seats and blocks that come free end a segment, for newcomers may take them.
inline std::int64_t Node::steps_until_release() const {
  std::int64_t steps = std::numeric_limits<std::int64_t>::max();
  for (std::size_t i = 0; i < leaving_.size(); ++i) {
    steps = std::min(steps, std::max<std::int64_t>(1, leaving_[i].release_step - step_));
  }
  return steps;
}

// The longest stretch of decode steps, at least one, that the free blocks allow.
inline std::int64_t Node::steps_that_fit(std::int64_t limit) const {
  if (phases_.most_blocks(limit) <= free_blocks_) {
    return std::max<std::int64_t>(limit, 1);
  }
  const std::int64_t rounds =
      std::min(limit / 16, static_cast<std::int64_t>(free_blocks_ / decodes_));
  std::int64_t blocks = rounds * decodes_;
  std::int64_t steps = rounds * 16;
  while (steps < limit) {
    blocks += phases_.blocks(step_ + steps);
    if (blocks > free_blocks_) {
      break;
    }
    ++steps;
  }
  return std::max<std::int64_t>(steps, 1);
}

// The same for a run of full chunks of one prompt beside the decodes.
std::int64_t Node::chunk_steps_that_fit(const NodeContext& context, std::int64_t limit) const {
  const Request& r = context.tables.requests[index(prefilling_)];
  const std::int64_t held = blocks_for(r.computed);
  std::int64_t decode = 0;
  std::int64_t steps = 0;
  while (steps < limit) {
    decode += phases_.blocks(step_ + steps);
    const auto computed = static_cast<std::int32_t>(r.computed + (steps + 1) * chunk_tokens_);
    if (decode + blocks_for(computed) - held > free_blocks_) {
      break;
    }
    ++steps;
  }
  return std::max<std::int64_t>(steps, 1);
}

// The token will never be seen.
void Node::forget_output(const NodeContext& context, const NodeOutput& output) {
  if (output.kind == NodeOutput::Kind::first_token) {
    Request& r = context.tables.requests[index(output.task)];
    r.first_token_seen = false;
    r.first_token = Time::never();
  }
}

void Node::push_output(NodeOutput output) {
  outputs_.insert_sorted(output,
                         [](const NodeOutput& a, const NodeOutput& b) { return a.at > b.at; });
}

}  // namespace yardmaster
