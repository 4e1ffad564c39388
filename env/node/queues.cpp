#include "env/node/queues.h"

namespace yardmaster {

namespace {

void insert_by_priority(Ring<TaskSlot>& waiting, const Piecewise<Request>& requests,
                        TaskSlot task) {
  waiting.insert_sorted(task, [&](TaskSlot first, TaskSlot second) {
    const Request& a = requests[index(first)];
    const Request& b = requests[index(second)];
    if (a.priority != b.priority) {
      return a.priority > b.priority;
    }
    return a.delivered != b.delivered ? a.delivered > b.delivered
                                      : a.arrival_number > b.arrival_number;
  });
}

}  // namespace

void Queues::take_arrived(Piecewise<Request>& requests, QueuePolicy policy, Time now) {
  while (!mailbox.empty() && mailbox.front().at <= now) {
    const TaskSlot task = mailbox.front().task;
    Request& r = requests[index(task)];
    r.state = RequestState::waiting;
    waiting_tokens += r.known_tokens();
    if (policy == QueuePolicy::fcfs) {
      waiting.push_back(task);
    } else {
      insert_by_priority(waiting, requests, task);
    }
    mailbox.pop_front();
  }
}

void Queues::put_back(Piecewise<Request>& requests, QueuePolicy policy, TaskSlot task) {
  Request& r = requests[index(task)];
  r.state = RequestState::waiting;
  waiting_tokens += r.known_tokens();
  if (policy == QueuePolicy::fcfs) {
    waiting.push_front(task);
  } else {
    insert_by_priority(waiting, requests, task);
  }
}

void Queues::remove_waiting(const Piecewise<Request>& requests, TaskSlot task) {
  waiting.remove_if([task](TaskSlot t) { return t == task; });
  waiting_tokens -= requests[index(task)].known_tokens();
}

}  // namespace yardmaster
