#include "env/node/requests.h"

#include <algorithm>

#include "env/node/kv.h"

namespace yardmaster {

namespace {

void release_one(const NodeRef& ref, TaskSlot task) {
  Node& node = ref.node;
  Request& r = ref.request(task);
  // The token after a stop token is not published.
  const std::int32_t published =
      std::min(r.computed, r.spec.prompt_tokens + r.spec.output_tokens - 1);
  const std::int64_t free =
      ref.rules.enable_prefix_caching ? node.kv.free_blocks - pending_blocks(ref) : 0;
  node.kv.free_blocks += give_back(ref, task, blocks_for(r.computed), published, free);
  node.batch.unlink(ref.tables.links, task);
  r.state = RequestState::outside;
}

// In the order of the running list, because the engine gives the blocks back in that order.
void release_in_order(const NodeRef& ref, std::int64_t step) {
  RunningBatch& batch = ref.node.batch;
  for (TaskSlot task = batch.first; task != kNoTask;) {
    const Request& r = ref.request(task);
    const TaskSlot next = ref.after(task);
    if (r.state == RequestState::leaving && batch.leaving.remove_if([&](const Leaving& l) {
          return l.task == task && l.release_step <= step;
        }) > 0) {
      release_one(ref, task);
    }
    task = next;
  }
}

}  // namespace

void forget_output(const NodeRef& ref, const NodeOutput& output) {
  if (output.kind == NodeOutput::Kind::first_token) {
    Request& r = ref.request(output.task);
    r.first_token_seen = false;
    r.first_token = Time::never();
  }
}

void enter(const NodeRef& ref, TaskSlot task, Time now) {
  Node& node = ref.node;
  Request& r = ref.request(task);
  node.batch.link(ref.tables.links, task);
  if (r.first_scheduled.is_never()) {
    r.first_scheduled = now;
    ref.tables.facts.add(Fact::scheduled, r.spec.address, r.spec.address_hash, node.id, now);
    r.book(r.delivered > node.plan.last_plan_chance ? Moment::step_in_flight : Moment::queued, now);
    r.book(Moment::step_in_flight, node.segment.start);
  }
  r.computed = 0;
  r.state = RequestState::prefilling;
  if (ref.tables.recorder != nullptr) {
    ref.tables.recorder->next.admitted.push_back(task);
  }
}

void leave_batch(const NodeRef& ref, TaskSlot task) {
  RunningBatch& batch = ref.node.batch;
  Request& r = ref.request(task);
  if (r.state == RequestState::decoding) {
    batch.by_finish.remove(task);
    stop_decoding(ref, r);
    r.produced = static_cast<std::int32_t>(r.spec.output_tokens -
                                           (r.finish_step - ref.node.segment.step + 1));
  } else if (r.state == RequestState::leaving) {
    batch.leaving.remove_if([&](const Leaving& l) { return l.task == task; });
  } else if (task == batch.prefilling) {
    batch.prefilling = kNoTask;
  }
}

void preempt(const NodeRef& ref, TaskSlot task, Time now, const WithdrawnEntry& entry) {
  Node& node = ref.node;
  Request& r = ref.request(task);
  ++r.preemptions;
  ++node.counters.preemptions;
  ref.tables.facts.add(Fact::preempted, r.spec.address, r.spec.address_hash, node.id, now);
  if (ref.tables.recorder != nullptr) {
    ref.tables.recorder->next.preempted.push_back(task);
  }
  const bool has_ended = r.state == RequestState::leaving;
  if (r.state == RequestState::prefilling) {
    const Moment moment = r.preemptions > 1 ? Moment::recomputed : Moment::own_prefill;
    r.book(moment, std::max({now, node.plan.end, r.booked_until}));
  }
  const std::int32_t published = published_tokens(node, r, entry.tokens);
  leave_batch(ref, task);
  const std::int32_t held = blocks_for(r.computed) + entry.blocks;
  node.kv.free_blocks += give_back(ref, task, held, published, entry.free) - entry.blocks;
  node.batch.unlink(ref.tables.links, task);
  r.computed = 0;
  if (has_ended) {  // its last token is on its way: nothing is computed again
    r.state = RequestState::outside;
  } else {
    node.queues.put_back(ref.tables.requests, ref.rules.policy, task);
  }
}

void cancel_running(const NodeRef& ref, TaskSlot task, Time now) {
  Node& node = ref.node;
  Request& r = ref.request(task);
  const Duration latency = ref.rules.response_latency;
  if (!r.last_token.is_never() && r.last_token - latency <= now) {
    return;  // it had ended
  }
  if (r.state == RequestState::waiting) {  // preempted since the cancel was asked for
    node.queues.remove_waiting(ref.tables.requests, task);
  } else if (r.state != RequestState::outside) {
    const std::int32_t published = published_tokens(node, r, 0);
    leave_batch(ref, task);
    node.kv.free_blocks +=
        give_back(ref, task, blocks_for(r.computed), published, node.kv.free_blocks);
    node.batch.unlink(ref.tables.links, task);
  }
  node.outputs.remove_if([&](const NodeOutput& o) {
    const bool is_void = o.task == task && o.at - latency > now;
    if (is_void) {
      forget_output(ref, o);
    }
    return is_void;
  });
  push_output(node, {NodeOutput::Kind::cancelled, task, now + latency});
}

void release_leaving(const NodeRef& ref, std::int64_t step) {
  Ring<Leaving, 2>& leaving = ref.node.batch.leaving;
  if (ref.rules.enable_prefix_caching && leaving.size() > 1) {
    release_in_order(ref, step);
    return;
  }
  leaving.remove_if([&](const Leaving& l) {
    if (l.release_step > step) {
      return false;
    }
    release_one(ref, l.task);
    return true;
  });
}

void release(const NodeRef& ref, TaskSlot task) {
  Request& r = ref.request(task);
  if (r.state == RequestState::leaving) {
    release_leaving(ref, r.finish_step + ref.rules.steps_in_flight);
  }
  r.state = RequestState::outside;
}

}  // namespace yardmaster
