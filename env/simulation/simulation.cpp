// The loop: takes the next event, lets the part that it concerns handle it, and stops where a
// decision is needed.
#include "env/simulation/simulation.h"

#include <algorithm>
#include <string>
#include <utility>

#include "env/base/math.h"

namespace yardmaster {

Simulation::Simulation(const Scenario& scenario, Seed seed, const OrderingPolicy* ordering,
                       Reporting reporting)
    : scenario_(&scenario),
      seed_(seed),
      ordering_(ordering),
      events_(scenario.nodes(), scenario.workload.tenants.size()),
      tasks_(scenario),
      arrivals_(scenario, seed),
      monitor_(scenario, seed, reporting),
      fleet_(scenario, seed, monitor_.reads_kv_events()),
      desk_(scenario) {
  for (std::size_t t = 0; t < arrivals_.tenants(); ++t) {
    events_.set_arrival(t, arrivals_.next(t));
  }
  for (std::size_t i = 0; i < fleet_.size(); ++i) {
    refresh_open(node_id(i));
    reschedule(node_id(i));
  }
}

const Decision& Simulation::advance(Observer* observer, Time until) {
  decision_.legal = desk_.legal();
  if (deciding_) {
    return decision_;
  }
  try {
    run_until(until, observer);
  } catch (const InternalFault& fault) {
    throw_with_place(fault);
  }
  return decision_;
}

void Simulation::apply(const Action& action) {
  try {
    carry_out(action);
  } catch (const InternalFault& fault) {
    throw_with_place(fault);
  }
}

void Simulation::throw_with_place(const InternalFault& fault) const {
  throw InternalFault(std::string(fault.what()) + "; seed " + std::to_string(seed_.value) +
                      ", decision " + std::to_string(counts_.decisions));
}

void Simulation::run_until(Time until, Observer* observer) {
  tasks_.facts().listen(observer != nullptr && observer->wants_facts() ? observer : nullptr);
  if (rejected_ != kNoTask) {
    end_task(std::exchange(rejected_, kNoTask), kNoNode, Outcome::rejected_by_policy, observer);
  }
  while (!deciding_) {
    const bool over = tasks_.live() == 0 && arrivals_.over();
    const EventQueue::Event next = events_.first();
    check(over || !next.at.is_never(), "tasks wait although nothing can happen any more");
    if (over || next.at > until) {
      decision_.kind = DecisionKind::end;
      now_ = over ? now_ : std::max(now_, until);
      cost_.advance(now_);
      decision_.now = now_;
      break;
    }
    check(next.at >= now_, "time goes back");
    now_ = next.at;
    ++counts_.events;
    if (next.source == EventQueue::Source::node) {
      handle_node(node_id(next.index), next.phase, observer);
    } else if (next.source == EventQueue::Source::tenant) {
      arrive(next.index, observer);
    } else {
      look_at_ready_queue();
    }
  }
  tasks_.facts().stop();
}

inline void Simulation::handle_node(NodeId n, Phase phase, Observer* observer) {
  if (phase == Phase::output) [[likely]] {
    collect_outputs(n, observer);
  } else if (phase == Phase::plan) {
    make_plans(n);
  } else {
    handle_health(n, observer);
  }
}

// ---- nodes -------------------------------------------------------------------------------------

void Simulation::make_plans(NodeId n) {
  before_change(n);
  fleet_.ref(n, tasks_.tables()).catch_up(now_);
  reschedule(n);
}

void Simulation::collect_outputs(NodeId n, Observer* observer) {
  before_change(n);
  fleet_.ref(n, tasks_.tables()).collect(now_, outputs_);
  bool freed = false;
  for (const NodeOutput& o : outputs_) {
    if (o.kind == NodeOutput::Kind::first_token) {
      tasks_.record(Fact::first_token, o.task, n, o.at);
      monitor_.first_token_passed(n, tasks_.ledger_entry(o.task, now_));
      continue;
    }
    const bool finished = o.kind == NodeOutput::Kind::finished;
    take_back(o.task, n);
    end_task(o.task, n, finished ? Outcome::finished : Outcome::cancelled, observer);
    freed = true;
  }
  outputs_.clear();
  reschedule(n);
  if (freed && (!desk_.empty() || desk_.holds_any())) {
    desk_.end_holds(now_);
    events_.set_offer(now_);
  }
}

void Simulation::handle_health(NodeId n, Observer* observer) {
  for (HealthChange change = fleet_.due_change(n, now_); change != HealthChange::none;
       change = fleet_.due_change(n, now_)) {
    if (change != HealthChange::detected) {
      before_change(n);
    }
    fleet_.change_health(n, now_, seed_, tasks_.tables());
    if (change == HealthChange::crashed) {
      ++counts_.failures;
    } else if (change == HealthChange::detected) {
      monitor_.set_up(n, false);
      refresh_open(n);
      for (const TaskSlot slot : fleet_.take_lost(n)) {
        retry(slot, observer);
      }
      events_.set_offer(now_);
    } else if (change == HealthChange::repaired) {
      monitor_.set_up(n, true);
      refresh_open(n);
      events_.set_offer(now_);
    }
  }
  reschedule(n);
}

// The dispatcher takes over a task that a node has lost.
void Simulation::retry(TaskSlot slot, Observer* observer) {
  const NodeId n = tasks_[slot].node;
  tasks_.record(Fact::failed, slot, n, now_);
  take_back(slot, n);
  if (tasks_[slot].cancelled) {
    end_task(slot, n, Outcome::cancelled, observer);
    return;
  }
  ++counts_.retried;
  tasks_.start_next_attempt(slot, now_);
  make_ready(slot);
}

inline void Simulation::reschedule(NodeId n) {
  const Upcoming& next = fleet_.node(n).next;
  Time at = next.output;
  Phase phase = Phase::output;
  const Time health = fleet_.next_health_change(n);
  if (health < at) {
    at = health;
    phase = Phase::health;
  }
  if (next.plan < at) {
    at = next.plan;
    phase = Phase::plan;
  }
  events_.set_node(n, at, phase);
}

// ---- tasks -------------------------------------------------------------------------------------

void Simulation::arrive(std::size_t tenant, Observer* observer) {
  const TaskSlot slot = tasks_.create(arrivals_.take(tenant, seed_), now_);
  events_.set_arrival(tenant, arrivals_.next(tenant));
  const TaskSpec& spec = tasks_[slot].spec;
  ++counts_.arrived;
  tasks_.record(Fact::arrived, slot, kNoNode, spec.arrival);
  cost_.task_arrived(spec.arrival, now_, tasks_.weight(slot));
  if (!desk_.fits_somewhere(spec)) {
    end_task(slot, kNoNode, Outcome::rejected_too_long, observer);
    return;
  }
  make_ready(slot);
  // Others that arrive in this instant join the queue before its head is chosen.
  const EventQueue::Event next = events_.first();
  if (next.at > now_ || next.phase > Phase::offer) {
    if (desk_.head() != slot) {
      decision_.task = tasks_.view(desk_.head());
    }
    deciding_ = offer();
  } else {
    events_.set_offer(now_);
  }
}

// Leaves the task's view in decision_.task, because it is usually decided next.
void Simulation::make_ready(TaskSlot slot) {
  decision_.task = tasks_.view(slot);
  const double key = ordering_->key(decision_.task, QueueView{now_});
  Request& r = tasks_[slot];
  r.task_state = TaskState::ready;
  r.priority = key;
  desk_.push({key, r.ready, r.spec.address, slot});
}

void Simulation::look_at_ready_queue() {
  desk_.release_due(now_, [this](TaskSlot slot) { make_ready(slot); });
  events_.set_offer(desk_.next_due());
  if (!desk_.empty()) {
    decision_.task = tasks_.view(desk_.head());
    deciding_ = offer();
  }
}

// Asks about decision_.task, the head of the ready queue, if it can be decided now.
inline bool Simulation::offer() {
  if (!desk_.offer(tasks_[decision_.task.slot].spec)) {
    return false;
  }
  decision_.kind = DecisionKind::dispatch;
  decision_.now = now_;
  decision_.index = counts_.decisions;
  decision_.legal = desk_.legal();
  cost_.advance(now_);
  return true;
}

void Simulation::carry_out(const Action& action) {
  const std::span<const std::uint8_t> legal = desk_.legal();
  const std::size_t nodes = fleet_.size();
  const auto is_legal = [&] {
    switch (action.kind) {
      case Action::Kind::send:
        return index(action.node) < nodes && legal[index(action.node)] != 0;
      case Action::Kind::hold:
        return legal[nodes] != 0;
      case Action::Kind::reject:
        return legal[nodes + 1] != 0;
    }
    return false;
  };
  check(deciding_ && is_legal(), "the action is not legal");
  deciding_ = false;
  ++counts_.decisions;
  cost_.decision_made(now_);
  const TaskSlot slot = desk_.pop_head();
  if (action.kind == Action::Kind::send) {
    send(slot, action.node);
  } else if (action.kind == Action::Kind::reject) {
    rejected_ = slot;
  } else {
    // Not offered again within this instant, because a hold could then repeat without end.
    const Time again = std::min(action.until, monitor_.next_report_after(now_));
    desk_.hold(slot, std::max(again, Time{now_.ps + 1}));
    tasks_[slot].task_state = TaskState::held;
  }
  events_.set_offer(desk_.empty() ? desk_.next_due() : now_);
}

void Simulation::send(TaskSlot slot, NodeId n) {
  before_change(n);
  Request& r = tasks_[slot];
  const Network& network = scenario_->network;
  r.task_state = TaskState::sent;
  r.node = n;
  r.book(Moment::held, now_);
  Duration way = network.latency;
  if (network.bandwidth_bytes_per_s > 0) {
    constexpr double kBytesPerToken = 4;
    way += Duration::from_seconds(kBytesPerToken * r.spec.prompt_tokens /
                                  network.bandwidth_bytes_per_s);
  }
  ++counts_.sent;
  tasks_.record(Fact::sent, slot, n, now_);
  monitor_.task_sent(n, tasks_.ledger_entry(slot, now_),
                     scenario_->workload.paths.shared(r.spec.path));
  refresh_open(n);
  if (fleet_.deliver(n, slot, now_ + way, now_, tasks_.tables())) {
    reschedule(n);
  }
}

// Takes the task out of the ledger of its node.
void Simulation::take_back(TaskSlot slot, NodeId n) {
  monitor_.task_returned(n, tasks_.ledger_entry(slot, now_));
  refresh_open(n);
}

// `n`: the node where the task was; kNoNode while the dispatcher had it.
void Simulation::end_task(TaskSlot slot, NodeId n, Outcome outcome, Observer* observer) {
  const Request& r = tasks_[slot];
  const double weight = tasks_.weight(slot);
  const bool finished = outcome == Outcome::finished;
  cost_.task_ended(now_, weight);
  Fact fact = Fact::rejected;
  if (finished) {
    ++counts_.finished;
    fact = Fact::finished;
    const Duration goal = scenario_->workload.tenants[r.spec.address.tenant].slo.e2e;
    if (goal > Duration::zero() && now_ - r.spec.arrival > goal) {
      cost_.task_was_late(now_ - r.spec.arrival - goal, weight);
    }
  } else if (outcome == Outcome::cancelled) {
    ++counts_.cancelled;
    fact = Fact::cancelled;
  } else {
    ++(outcome == Outcome::rejected_too_long ? counts_.rejected_too_long
                                             : counts_.rejected_by_policy);
    cost_.task_was_rejected(weight);
  }
  tasks_.record(fact, slot, n, now_);
  if (observer != nullptr) {
    const PromptPath path = scenario_->workload.paths.path(r.spec.path, r.spec.address);
    observer->on_task({r.spec.address, n, outcome, r.preemptions, r.spec.prompt_tokens,
                       finished ? r.spec.output_tokens : 0, r.spec.predicted_tokens, r.spec.arrival,
                       r.first_scheduled, r.first_token, finished ? r.last_token : Time::never(),
                       r.moments,
                       std::min(path.shared_blocks() * kBlockTokens, r.spec.prompt_tokens)});
  }
  tasks_.release(slot);
}

bool Simulation::cancel(TaskSlot slot, Observer* observer) {
  const Request& r = tasks_[slot];
  if (r.task_state == TaskState::free || slot == rejected_) {
    return false;
  }
  if (r.task_state == TaskState::sent) {
    const NodeId n = r.node;
    before_change(n);
    if (fleet_.cancel(n, slot, now_, tasks_.tables())) {
      take_back(slot, n);
      end_task(slot, n, Outcome::cancelled, observer);
    }
    reschedule(n);
    return true;
  }
  check(!deciding_ || desk_.head() != slot, "a task cannot be cancelled while it is being decided");
  desk_.remove(slot);
  end_task(slot, kNoNode, Outcome::cancelled, observer);
  return true;
}

// ---- what can be seen --------------------------------------------------------------------------

const FleetView& Simulation::view() {
  return monitor_.view(now_, desk_.size(), fleet_, tasks_.tables());
}

RunCounts Simulation::counts() const {
  RunCounts counts = counts_;
  for (std::size_t i = 0; i < fleet_.size(); ++i) {
    counts.segments += static_cast<std::uint64_t>(fleet_.node(node_id(i)).counters.segments);
  }
  return counts;
}

NodeState Simulation::node_state(NodeId n) {
  before_change(n);
  return fleet_.state(n, now_, tasks_.tables());
}

// ---- forks with another future -----------------------------------------------------------------

void Simulation::imagine(Seed seed) {
  seed_ = seed;
  redraw_lengths();
  arrivals_.redraw(seed_, now_);
  for (std::size_t t = 0; t < arrivals_.tenants(); ++t) {
    events_.set_arrival(t, arrivals_.next(t));
  }
  for (std::size_t i = 0; i < fleet_.size(); ++i) {
    fleet_.redraw_health(node_id(i), now_, seed_);
    reschedule(node_id(i));
  }
}

// The posterior of a length under its prediction and a flat prior of its logarithm: the prediction
// times a lognormal, at least the tokens seen and at most max_tokens. Without prediction error the
// prediction is the truth.
void Simulation::redraw_lengths() {
  const double sigma = scenario_->workload.length_error;
  if (sigma <= 0) {
    return;
  }
  std::vector<std::int32_t> lengths(tasks_.slots(), 1);
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    Request& r = tasks_[static_cast<TaskSlot>(i)];
    if (r.task_state == TaskState::free) {
      continue;
    }
    const Draw draw{seed_, Purpose::output_length, r.spec.address};
    const double length = r.spec.predicted_tokens * math::exp(-sigma * draw.normal());
    const double limit = r.spec.max_tokens;
    lengths[i] = std::max(1, static_cast<std::int32_t>(std::min(length, limit)));
    if (r.task_state != TaskState::sent) {
      r.spec.output_tokens = lengths[i];
    }
  }
  for (std::size_t i = 0; i < fleet_.size(); ++i) {
    before_change(node_id(i));
    fleet_.redraw_lengths(node_id(i), now_, lengths, tasks_.tables());
    reschedule(node_id(i));
  }
}

}  // namespace yardmaster
