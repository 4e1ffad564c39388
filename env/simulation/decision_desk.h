// The tasks that wait for a decision, and the answers that are legal.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "env/base/ids.h"
#include "env/base/units.h"
#include "env/scenario/scenario.h"
#include "env/simulation/ready_queue.h"
#include "env/workload/task_spec.h"

namespace yardmaster {

/// The ready queue, the tasks that are held, and the nodes that are open to the next task.
class DecisionDesk {
 public:
  explicit DecisionDesk(const Scenario&);

  // Ready tasks.
  void push(const ReadyQueue::Entry& entry) { ready_.push(entry); }
  [[nodiscard]] bool empty() const { return ready_.empty(); }
  [[nodiscard]] std::size_t size() const { return ready_.size(); }
  [[nodiscard]] TaskSlot head() const { return ready_.head(); }
  TaskSlot pop_head() {
    const TaskSlot head = ready_.head();
    ready_.pop();
    return head;
  }
  /// Removes a task that is ready or held.
  void remove(TaskSlot);

  // Held tasks.
  void hold(TaskSlot slot, Time until) { held_.emplace_back(slot, until); }
  [[nodiscard]] bool holds_any() const { return !held_.empty(); }
  /// All held tasks are due at `now`.
  void end_holds(Time now) {
    for (auto& [task, until] : held_) {
      until = now;
    }
  }
  /// When the first held task is due; never() if none is held.
  [[nodiscard]] Time next_due() const {
    Time due = Time::never();
    for (const auto& [task, until] : held_) {
      due = std::min(due, until);
    }
    return due;
  }
  /// Removes the held tasks that are due by `now` and passes each to `make_ready`.
  template <class MakeReady>
  void release_due(Time now, const MakeReady& make_ready) {
    std::size_t kept = 0;
    for (const auto& held : held_) {
      if (held.second <= now) {
        make_ready(held.first);
      } else {
        held_[kept++] = held;
      }
    }
    held_.resize(kept);
  }

  // Legal answers.
  /// A node is open if it is up, as far as is known, and has room in its window.
  void set_open(NodeId n, bool open) {
    std::uint8_t& now_open = open_[index(n)];
    if (open != (now_open != 0)) {
      open_nodes_ = open ? open_nodes_ + 1 : open_nodes_ - 1;
      now_open = open ? 1 : 0;
    }
  }
  /// Whether the task fits on some node of the fleet, open or not.
  [[nodiscard]] bool fits_somewhere(const TaskSpec& task) const {
    return tokens_of(task) <= longest_limit_;
  }
  /// Writes the legal answers for the task. Returns whether it can be decided now: a node may take
  /// it, or rejection is allowed.
  bool offer(const TaskSpec&);
  /// [nodes + 2] The legal answers as of the last offer(): nodes, then hold, then reject.
  [[nodiscard]] std::span<const std::uint8_t> legal() const {
    return all_nodes_fit_ ? open_ : fitting_;
  }

 private:
  static std::int32_t tokens_of(const TaskSpec& task) {
    return task.prompt_tokens + task.max_tokens;
  }

  ReadyQueue ready_;
  std::vector<std::pair<TaskSlot, Time>> held_;  // until
  std::vector<std::int32_t> limits_;             // [node] tokens of prompt and max_tokens
  std::int32_t shortest_limit_ = 0, longest_limit_ = 0;
  // [nodes + 2]. open_ is up to date at all times. fitting_ is written by offer() for a task that
  // is too long for some node.
  std::vector<std::uint8_t> open_, fitting_;
  std::size_t open_nodes_ = 0;
  bool all_nodes_fit_ = true;
  bool may_reject_ = false;
};

}  // namespace yardmaster
