#include "env/node/literal_planner.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "env/base/check.h"
#include "env/node/admit.h"

namespace yardmaster {

namespace {

/// The call under way. None of it is in the node's state before carry_out(), except admissions and
/// preemptions.
struct LiteralStep {
  struct Entry {
    TaskSlot task;
    std::int32_t tokens, before, blocks;
  };
  Time now;
  /// Tokens left of the budget.
  std::int32_t budget = 0;
  /// Tokens of one entry, at most.
  std::int32_t cap = 0;
  /// Blocks that the entries take.
  std::int32_t taken = 0;
  bool preempted = false;
  /// In the order of the running list.
  std::vector<Entry> entries;
};

// What a running request computes if memory allows.
std::int32_t wanted_tokens(const NodeRef& ref, const Request& r, const LiteralStep& step) {
  std::int32_t tokens = 1;
  if (r.state == RequestState::prefilling) {
    tokens = std::min(r.known_tokens() - r.computed, step.cap);
  } else if (r.state == RequestState::leaving) {
    // The engine does not know yet that the token in flight is a stop token.
    const bool end_in_flight = r.spec.stop_token && ref.rules.steps_in_flight > 1 &&
                               r.finish_step == ref.node.segment.step - 1;
    tokens = end_in_flight ? 1 : 0;
  }
  return std::min(
      {tokens, step.budget, ref.rules.max_model_len - 1 - computed_tokens(ref.node, r)});
}

// With fcfs, the last of the running list is preempted first; with priority, the largest
// (priority, time of arrival).
TaskSlot first_to_preempt(const NodeRef& ref) {
  const RunningBatch& batch = ref.node.batch;
  if (ref.rules.policy == QueuePolicy::fcfs) {
    return batch.last;
  }
  TaskSlot last = batch.first;
  for (TaskSlot task = batch.first; task != kNoTask; task = ref.after(task)) {
    const Request& a = ref.request(task);
    const Request& b = ref.request(last);
    if (a.priority != b.priority ? a.priority > b.priority : a.delivered > b.delivered) {
      last = task;
    }
  }
  return last;
}

// Requests that are admitted in the same call can already hit what this entry computes.
void add_entry(const NodeRef& ref, LiteralStep& step, TaskSlot task, std::int32_t tokens) {
  KvMemory& kv = ref.node.kv;
  const Request& r = ref.request(task);
  const std::int32_t before = computed_tokens(ref.node, r);
  const std::int32_t blocks = blocks_for(before + tokens) - blocks_for(before);
  step.entries.push_back({task, tokens, before, blocks});
  step.budget -= tokens;
  step.taken += blocks;
  if (ref.rules.enable_prefix_caching &&
      (r.publishes_shared || r.state == RequestState::prefilling)) {
    kv.take_until(kv.free_blocks - step.taken);
    publish(ref, r, before + tokens, published_tokens(ref.node, r, tokens));
  }
}

// Preempts until `blocks` are free for `task`; false if it was preempted itself.
bool make_room(const NodeRef& ref, LiteralStep& step, TaskSlot task, std::int32_t blocks) {
  const KvMemory& kv = ref.node.kv;
  while (blocks > kv.free_blocks - step.taken) {
    const TaskSlot gone = first_to_preempt(ref);
    WithdrawnEntry withdrawn{0, 0, kv.free_blocks - step.taken};
    const auto entry = std::find_if(step.entries.begin(), step.entries.end(),
                                    [gone](const LiteralStep::Entry& e) { return e.task == gone; });
    if (entry != step.entries.end()) {
      withdrawn.tokens = entry->tokens;
      withdrawn.blocks = entry->blocks;
      step.entries.erase(entry);
    }
    preempt(ref, gone, step.now, withdrawn);
    step.budget += withdrawn.tokens;
    step.taken -= withdrawn.blocks;
    step.preempted = true;
    if (gone == task) {
      return false;
    }
  }
  return true;
}

// Running requests come first, in order of admission. A request that is preempted for its own entry
// ends the pass.
void serve_running(const NodeRef& ref, LiteralStep& step) {
  for (TaskSlot task = ref.node.batch.first; task != kNoTask && step.budget > 0;) {
    const Request& r = ref.request(task);
    const std::int32_t tokens = wanted_tokens(ref, r, step);
    if (tokens > 0) {
      const std::int32_t before = computed_tokens(ref.node, r);
      const std::int32_t blocks = blocks_for(before + tokens) - blocks_for(before);
      if (!make_room(ref, step, task, blocks)) {
        return;
      }
      add_entry(ref, step, task, tokens);
    }
    task = ref.after(task);
  }
}

// Enters one entry into the node's state. Decoding requests are counted already.
void serve(const NodeRef& ref, TaskSlot task, std::int32_t tokens) {
  FirstStep& first = ref.node.first_step;
  Request& r = ref.request(task);
  if (r.state == RequestState::decoding) {
    return;
  }
  if (r.state == RequestState::prefilling) {
    add_chunk(ref, r, tokens);
  } else {
    ++first.extra_decodes;
    first.extra_context += r.computed;
    first.extra_longest = std::max<std::int64_t>(first.extra_longest, r.computed);
    first.shape.sampled += r.state == RequestState::leaving ? 1 : 0;
  }
  ref.node.kv.free_blocks -= blocks_for(r.computed + tokens) - blocks_for(r.computed);
  r.computed += tokens;
  if (r.state == RequestState::stalled ||
      (r.state == RequestState::prefilling && r.computed == r.known_tokens())) {
    ref.node.batch.joining.push_back(task);
  }
}

// A decoding request has no entry.
void stall(const NodeRef& ref, TaskSlot task) {
  Request& r = ref.request(task);
  if (r.state == RequestState::decoding) {
    leave_batch(ref, task);
    r.state = RequestState::stalled;
  }
}

// Enters the outcome of the call into the node's state, and says whether the next step can be
// planned in closed form.
void carry_out(const NodeRef& ref, const LiteralStep& step) {
  RunningBatch& batch = ref.node.batch;
  batch.prefilling = kNoTask;
  bool stalled = false;
  std::int32_t partial = 0;
  auto entry = step.entries.begin();
  for (TaskSlot task = batch.first; task != kNoTask; task = ref.after(task)) {
    const Request& r = ref.request(task);
    if (entry != step.entries.end() && entry->task == task) {
      serve(ref, task, entry->tokens);
      ++entry;
    } else if (r.state == RequestState::decoding || r.state == RequestState::stalled) {
      stall(ref, task);
      stalled = true;
    }
    if (r.state == RequestState::prefilling && r.computed < r.known_tokens()) {
      ++partial;
      batch.prefilling = task;
    }
  }
  check(entry == step.entries.end(), "an entry of a request that does not run");
  ref.node.plan.needs_literal_plan = stalled || partial > 1 ||
                                     (partial == 1 && batch.prefilling != batch.last) ||
                                     (partial == 1 && ref.rules.long_prefill_token_threshold > 0);
  if (ref.node.plan.needs_literal_plan) {
    batch.prefilling = kNoTask;
  }
  if (ref.tables.recorder != nullptr) {
    for (const LiteralStep::Entry& e : step.entries) {
      ref.tables.recorder->next.entries.push_back({e.task, e.tokens, e.before});
    }
  }
}

}  // namespace

bool plan_literally(const NodeRef& ref, Time now) {
  Node& node = ref.node;
  LiteralStep step;
  step.now = now;
  step.budget = ref.rules.max_num_batched_tokens;
  step.cap = std::numeric_limits<std::int32_t>::max();
  const bool alone =
      node.batch.running + static_cast<std::int32_t>(node.queues.waiting.size()) <= 1;
  if (ref.rules.long_prefill_token_threshold > 0 &&
      (!alone || ref.rules.engine.cap_binds_lone_request)) {
    step.cap = ref.rules.long_prefill_token_threshold;
  }
  if (ref.rules.enable_prefix_caching) {
    node.kv.take_until(node.kv.free_blocks);
    publish_shared(ref, false);
  }
  node.plan.head_awaits_publication = false;
  serve_running(ref, step);
  if (!step.preempted) {
    Admission left{ref.rules, step.budget, step.cap, node.kv.free_blocks - step.taken};
    admit_waiting(ref, now, left, [&](const Admitted& admitted) {
      add_entry(ref, step, admitted.task, admitted.chunk_tokens);
    });
  }
  carry_out(ref, step);
  return step.preempted;
}

}  // namespace yardmaster
