// Capacity: the rate that "load 0.7" refers to.
#pragma once

#include "env/scenario/scenario.h"

namespace yardmaster {

/// Requests/s at which one node of this kind finishes work when it is never without: the node is
/// simulated alone, kept full with requests of the workload's own lengths, after a warm-up.
/// 0 when no request of the workload fits.
double saturated_rate(const NodeSettings&, const Workload&);

}  // namespace yardmaster
