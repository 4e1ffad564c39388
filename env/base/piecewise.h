// A table that is often copied whole.
#pragma once

#include <algorithm>
#include <cstddef>
#include <type_traits>
#include <vector>

#include "env/base/huge_pages.h"

namespace yardmaster {

/// A vector that is copied in pieces of at most 2 KiB.
///
/// glibc (2.36) copies larger pieces with `rep movsb` on AMD Zen. This is 15 times slower where the
/// target lies 1 to 31 bytes behind the source modulo 4 KiB, which happens with memory from malloc.
/// Measured on an EPYC: 190 KB take 70 us instead of 4.6.
template <class T>
struct Piecewise {
  static_assert(std::is_trivially_copyable_v<T>);

  std::vector<T, HugePages<T>> items;

  Piecewise() = default;
  Piecewise(const Piecewise& other) { *this = other; }
  Piecewise(Piecewise&&) noexcept = default;
  ~Piecewise() = default;
  Piecewise& operator=(Piecewise&&) noexcept = default;
  Piecewise& operator=(const Piecewise& other) {
    constexpr std::size_t kPiece = std::max<std::size_t>(2048 / sizeof(T), 1);
    if (this != &other) {
      items.clear();
      items.reserve(other.size());
      const T* const source = other.items.data();
      for (std::size_t i = 0; i < other.size(); i += kPiece) {
        items.insert(items.end(), source + i, source + std::min(i + kPiece, other.size()));
      }
    }
    return *this;
  }

  [[nodiscard]] std::size_t size() const { return items.size(); }
  [[nodiscard]] T& operator[](std::size_t i) { return items[i]; }
  [[nodiscard]] const T& operator[](std::size_t i) const { return items[i]; }
};

}  // namespace yardmaster
