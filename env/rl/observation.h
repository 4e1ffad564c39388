// What a learner sees of a decision: one row of features a node, one for the task, one for the
// fleet. Made from FleetView, Estimates and TaskView only, so a trained policy runs wherever a rule
// does. No node's identity is among the features: a permutation of nodes permutes the node rows and
// changes nothing else, exactly (sums over nodes are sums of integers).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "env/view/fleet_view.h"
#include "env/view/task_view.h"

namespace yardmaster {

/// How a raw value becomes a feature, after it was cut to [0, max].
enum class FeatureScale : std::uint8_t { linear, log1p };

/// One column of an observation. The tables below are stored in every checkpoint and compared on
/// loading.
struct Feature {
  const char* name;
  const char* unit;  // of the raw value
  float max;         // raw values are cut to [0, max]
  FeatureScale scale;
};

inline constexpr std::size_t kNodeFeatures = 31;
inline constexpr std::size_t kTaskFeatures = 7;
inline constexpr std::size_t kFleetFeatures = 11;

/// The columns of a node row, of the task row and of the fleet row, in order.
std::span<const Feature> node_features();
std::span<const Feature> task_features();
std::span<const Feature> fleet_features();

/// Where an observation is written. REQUIRES the sizes below.
struct ObservationRows {
  std::span<float> node;   // [nodes][kNodeFeatures]
  std::span<float> task;   // [kTaskFeatures]
  std::span<float> fleet;  // [kFleetFeatures]
};

/// Writes the observation of a decision. `legal` has nodes first.
void observe(const TaskView& task, const FleetView& fleet, std::span<const std::uint8_t> legal,
             ObservationRows rows);

}  // namespace yardmaster
