// Admits waiting requests by the rule of admission.h.
#pragma once

#include <cstdint>

#include "env/base/ids.h"
#include "env/node/admission.h"
#include "env/node/kv.h"
#include "env/node/node.h"
#include "env/node/requests.h"

namespace yardmaster {

/// What a request that has just been admitted computes in this step.
struct Admitted {
  TaskSlot task = kNoTask;
  std::int32_t chunk_tokens = 0;
  FoundPrefix found;
  /// The chunk ends its known tokens.
  bool whole = false;
};

/// Moves requests from the head of the queue to the running list while the rule admits them.
/// `serve` gives each what it computes; `left` has been reduced by that before the call.
template <class Serve>
inline void admit_waiting(const NodeRef& ref, Time now, Admission& left, Serve serve) {
  Node& node = ref.node;
  const bool caching = ref.rules.enable_prefix_caching;
  node.plan.head_awaits_publication = false;
  while (!node.queues.waiting.empty() && left.open(node.batch.running)) {
    const TaskSlot task = node.queues.waiting.front();
    const Request& r = ref.request(task);
    const std::int32_t tokens = r.known_tokens();
    Admitted admitted;
    admitted.task = task;
    if (caching) {
      node.kv.take_until(left.free_blocks);
      admitted.found = find_prefix(ref, r);
    }
    if (!left.fits(tokens, admitted.found, node.batch.running)) {
      node.plan.head_awaits_publication =
          node.kv.shared_publishers > 0 && awaits_publication(ref, task);
      return;
    }
    admitted.chunk_tokens = left.chunk(tokens, admitted.found);
    admitted.whole = admitted.found.tokens + admitted.chunk_tokens == tokens;
    node.queues.pop_waiting(r);
    enter(ref, task, now);
    if (caching) {
      hold_prefix(ref, task, admitted.found, admitted.whole);
    }
    left.take(admitted.chunk_tokens, admitted.found);
    serve(admitted);
  }
}

}  // namespace yardmaster
