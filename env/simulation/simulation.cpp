// The loop: take the next event, let its owner handle it, stop where somebody must decide.
#include "env/simulation/simulation.h"

#include <string>

#include "env/base/check.h"
#include "env/base/math.h"

namespace yardmaster {

namespace {

constexpr std::size_t kLivePerNode = 64;  // tasks at once, as a rule
// To copy: what GCC makes of Request{} is `rep stos`, which takes longer to start than to run.
constexpr Request kNewRequest;

std::vector<std::int32_t> kv_blocks(const Scenario& scenario) {
  std::vector<std::int32_t> blocks;
  for (std::size_t i = 0; i < scenario.nodes(); ++i) {
    blocks.push_back(scenario.kind(node_id(i)).settings.usable_blocks);
  }
  return blocks;
}

}  // namespace

Simulation::Simulation(const Scenario& scenario, Seed seed, const OrderingPolicy* ordering,
                       Reporting reporting)
    : scenario_(&scenario),
      seed_(seed),
      ordering_(ordering),
      node_events_(scenario.nodes()),
      dispatcher_events_(1 + scenario.workload.tenants.size()),
      health_(scenario.nodes()),
      health_due_(scenario.nodes(), Time::never()),
      alive_(scenario.nodes(), 1),
      up_(scenario.nodes(), 1),
      ledger_(scenario.nodes()),
      board_(scenario, seed, reporting),
      estimates_(scenario, seed),
      prefixes_(kv_blocks(scenario), scenario.workload.paths.runs()),
      hears_kv_events_(reporting == Reporting::read && prompts_share() &&
                       scenario.dispatch.prefix_index == PrefixSource::events),
      kv_mail_(hears_kv_events_ ? scenario.nodes() : 0),
      open_(scenario.nodes() + 2),
      fitting_(scenario.nodes() + 2) {
  tables_.paths = &scenario.workload.paths;
  tables_.requests.items.reserve(kLivePerNode * scenario.nodes());
  tables_.links.items.reserve(kLivePerNode * scenario.nodes());
  for (std::size_t i = 0; i < scenario.nodes(); ++i) {
    const NodeSettings& settings = scenario.kind(node_id(i)).settings;
    nodes_.emplace_back(node_id(i), settings, hears_kv_events_);
    limits_.push_back(settings.max_model_len);
    refresh_open(node_id(i));
  }
  for (std::vector<std::uint8_t>* legal : {&open_, &fitting_}) {
    (*legal)[scenario.nodes()] = 1;  // holding is always an answer
    (*legal)[scenario.nodes() + 1] = scenario.dispatch.allow_rejection ? 1 : 0;
  }
  const auto [shortest, longest] = std::minmax_element(limits_.begin(), limits_.end());
  shortest_limit_ = *shortest;
  longest_limit_ = *longest;
  const Time end{scenario.duration.ps};
  for (std::uint32_t t = 0; t < scenario.workload.tenants.size(); ++t) {
    arrivals_.push_back(first_arrival(scenario.workload, t, seed, end));
  }
  for (std::size_t t = 0; t < arrivals_.size(); ++t) {
    schedule_arrival(t);
  }
  start_health();
}

const Decision& Simulation::advance(Observer* observer, Time until) {
  decision_.legal = legal();
  if (deciding_) {
    return decision_;
  }
  try {
    run_until(until, observer);
  } catch (const InternalFault& fault) {
    tell_how_to_repeat(fault);
  }
  return decision_;
}

void Simulation::run_until(Time until, Observer* observer) {
  tables_.facts.listen(observer != nullptr && observer->wants_facts() ? observer : nullptr);
  if (rejected_ != kNoTask) {
    end_task(std::exchange(rejected_, kNoTask), kNoNode, Outcome::rejected_by_policy, observer);
  }
  while (!deciding_) {
    const bool over =
        live_ == 0 && std::all_of(arrivals_.begin(), arrivals_.end(),
                                  [](const ArrivalCursor& a) { return a.next.is_never(); });
    const bool node_first = node_events_.precedes(dispatcher_events_);
    const Time next = node_first ? node_events_.first_time() : dispatcher_events_.first_time();
    check(over || !next.is_never(), "tasks wait although nothing can happen any more");
    if (over || next > until) {
      decision_.kind = DecisionKind::end;
      now_ = over ? now_ : std::max(now_, until);
      charge_until_now();
      decision_.now = now_;
      break;
    }
    check(next >= now_, "time goes back");
    now_ = next;
    ++counts_.events;
    if (node_first) {
      handle_node(node_id(node_events_.first()), static_cast<Phase>(node_events_.first_phase()),
                  observer);
    } else {
      handle_dispatcher(dispatcher_events_.first(), observer);
    }
  }
  tables_.facts.stop();
}

void Simulation::tell_how_to_repeat(const InternalFault& fault) const {
  throw InternalFault(std::string(fault.what()) + "; seed " + std::to_string(seed_.value) +
                      ", decision " + std::to_string(counts_.decisions));
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

inline void Simulation::handle_dispatcher(std::size_t slot, Observer* observer) {
  if (slot != kOfferSlot) [[likely]] {
    arrive(slot - arrival_slot(0), observer);
    return;
  }
  release_held();
  schedule_offer();
  if (!ready_.empty()) {
    decision_.task = view_of(ready_.head());
    deciding_ = offer();
  }
}

void Simulation::make_plans(NodeId n) {
  before_change(n);
  nodes_[index(n)].catch_up(context(n), now_);
  reschedule(n);
}

void Simulation::collect_outputs(NodeId n, Observer* observer) {
  before_change(n);
  nodes_[index(n)].collect(context(n), now_, outputs_);
  bool freed = false;
  for (const NodeOutput& o : outputs_) {
    const Request& r = tables_.requests[index(o.task)];
    if (o.kind == NodeOutput::Kind::first_token) {
      tables_.facts.add(Fact::first_token, r.spec.address, r.spec.address_hash, n, o.at);
      ledger_.first_token(n, entry_of(o.task));
      continue;
    }
    const bool finished = o.kind == NodeOutput::Kind::finished;
    returned(o.task, n);
    end_task(o.task, n, finished ? Outcome::finished : Outcome::cancelled, observer);
    freed = true;
  }
  outputs_.clear();
  reschedule(n);
  if (freed && (!ready_.empty() || !held_.empty())) {
    for (auto& [task, until] : held_) {
      until = now_;
    }
    offer_at(now_);
  }
}

// A task comes into the dispatcher's sight.
void Simulation::arrive(std::size_t tenant, Observer* observer) {
  ArrivalCursor& cursor = arrivals_[tenant];
  const auto t = static_cast<std::uint32_t>(tenant);
  const Workload& workload = scenario_->workload;
  const TaskSizes sizes = task_sizes(cursor, workload, t, seed_);
  const TaskSlot slot = new_task();
  Request& r = tables_.requests[index(slot)];
  r = kNewRequest;
  r.spec.address = {t, cursor.count, 0, 0, 0, 0};
  r.spec.address_hash = hash_of(r.spec.address);
  r.spec.prompt_tokens = sizes.prompt_tokens;
  r.spec.output_tokens = sizes.output_tokens;
  r.spec.max_tokens = sizes.max_tokens;
  r.spec.predicted_tokens = sizes.predicted_tokens;
  r.spec.path = sizes.path;
  r.spec.arrival = r.mark = cursor.next;
  r.ready = now_;
  r.book(Moment::frontend, now_);
  ++counts_.arrived;
  tables_.facts.add(Fact::arrived, r.spec.address, r.spec.address_hash, kNoNode, cursor.next);
  charge_until_now();
  const double w = weight(slot);
  unfinished_weight_ += w;
  charge(cursor.next, now_, w);  // in the frontend nobody could see it
  next_arrival(cursor, workload, t, seed_, Time{scenario_->duration.ps});
  schedule_arrival(tenant);
  if (sizes.prompt_tokens + sizes.max_tokens > longest_limit_) {
    end_task(slot, kNoNode, Outcome::rejected_too_long, observer);
    return;
  }
  make_ready(slot);
  // Others that arrive in this instant join the queue before its head is chosen.
  const WinnerTree& events = next_events();
  if (events.first_time() > now_ ||
      events.first_phase() > static_cast<std::uint8_t>(Phase::offer)) {
    if (ready_.head() != slot) {
      decision_.task = view_of(ready_.head());
    }
    deciding_ = offer();
  } else {
    offer_at(now_);
  }
}

// Asks about decision_.task, the head of the ready queue, if anybody may take it.
bool Simulation::offer() {
  if (!anybody_takes(decision_.task.slot) && !scenario_->dispatch.allow_rejection) {
    return false;
  }
  decision_.kind = DecisionKind::dispatch;
  decision_.now = now_;
  decision_.index = counts_.decisions;
  decision_.legal = legal();
  charge_until_now();
  return true;
}

void Simulation::apply(const Action& action) {
  try {
    carry_out(action);
  } catch (const InternalFault& fault) {
    tell_how_to_repeat(fault);
  }
}

void Simulation::carry_out(const Action& action) {
  const std::size_t n = index(action.node);
  const std::size_t nodes = node_count();
  const auto is_legal = [&] {
    switch (action.kind) {
      case Action::Kind::send:
        return n < nodes && legal()[n] != 0;
      case Action::Kind::hold:
        return legal()[nodes] != 0;
      case Action::Kind::reject:
        return legal()[nodes + 1] != 0;
    }
    return false;
  };
  check(deciding_ && is_legal(), "the action is not legal");
  deciding_ = false;
  ++counts_.decisions;
  decided_at_ = now_;
  charges_.clear();
  const TaskSlot slot = ready_.head();
  ready_.pop();
  if (action.kind == Action::Kind::send) {
    send(slot, action.node);
  } else if (action.kind == Action::Kind::reject) {
    rejected_ = slot;
  } else {
    // Not offered again within this instant, else a hold could spin.
    const Time again = std::min(action.until, board_.next_arrival_after(now_));
    held_.emplace_back(slot, std::max(again, Time{now_.ps + 1}));
    tables_.requests[index(slot)].task_state = TaskState::held;
  }
  schedule_offer();
  if (!ready_.empty()) {
    offer_at(now_);
  }
}

// The ready queue is looked at again when the first held task is due, unless something calls for it
// sooner.
void Simulation::schedule_offer() {
  Time at = Time::never();
  for (const auto& [task, until] : held_) {
    at = std::min(at, until);
  }
  offer_at(at);
}

void Simulation::send(TaskSlot slot, NodeId n) {
  before_change(n);
  Request& r = tables_.requests[index(slot)];
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
  tables_.facts.add(Fact::sent, r.spec.address, r.spec.address_hash, n, now_);
  ledger_.sent(n, entry_of(slot));
  if (prompts_share() && scenario_->dispatch.prefix_index == PrefixSource::sent) {
    prefixes_.sent(n, scenario_->workload.paths.shared(r.spec.path),
                   r.spec.prompt_tokens / kBlockTokens);
  }
  ++board_.sent_since[index(n)];
  refresh_open(n);
  if (alive_[index(n)] == 0) {
    health_[index(n)].lost.push_back(slot);
    return;
  }
  r.book(Moment::network, now_ + way);
  nodes_[index(n)].deliver(context(n), slot, now_ + way, now_);
  reschedule(n);
}

// The ledger's side of an end.
void Simulation::returned(TaskSlot slot, NodeId n) {
  ledger_.returned(n, entry_of(slot));
  ++board_.returned_since[index(n)];
  refresh_open(n);
}

// `n`: where it was; kNoNode while the dispatcher had it.
void Simulation::end_task(TaskSlot slot, NodeId n, Outcome outcome, Observer* observer) {
  Request& r = tables_.requests[index(slot)];
  charge_until_now();
  const double w = weight(slot);
  unfinished_weight_ -= w;
  Fact fact = Fact::rejected;
  if (outcome == Outcome::finished) {
    ++counts_.finished;
    fact = Fact::finished;
    const Duration goal = scenario_->workload.tenants[r.spec.address.tenant].slo.e2e;
    if (goal > Duration::zero() && now_ - r.spec.arrival > goal) {
      cost_.late_task_s += w * (now_ - r.spec.arrival - goal).seconds();
    }
  } else if (outcome == Outcome::cancelled) {
    ++counts_.cancelled;
    fact = Fact::cancelled;
  } else {
    ++(outcome == Outcome::rejected_too_long ? counts_.rejected_too_long
                                             : counts_.rejected_by_policy);
    cost_.rejected += w;
  }
  tables_.facts.add(fact, r.spec.address, r.spec.address_hash, n, now_);
  if (observer != nullptr) {
    const bool finished = outcome == Outcome::finished;
    observer->on_task({r.spec.address, n, outcome, r.preemptions, r.spec.prompt_tokens,
                       finished ? r.spec.output_tokens : 0, r.spec.predicted_tokens, r.spec.arrival,
                       r.first_scheduled, r.first_token, finished ? r.last_token : Time::never(),
                       r.moments});
  }
  r.task_state = TaskState::free;
  free_slots_.push_back(slot);
  --live_;
}

bool Simulation::cancel(TaskSlot slot, Observer* observer) {
  const Request& r = tables_.requests[index(slot)];
  if (r.task_state == TaskState::free || slot == rejected_) {
    return false;
  }
  if (r.task_state == TaskState::sent) {
    const NodeId n = r.node;
    before_change(n);
    Health& health = health_[index(n)];
    const bool lost = std::erase(health.lost, slot) > 0;
    if (lost || nodes_[index(n)].cancel(context(n), slot, now_)) {
      returned(slot, n);
      end_task(slot, n, Outcome::cancelled, observer);
    }
    reschedule(n);
    return true;
  }
  check(!deciding_ || ready_.head() != slot,
        "a task cannot be cancelled while it is being decided");
  ready_.remove(slot);
  std::erase_if(held_, [&](const auto& h) { return h.first == slot; });
  end_task(slot, kNoNode, Outcome::cancelled, observer);
  return true;
}

// ---- small parts -------------------------------------------------------------------------------

TaskSlot Simulation::new_task() {
  ++live_;
  if (!free_slots_.empty()) {
    const TaskSlot slot = free_slots_.back();
    free_slots_.pop_back();
    return slot;
  }
  return tables_.add_slot();
}

// Its view is left in decision_.task: as a rule it is decided next.
void Simulation::make_ready(TaskSlot slot) {
  decision_.task = view_of(slot);
  const double key = ordering_->key(decision_.task, {now_});
  Request& r = tables_.requests[index(slot)];
  r.task_state = TaskState::ready;
  r.priority = key;
  ready_.push({key, r.ready, r.spec.address, slot});
}

// Held tasks whose time has come are offered again.
void Simulation::release_held() {
  std::size_t kept = 0;
  for (const auto& h : held_) {
    if (h.second <= now_) {
      make_ready(h.first);
    } else {
      held_[kept++] = h;
    }
  }
  held_.resize(kept);
}

// A report shows its node, and the ledger, as they were before they change now.
void Simulation::before_change(NodeId n) {
  if (board_.due(n, now_)) {
    board_.snapshot(n, now_, nodes_[index(n)], context(n), alive_[index(n)] != 0,
                    ledger_.sent_total[index(n)], ledger_.returned_total[index(n)]);
    if (hears_kv_events_ && alive_[index(n)] != 0) {
      collect_kv_events(n);
    }
  }
}

// A node's events by the plans before its last report, however early or late they were made.
void Simulation::collect_kv_events(NodeId n) {
  Node& node = nodes_[index(n)];
  node.catch_up_before(context(n), board_.last_taken(n));
  node.drain_kv_events(kv_drained_);
  for (const KvEvent& e : kv_drained_) {
    kv_mail_[index(n)].push_back(e);
  }
  kv_drained_.clear();
}

// Events come with the first report after them; other than reports they are not lost.
void Simulation::hear_kv_events(NodeId n) {
  Ring<KvEvent>& mail = kv_mail_[index(n)];
  while (!mail.empty() && board_.arrival_after(n, mail.front().at) <= now_) {
    const KvEvent& e = mail.front();
    if (e.run == kNoRun) {
      prefixes_.forget(n);
    } else {
      const auto run = static_cast<std::uint32_t>(e.run);
      prefixes_.heard(n, run, scenario_->workload.paths.begin(run), e.end);
    }
    mail.pop_front();
  }
}

void Simulation::reschedule(NodeId n) {
  const Node& node = nodes_[index(n)];
  Time at = node.next_output();
  Phase phase = Phase::output;
  const Time health = health_due_[index(n)];
  if (health < at) {
    at = health;
    phase = Phase::health;
  }
  if (node.next_plan() < at) {
    at = node.next_plan();
    phase = Phase::plan;
  }
  node_events_.set(index(n), at, static_cast<std::uint8_t>(phase));
}

void Simulation::schedule_arrival(std::size_t tenant) {
  const Time next = arrivals_[tenant].next;
  dispatcher_events_.set(arrival_slot(tenant),
                         next.is_never() ? next : next + scenario_->network.frontend,
                         static_cast<std::uint8_t>(Phase::arrival));
}

void Simulation::refresh_open(NodeId n) {
  const std::size_t i = index(n);
  const bool open = up_[i] != 0 && ledger_.in_flight[i] < scenario_->dispatch.window;
  if (open != (open_[i] != 0)) {
    open_nodes_ = open ? open_nodes_ + 1 : open_nodes_ - 1;
    open_[i] = open ? 1 : 0;
  }
}

// Whether a node is open for this task; chooses what legal() shows.
bool Simulation::anybody_takes(TaskSlot slot) {
  const TaskSpec& spec = tables_.requests[index(slot)].spec;
  const std::int32_t tokens = spec.prompt_tokens + spec.max_tokens;
  all_fit_ = tokens <= shortest_limit_;
  if (all_fit_) {
    return open_nodes_ > 0;
  }
  bool any = false;
  for (std::size_t i = 0; i < node_count(); ++i) {
    fitting_[i] = open_[i] != 0 && tokens <= limits_[i] ? 1 : 0;
    any = any || fitting_[i] != 0;
  }
  return any;
}

inline void Simulation::charge_until_now() {
  if (now_ > charged_until_) {
    charge(charged_until_, now_, unfinished_weight_);
    charged_until_ = now_;
  }
}

inline void Simulation::charge(Time from, Time until, double weight) {
  unfinished_task_ps_ += weight * static_cast<double>((until - from).ps);
  charges_.push_back({from, until, weight});
}

double Simulation::weight(TaskSlot slot) const {
  return scenario_->workload.tenants[tables_.requests[index(slot)].spec.address.tenant].weight;
}

TaskView Simulation::view_of(TaskSlot slot) const {
  const Request& r = tables_.requests[index(slot)];
  const Tenant& tenant = scenario_->workload.tenants[r.spec.address.tenant];
  return {slot,
          r.spec.address,
          r.spec.prompt_tokens,
          scenario_->workload.declares_max_tokens ? r.spec.max_tokens : 0,
          r.spec.predicted_tokens,
          tenant.priority,
          tenant.weight,
          r.spec.arrival,
          r.ready,
          scenario_->workload.paths.shared(r.spec.path)};
}

LedgerEntry Simulation::entry_of(TaskSlot slot) const {
  const Request& r = tables_.requests[index(slot)];
  const bool seen = r.first_token_seen && r.first_token <= now_;
  return {r.spec.prompt_tokens, r.spec.predicted_tokens, seen ? r.first_token : Time::never()};
}

CostIntegral Simulation::cost() const {
  CostIntegral cost = cost_;
  cost.unfinished_task_s = unfinished_task_ps_ / static_cast<double>(kPsPerSecond);
  const double tau = scenario_->objective.discount_time.seconds();
  for (const Charge& c : charges_) {
    if (tau <= 0) {
      cost.discounted_task_s += c.weight * (c.until - c.from).seconds();
      continue;
    }
    // The time before the decision, in the frontend, is not discounted.
    const Time from = std::max(c.from, decided_at_);
    cost.discounted_task_s += c.weight * (from - c.from).seconds();
    cost.discounted_task_s += c.weight * tau *
                              (math::exp(-(from - decided_at_).seconds() / tau) -
                               math::exp(-(std::max(c.until, from) - decided_at_).seconds() / tau));
  }
  return cost;
}

RunCounts Simulation::counts() const {
  RunCounts counts = counts_;
  for (const Node& node : nodes_) {
    counts.segments += static_cast<std::uint64_t>(node.counters().segments);
  }
  return counts;
}

NodeState Simulation::node_state(NodeId n) {
  Node& node = nodes_[index(n)];
  before_change(n);
  node.catch_up_before(context(n), now_);
  const NodeSettings& settings = scenario_->kind(n).settings;
  const NodeLoad load = node.load(context(n), now_);
  return {alive_[index(n)] != 0, load.running, load.waiting,
          static_cast<double>(load.used_blocks) / settings.usable_blocks, node.counters()};
}

const FleetView& Simulation::view() {
  for (NodeId n = board_.next_stale(now_); n != kNoNode; n = board_.next_stale(now_)) {
    show_report(n);
  }
  if (view_.up.data() != up_.data() || view_.estimates != &estimates_) {
    bind_view();
  }
  view_.now = now_;
  view_.last_sent = ledger_.last_sent;
  view_.ready = static_cast<std::int32_t>(ready_.size());
  return view_;
}

void Simulation::show_report(NodeId n) {
  const std::size_t i = index(n);
  const bool taken = board_.show_newest(n, now_, nodes_[i], context(n), alive_[i] != 0,
                                        ledger_.sent_total[i], ledger_.returned_total[i]);
  if (hears_kv_events_) {
    if (taken && alive_[i] != 0) {
      collect_kv_events(n);
    }
    hear_kv_events(n);
  }
}

// The view's columns are this world's own. Those of a world that was copied or moved here are still
// the other's.
void Simulation::bind_view() {
  view_.report_taken = board_.taken;
  view_.running = board_.running;
  view_.waiting = board_.waiting;
  view_.kv_use = board_.kv_use;
  view_.reported_prefill_tokens = board_.prefill_tokens;
  view_.reported_context_tokens = board_.context_tokens;
  view_.sent_since = board_.sent_since;
  view_.returned_since = board_.returned_since;
  view_.in_flight = ledger_.in_flight;
  view_.awaiting_first = ledger_.awaiting_first;
  view_.awaiting_tokens = ledger_.awaiting_tokens;
  view_.prompt_tokens = ledger_.prompt_tokens;
  view_.predicted_tokens = ledger_.predicted_tokens;
  view_.first_token_us = ledger_.first_token_us;
  view_.up = up_;
  view_.estimates = &estimates_;
  view_.prefixes = prompts_share() ? &prefixes_ : nullptr;
}

}  // namespace yardmaster
