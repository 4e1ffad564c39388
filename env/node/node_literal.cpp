// One schedule() call, rule by rule, for what has no closed form. docs/model.md, "The node".
#include <algorithm>
#include <limits>

#include "env/base/check.h"
#include "env/node/node.h"

namespace yardmaster {

/// The call under way. Nothing of it is in the node's books before carry_out().
struct Node::LiteralStep {
  struct Entry {
    TaskSlot task;
    std::int32_t tokens, before, blocks;
  };
  Time now;
  std::int32_t budget = 0;  // tokens left
  std::int32_t cap = 0;     // tokens of an entry, at most
  std::int32_t taken = 0;   // blocks of the entries
  bool preempted = false;
  std::vector<Entry> entries;  // in the order of the running list
};

bool Node::plan_literally(const NodeContext& context, Time now) {
  const NodeSettings& settings = context.settings;
  LiteralStep step;
  step.now = now;
  step.budget = settings.max_num_batched_tokens;
  step.cap = std::numeric_limits<std::int32_t>::max();
  const bool alone = running_ + static_cast<std::int32_t>(waiting_.size()) <= 1;
  if (settings.long_prefill_token_threshold > 0 &&
      (!alone || settings.rules.cap_binds_lone_request)) {
    step.cap = settings.long_prefill_token_threshold;
  }
  if (settings.enable_prefix_caching) {
    take_until(free_blocks_);
    publish_shared(context, false);
  }
  head_waits_for_sharer_ = false;
  serve_running(context, step);
  if (!step.preempted) {
    admit_literally(context, step);
  }
  carry_out(context, step);
  return step.preempted;
}

std::int32_t Node::computed(const Request& r) const {
  return r.state == RequestState::decoding ? static_cast<std::int32_t>(step_ + r.context_offset)
                                           : r.computed;
}

// What a running request gets if memory allows.
std::int32_t Node::wanted_tokens(const NodeSettings& settings, const Request& r,
                                 const LiteralStep& step) const {
  std::int32_t tokens = 1;
  if (r.state == RequestState::prefilling) {
    tokens = std::min(r.spec.prompt_tokens + r.produced - r.computed, step.cap);
  } else if (r.state == RequestState::leaving) {
    // Nobody knows yet that the token in flight is a stop token.
    tokens =
        r.spec.stop_token && settings.steps_in_flight > 1 && r.finish_step == step_ - 1 ? 1 : 0;
  }
  return std::min({tokens, step.budget, settings.max_model_len - 1 - computed(r)});
}

// Running requests come first, in order of admission. One that has to give way itself ends this.
void Node::serve_running(const NodeContext& context, LiteralStep& step) {
  for (TaskSlot task = first_running_; task != kNoTask && step.budget > 0;) {
    const Request& r = context.tables.requests[index(task)];
    const std::int32_t tokens = wanted_tokens(context.settings, r, step);
    if (tokens > 0) {
      const std::int32_t before = computed(r);
      const std::int32_t blocks = blocks_for(before + tokens) - blocks_for(before);
      if (!make_room(context, step, task, blocks)) {
        return;
      }
      add_entry(context, step, task, tokens);
    }
    task = context.tables.links[index(task)].next;
  }
}

// What it computes can be hit from now on, by those that are admitted in the same call too.
void Node::add_entry(const NodeContext& context, LiteralStep& step, TaskSlot task,
                     std::int32_t tokens) {
  const Request& r = context.tables.requests[index(task)];
  const std::int32_t before = computed(r);
  const std::int32_t blocks = blocks_for(before + tokens) - blocks_for(before);
  step.entries.push_back({task, tokens, before, blocks});
  step.budget -= tokens;
  step.taken += blocks;
  if (context.settings.enable_prefix_caching && (r.shares || r.state == RequestState::prefilling)) {
    take_until(free_blocks_ - step.taken);
    publish(context, r, before + tokens, published_tokens(r, tokens));
  }
}

// Preempts until `blocks` are free for `task`; false when it went itself.
bool Node::make_room(const NodeContext& context, LiteralStep& step, TaskSlot task,
                     std::int32_t blocks) {
  while (blocks > free_blocks_ - step.taken) {
    const TaskSlot gone = victim(context);
    Withdrawn withdrawn{0, 0, free_blocks_ - step.taken};
    const auto entry = std::find_if(step.entries.begin(), step.entries.end(),
                                    [gone](const LiteralStep::Entry& e) { return e.task == gone; });
    if (entry != step.entries.end()) {  // it had been served already
      withdrawn.tokens = entry->tokens;
      withdrawn.blocks = entry->blocks;
      step.entries.erase(entry);
    }
    preempt(context, gone, step.now, withdrawn);
    step.budget += withdrawn.tokens;
    step.taken -= withdrawn.blocks;
    step.preempted = true;
    if (gone == task) {
      return false;
    }
  }
  return true;
}

TaskSlot Node::victim(const NodeContext& context) const {
  if (context.settings.policy == QueuePolicy::fcfs) {
    return last_running_;
  }
  TaskSlot last = first_running_;
  for (TaskSlot task = first_running_; task != kNoTask;
       task = context.tables.links[index(task)].next) {
    const Request& a = context.tables.requests[index(task)];
    const Request& b = context.tables.requests[index(last)];
    if (a.priority != b.priority ? a.priority > b.priority : a.delivered > b.delivered) {
      last = task;
    }
  }
  return last;
}

// Admits from the head of the queue; nobody overtakes, and nobody is preempted for it.
void Node::admit_literally(const NodeContext& context, LiteralStep& step) {
  const NodeSettings& settings = context.settings;
  while (step.budget > 0 && !waiting_.empty() && running_ < settings.max_num_seqs) {
    const TaskSlot task = waiting_.front();
    Request& r = context.tables.requests[index(task)];
    const std::int32_t tokens = r.spec.prompt_tokens + r.produced;
    Prefix prefix;
    if (settings.enable_prefix_caching) {
      take_until(free_blocks_ - step.taken);
      prefix = find_prefix(context, r);
    }
    const std::int32_t chunk = std::min({tokens - prefix.tokens, step.cap, step.budget});
    const std::int32_t whole =
        settings.reserve_full_isl ? std::min(tokens, settings.max_model_len) : 0;
    const std::int32_t asked =
        blocks_for(std::max(whole, prefix.tokens + chunk)) - prefix.blocks + prefix.idle;
    const std::int32_t kept = running_ > 0 ? settings.watermark_blocks : 0;
    if (asked + kept > free_blocks_ - step.taken) {
      head_waits_for_sharer_ = sharers_ > 0 && meets_sharer(context, task);
      return;
    }
    waiting_.pop_front();
    waiting_tokens_ -= tokens;
    enter(context, task, step.now);
    if (settings.enable_prefix_caching) {
      hold_prefix(context, task, prefix, prefix.tokens + chunk == tokens);
    }
    add_entry(context, step, task, chunk);
  }
}

// Writes the call's outcome into the books. Its step is a segment of its own unless it turned out
// to be plain.
void Node::carry_out(const NodeContext& context, const LiteralStep& step) {
  prefilling_ = kNoTask;
  irregular_ = false;
  bool stalled = false;
  std::int32_t partial = 0;
  auto entry = step.entries.begin();
  for (TaskSlot task = first_running_; task != kNoTask;
       task = context.tables.links[index(task)].next) {
    Request& r = context.tables.requests[index(task)];
    if (entry != step.entries.end() && entry->task == task) {
      serve(context, task, entry->tokens);
      ++entry;
    } else if (r.state == RequestState::decoding || r.state == RequestState::stalled) {
      stall(context, task);
      stalled = true;
    }
    if (r.state == RequestState::prefilling && r.computed < r.spec.prompt_tokens + r.produced) {
      ++partial;
      prefilling_ = task;
    }
  }
  check(entry == step.entries.end(), "an entry of a request that does not run");
  if (stalled || partial > 1 || (partial == 1 && prefilling_ != last_running_) ||
      (partial == 1 && context.settings.long_prefill_token_threshold > 0)) {
    irregular_ = true;
    prefilling_ = kNoTask;
  }
  if (context.tables.recorder != nullptr) {
    for (const LiteralStep::Entry& e : step.entries) {
      context.tables.recorder->next.entries.push_back({e.task, e.tokens, e.before});
    }
  }
}

// Its entry in the step: the decoding ones are counted already.
void Node::serve(const NodeContext& context, TaskSlot task, std::int32_t tokens) {
  Request& r = context.tables.requests[index(task)];
  if (r.state == RequestState::decoding) {
    return;
  }
  if (r.state == RequestState::prefilling) {
    add_chunk(context.settings, r, tokens);
  } else {
    ++extra_decodes_;
    extra_context_ += r.computed;
    extra_longest_ = std::max<std::int64_t>(extra_longest_, r.computed);
    step_shape_.sampled += r.state == RequestState::leaving ? 1 : 0;
  }
  free_blocks_ -= blocks_for(r.computed + tokens) - blocks_for(r.computed);
  r.computed += tokens;
  if (r.state == RequestState::stalled ||
      (r.state == RequestState::prefilling && r.computed == r.spec.prompt_tokens + r.produced)) {
    joining_.push_back(task);
  }
}

void Node::stall(const NodeContext& context, TaskSlot task) {
  Request& r = context.tables.requests[index(task)];
  if (r.state == RequestState::decoding) {
    leave_batch(context, task);
    r.state = RequestState::stalled;
  }
}

}  // namespace yardmaster
