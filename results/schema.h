// The tables of a results file: the columns with their types and units, and how each is computed
// from a row. results/README.md describes the whole file.
#pragma once

#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <vector>

#include "env/scenario/scenario.h"
#include "env/simulation/metrics.h"
#include "env/simulation/observer.h"
#include "env/simulation/sampler.h"
#include "results/comparison.h"

namespace yardmaster {

/// Increased when a reader for an older version would misunderstand the file.
inline constexpr std::int64_t kSchemaVersion = 1;

/// A file could not be written or read. The message names the file or the object.
class ResultsError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Stored type of a column.
enum class ColumnType : std::uint8_t { u8, i32, u32, i64, f64, outcome, text };

/// One column of a table of `Row`s: exactly one of the three getters is set.
template <class Row>
struct Column {
  std::string name;
  ColumnType type;
  std::string unit;  // SI, or what is counted ("tokens"); empty for names and indices
  std::string description;
  std::function<std::int64_t(const Row&)> whole;
  std::function<double(const Row&)> real;  // NaN where there is no value
  std::function<std::string(const Row&)> text;
};

/// One node of the scenario, as /fleet lists it.
struct FleetRow {
  std::uint32_t node = 0;
  const NodeKind* kind = nullptr;
};

const std::vector<Column<TaskRow>>& task_columns();
const std::vector<Column<NodeSample>>& node_columns();
const std::vector<Column<NamedMetric>>& metric_columns();
const std::vector<Column<FleetRow>>& fleet_columns();
const std::vector<Column<ComparisonRow>>& summary_columns();

}  // namespace yardmaster
