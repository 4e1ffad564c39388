// When decoding requests need their next KV block.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "env/node/kv_block.h"

namespace yardmaster {

/// Counts decoding requests by the fill of their last block. A request with `offset` has
/// step + offset tokens before step `step`. It takes a block in that step if this sum is a multiple
/// of 16, the tokens of a block.
class BlockPhases {
 public:
  void add(std::int64_t offset) { change(offset, 1); }
  void remove(std::int64_t offset) { change(offset, -1); }

  /// Blocks that all requests take in one step.
  [[nodiscard]] std::int64_t blocks(std::int64_t step) const { return of_[phase(step)]; }
  /// Blocks that they take in `steps` steps from `step` on.
  [[nodiscard]] std::int64_t blocks(std::int64_t step, std::int64_t steps) const {
    // The steps beyond whole rounds are summed under a mask, four at once, because their number is
    // unpredictable.
    const std::int32_t* const from = of_.data() + phase(step);
    const std::int32_t* const mask = kMasks.data() + kPhases - phase(steps);
    std::int32_t sum = 0;
    for (std::size_t i = 0; i < kPhases; ++i) {
      sum += from[i] & mask[i];
    }
    return rounds(steps) * count_ + sum;
  }

  /// An upper bound on the blocks of any `steps` steps; cheaper than the exact sum.
  [[nodiscard]] std::int64_t most_blocks(std::int64_t steps) const {
    return (rounds(steps) + 1) * count_;
  }

 private:
  static constexpr std::int64_t kPhases = kBlockTokens;
  static_assert((kPhases & (kPhases - 1)) == 0);
  static constexpr std::size_t phase(std::int64_t step) {
    return static_cast<std::size_t>(step & (kPhases - 1));
  }
  static constexpr std::int64_t rounds(std::int64_t steps) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(steps) / kPhases);
  }
  void change(std::int64_t offset, std::int32_t by) {
    of_[phase(-offset)] += by;
    of_[phase(-offset) + kPhases] += by;
    count_ += by;
  }
  // Ones for the first steps, then zeros: those for n steps begin at kPhases - n.
  static constexpr std::array<std::int32_t, 2 * kPhases> kMasks = [] {
    std::array<std::int32_t, 2 * kPhases> masks{};
    for (std::size_t i = 0; i < kPhases; ++i) {
      masks[i] = -1;
    }
    return masks;
  }();

  // [step mod 16]: requests that take a block then. Stored twice, so any 16 steps are contiguous.
  std::array<std::int32_t, 2 * kPhases> of_{};
  std::int32_t count_ = 0;
};

}  // namespace yardmaster
