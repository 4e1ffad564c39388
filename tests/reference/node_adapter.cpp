#include "tests/reference/node_adapter.h"

#include <algorithm>

#include "env/base/check.h"

namespace yardmaster::reference {

PromptPaths paths_of(const std::vector<ScriptEvent>& script) {
  std::map<RequestId, const ScriptEvent*> sent;
  for (const ScriptEvent& event : script) {
    if (event.kind == ScriptEvent::Kind::deliver) {
      sent[event.id] = &event;
    }
  }
  PathBuilder builder(1);
  RequestId next = 0;
  for (const auto& [id, event] : sent) {
    for (; next < id; ++next) {
      check(builder.add({}, 0), "an empty path is refused");
    }
    check(builder.add(event->blocks, static_cast<std::int32_t>(event->blocks.size())),
          "equal blocks after different ones");
    ++next;
  }
  return builder.build();
}

void FastNode::on_fact(Fact fact, const TaskAddress& at, NodeId, Time when) {
  RequestFacts& facts = facts_[at.workflow];
  if (fact == Fact::scheduled && facts.first_scheduled.is_never()) {
    facts.first_scheduled = when;
  } else if (fact == Fact::preempted) {
    facts.preempted.push_back(when);
  }
}

void FastNode::apply(const ScriptEvent& event) {
  run_until(event.at);
  switch (event.kind) {
    case ScriptEvent::Kind::crash:
      crash(event.at);
      break;
    case ScriptEvent::Kind::deliver:
      deliver(event);
      break;
    case ScriptEvent::Kind::cancel:
      cancel(event);
      break;
    case ScriptEvent::Kind::cost_level:
      ref().set_cost_level(static_cast<std::uint8_t>(event.level), event.at);
      break;
  }
}

void FastNode::drain() {
  for (int rounds = 0;; ++rounds) {
    const Time next = std::min(node_.next.output, node_.next.plan);
    if (next.is_never()) {
      return;
    }
    check(next >= now_ && rounds < 10'000'000, "the node goes back in time or never ends");
    run_until(Time{next.ps + 1});
  }
}

void FastNode::run_until(Time t) {
  if (t <= now_) {
    return;  // the same instant: plans at it come after all its events
  }
  for (int i = 0; i < driving_.extra_cuts; ++i) {
    cut(t);
  }
  if (driving_.eager) {
    run_events(t, true);
  }
  ref().catch_up_before(t);
  collect(t);
  now_ = t;
  if (driving_.copies && random_() % 4 == 0) {
    const Node copy = node_;
    node_ = Node(node_id(0), settings_.rules, settings_.grant);
    node_ = copy;
  }
}

void FastNode::run_events(Time t, bool inclusive_outputs) {
  for (;;) {
    const Time output = node_.next.output, plan = node_.next.plan;
    if (output <= plan && (output < t || (inclusive_outputs && output == t))) {
      collect(std::max(output, now_));  // a cut may have gone past it
      check(node_.next.output > output, "an output that collect does not collect");
      now_ = std::max(now_, output);
    } else if (plan < t) {
      ref().catch_up(std::max(plan, now_));
      check(node_.next.plan > plan, "a plan that catch_up does not make");
      now_ = std::max(now_, plan);
    } else {
      return;
    }
  }
}

// At any instant after the last event and before the next one.
void FastNode::cut(Time before) {
  const std::int64_t from = now_.ps + 1;
  if (from >= before.ps) {
    return;
  }
  std::int64_t span = before.ps - from;
  const Time next = std::min(node_.next.output, node_.next.plan);
  if (random_() % 2 == 0 && next.ps > from && next < before) {
    span = std::min(span, 2 * (next.ps - from) + 1);  // near where something happens
  }
  const Time at{from + static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(span))};
  switch (random_() % 4) {
    case 0:
      ref().catch_up_before(at);
      break;
    case 1:
      ref().catch_up_before(at);
      collect(at);
      ref().catch_up(at);
      break;
    case 2:
      ref().catch_up_before(at);
      collect(at);
      break;
    default:
      ref().catch_up_before(at);
      static_cast<void>(ref().load(at));
      break;
  }
  now_ = at;
}

void FastNode::collect(Time now) {
  outputs_.clear();
  ref().collect(now, outputs_);
  for (const NodeOutput& output : outputs_) {
    check(output.at <= now, "an output from the future");
    check(output_times_.empty() || output_times_.back() <= output.at, "outputs out of order");
    output_times_.push_back(output.at);
    check(slot_of_.contains(id_of(output.task)), "an output of a request that has ended");
    if (output.kind == NodeOutput::Kind::first_token) {
      facts_[id_of(output.task)].first_token = output.at - settings_.rules.response_latency;
    } else if (output.kind == NodeOutput::Kind::finished) {
      take_record(output.task, End::finished, output.at - settings_.rules.response_latency);
    } else if (output.kind == NodeOutput::Kind::cancelled) {
      take_record(output.task, End::cancelled, output.at - settings_.rules.response_latency);
    }
  }
}

void FastNode::deliver(const ScriptEvent& event) {
  const TaskSlot slot = take_slot();
  Request& request = tables_.requests[index(slot)];
  request = Request{};
  request.spec.address.workflow = event.id;
  request.spec.prompt_tokens = event.prompt_tokens;
  request.spec.output_tokens =
      std::min(event.output_tokens, settings_.rules.max_model_len - event.prompt_tokens);
  request.spec.stop_token = event.stop_token;
  request.priority = event.priority;
  request.spec.path = event.blocks.empty() ? kNoPath : PathId{event.id};
  request.booked_until = event.arrives;
  slot_of_[event.id] = slot;
  facts_[event.id];
  ref().deliver(slot, event.arrives);
}

void FastNode::cancel(const ScriptEvent& event) {
  const auto found = slot_of_.find(event.id);
  if (found != slot_of_.end() && ref().cancel(found->second, event.at)) {
    take_record(found->second, End::cancelled, event.at);
  }
}

void FastNode::crash(Time now) {
  std::vector<TaskSlot> lost;
  ref().crash(now, lost);
  for (const TaskSlot slot : lost) {
    take_record(slot, End::failed, now);
  }
}

void FastNode::take_record(TaskSlot slot, End end, Time when) {
  const RequestId id = id_of(slot);
  check(slot_of_.erase(id) == 1, "a request ended twice");
  records_[id] = tables_.requests[index(slot)];
  facts_[id].end = end;
  facts_[id].ended = when;
  if (driving_.reuse_slots) {
    free_slots_.push_back(slot);
    tables_.requests[index(slot)] = Request{};
    tables_.requests[index(slot)].spec.address.workflow = 0xFFFFFFFFU;  // shows a use after its end
  }
}

TaskSlot FastNode::take_slot() {
  if (!free_slots_.empty()) {
    const TaskSlot slot = free_slots_.back();
    free_slots_.pop_back();
    return slot;
  }
  return tables_.add_slot();
}

}  // namespace yardmaster::reference
