// One run of a policy on a seed until all work has drained, with its metrics.
#pragma once

#include <cstdint>
#include <functional>

#include "env/scenario/scenario.h"
#include "env/simulation/metrics.h"
#include "results/writer.h"
#include "tools/command.h"

namespace yardmaster {

/// The result of a run.
struct EpisodeResult {
  Metrics metrics;
  std::uint64_t digest = 0;
  std::uint32_t trace_window = 0;
  double wall_s = 0;  // of the loop alone, on the wall clock
};

/// Called some hundred times with the share of the run that is done; may be empty.
using EpisodeProgress = std::function<void(double share)>;

/// Runs until all work has drained. Rows go to the writer, unless it is null. Any number of runs
/// may go on in parallel. Throws Interrupted after a signal and ResultsError from the writer.
EpisodeResult run_episode(const Scenario&, Seed, const NamedPolicy&, const OrderingPolicy&,
                          Writer* writer, const EpisodeProgress& progress);

}  // namespace yardmaster
