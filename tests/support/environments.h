// Small worlds and arbitrary legal actions, for tests of environments.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "env/rl/environment.h"
#include "env/scenario/load.h"
#include "tests/support/orderings.h"

namespace yardmaster {

/// A few seconds of the quick start.
inline Scenario small_scenario(std::vector<Override> more = {}) {
  std::vector<Override> overrides = {{"duration", "6 s"}, {"warm_up", "0 s"}};
  overrides.insert(overrides.end(), more.begin(), more.end());
  return load_scenario("scenarios/quickstart.yaml", overrides);
}

inline EnvironmentOptions drained() {
  EnvironmentOptions options;
  options.ordering = find_ordering("first_come_first_served");
  options.scale = 7;
  options.drain = true;
  return options;
}

inline EnvironmentOptions truncated() {
  EnvironmentOptions options = drained();
  options.drain = false;
  return options;
}

/// The k-th legal action, counted in a circle.
inline std::int32_t nth_legal(std::span<const std::uint8_t> legal, std::size_t k) {
  std::vector<std::int32_t> offered;
  for (std::size_t i = 0; i < legal.size(); ++i) {
    if (legal[i] != 0) {
      offered.push_back(static_cast<std::int32_t>(i));
    }
  }
  return offered.at(k % offered.size());
}

/// An observation with storage of its own.
struct Observation {
  std::vector<float> node;
  std::vector<float> task;
  std::vector<float> fleet;

  Observation() = default;
  Observation(const ObservationSpec& columns, std::size_t nodes)
      : node(nodes * columns.node_width()),
        task(columns.task_width()),
        fleet(columns.fleet_width()) {}
  [[nodiscard]] ObservationRows rows() { return {node, task, fleet}; }
  bool operator==(const Observation&) const = default;
};

/// The present observation of an environment.
inline Observation observation_of(Environment& world) {
  Observation observation(world.columns(), world.nodes());
  world.observe(observation.rows());
  return observation;
}

}  // namespace yardmaster
