// The dispatcher's ready queue, ordered by a policy's key.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "env/base/ids.h"
#include "env/base/units.h"

namespace yardmaster {

/// A binary heap of ready tasks: smallest key first, ties by readiness, then by address; so the
/// order is total and does not depend on the history of the heap.
class ReadyQueue {
 public:
  struct Entry {
    double key = 0;
    Time ready;
    TaskAddress address;
    TaskSlot task = kNoTask;
  };

  [[nodiscard]] bool empty() const { return heap_.empty(); }
  [[nodiscard]] std::size_t size() const { return heap_.size(); }
  [[nodiscard]] TaskSlot head() const { return heap_.front().task; }

  void push(const Entry& entry) {
    heap_.push_back(entry);
    std::push_heap(heap_.begin(), heap_.end(), later);
  }
  void pop() {
    std::pop_heap(heap_.begin(), heap_.end(), later);
    heap_.pop_back();
  }
  /// Takes a task out from anywhere; O(size), for cancellations.
  void remove(TaskSlot task) {
    std::erase_if(heap_, [&](const Entry& e) { return e.task == task; });
    std::make_heap(heap_.begin(), heap_.end(), later);
  }

 private:
  static bool later(const Entry& a, const Entry& b) {
    if (a.key != b.key) {
      return a.key > b.key;
    }
    return a.ready != b.ready ? a.ready > b.ready : a.address > b.address;
  }

  std::vector<Entry> heap_;
};

}  // namespace yardmaster
