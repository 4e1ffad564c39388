// One LLM serving node: continuous batching by vLLM's rules, in closed form.
//
// A node advances in *segments*: stretches of steps with one composition of the batch, whose
// durations are affine in the step. It plans when the engine plans: the steps after a segment are
// decided when step (last - steps_in_flight + 1) of the segment ends, from what is known then. A
// node is lazy: plans that nothing outside depends on are made later, as of their own time.
// Catching up at any additional instant therefore changes nothing (tests/property). All rules are
// stated in docs/model.md, "The node".
//
// Some steps have no closed form: preemption, several partly computed prompts under the
// long-prefill cap, decodes without budget, the extra step after a stop token. They are planned one
// by one, rule by rule (literal_planner.h), on the same state.
//
// Modules, each of which uses only those above it:
//   active_segment.h, running_batch.h, queues.h, kv_memory.h, pending_changes.h
//                      the parts of the state
//   kv.h               the prefix cache: hits, publications, blocks given back
//   requests.h         how a request changes its state
//   counters.h         how much has been computed
//   settle.h           the effects of steps that have been made
//   admission.h        the rule by which waiting requests are admitted
//   literal_planner.h  a step, rule by rule
//   planner.h          a segment, in closed form
//   timing.h           when the next plan and the next output are due
//   node.h             the operations on a node
#pragma once

#include <cstdint>
#include <vector>

#include "env/base/cache_line.h"
#include "env/base/ids.h"
#include "env/base/units.h"
#include "env/node/active_segment.h"
#include "env/node/counters.h"
#include "env/node/kv_memory.h"
#include "env/node/pending_changes.h"
#include "env/node/queues.h"
#include "env/node/ring.h"
#include "env/node/running_batch.h"
#include "env/node/settings.h"
#include "env/node/tables.h"

namespace yardmaster {

/// Something that becomes visible to the dispatcher at `at`.
struct NodeOutput {
  enum class Kind : std::uint8_t { first_token, finished, cancelled };
  Kind kind = Kind::finished;
  TaskSlot task = kNoTask;
  Time at;
};

/// What a node reports about itself.
struct NodeLoad {
  std::int32_t running = 0, waiting = 0;
  std::int32_t used_blocks = 0;
  /// Prompt tokens that are not yet computed.
  std::int64_t prefill_tokens = 0;
  /// Computed tokens of decoding requests.
  std::int64_t context_tokens = 0;
};

/// When a plan is made, and how many steps of the segment under way stay as planned.
struct PlanPoint {
  Time time;
  std::int32_t steps = 0;
};

/// What happens next. Written by timing.h, `change` by whatever adds or applies a change.
struct Upcoming {
  PlanPoint plan_point{Time::never(), 0};
  /// When something may become visible next; never() for nothing.
  Time output = Time::never();
  /// When a plan must be made next; later than `plan_point` if the plan can wait.
  Time plan = Time::never();
  /// PendingChanges::first().
  Time change = Time::never();
};

/// What the last plan and the last closed step left behind.
struct PlanState {
  /// When the last closed step ended, and when it started.
  Time end, last_step_start;
  /// The last instant before the present at which the engine could have planned.
  Time last_plan_chance;
  /// Nothing is left to do: the next plan is made at the next delivery.
  bool idle = true;
  /// The next step has no closed form for a reason that only earlier steps show.
  bool needs_literal_plan = false;
  /// At the last plan, the last planned step had not ended: its tokens were not known.
  bool tokens_in_flight = false;
  /// When the last planned step was planned, all tokens were known.
  bool planned_with_all_tokens = false;
  /// The head of the queue may be admitted once a running request publishes shared blocks.
  bool head_awaits_publication = false;
  /// The speed level in use.
  std::uint8_t cost_level = 0;
};

/// What the first step of the segment computes besides the decodes that RunningBatch counts.
struct FirstStep {
  /// Its chunks; without any, no other field is meant.
  MixedStep shape;
  /// Other sequences that decode, which only a literal plan has: their number, their context in
  /// all, and the longest one.
  std::int32_t extra_decodes = 0;
  std::int64_t extra_context = 0;
  std::int64_t extra_longest = 0;
};

/// A node as a value. The parts that one event touches stand together from the beginning of a cache
/// line, because in a large fleet no node is in the cache when its next event comes. The prefix
/// cache and the pending changes are rarely touched.
struct alignas(kCacheLine) Node {
  Upcoming next;
  ActiveSegment segment;
  RunningBatch batch;
  PlanState plan;
  KvMemory kv;
  /// Decided and not yet collected, by time.
  Ring<NodeOutput, 2> outputs;
  Queues queues;
  FirstStep first_step;
  NodeCounters counters;
  /// Of the last closed step, which may still be under way.
  StepWork last_step_work;
  PendingChanges changes;
  NodeId id = kNoNode;

  Node() = default;
  /// An idle node. `log_kv_events`: changes of its prefix cache are kept until they are drained.
  Node(NodeId, const NodeRules&, Grant, bool log_kv_events = false);
};

/// A node with everything that operations on it need. Cheap to make; borrows all of it.
struct NodeRef {
  Node& node;
  const NodeRules& rules;
  const CostBook& costs;
  Grant grant;
  NodeTables& tables;

  /// A request arrives at `at`, not before the present. Its sizes and `booked_until` are set, and
  /// prompt + output <= max_model_len. With `now`, plans before `now` are made first. A request
  /// that the KV memory can never hold waits for ever, and so do those behind it.
  void deliver(TaskSlot, Time at, Time now = {}) const;
  /// Appends what is visible at `now` or before, in order of time.
  void collect(Time now, std::vector<NodeOutput>& out) const;
  /// Makes all plans before `now`; catch_up() also makes those at `now`.
  void catch_up_before(Time now) const;
  void catch_up(Time now) const;

  /// Abandons a request. True: it is gone. False: it leaves at the next plan, which `collect`
  /// reports, unless its last token comes first.
  [[nodiscard]] bool cancel(TaskSlot, Time now) const;
  /// Uses the step costs of this speed level from the first plan at or after `now`.
  void set_cost_level(std::uint8_t level, Time now) const;
  /// Appends all requests in the node to `lost` and empties it, the KV cache included. Requests
  /// whose last token was in a step that has ended are not lost. Tokens of lost requests that are
  /// on their way are never seen.
  void crash(Time now, std::vector<TaskSlot>& lost) const;

  /// The load that a report taken at `at` shows. REQUIRES that plans before `at` have been made.
  [[nodiscard]] NodeLoad load(Time at) const;
  /// The counters as of `at`: whole steps that have ended by then and, of the step under way, the
  /// share of its time, rounded down. REQUIRES that plans before `at` have been made, and none
  /// after it.
  [[nodiscard]] NodeCounters counters_at(Time at) const;
  /// Appends the changes of the prefix cache by plans so far, each with the time of its plan.
  void drain_kv_events(std::vector<KvEvent>& out) const { node.kv.cache.drain_events(out); }
  /// Gives the requests here new output lengths, [slot] of `output_tokens`, where tokens seen and
  /// steps planned have not already decided them; those bounds are kept.
  void redraw_lengths(Time now, const std::vector<std::int32_t>& output_tokens) const;

  /// For the modules of this room.
  [[nodiscard]] Request& request(TaskSlot task) const { return tables.requests[index(task)]; }
  /// The request behind this one in the running list.
  [[nodiscard]] TaskSlot after(TaskSlot task) const { return tables.links[index(task)].next; }
  [[nodiscard]] const StepCost& step_cost() const {
    return costs.at(grant.cost, node.plan.cost_level);
  }
};

}  // namespace yardmaster
