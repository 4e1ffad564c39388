// The two numbers of a machine, host time a step and extra time of steps beyond the captured
// graphs, from a measured run.
#pragma once

#include <cstddef>
#include <vector>

#include "env/scenario/scenario.h"
#include "tools/validation/measured_run.h"

namespace yardmaster {

/// A number with its 95 % bootstrap interval, in seconds.
struct HostNumber {
  double value = 0, low = 0, high = 0;
};

struct HostFit {
  HostNumber step, uncaptured_step;
};

/// Fits requests first..last of the run, in order of arrival; all are replayed. The scenario's own
/// two numbers are where the search starts, and stay in what it finds.
///
/// Each request gives two equations, the relative errors of its decode time and of its time from
/// scheduled to first token, linear in the two numbers: a plane through replays on a grid of 0 to
/// 0.5 ms and 0 to 8 ms, which moves to the solution while that lies beyond it. Least squares, both
/// kinds weighted by their own spread, outliers down (Huber). Queueing time is left out: it
/// multiplies every error. Intervals resample stretches of requests, 20 in a row, since neighbours
/// share their steps. Throws BadInput for 20 requests or fewer, for a run without one of the two
/// times, and where no numbers make the replay like the run. A scenario whose own two numbers are
/// near helps then.
HostFit fit_host(const std::vector<Served>& run, const Scenario&, std::size_t first,
                 std::size_t last);

}  // namespace yardmaster
