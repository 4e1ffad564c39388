// A flat hash table from RunIds to the rows of its owner.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "env/base/random.h"
#include "env/workload/prompt_paths.h"

namespace yardmaster {

/// Finds the row of a run by linear probing. The owner keeps the rows in a vector whose elements
/// have a member `id`; the table keeps only their indices and must be given that vector in each
/// call. At most half full. A value: assignment into a table that has been as large allocates
/// nothing.
class RunTable {
 public:
  /// No row.
  static constexpr std::uint32_t kNone = 0xFFFFFFFFU;

  /// The row of the run; kNone if it has none.
  template <class Row>
  [[nodiscard]] std::uint32_t find(RunId id, const std::vector<Row>& rows) const {
    if (size_ == 0) {
      return kNone;
    }
    std::size_t b = home(id);
    while (buckets_[b] != kNone && rows[buckets_[b]].id != id) {
      b = after(b);
    }
    return buckets_[b];
  }

  /// Adds `row`, whose `id` is set and is in no other row.
  template <class Row>
  void insert(std::uint32_t row, const std::vector<Row>& rows) {
    if (2 * (size_ + 1) > buckets_.size()) {
      std::vector<std::uint32_t> old(std::max<std::size_t>(16, 2 * buckets_.size()), kNone);
      old.swap(buckets_);
      for (const std::uint32_t r : old) {
        if (r != kNone) {
          place(r, rows);
        }
      }
    }
    place(row, rows);
    ++size_;
  }

  /// Removes `row`, which is in the table and still has its `id`.
  template <class Row>
  void erase(std::uint32_t row, const std::vector<Row>& rows) {
    std::size_t hole = home(rows[row].id);
    while (buckets_[hole] != row) {
      hole = after(hole);
    }
    // Later rows of the probe sequence move up, so that no search stops early.
    for (std::size_t b = after(hole); buckets_[b] != kNone; b = after(b)) {
      if (distance(home(rows[buckets_[b]].id), b) >= distance(hole, b)) {
        buckets_[hole] = buckets_[b];
        hole = b;
      }
    }
    buckets_[hole] = kNone;
    --size_;
  }

  /// Removes all rows and keeps the memory.
  void clear() {
    std::fill(buckets_.begin(), buckets_.end(), kNone);
    size_ = 0;
  }

 private:
  [[nodiscard]] std::size_t mask() const { return buckets_.size() - 1; }
  [[nodiscard]] std::size_t home(RunId id) const {
    return static_cast<std::size_t>(mix64(static_cast<std::uint64_t>(id))) & mask();
  }
  [[nodiscard]] std::size_t after(std::size_t bucket) const { return (bucket + 1) & mask(); }
  [[nodiscard]] std::size_t distance(std::size_t from, std::size_t to) const {
    return (to - from) & mask();
  }
  template <class Row>
  void place(std::uint32_t row, const std::vector<Row>& rows) {
    std::size_t b = home(rows[row].id);
    while (buckets_[b] != kNone) {
      b = after(b);
    }
    buckets_[b] = row;
  }

  std::size_t size_ = 0;
  /// Rows, or kNone. Their number is a power of two.
  std::vector<std::uint32_t> buckets_;
};

}  // namespace yardmaster
