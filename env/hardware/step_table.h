// A StepProfile compiled to picoseconds: cells in which a run of decode steps is affine, and a grid
// for single steps with prefill chunks.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "env/base/units.h"
#include "env/hardware/profile.h"

namespace yardmaster {

/// Attention times of one profile. Immutable and shared.
class StepTable {
 public:
  StepTable() = default;
  /// Compiles for up to `max_num_seqs` sequences. `slowdown` multiplies every time.
  StepTable(const StepProfile&, std::int32_t max_num_seqs, double slowdown);

  [[nodiscard]] bool empty() const { return cells_.empty(); }
  /// Whether the longest context affects the time of steps with so many decodes.
  [[nodiscard]] bool depends_on_longest(std::int32_t decodes) const {
    return unsplit_decodes_ > 0 && decodes >= unsplit_decodes_;
  }

  /// Attention of a stretch of decode steps: step j < steps takes first_ps + growth_ps * j.
  struct Decode {
    std::int64_t first_ps;
    std::int64_t growth_ps;
    std::int64_t steps;
  };
  /// The stretch that starts with `decodes` sequences over `context_tokens` in all. `longest` is
  /// the longest context, or 0 to ignore its effect.
  [[nodiscard]] Decode decode(std::int32_t decodes, std::int64_t context_tokens,
                              std::int64_t longest) const;
  /// Time per context token where contexts are long, for estimates.
  [[nodiscard]] Duration context_token() const;

  /// Attention of a step with a chunk of `tokens` > 0 beside `decodes` over `context_tokens`.
  /// pairs = 2 before tokens + tokens^2 counts each (query, key) pair twice.
  [[nodiscard]] Duration chunk(std::int64_t tokens, std::int64_t pairs, std::int32_t decodes,
                               std::int64_t context_tokens) const;
  /// Attention of the step's further chunks.
  [[nodiscard]] Duration further_chunks(std::int64_t tokens, std::int64_t pairs) const {
    return other_token_ * tokens + other_pair_ * pairs;
  }

 private:
  /// attention = base_ps + token_ps * context tokens
  struct Cell {
    std::int64_t base_ps;
    std::int64_t token_ps;
  };
  /// One axis of the grid: inverse_width[i] = 1 / (points[i + 1] - points[i]).
  struct Axis {
    std::vector<double> points;
    std::vector<double> inverse_width;
  };
  /// The position of a value on an axis: `weight` of the way from point `low` to the next.
  struct Position {
    std::size_t low;
    double weight;
  };
  void compile_decode(const StepProfile&, std::int32_t max_num_seqs, double slowdown);
  void compile_mixed(const StepProfile&, double slowdown);
  [[nodiscard]] static Position find(const Axis&, std::int64_t value);
  [[nodiscard]] Duration grid(std::int64_t tokens, std::int64_t history, std::int64_t decodes,
                              std::int64_t context) const;

  std::vector<std::int64_t> knots_;  // contexts at which cells meet
  std::vector<Cell> cells_;          // [sequences][knots - 1]
  std::int32_t unsplit_decodes_ = 0;
  Duration skew_token_;
  Duration floor_token_;
  std::array<Axis, 4> axes_;   // chunk, history, decodes, context
  std::vector<double> mixed_;  // ps, [chunk][history][decodes][context]
  std::int64_t largest_chunk_ = 0;
  std::int64_t least_context_ = 0;
  Duration other_token_;
  Duration other_pair_;
};

}  // namespace yardmaster
