// The step costs that a kind of node can have.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "env/hardware/step_cost.h"

namespace yardmaster {

/// Speed levels: 0 as designed, 1 slowed down.
inline constexpr std::size_t kSpeedLevels = 2;

/// Step costs by [cell][speed level]. A cell is a share of the hardware that a node may be granted;
/// today there is one, the whole. Compiled when a scenario is loaded, then shared by all worlds.
class CostBook {
 public:
  CostBook() = default;
  /// One cell.
  CostBook(StepCost normal, StepCost slowed) {
    cells_.push_back({std::move(normal), std::move(slowed)});
  }
  /// One cell with one cost at all speed levels.
  explicit CostBook(const StepCost& cost) : CostBook(cost, cost) {}

  [[nodiscard]] const StepCost& at(std::uint16_t cell, std::uint8_t level) const {
    return cells_[cell][level];
  }

 private:
  std::vector<std::array<StepCost, kSpeedLevels>> cells_;
};

}  // namespace yardmaster
