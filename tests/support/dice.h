// Integers for random tests. The standard defines the generator, and no library distribution is
// used, so a seed gives the same case everywhere.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <random>

namespace yardmaster {

/// A value: a copy gives the same numbers.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : engine_(seed) {}
  /// Uniform in [low, high].
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(engine_() % static_cast<std::uint64_t>(high - low + 1));
  }
  /// The same as a count of tokens.
  std::int32_t tokens(std::int64_t low, std::int64_t high) {
    return static_cast<std::int32_t>(between(low, high));
  }
  bool one_in(std::int64_t n) { return between(1, n) == 1; }
  /// Uniform in [0, 1).
  double share() { return static_cast<double>(engine_() >> 11) * 0x1p-53; }
  template <class T>
  T pick(std::initializer_list<T> values) {
    return values.begin()[between(0, static_cast<std::int64_t>(values.size()) - 1)];
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace yardmaster
