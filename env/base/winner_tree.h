// The event queue: a tournament over a fixed number of slots with one next event per slot.
//
// Invariant: inner node i holds the earlier of its two children by (time, phase, slot). The order
// of events is therefore total and independent of the order of updates.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "env/base/units.h"

namespace yardmaster {

/// A flat tournament tree over slots. Copying it copies one array. Updates allocate nothing.
class WinnerTree {
 public:
  WinnerTree() = default;
  explicit WinnerTree(std::size_t slots)
      : leaves_(std::bit_ceil(slots < 2 ? std::size_t{2} : slots)), entries_(2 * leaves_) {
    for (std::size_t i = 2 * leaves_ - 1; i > 0; --i) {
      entries_[i] = i < leaves_ ? entries_[2 * i] : Entry{Time::never(), i - leaves_};
    }
  }

  /// Sets the time of a slot's next event (`Time::never()` for none) and its phase, which ranks the
  /// events of one instant. O(log slots).
  void set(std::size_t slot, Time when, std::uint8_t phase = 0) {
    std::size_t i = leaves_ + slot;
    Entry winner{when, slot | (static_cast<std::uint64_t>(phase) << kPhaseShift)};
    if (entries_[i] == winner) {
      return;
    }
    entries_[i] = winner;
    while (i > 1) {
      const Entry sibling = entries_[i ^ 1];
      // Without a branch, because the winner is unpredictable.
      const bool sibling_wins = sibling < winner;
      winner.time = sibling_wins ? sibling.time : winner.time;
      winner.rank = sibling_wins ? sibling.rank : winner.rank;
      i /= 2;
      if (winner == entries_[i]) {
        return;  // nothing above has changed
      }
      entries_[i] = winner;
    }
  }

  [[nodiscard]] std::size_t first() const { return entries_[1].rank & kSlotMask; }
  [[nodiscard]] Time first_time() const { return entries_[1].time; }
  [[nodiscard]] std::uint8_t first_phase() const {
    return static_cast<std::uint8_t>(entries_[1].rank >> kPhaseShift);
  }
  /// Whether the first event here precedes that of `other`, by (time, phase, slot).
  [[nodiscard]] bool precedes(const WinnerTree& other) const {
    return entries_[1] < other.entries_[1];
  }
  [[nodiscard]] Time time(std::size_t slot) const { return entries_[leaves_ + slot].time; }

 private:
  static constexpr int kPhaseShift = 32;
  static constexpr std::uint64_t kSlotMask = 0xFFFFFFFFU;

  struct Entry {
    Time time;
    std::uint64_t rank = 0;  // phase, then slot
    bool operator==(const Entry&) const = default;
    // One comparison of 128 bits. Times are never negative.
    bool operator<(const Entry& other) const { return key() < other.key(); }

   private:
    __extension__ using Wide = unsigned __int128;
    [[nodiscard]] Wide key() const {
      return Wide{static_cast<std::uint64_t>(time.ps)} << 64 | rank;
    }
  };

  std::size_t leaves_ = 0;
  std::vector<Entry> entries_;  // [1] is the root, [leaves_ + slot] a slot
};

}  // namespace yardmaster
