// A node's use of its prefix cache.
//
// Work that has no visible effect is delayed. What a request publishes in its own run can be hit by
// no other request, so it is published when the request gives its blocks back.
#pragma once

#include <cstdint>

#include "env/base/ids.h"
#include "env/node/admission.h"
#include "env/node/node.h"

namespace yardmaster {

/// Tokens of a running request that have been computed.
[[nodiscard]] std::int32_t computed_tokens(const Node&, const Request&);

/// What a lookup finds of a waiting request's known tokens, of which one at least is left to
/// compute.
[[nodiscard]] FoundPrefix find_prefix(const NodeRef&, const Request&);
/// An admitted request holds what was found. `whole`: the rest is computed in this step.
void hold_prefix(const NodeRef&, TaskSlot, const FoundPrefix&, bool whole);
/// A request has the blocks of `held` tokens, which are already taken; of these, the full blocks of
/// `published` tokens can be hit from now on.
void publish(const NodeRef&, const Request&, std::int32_t held, std::int32_t published);
/// Publishes what running requests have of shared blocks. `scheduled`: including the step that is
/// being planned.
void publish_shared(const NodeRef&, bool scheduled);
/// Whether another running request is going to publish blocks on the path of this one.
[[nodiscard]] bool awaits_publication(const NodeRef&, TaskSlot);
/// Tokens of a running request that can be hit at this plan, with `in_this_step` tokens in the step
/// that is being planned.
[[nodiscard]] std::int32_t published_tokens(const Node&, const Request&, std::int32_t in_this_step);
/// A request leaves the running list with `held` blocks, of which the full ones of `published`
/// tokens can be hit. `free` blocks are free before. Returns how many become free.
std::int32_t give_back(const NodeRef&, TaskSlot, std::int32_t held, std::int32_t published,
                       std::int64_t free);
/// Blocks that the steps under way take, which KvMemory::free_blocks does not count yet.
[[nodiscard]] std::int64_t pending_blocks(const NodeRef&);

}  // namespace yardmaster
