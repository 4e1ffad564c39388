// What a node plans: the rules of vLLM's scheduler over counts instead of lists of tokens.
#pragma once

#include "env/node/node.h"

namespace yardmaster {

/// The engine's schedule() call at `now`, from the outputs that are known by then: closes the
/// segment under way, applies changes, and lays out the next segment.
void plan(const NodeRef&, Time now);

}  // namespace yardmaster
