// The columns of an observation, in blocks.
//
// To add a column, write one line in one of the tables of columns.cpp. Everything else (sizes,
// names, checkpoints, tests of ranges) follows from the tables.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "env/view/estimates.h"
#include "env/view/fleet_view.h"
#include "env/view/task_view.h"

namespace yardmaster {

/// How a raw value becomes a feature, after it was cut to [0, max].
enum class FeatureScale : std::uint8_t { linear, log1p };

/// One column of an observation. A checkpoint stores this recipe of each column that it uses, and
/// it must be the same on loading.
struct Feature {
  const char* name;
  const char* unit;  // of the raw value
  float max;         // raw values are cut to [0, max]
  FeatureScale scale;
};

/// Columns which are written together: one call per block and row.
template <class Facts>
struct Block {
  std::span<const Feature> columns;
  /// Writes [columns].
  void (*write)(const Facts&, std::span<float> out);
};

/// What three good rules minimise, in seconds.
struct RuleScores {
  float finish = 0, marginal_cost = 0;
  float queue_over_rate = 0;  // requests in flight and this one, over the service rate
};

/// The estimates of one node for one decision, computed once.
struct NodeEstimates {
  LoadEstimate load;
  Prediction predicted;
  double work_ahead_s = 0;
  double queue_over_rate_s = 0;
  RuleScores scores;
};

/// What the columns of a node row are computed from.
struct NodeFacts {
  const TaskView& task;
  const FleetView& fleet;
  const NodeEstimates& estimates;
  const RuleScores& best;  // of each score, the least among the legal nodes
  std::size_t n;           // the node
  bool legal;
};

/// What the columns of the task row are computed from.
struct TaskFacts {
  const TaskView& task;
  const FleetView& fleet;
};

/// What the columns of the fleet row are computed from: sums and maxima over the nodes.
struct FleetFacts {
  const FleetView& fleet;
  std::int64_t in_flight = 0, awaiting_first = 0, waiting = 0, up = 0, legal = 0;
  double rate_per_s = 0, kv_use = 0, work_ahead_s = 0;
  double max_kv_use = 0, max_work_ahead_s = 0;
};

/// The blocks of each kind of row, in order.
std::span<const Block<NodeFacts>> node_blocks();
std::span<const Block<TaskFacts>> task_blocks();
std::span<const Block<FleetFacts>> fleet_blocks();

}  // namespace yardmaster
