// A double-ended queue in one flat allocation.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace yardmaster {

/// A ring over a power of two of slots. Copying it copies one array; assigning over a ring that has
/// been as large allocates nothing. T is trivially copyable.
template <class T>
class Ring {
 public:
  [[nodiscard]] bool empty() const { return count_ == 0; }
  [[nodiscard]] std::size_t size() const { return count_; }
  [[nodiscard]] T& operator[](std::size_t i) { return slots_[(head_ + i) & mask_]; }
  [[nodiscard]] const T& operator[](std::size_t i) const { return slots_[(head_ + i) & mask_]; }
  [[nodiscard]] const T& front() const { return (*this)[0]; }
  [[nodiscard]] const T& back() const { return (*this)[count_ - 1]; }

  void push_back(const T& value) {
    grow_if_full();
    ++count_;
    (*this)[count_ - 1] = value;
  }
  void push_front(const T& value) {
    grow_if_full();
    head_ = (head_ + mask_) & mask_;
    ++count_;
    (*this)[0] = value;
  }
  void pop_front() {
    head_ = (head_ + 1) & mask_;
    --count_;
  }
  /// Inserts behind all that are not `after` it: a stable sorted insertion from the back.
  template <class After>
  void insert_sorted(const T& value, After after) {
    push_back(value);
    for (std::size_t i = count_ - 1; i > 0 && after((*this)[i - 1], value); --i) {
      std::swap((*this)[i - 1], (*this)[i]);
    }
  }
  /// Removes those that match, keeps the order of the rest; returns how many went.
  template <class Match>
  std::size_t remove_if(Match match) {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < count_; ++i) {
      if (!match((*this)[i])) {
        (*this)[kept++] = (*this)[i];
      }
    }
    const std::size_t removed = count_ - kept;
    count_ = kept;
    return removed;
  }
  void clear() { head_ = count_ = 0; }

 private:
  void grow_if_full() {
    if (count_ <= mask_ && !slots_.empty()) {
      return;
    }
    std::vector<T> larger(slots_.empty() ? 8 : slots_.size() * 2);
    for (std::size_t i = 0; i < count_; ++i) {
      larger[i] = (*this)[i];
    }
    slots_ = std::move(larger);
    mask_ = slots_.size() - 1;
    head_ = 0;
  }

  std::vector<T> slots_;
  std::size_t mask_ = 0;  // their number, less one
  std::size_t head_ = 0, count_ = 0;
};

}  // namespace yardmaster
