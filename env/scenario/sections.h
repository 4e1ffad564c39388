// Reading a scenario's sections: declarations of keys, and checks that need only these sections.
// load.cpp does what needs a simulation or the trace.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "env/config/section.h"
#include "env/hardware/catalogue.h"
#include "env/scenario/scenario.h"

namespace yardmaster {

/// A scenario as written, and what load.cpp needs to complete it.
struct Draft {
  Scenario scenario;
  std::optional<Duration> duration;
  std::optional<Duration> warm_up;
  std::optional<double> load;
  std::optional<double> rate_per_s;
  bool has_trace = false;
  std::vector<yaml::Place> node_places;  // [kind]
  std::optional<std::vector<std::int64_t>> seeds;
  yaml::Place duration_place;
  yaml::Place warm_up_place;
  yaml::Place rate_place;
  yaml::Place trace_place;
  yaml::Place seeds_place;
};

/// Reads the whole file. `catalogue` has the shipped entries; the scenario's own are added.
void read_scenario(yaml::Section& root, Catalogue& catalogue, Draft& draft);
/// Reads `nodes`.
void read_nodes(yaml::Section& root, Catalogue& catalogue, Draft& draft);
/// Reads `workload`.
void read_workload(yaml::Section& root, Draft& draft);

}  // namespace yardmaster
