// The two numbers of a machine, host time a step and extra time of steps beyond the captured
// graphs, from a measured run.
#pragma once

#include <cstddef>
#include <vector>

#include "env/scenario/scenario.h"
#include "tools/measured_run.h"

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
/// Gauss-Newton with the replay as the model and finite differences, on each request's relative
/// error of TPOT and of the time from scheduled to first token, both kinds weighted by their own
/// spread, and outliers down (Huber). Queueing time is left out: it multiplies every error.
/// Intervals resample stretches of requests, 20 in a row, since neighbours share their steps.
HostFit fit_host(const std::vector<Served>& run, const Scenario&, std::size_t first,
                 std::size_t last);

}  // namespace yardmaster
