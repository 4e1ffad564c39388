// Fits the two numbers of a machine to a measured run: host time per step, and extra time of steps
// beyond the captured graphs.
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

/// Fits requests first..last of the run, in order of arrival; all requests are replayed. The search
/// starts at the scenario's own two numbers, and the result is in addition to them.
///
/// Each request gives two equations: the relative errors of its decode time and of its time from
/// scheduled to first token, linear in the two numbers. Their planes are fitted to replays on a
/// grid of 0 to 0.5 ms and 0 to 8 ms, which moves until it contains the solution by least squares.
/// Each kind is weighted by its spread, and outliers count less (Huber). Queueing time is left out
/// because it amplifies every error. Intervals resample 20 consecutive requests at a time, because
/// neighbours share their steps.
///
/// Throws BadInput for 20 requests or fewer, for a run without one of the two times, and where no
/// numbers make the replay similar to the run; there a better start in the scenario helps.
HostFit fit_host(const std::vector<Served>& run, const Scenario&, std::size_t first,
                 std::size_t last);

}  // namespace yardmaster
