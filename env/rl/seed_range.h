// Ranges of seeds.
#pragma once

#include <cstdint>

#include "env/base/random.h"

namespace yardmaster {

/// `count` seeds from `first` on. REQUIRES count > 0 and that the last seed fits into 64 bits.
struct SeedRange {
  std::uint64_t first = 0;
  std::uint64_t count = 1;

  [[nodiscard]] std::uint64_t last() const { return first + (count - 1); }
  /// The k-th seed; it starts again at the first when the range is used up.
  [[nodiscard]] Seed at(std::uint64_t k) const { return Seed{first + k % count}; }
  [[nodiscard]] bool overlaps(const SeedRange& other) const {
    return first <= other.last() && other.first <= last();
  }
  bool operator==(const SeedRange&) const = default;
};

}  // namespace yardmaster
