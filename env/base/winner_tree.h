// The event queue: a tournament over a fixed number of slots, one next event a slot.
//
// Invariant: inner node i holds the index of the earlier of its two children by (time, phase), ties
// to the smaller index; so the order of events is total and does not depend on the order of
// updates.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "env/base/units.h"

namespace yardmaster {

/// A flat tournament tree over `slots` times. Copying it copies three arrays; updates allocate
/// nothing.
class WinnerTree {
 public:
  WinnerTree() = default;
  explicit WinnerTree(std::size_t slots)
      : leaves_(std::bit_ceil(slots < 2 ? std::size_t{2} : slots)),
        times_(leaves_, Time::never()),
        phases_(leaves_),
        winner_(leaves_) {
    for (std::size_t i = leaves_ - 1; i > 0; --i) {
      winner_[i] = static_cast<std::uint32_t>(i * 2 >= leaves_ ? i * 2 - leaves_ : winner_[i * 2]);
    }
  }

  /// Sets the next event of a slot, `Time::never()` for none, and its rank among those of one
  /// instant. O(log slots).
  void set(std::size_t slot, Time when, std::uint8_t phase = 0) {
    if (times_[slot] == when && phases_[slot] == phase) {
      return;
    }
    times_[slot] = when;
    phases_[slot] = phase;
    const auto changed = static_cast<std::uint32_t>(slot);
    for (std::size_t i = (slot + leaves_) / 2; i > 0; i /= 2) {
      const std::uint32_t left = contender(i * 2);
      const std::uint32_t right = contender(i * 2 + 1);
      const std::uint32_t winner = earlier(right, left) ? right : left;
      if (winner == winner_[i] && winner != changed) {
        return;  // it neither wins here now nor did: nothing above has changed
      }
      winner_[i] = winner;
    }
  }

  [[nodiscard]] std::size_t first() const { return winner_[1]; }
  [[nodiscard]] Time first_time() const { return times_[winner_[1]]; }
  [[nodiscard]] std::uint8_t first_phase() const { return phases_[winner_[1]]; }
  [[nodiscard]] Time time(std::size_t slot) const { return times_[slot]; }

 private:
  [[nodiscard]] bool earlier(std::uint32_t a, std::uint32_t b) const {
    return times_[a] < times_[b] || (times_[a] == times_[b] && phases_[a] < phases_[b]);
  }
  [[nodiscard]] std::uint32_t contender(std::size_t i) const {
    return i >= leaves_ ? static_cast<std::uint32_t>(i - leaves_) : winner_[i];
  }

  std::size_t leaves_ = 0;
  std::vector<Time> times_;            // [leaves], indexed by slot
  std::vector<std::uint8_t> phases_;   // [leaves]
  std::vector<std::uint32_t> winner_;  // [leaves], 1 is the root
};

}  // namespace yardmaster
