// The decoding requests of a node by the step that samples their last token.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "env/base/check.h"
#include "env/base/ids.h"

namespace yardmaster {

/// A decoding request and the step that samples its last token, from 0. One number orders them, by
/// step, then by slot. REQUIRES step < 2^38 (40 years of steps of 5 ms) and slot < 2^26.
class Finishing {
 public:
  Finishing() = default;
  Finishing(std::int64_t step, TaskSlot task)
      : key_(static_cast<std::uint64_t>(step) << kSlotBits | index(task)) {
    check(step >> (64 - kSlotBits) == 0 && index(task) >> kSlotBits == 0,
          "too many steps or tasks");
  }
  [[nodiscard]] std::int64_t step() const { return static_cast<std::int64_t>(key_ >> kSlotBits); }
  [[nodiscard]] TaskSlot task() const {
    return static_cast<TaskSlot>(key_ & ((1ULL << kSlotBits) - 1));
  }
  friend bool operator<(Finishing a, Finishing b) { return a.key_ < b.key_; }

 private:
  static constexpr int kSlotBits = 26;
  std::uint64_t key_ = 0;
};

/// A binary heap with the next to finish in front. Unlike the standard heap, it fills a place
/// without unpredictable branches, and a request can be removed from the middle.
class FinishHeap {
 public:
  [[nodiscard]] bool empty() const { return entries_.empty(); }
  /// REQUIRES that it is not empty, like pop().
  [[nodiscard]] Finishing front() const { return front_; }
  /// All entries, in unspecified order.
  [[nodiscard]] std::span<const Finishing> entries() const { return entries_; }

  void push(Finishing entry) {
    entries_.push_back(entry);
    rise(entries_.size() - 1, entry);
    front_ = entries_.front();
  }
  void pop() { fill(0); }
  /// Takes a request out; O(size). REQUIRES that it is in.
  void remove(TaskSlot task) {
    std::size_t hole = 0;
    while (entries_[hole].task() != task) {
      ++hole;
    }
    fill(hole);
  }
  /// Sets every request's step to `step_of(task)`.
  template <class StepOf>
  void reset_steps(StepOf step_of) {
    for (Finishing& f : entries_) {
      f = {step_of(f.task()), f.task()};
    }
    for (std::size_t i = 1; i < entries_.size(); ++i) {
      rise(i, entries_[i]);
    }
    front_ = entries_.empty() ? Finishing{} : entries_.front();
  }

 private:
  // `entry` finds its place at `hole` or above.
  void rise(std::size_t hole, Finishing entry) {
    while (hole > 0 && entry < entries_[(hole - 1) / 2]) {
      entries_[hole] = entries_[(hole - 1) / 2];
      hole = (hole - 1) / 2;
    }
    entries_[hole] = entry;
  }
  // The hole sinks to the bottom; the last entry, which belongs near there, fills it.
  void fill(std::size_t hole) {
    const Finishing last = entries_.back();
    entries_.pop_back();
    const std::size_t size = entries_.size();
    if (hole == size) {
      return;
    }
    std::size_t child = 2 * hole + 1;
    for (; child + 1 < size; child = 2 * hole + 1) {
      child += entries_[child + 1] < entries_[child] ? 1 : 0;
      entries_[hole] = entries_[child];
      hole = child;
    }
    if (child < size) {
      entries_[hole] = entries_[child];
      hole = child;
    }
    rise(hole, last);
    front_ = entries_.front();
  }

  Finishing front_;  // that of entries_, which are elsewhere in memory
  std::vector<Finishing> entries_;
};

}  // namespace yardmaster
