#include "tests/reference/slow_node.h"

#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

namespace yardmaster::reference {

Duration compiled_step_time(const NodeSettings& settings, const Step& step) {
  MixedStep shape;
  std::int64_t longest = 0;
  for (const Entry& entry : step.entries) {
    shape.sampled += entry.samples ? 1 : 0;
    if (entry.chunk) {
      shape.add_chunk(entry.before, entry.tokens);
      shape.context_tokens +=
          settings.rules.recomputed_output_is_context && entry.past_prompt ? entry.before : 0;
    } else {
      ++shape.decodes;
      shape.context_tokens += entry.before;
      longest = std::max<std::int64_t>(longest, entry.before);
    }
  }
  const StepCost& cost = settings.cost(static_cast<std::uint8_t>(step.level));
  return shape.chunks > 0
             ? cost.mixed(shape)
             : cost.decode_run(shape.decodes, shape.context_tokens, longest).segment.first;
}

void SlowNode::apply(const ScriptEvent& event) {
  run_until(event.at);
  switch (event.kind) {
    case ScriptEvent::Kind::crash:
      crash(event.at);
      break;
    case ScriptEvent::Kind::deliver:
      post(event);
      break;
    case ScriptEvent::Kind::cancel:
      cancel(event.id, event.at);
      break;
    case ScriptEvent::Kind::cost_level:
      level_ = event.level;
      break;
  }
}

void SlowNode::post(const ScriptEvent& letter) {
  facts_[letter.id];
  const auto place =
      std::upper_bound(mailbox_.begin(), mailbox_.end(), letter,
                       [](const auto& a, const auto& b) { return a.arrives < b.arrives; });
  mailbox_.insert(place, letter);
}

Time SlowNode::next_plan() const {
  if (!plan_due_.is_never()) {
    return plan_due_;
  }
  return in_flight_.empty() && !mailbox_.empty() ? mailbox_.front().arrives : Time::never();
}

void SlowNode::run_until(Time t) {
  for (;;) {
    const Time due = next_plan();
    if (!due.is_never()) {
      if (due >= t) {
        return;
      }
      plan_due_ = Time::never();
      plan(due);
    } else if (!in_flight_.empty() &&
               steps_[in_flight_.front()].start + steps_[in_flight_.front()].lasts <= t) {
      complete_oldest();
    } else {
      return;
    }
  }
}

void SlowNode::complete_oldest() {
  Step& step = steps_[in_flight_.front()];
  in_flight_.pop_front();
  step.ended = true;
  const Time when = step.start + step.lasts;
  book_step(step, when);
  for (const Entry& entry : step.entries) {
    if (entry.samples) {
      deliver_token(entry, when);
    }
  }
  plan_due_ = when;
}

void SlowNode::book(RequestId id, Moment moment, Time until) {
  Live& live = live_[id];
  facts_[id].moments[static_cast<std::size_t>(moment)] += until - live.mark;
  live.mark = until;
}

// The wait is for steps in flight if no schedule() call has passed the request over.
void SlowNode::book_admission(RequestId id, const Step& step) {
  const bool passed_by = live_[id].arrived <= last_plan_;
  book(id, passed_by ? Moment::queued : Moment::step_in_flight, step.planned);
  book(id, Moment::step_in_flight, std::max(step.planned, device_free_));
}

void SlowNode::book_step(const Step& step, Time end) {
  const bool prefill =
      std::any_of(step.entries.begin(), step.entries.end(), [](const Entry& e) { return e.chunk; });
  for (const Entry& entry : step.entries) {
    const auto live = live_.find(entry.id);
    if (live == live_.end()) {
      continue;
    }
    if (!entry.chunk) {
      book(entry.id, prefill ? Moment::others_prefill : Moment::decode, end);
    } else if (entry.samples) {
      book(entry.id, entry.epoch > 0 ? Moment::recomputed : Moment::own_prefill, end);
    }
  }
}

void SlowNode::deliver_token(const Entry& entry, Time when) {
  const auto found = live_.find(entry.id);
  if (found == live_.end()) {
    return;  // ended since: the token is discarded
  }
  Live& live = found->second;
  if (entry.epoch == live.epoch) {
    --live.placeholders;
  }
  ++live.tokens;
  if (entry.epoch == live.epoch) {
    publish(entry.id, live.computed - live.placeholders);
  }
  ++tokens_;
  RequestFacts& facts = facts_[entry.id];
  ++facts.produced;
  if (facts.first_token.is_never()) {
    facts.first_token = when;
  }
  facts.last_token = when;
  if (live.tokens - live.prompt >= live.output || live.tokens >= settings_.rules.max_model_len) {
    end(entry.id, End::finished, when);
  }
}

void SlowNode::plan(Time now) {
  take_in(now);
  while (!running_.empty() || !waiting_.empty()) {
    Step step = schedule(now);
    const bool empty = step.entries.empty(), preempted = !step.preempted.empty();
    step.start = std::max(now, device_free_);
    step.level = level_;
    step.lasts = empty ? Duration::zero() : step_time_(settings_, step);
    if (!empty || preempted) {
      steps_.push_back(step);
    }
    if (!empty) {
      device_free_ = step.start + step.lasts;
      in_flight_.push_back(steps_.size() - 1);
      if (static_cast<std::int32_t>(in_flight_.size()) >= settings_.rules.steps_in_flight) {
        break;
      }
    } else if (!in_flight_.empty() || !preempted) {
      break;
    }
  }
  last_plan_ = now;
}

void SlowNode::take_in(Time now) {
  const std::vector<RequestId> running = running_;
  for (const RequestId id : running) {
    if (live_[id].cancel_asked) {
      end(id, End::cancelled, now);
    }
  }
  while (!mailbox_.empty() && mailbox_.front().arrives <= now) {
    const ScriptEvent& letter = mailbox_.front();
    Live& live = live_[letter.id];
    live.prompt = live.tokens = letter.prompt_tokens;
    live.output = letter.output_tokens;
    live.stop_token = letter.stop_token;
    live.priority = letter.priority;
    live.hashes = letter.blocks;
    live.number = arrivals_++;
    live.arrived = live.mark = letter.arrives;
    waiting_.push_back(letter.id);
    mailbox_.erase(mailbox_.begin());
  }
}

Step SlowNode::schedule(Time now) {
  Step step;
  step.planned = now;
  std::int32_t budget = settings_.rules.max_num_batched_tokens;
  cap_ = chunk_cap();
  serve_running(step, budget);
  if (step.preempted.empty()) {
    admit(step, budget);
  }
  for (Entry& entry : step.entries) {
    Live& live = live_[entry.id];
    live.computed += entry.tokens;
    entry.samples = live.computed >= live.tokens + live.placeholders;
    if (entry.samples) {
      ++live.placeholders;
    }
  }
  step.free_blocks = pool_.free_blocks();
  return step;
}

void SlowNode::serve_running(Step& step, std::int32_t& budget) {
  const std::vector<RequestId> order = running_;
  for (const RequestId id : order) {
    if (budget <= 0) {
      return;
    }
    if (std::find(running_.begin(), running_.end(), id) == running_.end()) {
      continue;  // preempted by one before it
    }
    const Live& live = live_[id];
    const bool last_token_on_its_way =
        live.placeholders > 0 && !live.stop_token &&
        live.computed + 2 - live.placeholders >= live.prompt + live.output;
    const std::int32_t tokens =
        std::min({live.tokens + live.placeholders - live.computed, cap_, budget,
                  settings_.rules.max_model_len - 1 - live.computed});
    if (last_token_on_its_way || tokens <= 0) {
      continue;
    }
    if (!make_room(id, tokens, step, budget)) {
      return;
    }
    add_entry(step, id, tokens);
    budget -= tokens;
  }
}

bool SlowNode::make_room(RequestId id, std::int32_t tokens, Step& step, std::int32_t& budget) {
  for (;;) {
    const Live& live = live_[id];
    if (blocks_for(live.computed + tokens) - held(id) <= pool_.free_blocks()) {
      return true;
    }
    const RequestId victim = next_victim();
    preempt(victim, step, budget);
    if (victim == id) {
      return false;
    }
  }
}

std::int32_t SlowNode::chunk_cap() const {
  const std::int32_t threshold = settings_.rules.long_prefill_token_threshold;
  const bool alone = running_.size() + waiting_.size() <= 1;
  if (threshold == 0 || (alone && !settings_.rules.engine.cap_binds_lone_request)) {
    return std::numeric_limits<std::int32_t>::max();
  }
  return threshold;
}

RequestId SlowNode::next_victim() const {
  if (settings_.rules.policy == QueuePolicy::fcfs) {
    return running_.back();
  }
  return *std::max_element(running_.begin(), running_.end(), [&](RequestId a, RequestId b) {
    const Live &x = live_.at(a), &y = live_.at(b);
    return std::tie(x.priority, x.arrived) < std::tie(y.priority, y.arrived);
  });
}

RequestId SlowNode::next_to_admit() const {
  if (settings_.rules.policy == QueuePolicy::fcfs) {
    return waiting_.front();
  }
  return *std::min_element(waiting_.begin(), waiting_.end(), [&](RequestId a, RequestId b) {
    const Live &x = live_.at(a), &y = live_.at(b);
    return std::tie(x.priority, x.arrived, x.number) < std::tie(y.priority, y.arrived, y.number);
  });
}

void SlowNode::preempt(RequestId victim, Step& step, std::int32_t& budget) {
  std::erase(running_, victim);
  release(victim);
  const auto entry = std::find_if(step.entries.begin(), step.entries.end(),
                                  [&](const Entry& e) { return e.id == victim; });
  if (entry != step.entries.end()) {
    budget += entry->tokens;
    step.entries.erase(entry);
  }
  Live& live = live_[victim];
  if (live.computed < live.at_admission) {
    const Time until = std::max({step.planned, device_free_, live.mark});
    book(victim, live.epoch > 0 ? Moment::recomputed : Moment::own_prefill, until);
  }
  live.computed = live.placeholders = 0;
  ++live.epoch;
  waiting_.push_front(victim);
  step.preempted.push_back(victim);
  facts_[victim].preempted.push_back(step.planned);
}

void SlowNode::admit(Step& step, std::int32_t& budget) {
  while (budget > 0 && !waiting_.empty() &&
         static_cast<std::int32_t>(running_.size()) < settings_.rules.max_num_seqs) {
    const RequestId id = next_to_admit();
    Live& live = live_[id];
    const PrefixHit hit = settings_.rules.enable_prefix_caching
                              ? pool_.lookup(live.hashes, (live.tokens - 1) / kBlockTokens)
                              : PrefixHit{};
    const std::int32_t found = hit.blocks * kBlockTokens;
    const std::int32_t tokens = std::min({live.tokens - found, cap_, budget});
    const std::int32_t whole = std::min(live.tokens, settings_.rules.max_model_len);
    const std::int32_t kept = (running_.empty() ? 0 : settings_.rules.watermark_blocks) + hit.idle;
    const auto fits = [&](std::int32_t total) {
      return blocks_for(total) - hit.blocks + kept <= pool_.free_blocks();
    };
    if (!fits(found + tokens) || (settings_.rules.reserve_full_isl && !fits(whole))) {
      return;
    }
    live.holder = pool_.admit(live.hashes, hit.blocks);
    live.holds = true;
    live.computed = found;
    if (found > 0) {
      step.hits[id] = found;
    }
    live.at_admission = live.tokens;
    std::erase(waiting_, id);
    running_.push_back(id);
    step.admitted.push_back(id);
    if (facts_[id].first_scheduled.is_never()) {
      facts_[id].first_scheduled = step.planned;
      facts_[id].cached_tokens = found;
      book_admission(id, step);
    }
    add_entry(step, id, tokens);
    budget -= tokens;
  }
}

void SlowNode::add_entry(Step& step, RequestId id, std::int32_t tokens) {
  Live& live = live_[id];
  pool_.take(live.holder, std::max(0, blocks_for(live.computed + tokens) - held(id)));
  publish(id, std::min(live.computed + tokens, live.tokens));
  Entry entry;
  entry.id = id;
  entry.tokens = tokens;
  entry.before = live.computed;
  entry.chunk = live.computed < live.at_admission;
  entry.epoch = live.epoch;
  entry.past_prompt = live.computed >= live.prompt;
  step.entries.push_back(entry);
}

void SlowNode::release(RequestId id) {
  Live& live = live_[id];
  if (live.holds) {
    pool_.release(live.holder);
  }
  live.holds = false;
}

void SlowNode::publish(RequestId id, std::int32_t tokens) {
  const Live& live = live_.at(id);
  if (settings_.rules.enable_prefix_caching && live.holds) {
    pool_.publish(live.holder, tokens / kBlockTokens);
  }
}

std::int32_t SlowNode::held(RequestId id) const {
  const Live& live = live_.at(id);
  return live.holds ? pool_.held(live.holder) : 0;
}

void SlowNode::end(RequestId id, End how, Time when) {
  release(id);
  live_.erase(id);
  std::erase(running_, id);
  std::erase(waiting_, id);
  facts_[id].end = how;
  facts_[id].ended = when;
}

bool SlowNode::is_waiting(RequestId id) const {
  return std::find(waiting_.begin(), waiting_.end(), id) != waiting_.end();
}

bool SlowNode::last_token_in_flight(RequestId id) const {
  const Live& live = live_.at(id);
  const auto samples_it = [id](const Entry& e) { return e.id == id && e.samples; };
  return live.tokens + 1 >= live.prompt + live.output &&
         std::any_of(in_flight_.begin(), in_flight_.end(), [&](std::size_t step) {
           const std::vector<Entry>& entries = steps_[step].entries;
           return std::any_of(entries.begin(), entries.end(), samples_it);
         });
}

void SlowNode::cancel(RequestId id, Time when) {
  const auto undelivered = std::find_if(mailbox_.begin(), mailbox_.end(),
                                        [&](const ScriptEvent& e) { return e.id == id; });
  if (undelivered != mailbox_.end()) {
    mailbox_.erase(undelivered);
    facts_[id].end = End::cancelled;
    facts_[id].ended = when;
    return;
  }
  if (!live_.contains(id)) {
    return;  // ended already
  }
  if (last_token_in_flight(id)) {
    live_[id].cancel_asked = !is_waiting(id);  // preempted, its token comes before the next plan
  } else if (is_waiting(id)) {
    end(id, End::cancelled, when);
    forget_unseen(id, when);
    if (in_flight_.empty()) {
      plan_due_ = when;  // it may have blocked those behind it
    }
  } else {
    live_[id].cancel_asked = true;
  }
}

// A first token that is still on its way has not been seen, and never will be.
void SlowNode::forget_unseen(RequestId id, Time when) {
  if (facts_[id].first_token + settings_.rules.response_latency > when) {
    facts_[id].first_token = Time::never();
  }
}

void SlowNode::crash(Time when) {
  for (const ScriptEvent& letter : mailbox_) {
    facts_[letter.id].end = End::failed;
    facts_[letter.id].ended = when;
  }
  mailbox_.clear();
  while (!live_.empty()) {
    const RequestId id = live_.begin()->first;
    end(id, End::failed, when);
    forget_unseen(id, when);
  }
  pool_.reset();
  in_flight_.clear();
  plan_due_ = Time::never();
  device_free_ = when;
}

SlowNode run_script(const NodeSettings& settings, const std::vector<ScriptEvent>& script,
                    StepTime step_time) {
  SlowNode node(settings, std::move(step_time));
  for (const ScriptEvent& event : script) {
    node.apply(event);
  }
  node.drain();
  return node;
}

}  // namespace yardmaster::reference
