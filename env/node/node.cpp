// What may be done to a node from outside, and what it shows.
#include "env/node/node.h"

#include <algorithm>
#include <cstddef>

namespace yardmaster {

namespace {

// In a large fleet who ends now was last touched long ago: its cache lines are on their way
// meanwhile. Measured on 1,024 nodes: 5 % of a run; as much is lost when rows are fetched that are
// not needed.
void fetch(NodeTables& tables, TaskSlot task) {
  const auto* row = reinterpret_cast<const std::byte*>(&tables.requests[index(task)]);
  for (std::size_t offset = 0; offset < sizeof(Request); offset += kCacheLine) {
    __builtin_prefetch(row + offset, 1);
  }
  __builtin_prefetch(&tables.links[index(task)], 1);
}

}  // namespace

void Node::deliver(const NodeContext& context, TaskSlot task, Time at, Time now) {
  if (plan_point_.time < now) {
    make_plans(context, now, false);
  }
  Request& r = context.tables.requests[index(task)];
  r.state = RequestState::mailbox;
  r.delivered = at;
  r.arrival_number = arrivals_++;
  if (r.spec.stop_token &&
      r.spec.prompt_tokens + r.spec.output_tokens >= context.settings.max_model_len) {
    r.spec.stop_token = false;  // that end can be foreseen
  }
  mailbox_.insert_sorted({task, at},
                         [](const Delivery& a, const Delivery& b) { return a.at > b.at; });
  reschedule(context);
}

void Node::collect(const NodeContext& context, Time now, std::vector<NodeOutput>& out) {
  if (!by_finish_.empty() && by_finish_.front().step() < step_ + steps_) {
    fetch(context.tables, by_finish_.front().task());
  }
  if (plan_point_.time < now) {
    make_plans(context, now, false);
  }
  bool replan = !mailbox_.empty();  // a seat that comes free may let a newcomer in sooner
  if (steps_ > 0 && context.settings.steps_in_flight == 1 && segment_end_ == now) {
    close_segment(context);  // without latency an end is seen before the plan of the same instant
    replan = true;
  }
  while (!outputs_.empty() && outputs_.front().at <= now) {
    const NodeOutput o = outputs_.front();
    outputs_.pop_front();
    Request& r = context.tables.requests[index(o.task)];
    if (o.kind == NodeOutput::Kind::finished) {
      r.book(Moment::network, o.at);
      release(context, o.task);
    }
    if (o.kind != NodeOutput::Kind::first_token && !change_at_.is_never() && !cancels_.empty()) {
      std::erase_if(cancels_, [&](const Cancel& c) { return c.task == o.task; });
      find_next_change();
      replan = true;
    }
    out.push_back(o);
  }
  if (replan) {
    reschedule(context);
  } else {
    find_next(context, change_at_);
  }
}

bool Node::cancel(const NodeContext& context, TaskSlot task, Time now) {
  catch_up_before(context, now);
  Request& r = context.tables.requests[index(task)];
  if (r.cancelled) {
    return false;  // it is on its way out
  }
  bool gone = true;
  if (r.state == RequestState::mailbox) {
    mailbox_.remove_if([&](const Delivery& d) { return d.task == task; });
  } else if (r.state == RequestState::waiting) {
    waiting_.remove_if([&](TaskSlot t) { return t == task; });
    waiting_tokens_ -= r.spec.prompt_tokens + r.produced;
    // A preempted one may still have its first token on the way.
    outputs_.remove_if([&](const NodeOutput& o) {
      if (o.task == task) {
        forget_output(context, o);
      }
      return o.task == task;
    });
    // It may have held up those behind it: they get their chance at the next plan from now on.
    hear_mailbox(context, now);
    replan_at_ = now;
  } else {
    r.cancelled = true;
    cancels_.push_back({task, now});
    gone = false;
  }
  find_next_change();
  reschedule(context);
  return gone;
}

void Node::set_cost_level(const NodeContext& context, std::uint8_t level, Time now) {
  catch_up_before(context, now);
  next_cost_level_ = level;
  cost_change_at_ = now;
  if (idle_) {
    cost_level_ = level;
    cost_change_at_ = Time::never();
  }
  find_next_change();
  reschedule(context);
}

void Node::crash(const NodeContext& context, Time now, std::vector<TaskSlot>& lost) {
  catch_up_before(context, now);
  if (steps_ > 0) {
    // Steps that have ended stand; the one in flight is void.
    const Boundary b = first_boundary(now);
    const bool exact = start_ <= now && b.at == now;
    set_steps(context.settings,
              std::min<std::int64_t>(steps_, start_ > now ? 0 : (exact ? b.steps : b.steps - 1)));
    close_segment(context);
  }
  const Duration way = context.settings.response_latency;
  outputs_.remove_if([&](const NodeOutput& o) {
    const bool is_void = o.at - way > now;
    if (is_void && o.kind == NodeOutput::Kind::finished &&
        context.tables.requests[index(o.task)].state == RequestState::outside) {
      lost.push_back(o.task);  // it had been preempted with its last token in flight
    }
    if (is_void) {
      forget_output(context, o);
    }
    return is_void;
  });
  for (TaskSlot t = first_running_; t != kNoTask; t = context.tables.links[index(t)].next) {
    Request& r = context.tables.requests[index(t)];
    if (r.state != RequestState::leaving || r.last_token - way > now) {
      lost.push_back(t);
    }
    r.state = RequestState::outside;
  }
  for (std::size_t i = 0; i < waiting_.size(); ++i) {
    lost.push_back(waiting_[i]);
  }
  for (std::size_t i = 0; i < mailbox_.size(); ++i) {
    lost.push_back(mailbox_[i].task);
  }
  // No token of a lost request is seen any more: it starts again elsewhere.
  outputs_.remove_if([&](const NodeOutput& o) {
    const bool is_lost = std::find(lost.begin(), lost.end(), o.task) != lost.end();
    if (is_lost) {
      forget_output(context, o);
    }
    return is_lost;
  });
  Node fresh(id_, context.settings);
  fresh.outputs_ = outputs_;
  fresh.counters_ = counters_;
  fresh.prefill_clock_ = prefill_clock_;
  fresh.end_ = now;
  fresh.cost_level_ = fresh.next_cost_level_ = next_cost_level_;
  cache_.set_time(now);
  cache_.reset();
  fresh.cache_ = cache_;  // with what it has to tell
  *this = fresh;
  reschedule(context);
}

NodeLoad Node::load(const NodeContext& context, Time at) const {
  const NodeSettings& settings = context.settings;
  const Piecewise<Request>& requests = context.tables.requests;
  const std::int64_t begun =
      steps_ == 0 ? 0 : std::min<std::int64_t>(steps_, first_boundary(at).steps);
  NodeLoad load;
  load.running = running_;
  load.waiting = static_cast<std::int32_t>(waiting_.size());
  std::int64_t used = settings.usable_blocks - free_blocks_ + phases_.blocks(step_, begun);
  // Ended requests whose seats came free with a step that has been planned within the segment.
  for (std::size_t i = 0; i < leaving_.size(); ++i) {
    const Leaving& l = leaving_[i];
    if (l.release_step <= step_ + begun + settings.steps_in_flight - 2) {
      --load.running;
      used -= blocks_for(requests[index(l.task)].computed);
    }
  }
  load.prefill_tokens = waiting_tokens_;
  for (std::size_t i = 0; i < mailbox_.size() && mailbox_[i].at < at; ++i) {
    ++load.waiting;
    load.prefill_tokens += requests[index(mailbox_[i].task)].spec.prompt_tokens;
  }
  if (prefilling_ != kNoTask) {
    const Request& r = requests[index(prefilling_)];
    const auto computed = static_cast<std::int32_t>(r.computed + chunk_tokens_ * begun);
    used += blocks_for(computed) - blocks_for(r.computed);
    load.prefill_tokens += r.spec.prompt_tokens + r.produced - computed;
  }
  for (TaskSlot t = irregular_ ? first_running_ : kNoTask; t != kNoTask;
       t = context.tables.links[index(t)].next) {
    const Request& r = requests[index(t)];
    if (r.state == RequestState::prefilling) {
      load.prefill_tokens += r.spec.prompt_tokens + r.produced - r.computed;
    }
  }
  load.used_blocks = static_cast<std::int32_t>(used);
  load.context_tokens = decodes_ * (step_ + begun) + offset_sum_;
  return load;
}

void Node::redraw_lengths(const NodeContext& context, Time now,
                          const std::vector<std::int32_t>& output_tokens) {
  catch_up_before(context, now);
  const int ahead = context.settings.steps_in_flight;
  if (steps_ > 0) {
    const std::int64_t planned =
        std::max<std::int64_t>(first_boundary(now).steps, 2 - ahead) + ahead - 1;
    set_steps(context.settings, std::min<std::int64_t>(steps_, planned));
  }
  const std::int64_t first_open = step_ + steps_;  // the first step that is not yet planned
  for (TaskSlot t = first_running_; t != kNoTask; t = context.tables.links[index(t)].next) {
    Request& r = context.tables.requests[index(t)];
    const bool has_end = r.state == RequestState::decoding || r.state == RequestState::joining;
    if (has_end && r.finish_step >= first_open) {
      const std::int64_t moved =
          std::max(r.finish_step + output_tokens[index(t)] - r.spec.output_tokens, first_open);
      r.spec.output_tokens += static_cast<std::int32_t>(moved - r.finish_step);
      r.finish_step = moved;
    } else if (r.state == RequestState::prefilling || r.state == RequestState::stalled) {
      r.spec.output_tokens = std::max(output_tokens[index(t)], r.produced + 1);
    }
  }
  for (std::size_t i = 0; i < waiting_.size(); ++i) {
    Request& r = context.tables.requests[index(waiting_[i])];
    r.spec.output_tokens = std::max(output_tokens[index(waiting_[i])], r.produced + 1);
  }
  for (std::size_t i = 0; i < mailbox_.size(); ++i) {
    context.tables.requests[index(mailbox_[i].task)].spec.output_tokens =
        output_tokens[index(mailbox_[i].task)];
  }
  by_finish_.reset_steps([&](TaskSlot t) { return context.tables.requests[index(t)].finish_step; });
  reschedule(context);
}

}  // namespace yardmaster
