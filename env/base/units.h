// Simulated time as integers. Doubles appear only before step costs are compiled and in results.
#pragma once

#include <compare>
#include <cstdint>
#include <limits>

namespace yardmaster {

inline constexpr std::int64_t kPsPerSecond = 1'000'000'000'000;
inline constexpr std::int64_t kPsPerMicrosecond = 1'000'000;

/// A length of simulated time in picoseconds. Negative only as a difference.
struct Duration {
  std::int64_t ps = 0;

  static constexpr Duration zero() { return {0}; }
  /// Rounds to the nearest picosecond. REQUIRES |seconds| < 9.2e6.
  static constexpr Duration from_seconds(double seconds) {
    const double ps = seconds * static_cast<double>(kPsPerSecond);
    return {static_cast<std::int64_t>(ps < 0 ? ps - 0.5 : ps + 0.5)};
  }
  [[nodiscard]] constexpr double seconds() const {
    return static_cast<double>(ps) / static_cast<double>(kPsPerSecond);
  }

  constexpr auto operator<=>(const Duration&) const = default;
  constexpr Duration& operator+=(Duration d) {
    ps += d.ps;
    return *this;
  }
  constexpr Duration& operator-=(Duration d) {
    ps -= d.ps;
    return *this;
  }
  friend constexpr Duration operator+(Duration a, Duration b) { return {a.ps + b.ps}; }
  friend constexpr Duration operator-(Duration a, Duration b) { return {a.ps - b.ps}; }
  friend constexpr Duration operator*(Duration a, std::int64_t n) { return {a.ps * n}; }
};

/// An instant of simulated time. A run starts at 0. Adding two instants does not compile.
struct Time {
  std::int64_t ps = 0;

  /// Later than any event. A duration can be added to it without overflow.
  static constexpr Time never() { return {std::numeric_limits<std::int64_t>::max() / 2}; }
  [[nodiscard]] constexpr bool is_never() const { return ps >= never().ps; }
  [[nodiscard]] constexpr double seconds() const { return Duration{ps}.seconds(); }

  constexpr auto operator<=>(const Time&) const = default;
  friend constexpr Time operator+(Time t, Duration d) { return {t.ps + d.ps}; }
  friend constexpr Time operator-(Time t, Duration d) { return {t.ps - d.ps}; }
  friend constexpr Duration operator-(Time a, Time b) { return {a.ps - b.ps}; }
};

/// The longest duration that a scenario may state: 50 days. The time from there to never() is
/// enough to finish the tasks that have arrived.
inline constexpr Duration kLongestDuration{50LL * 24 * 3600 * kPsPerSecond};

}  // namespace yardmaster
