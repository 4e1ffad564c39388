// The effects of steps that have been made.
#pragma once

#include "env/node/node.h"

namespace yardmaster {

/// Closes the segment under way, if there is one: counters, blocks, chunks and ends.
void close_segment(const NodeRef&);

}  // namespace yardmaster
