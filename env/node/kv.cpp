#include "env/node/kv.h"

#include <algorithm>

#include "env/base/check.h"

namespace yardmaster {

namespace {

PromptPath path_of(const NodeRef& ref, const Request& r) {
  return ref.tables.paths == nullptr ? PromptPath{{}, own_run(r.spec.address)}
                                     : ref.tables.paths->path(r.spec.path, r.spec.address);
}

}  // namespace

std::int32_t computed_tokens(const Node& node, const Request& r) {
  return r.state == RequestState::decoding
             ? static_cast<std::int32_t>(node.segment.step + r.context_offset)
             : r.computed;
}

FoundPrefix find_prefix(const NodeRef& ref, const Request& r) {
  const PrefixHit hit =
      ref.node.kv.cache.lookup(path_of(ref, r), (r.known_tokens() - 1) / kBlockTokens);
  return {hit.blocks * kBlockTokens, hit.blocks, hit.idle};
}

void hold_prefix(const NodeRef& ref, TaskSlot task, const FoundPrefix& prefix, bool whole) {
  KvMemory& kv = ref.node.kv;
  Request& r = ref.request(task);
  const PromptPath path = path_of(ref, r);
  r.holder = kv.cache.admit(path, prefix.blocks);
  r.computed = prefix.tokens;
  kv.free_blocks -= prefix.idle;
  ref.node.counters.cached_tokens += prefix.tokens;
  r.publishes_shared = path.shared_blocks() > r.known_tokens() / kBlockTokens;
  r.publishes_contested =
      kv.shared_publishers > 0 && (r.publishes_shared || !whole) && awaits_publication(ref, task);
  kv.shared_publishers += r.publishes_shared ? 1 : 0;
  kv.contested_publishers += r.publishes_contested ? 1 : 0;
  if (ref.tables.recorder != nullptr && prefix.tokens > 0) {
    ref.tables.recorder->next.hits.push_back({task, prefix.tokens});
  }
}

void publish(const NodeRef& ref, const Request& r, std::int32_t held, std::int32_t published) {
  PrefixCache& cache = ref.node.kv.cache;
  cache.credit(r.holder, blocks_for(held) - cache.held(r.holder));
  cache.publish(r.holder, path_of(ref, r), published / kBlockTokens);
}

// All computed tokens, except one that is in flight. If no step was under way when the last step
// was planned, all tokens were known at that plan.
std::int32_t published_tokens(const Node& node, const Request& r, std::int32_t in_this_step) {
  const bool sampled = r.state == RequestState::decoding || r.state == RequestState::leaving;
  const bool one_in_flight = node.plan.tokens_in_flight && sampled &&
                             (in_this_step > 0 || !node.plan.planned_with_all_tokens);
  return computed_tokens(node, r) + in_this_step - (one_in_flight ? 1 : 0);
}

void publish_shared(const NodeRef& ref, bool scheduled) {
  const Node& node = ref.node;
  if (node.kv.shared_publishers == 0) {
    return;
  }
  for (TaskSlot task = node.batch.first; task != kNoTask; task = ref.after(task)) {
    const Request& r = ref.request(task);
    if (r.publishes_shared && r.state != RequestState::prefilling) {
      const std::int32_t entry = scheduled && r.state == RequestState::decoding ? 1 : 0;
      publish(ref, r, computed_tokens(node, r) + entry, published_tokens(node, r, entry));
    }
  }
}

bool awaits_publication(const NodeRef& ref, TaskSlot task) {
  const PromptPath path = path_of(ref, ref.request(task));
  const auto on_path = [&](RunId run) {
    return std::any_of(path.shared.begin(), path.shared.end(),
                       [run](const PathSpan& span) { return span.run == run; });
  };
  for (TaskSlot t = ref.node.batch.first; t != kNoTask; t = ref.after(t)) {
    const Request& other = ref.request(t);
    if (!other.publishes_shared || t == task) {
      continue;
    }
    const std::int32_t from = ref.node.kv.cache.published(other.holder);
    for (const PathSpan& span : path_of(ref, other).shared) {
      if (span.end > from && on_path(span.run)) {
        return true;
      }
    }
  }
  return false;
}

std::int32_t give_back(const NodeRef& ref, TaskSlot task, std::int32_t held, std::int32_t published,
                       std::int64_t free) {
  if (!ref.rules.enable_prefix_caching) {
    return held;
  }
  KvMemory& kv = ref.node.kv;
  Request& r = ref.request(task);
  kv.take_until(free);
  kv.cache.credit(r.holder, held - kv.cache.held(r.holder));
  kv.cache.publish(r.holder, path_of(ref, r), published / kBlockTokens);
  kv.cache.release(r.holder);
  kv.shared_publishers -= r.publishes_shared ? 1 : 0;
  kv.contested_publishers -= r.publishes_contested ? 1 : 0;
  r.holder = kNoHolder;
  r.publishes_shared = r.publishes_contested = false;
  return kv.cache.free_blocks() - static_cast<std::int32_t>(free);
}

std::int64_t pending_blocks(const NodeRef& ref) {
  const ActiveSegment& segment = ref.node.segment;
  const RunningBatch& batch = ref.node.batch;
  if (segment.steps == 0) {
    return 0;
  }
  std::int64_t blocks = batch.phases.blocks(segment.step, segment.steps);
  if (batch.prefilling != kNoTask) {
    const Request& r = ref.request(batch.prefilling);
    blocks += blocks_for(r.computed + batch.chunk_tokens * segment.steps) - blocks_for(r.computed);
  }
  return blocks;
}

}  // namespace yardmaster
