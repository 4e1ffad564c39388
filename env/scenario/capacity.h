// Capacity: the rate that "load 0.7" refers to.
#pragma once

#include "env/scenario/scenario.h"

namespace yardmaster {

/// Requests per second that one node of this kind finishes while it always has work: the node is
/// simulated alone and kept full with requests of the workload's own lengths, after a warm-up.
/// 0 if no request of the workload fits.
double saturated_rate(const NodeSettings&, const Workload&);

}  // namespace yardmaster
