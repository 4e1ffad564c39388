// A double-ended queue in one flat allocation.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace yardmaster {

/// A ring whose number of slots is a power of two. Up to kOwn elements, a power of two, are stored
/// inline. A ring that has been longer keeps an array. Assigning over a ring that has been as large
/// allocates nothing. T is trivially copyable.
template <class T, std::uint32_t kOwn = 4>
class Ring {
 public:
  Ring() = default;
  Ring(const Ring& other) { *this = other; }
  Ring& operator=(const Ring& other) {
    if (this != &other) {
      clear();
      if (other.count_ > mask_ + 1) {
        set_slots(other.mask_ + 1);
      }
      count_ = other.count_;
      for (std::uint32_t i = 0; i < count_; ++i) {
        (*this)[i] = other[i];
      }
    }
    return *this;
  }
  ~Ring() = default;

  [[nodiscard]] bool empty() const { return count_ == 0; }
  [[nodiscard]] std::size_t size() const { return count_; }
  [[nodiscard]] T& operator[](std::size_t i) { return slots_[place(i)]; }
  [[nodiscard]] const T& operator[](std::size_t i) const { return slots_[place(i)]; }
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
  /// Stable sorted insertion from the back: inserts behind all elements that are not `after` it.
  template <class After>
  void insert_sorted(const T& value, After after) {
    push_back(value);
    for (std::size_t i = count_ - 1; i > 0 && after((*this)[i - 1], value); --i) {
      std::swap((*this)[i - 1], (*this)[i]);
    }
  }
  /// Removes the elements that match and keeps the order of the rest. Returns the number removed.
  template <class Match>
  std::size_t remove_if(Match match) {
    std::uint32_t kept = 0;
    for (std::uint32_t i = 0; i < count_; ++i) {
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
  [[nodiscard]] std::size_t place(std::size_t i) const { return (head_ + i) & mask_; }
  void grow_if_full() {
    if (count_ <= mask_) {
      return;
    }
    const Ring whole = *this;
    set_slots(2 * (mask_ + 1));
    *this = whole;
  }
  // A power of two; what was in it is lost.
  void set_slots(std::uint32_t slots) {
    large_ = std::make_unique<T[]>(slots);
    slots_ = large_.get();
    mask_ = slots - 1;
  }

  T* slots_ = own_.data();
  std::uint32_t head_ = 0, count_ = 0;
  std::uint32_t mask_ = kOwn - 1;  // slots, less one
  std::array<T, kOwn> own_{};
  std::unique_ptr<T[]> large_;  // instead of own_, once those were too few
};

}  // namespace yardmaster
