// Requests that do not run yet.
#pragma once

#include <cstdint>

#include "env/base/ids.h"
#include "env/base/piecewise.h"
#include "env/base/units.h"
#include "env/node/request.h"
#include "env/node/ring.h"
#include "env/node/settings.h"

namespace yardmaster {

/// A request that arrives at `at`.
struct Delivery {
  TaskSlot task = kNoTask;
  Time at;
};

/// The mailbox holds requests that are on their way or that no plan has seen yet, by time of
/// arrival. At a plan, those that have arrived move to the waiting queue.
struct Queues {
  Ring<Delivery, 2> mailbox;
  Ring<TaskSlot> waiting;
  /// Known tokens of the waiting requests, all of which must be computed.
  std::int64_t waiting_tokens = 0;
  /// Deliveries so far.
  std::uint32_t deliveries = 0;

  /// Puts a delivered request into the mailbox.
  void post(TaskSlot task, Time at) {
    mailbox.insert_sorted({task, at},
                          [](const Delivery& a, const Delivery& b) { return a.at > b.at; });
  }
  /// Moves what has arrived by `now` to the waiting queue.
  void take_arrived(Piecewise<Request>&, QueuePolicy, Time now);
  /// Puts a preempted request back: in front with fcfs, in its place with priority.
  void put_back(Piecewise<Request>&, QueuePolicy, TaskSlot);
  /// Takes a request out of the waiting queue.
  void remove_waiting(const Piecewise<Request>&, TaskSlot);
  /// Takes the head out of the waiting queue, which is being admitted.
  void pop_waiting(const Request& head) {
    waiting.pop_front();
    waiting_tokens -= head.known_tokens();
  }
};

}  // namespace yardmaster
