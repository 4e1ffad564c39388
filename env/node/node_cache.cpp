// A node's dealings with its prefix cache.
//
// Only what can be seen is done at once. Blocks are taken from the free queue when the queue is
// changed otherwise or looked at; until then free_blocks_ alone knows. What a request publishes in
// its own run nobody else can hit: that waits until it gives its blocks back.
#include <algorithm>

#include "env/base/check.h"
#include "env/node/node.h"

namespace yardmaster {

PromptPath Node::path_of(const NodeContext& context, const Request& r) {
  return context.tables.paths == nullptr ? PromptPath{{}, own_run(r.spec.address)}
                                         : context.tables.paths->path(r.spec.path, r.spec.address);
}

// Never the whole sequence: at least one token is computed.
Node::Prefix Node::find_prefix(const NodeContext& context, const Request& r) const {
  const std::int32_t tokens = r.spec.prompt_tokens + r.produced;
  const PrefixHit hit = cache_.lookup(path_of(context, r), (tokens - 1) / kBlockTokens);
  return {hit.blocks * kBlockTokens, hit.blocks, hit.idle};
}

// An admitted request gets what was found. `whole`: the rest is computed in this step.
void Node::hold_prefix(const NodeContext& context, TaskSlot task, const Prefix& prefix,
                       bool whole) {
  Request& r = context.tables.requests[index(task)];
  const PromptPath path = path_of(context, r);
  r.holder = cache_.admit(path, prefix.blocks);
  r.computed = prefix.tokens;
  free_blocks_ -= prefix.idle;
  counters_.cached_tokens += prefix.tokens;
  r.shares = path.shared_blocks() > (r.spec.prompt_tokens + r.produced) / kBlockTokens;
  r.rivals = sharers_ > 0 && (r.shares || !whole) && meets_sharer(context, task);
  sharers_ += r.shares ? 1 : 0;
  rivals_ += r.rivals ? 1 : 0;
  if (context.tables.recorder != nullptr && prefix.tokens > 0) {
    context.tables.recorder->next.hits.push_back({task, prefix.tokens});
  }
}

// The blocks that the books say are taken. Whose they are does not matter to the free queue.
void Node::take_until(std::int64_t free) {
  cache_.take(cache_.free_blocks() - static_cast<std::int32_t>(free));
}

// It has the blocks of `held` tokens, already taken, and those full of `published` can be hit.
void Node::publish(const NodeContext& context, const Request& r, std::int32_t held,
                   std::int32_t published) {
  cache_.credit(r.holder, blocks_for(held) - cache_.held(r.holder));
  cache_.publish(r.holder, path_of(context, r), published / kBlockTokens);
}

// Tokens of a running request that can be hit, as of the outputs known at this plan, or with its
// entry in the step that is being planned: all computed ones, but for a token that is on its way.
// When the last step was planned and no step was under way, all tokens were known.
std::int32_t Node::published_tokens(const Request& r, std::int32_t in_this_step) const {
  const bool sampled = r.state == RequestState::decoding || r.state == RequestState::leaving;
  const bool on_its_way = unseen_ && sampled && (in_this_step > 0 || !planned_seen_);
  return computed(r) + in_this_step - (on_its_way ? 1 : 0);
}

// What sharing requests publish. `scheduled`: in the step that is being planned too.
void Node::publish_shared(const NodeContext& context, bool scheduled) {
  if (sharers_ == 0) {
    return;
  }
  for (TaskSlot task = first_running_; task != kNoTask;
       task = context.tables.links[index(task)].next) {
    const Request& r = context.tables.requests[index(task)];
    if (r.shares && r.state != RequestState::prefilling) {
      const std::int32_t entry = scheduled && r.state == RequestState::decoding ? 1 : 0;
      publish(context, r, computed(r) + entry, published_tokens(r, entry));
    }
  }
}

// Whether what a sharing request is going to publish is on this one's path.
bool Node::meets_sharer(const NodeContext& context, TaskSlot task) const {
  const PromptPath path = path_of(context, context.tables.requests[index(task)]);
  const auto on_path = [&](std::uint32_t run) {
    return std::any_of(path.shared.begin(), path.shared.end(),
                       [run](const PathSpan& span) { return span.run == run; });
  };
  for (TaskSlot t = first_running_; t != kNoTask; t = context.tables.links[index(t)].next) {
    const Request& other = context.tables.requests[index(t)];
    if (!other.shares || t == task) {
      continue;
    }
    const std::int32_t from = cache_.published(other.holder);
    for (const PathSpan& span : path_of(context, other).shared) {
      if (span.end > from && on_path(span.run)) {
        return true;
      }
    }
  }
  return false;
}

// A request leaves the running list with `held` blocks, full ones of `published` tokens of them
// public; `free` blocks are free before. Returns how many become free.
std::int32_t Node::give_back(const NodeContext& context, TaskSlot task, std::int32_t held,
                             std::int32_t published, std::int64_t free) {
  if (!context.settings.enable_prefix_caching) {
    return held;
  }
  Request& r = context.tables.requests[index(task)];
  take_until(free);
  cache_.credit(r.holder, held - cache_.held(r.holder));
  cache_.publish(r.holder, path_of(context, r), published / kBlockTokens);
  cache_.release(r.holder);
  sharers_ -= r.shares ? 1 : 0;
  rivals_ -= r.rivals ? 1 : 0;
  r.holder = kNoHolder;
  r.shares = r.rivals = false;
  return cache_.free_blocks() - static_cast<std::int32_t>(free);
}

// Blocks of the steps under way, which free_blocks_ does not count yet.
std::int64_t Node::pending_blocks(const NodeContext& context) const {
  if (steps_ == 0) {
    return 0;
  }
  std::int64_t blocks = phases_.blocks(step_, steps_);
  if (prefilling_ != kNoTask) {
    const Request& r = context.tables.requests[index(prefilling_)];
    blocks += blocks_for(r.computed + chunk_tokens_ * steps_) - blocks_for(r.computed);
  }
  return blocks;
}

// Ended requests whose seats are free when `step` is planned, in the order of the running list: so
// the engine gives their blocks back.
void Node::release_in_order(const NodeContext& context, std::int64_t step) {
  for (TaskSlot task = first_running_; task != kNoTask;) {
    const Request& r = context.tables.requests[index(task)];
    const TaskSlot next = context.tables.links[index(task)].next;
    if (r.state == RequestState::leaving && leaving_.remove_if([&](const Leaving& l) {
          return l.task == task && l.release_step <= step;
        }) > 0) {
      release_one(context, task);
    }
    task = next;
  }
}

void Node::release_one(const NodeContext& context, TaskSlot task) {
  Request& r = context.tables.requests[index(task)];
  // The token after a stop token is not published.
  const std::int32_t published =
      std::min(r.computed, r.spec.prompt_tokens + r.spec.output_tokens - 1);
  const bool caching = context.settings.enable_prefix_caching;
  const std::int64_t free = caching ? free_blocks_ - pending_blocks(context) : 0;
  free_blocks_ += give_back(context, task, blocks_for(r.computed), published, free);
  unlink(context, task);
  r.state = RequestState::outside;
}

}  // namespace yardmaster
