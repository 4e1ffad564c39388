// When decoding requests need their next KV block.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "env/workload/prompt_paths.h"

namespace yardmaster {

/// Counts decoding requests by where their context stands in its last block. A request of `offset`
/// has step + offset tokens before step `step`, and takes a block in it when that is a multiple of
/// a block's 16.
class BlockPhases {
 public:
  void add(std::int64_t offset) {
    ++of_[phase(offset)];
    ++count_;
  }
  void remove(std::int64_t offset) {
    --of_[phase(offset)];
    --count_;
  }

  /// Blocks that all take in one step.
  [[nodiscard]] std::int64_t blocks(std::int64_t step) const { return of_[phase(-step)]; }
  /// The same of `steps` steps from `step` on.
  [[nodiscard]] std::int64_t blocks(std::int64_t step, std::int64_t steps) const {
    // Running sums would make this two look-ups; measured, keeping them costs more (4 % of a run).
    std::int64_t sum = steps / kPhases * count_;
    for (std::int64_t s = step; s < step + steps % kPhases; ++s) {
      sum += blocks(s);
    }
    return sum;
  }

 private:
  static constexpr std::int64_t kPhases = kBlockTokens;
  static_assert((kPhases & (kPhases - 1)) == 0);
  static constexpr std::size_t phase(std::int64_t offset) {
    return static_cast<std::size_t>(offset & (kPhases - 1));
  }

  std::array<std::int32_t, kPhases> of_{};
  std::int32_t count_ = 0;
};

}  // namespace yardmaster
