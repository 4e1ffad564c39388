// From kernel profiles of one transformer layer to the compact tables of a StepProfile.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "env/hardware/hardware.h"
#include "env/hardware/profile.h"

namespace yardmaster {

/// Attention times as profiled: a union of grids with holes. Lookups stay within a slice, because a
/// line across a hole would connect distant points.
class AttentionTimes {
 public:
  void add(int chunk, int history, int decodes, int context, double us);
  /// Throws BadInput, naming the file, unless there are rows with a chunk and rows without.
  void check(const std::string& path) const;
  /// Microseconds of one layer by linear interpolation: between numbers of decodes first, then
  /// between the chunks, histories and contexts of each slice.
  [[nodiscard]] double at(double chunk, double history, double decodes, double context) const;
  /// Numbers of decodes that were profiled without a chunk.
  [[nodiscard]] std::vector<double> decodes() const;

  struct Cell {
    int chunk, history, decodes, context;
    double us;
  };
  [[nodiscard]] const std::vector<Cell>& cells() const { return cells_; }

 private:
  using Line = std::map<int, double>;       // by context
  using Histories = std::map<int, Line>;    // by history
  using Chunks = std::map<int, Histories>;  // by chunk, 0: none
  using Slices = std::map<int, Chunks>;     // by decodes
  Slices alone_, with_chunk_;
  std::vector<Cell> cells_;
};

/// Relative errors of a table against the measurements behind it.
struct FitError {
  std::size_t cells = 0;
  double mean = 0, p90 = 0, worst = 0;
};

/// A profile and its errors against its measurements.
struct FittedProfile {
  StepProfile profile;
  FitError decode, mixed, skew;  // skew: no cells where it was not profiled
};

/// Reads the kernel times of one degree of tensor parallelism from `folder`, those of experts from
/// `top`, where they hold for all degrees, and makes the tables. Throws BadInput where something is
/// missing or malformed.
FittedProfile fit_profile(const std::string& folder, const std::string& top, const GpuSpec&,
                          const ModelSpec&, int tensor_parallel);

}  // namespace yardmaster
