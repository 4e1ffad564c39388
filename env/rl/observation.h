// What a learner sees of a decision: one row of features per node, one for the task, one for the
// fleet.
//
// Rows are computed from FleetView, Estimates and TaskView only, so a trained policy runs wherever
// a rule does. No feature identifies a node: a permutation of the nodes permutes the node rows and
// changes nothing else, exactly, because sums over nodes are sums of integers.
//
// The columns are declared in env/rl/columns.cpp, one line each, in blocks. A learner finds them by
// name, and the number of columns is known at run time only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "env/rl/columns.h"
#include "env/view/fleet_view.h"
#include "env/view/task_view.h"

namespace yardmaster {

/// The three kinds of rows, as names of columns or as anything else there is one of per kind.
template <class T>
struct PerRow {
  T node, task, fleet;
  bool operator==(const PerRow&) const = default;
};
using ColumnNames = PerRow<std::vector<std::string>>;

/// Where an observation is written. REQUIRES the sizes of the ObservationSpec.
struct ObservationRows {
  std::span<float> node;   // [nodes][node columns]
  std::span<float> task;   // [task columns]
  std::span<float> fleet;  // [fleet columns]
};

/// Working memory of ObservationSpec::write, one per thread. It carries nothing from one call to
/// the next.
struct ObservationScratch {
  std::vector<NodeEstimates> estimates;  // [node]
  std::vector<float> row;                // one whole row, before columns are selected
};

/// Which columns an observation has, and in which order. Immutable after its construction.
class ObservationSpec {
 public:
  /// Every column of a dispatch decision, in the order of their declaration.
  static ObservationSpec dispatch();
  /// The named columns in the given order. Throws UsageError for a name that is unknown or is
  /// given twice.
  static ObservationSpec of(const ColumnNames&);

  [[nodiscard]] std::span<const Feature> node_columns() const { return rows_.node.features; }
  [[nodiscard]] std::span<const Feature> task_columns() const { return rows_.task.features; }
  [[nodiscard]] std::span<const Feature> fleet_columns() const { return rows_.fleet.features; }
  [[nodiscard]] ColumnNames names() const;
  /// Columns of a node row.
  [[nodiscard]] std::size_t node_width() const { return rows_.node.features.size(); }
  [[nodiscard]] std::size_t task_width() const { return rows_.task.features.size(); }
  [[nodiscard]] std::size_t fleet_width() const { return rows_.fleet.features.size(); }
  /// Columns which all nodes share: those of the task row, then those of the fleet row.
  [[nodiscard]] std::size_t shared_width() const { return task_width() + fleet_width(); }

  /// Writes the observation of a decision. `legal` has the nodes first.
  void write(const TaskView&, const FleetView&, std::span<const std::uint8_t> legal,
             ObservationRows, ObservationScratch&) const;

 private:
  template <class Facts>
  struct Row {
    std::vector<Feature> features;
    std::vector<std::size_t> from;  // of each feature: its place among all columns
    bool all = true;                // every column in the order of declaration

    void write(std::span<const Block<Facts>>, const Facts&, std::span<float> out,
               std::vector<float>& whole) const;
  };
  template <class Facts>
  static Row<Facts> select(std::span<const Block<Facts>>, const std::vector<std::string>& names,
                           const char* kind);

  struct Rows {
    Row<NodeFacts> node;
    Row<TaskFacts> task;
    Row<FleetFacts> fleet;
  };
  Rows rows_;
};

}  // namespace yardmaster
