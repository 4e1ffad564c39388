// Reading a scenario's sections: declarations of keys, and the checks that need nothing else. What
// needs simulation or the trace is load.cpp's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "env/config/section.h"
#include "env/hardware/catalogue.h"
#include "env/scenario/scenario.h"

namespace yardmaster {

/// A scenario as written: what is left to compile stands beside it.
struct Draft {
  Scenario scenario;
  std::optional<Duration> duration, warm_up;
  std::optional<double> load, rate_per_s;
  bool has_trace = false;
  std::vector<yaml::Place> node_places;  // [kind]
  std::optional<std::vector<std::int64_t>> seeds;
  yaml::Place duration_place, warm_up_place, rate_place, trace_place, seeds_place;
};

/// Reads the whole file. `catalogue` holds the shipped entries; the scenario's own are added.
void read_scenario(yaml::Section& root, Catalogue& catalogue, Draft& draft);
/// Reads `nodes`.
void read_nodes(yaml::Section& root, Catalogue& catalogue, Draft& draft);
/// Reads `workload`.
void read_workload(yaml::Section& root, Draft& draft);

}  // namespace yardmaster
