// A StepProfile compiled to whole picoseconds: cells in which a run of decode steps is affine, and
// a grid for single steps with prefill chunks.
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
  /// Compiles for up to `max_num_seqs` sequences; `slow` multiplies everything.
  StepTable(const StepProfile&, std::int32_t max_num_seqs, double slow);

  [[nodiscard]] bool empty() const { return cells_.empty(); }
  /// Whether the longest context of so many decodes matters.
  [[nodiscard]] bool wants_longest(std::int32_t decodes) const {
    return unsplit_decodes_ > 0 && decodes >= unsplit_decodes_;
  }

  /// A stretch of decode steps: its attention is the larger of `first + growth j` and, where that
  /// counts, of the floor that the longest context sets; it holds for `steps` steps.
  struct Decode {
    std::int64_t first_ps, growth_ps, steps;
  };
  /// `decodes` sequences over `context_tokens` in all, the longest of them over `longest`; 0: do
  /// not ask for the longest.
  [[nodiscard]] Decode decode(std::int32_t decodes, std::int64_t context_tokens,
                              std::int64_t longest) const;
  /// Picoseconds a context token where contexts are long, for estimates.
  [[nodiscard]] Duration context_token() const;

  /// One step: a chunk of `tokens`, more than none, whose twice-counted (query, key) pairs are
  /// `pairs` = 2 before tokens + tokens^2, beside `decodes` over `context_tokens`.
  [[nodiscard]] Duration chunk(std::int64_t tokens, std::int64_t pairs, std::int32_t decodes,
                               std::int64_t context_tokens) const;
  /// Further chunks of the same step.
  [[nodiscard]] Duration others(std::int64_t tokens, std::int64_t pairs) const {
    return other_token_ * tokens + other_pair_ * pairs;
  }

 private:
  struct Cell {
    std::int64_t base_ps, token_ps;  // attention = base + token x context tokens
  };
  /// Places along one axis of the grid.
  struct Axis {
    std::vector<double> places, per_width;  // per_width[i] = 1 / (places[i + 1] - places[i])
  };
  /// Where a value lies on an axis: `weight` of the way from place `low` to the next.
  struct Place {
    std::size_t low;
    double weight;
  };
  void compile_decode(const StepProfile&, std::int32_t max_num_seqs, double slow);
  void compile_mixed(const StepProfile&, double slow);
  [[nodiscard]] static Place find(const Axis&, std::int64_t value);
  [[nodiscard]] Duration grid(std::int64_t tokens, std::int64_t history, std::int64_t decodes,
                              std::int64_t context) const;

  std::vector<std::int64_t> knots_;  // contexts at which cells meet
  std::vector<Cell> cells_;          // [sequences][knots - 1]
  std::int32_t unsplit_decodes_ = 0;
  Duration skew_token_, floor_token_;
  std::array<Axis, 4> axes_;   // chunk, history, decodes, context
  std::vector<double> mixed_;  // ps on these axes, the last one fastest
  std::int64_t largest_chunk_ = 0, least_context_ = 0;
  Duration other_token_, other_pair_;
};

}  // namespace yardmaster
