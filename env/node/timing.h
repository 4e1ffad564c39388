// When a node must be looked at next: instants of planning, laziness, outputs.
#pragma once

#include "env/node/node.h"

namespace yardmaster {

/// Finds the next plan and the next output anew, after a change from outside.
void reschedule(const NodeRef&);
/// The same if what may cut the segment is known and has not changed: `cut` is its time.
void find_next(const NodeRef&, Time cut);
/// Makes the plans before `limit`, `inclusive`: and those at `limit`. REQUIRES that one is due.
/// reschedule() or find_next() must follow.
void make_plans(const NodeRef&, Time limit, bool inclusive);

}  // namespace yardmaster
