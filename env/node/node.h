// One LLM serving node: continuous batching by vLLM's rules, in closed form.
//
// The node lives in *segments*: stretches of steps with one composition of the batch, whose
// durations are affine in the step. It is planned as the engine plans: the steps after a segment
// are decided when step (last - steps_in_flight + 1) of it ends, from what is known then. A node is
// lazy: plans that nothing outside depends on are made later, as of their own time; so catching up
// at any extra instant changes nothing (tests/property). All rules are stated in docs/model.md,
// "The node".
//
// What is rare is not in closed form: preemption, several partly computed prompts under the
// long-prefill cap, decodes that find no budget, the extra step after a stop token. Such steps are
// planned one by one, rule by rule (node_literal.cpp), on the same state.
#pragma once

#include <cstdint>
#include <vector>

#include "env/base/digest.h"
#include "env/base/ids.h"
#include "env/base/piecewise.h"
#include "env/base/units.h"
#include "env/node/block_phases.h"
#include "env/node/finish_heap.h"
#include "env/node/request.h"
#include "env/node/ring.h"
#include "env/node/settings.h"

namespace yardmaster {

/// What one request computes in a step.
struct PlannedEntry {
  TaskSlot task = kNoTask;
  std::int32_t tokens = 0, before = 0;  // computed in this step, and before it

  friend bool operator==(const PlannedEntry&, const PlannedEntry&) = default;
};

/// Full blocks that an admission found in the prefix cache, in tokens.
struct PlannedHit {
  TaskSlot task = kNoTask;
  std::int32_t tokens = 0;

  friend bool operator==(const PlannedHit&, const PlannedHit&) = default;
};

/// A stretch of steps as it was planned. In its step j every entry has `tokens` after `before` + j
/// tokens; admissions, preemptions and hits are those of step 0.
struct PlannedSegment {
  Time planned, start;  // of step 0: the schedule() call, on the device
  Segment length;
  std::int64_t steps = 0;  // 0: nothing was planned, only preempted
  std::vector<PlannedEntry> entries;
  std::vector<TaskSlot> admitted, preempted;
  std::vector<PlannedHit> hits;
  std::int32_t free_blocks = 0;  // right after the call of step 0
};

/// Keeps every decision of a node, for tests and `yardmaster conform`. Slots are those of the time
/// of planning. Segments are complete up to the last one that the node has closed.
struct NodeRecorder {
  std::vector<PlannedSegment> segments;
  PlannedSegment next;  // being planned
};

/// What the nodes of a world work on together, and somebody else owns.
struct NodeTables {
  Piecewise<Request> requests;   // [slot]
  Piecewise<RunningLink> links;  // [slot]
  FactLog facts;
  NodeRecorder* recorder = nullptr;    // null: nobody wants to know
  const PromptPaths* paths = nullptr;  // of Request::path; null: nothing is shared

  NodeTables() = default;
  explicit NodeTables(std::size_t slots) {
    requests.items.resize(slots);
    links.items.resize(slots);
  }
  /// A slot more, the last.
  TaskSlot add_slot() {
    requests.items.emplace_back();
    links.items.emplace_back();
    return static_cast<TaskSlot>(requests.size() - 1);
  }
};

/// What a node works with but does not own.
struct NodeContext {
  const NodeSettings& settings;
  NodeTables& tables;
};

/// Something that has become visible to the dispatcher, at the time it does.
struct NodeOutput {
  enum class Kind : std::uint8_t { first_token, finished, cancelled };
  Kind kind = Kind::finished;
  TaskSlot task = kNoTask;
  Time at;
};

/// Work done since the start, of steps that have been closed.
struct NodeCounters {
  std::int64_t steps = 0, segments = 0, prefill_tokens = 0, decode_tokens = 0, preemptions = 0;
  std::int64_t cached_tokens = 0;   // found in the prefix cache by admissions
  std::int64_t context_tokens = 0;  // summed over decode steps: KV tokens read
  std::int64_t chunk_pairs = 0;  // summed 2 before c + c^2: twice the (query, key) pairs of prefill
  Duration busy;                 // time in steps
  Duration busy_with_prefill;    // of that, in steps with prefill chunks
  double kv_token_ps = 0;        // tokens in the KV cache, integrated over busy time
};

/// What a node reports of itself.
struct NodeLoad {
  std::int32_t running = 0, waiting = 0;
  std::int32_t used_blocks = 0;
  std::int64_t prefill_tokens = 0;  // prompt tokens not yet computed
  std::int64_t context_tokens = 0;  // computed tokens of decoding requests
};

/// A node as a value. Its members stand in the order in which its events touch them, from a cache
/// line's beginning: of a large fleet, no node is in the cache when its next event comes.
class alignas(kCacheLine) Node {
 public:
  Node() = default;
  /// `log_kv_events`: changes of its prefix cache are kept until they are drained.
  Node(NodeId id, const NodeSettings& settings, bool log_kv_events = false)
      : free_blocks_(settings.usable_blocks), id_(id) {
    if (settings.enable_prefix_caching) {
      cache_ = PrefixCache(settings.usable_blocks,
                           settings.rules.freed_blocks_to_back ? FreedBlocks::all_to_back
                                                               : FreedBlocks::unhashed_to_front,
                           log_kv_events);
    }
  }

  /// A request arrives at `at`, not before the present. Its sizes and mark are set, and it fits:
  /// prompt + output <= max_model_len. With `now`, plans before it are made first. A request that
  /// the KV memory can never hold waits for ever, as do those behind it.
  void deliver(const NodeContext&, TaskSlot, Time at, Time now = {});
  /// Appends what is visible at `now` or before, in order of time.
  void collect(const NodeContext&, Time now, std::vector<NodeOutput>& out);
  /// Makes all plans earlier than `now`; with `catch_up`, those at `now` too.
  void catch_up_before(const NodeContext&, Time now);
  void catch_up(const NodeContext&, Time now);

  /// When something may become visible next, and when a plan must be made next; never() for none.
  [[nodiscard]] Time next_output() const { return next_output_; }
  [[nodiscard]] Time next_plan() const { return next_plan_; }

  /// Abandons a request. True: it is gone. False: it leaves at the next plan, and `collect` says
  /// so, unless its last token comes first.
  bool cancel(const NodeContext&, TaskSlot, Time now);
  /// Uses settings.cost[level] from the first plan at or after `now`.
  void set_cost_level(const NodeContext&, std::uint8_t level, Time now);
  /// Everything in the node is lost and appended to `lost`, the KV cache too. Requests whose last
  /// token was in a step that has ended are not; of the lost ones no token still on its way is
  /// seen.
  void crash(const NodeContext&, Time now, std::vector<TaskSlot>& lost);

  /// Appends the changes of its prefix cache by plans so far, each with the time of its plan.
  void drain_kv_events(std::vector<KvEvent>& out) { cache_.drain_events(out); }
  /// The load that a report taken at `at` shows: plans before `at` have been made.
  [[nodiscard]] NodeLoad load(const NodeContext&, Time at) const;
  [[nodiscard]] const NodeCounters& counters() const { return counters_; }
  /// Gives the requests here new output lengths, [slot] of `output_tokens`, as far as these are not
  /// already decided by tokens seen and steps planned; those bounds are kept.
  void redraw_lengths(const NodeContext&, Time now, const std::vector<std::int32_t>& output_tokens);

 private:
  struct Leaving {
    TaskSlot task;
    std::int64_t release_step;  // its seat and blocks are free when this step is planned
  };
  struct Delivery {
    TaskSlot task;
    Time at;
  };
  struct Cancel {
    TaskSlot task;
    Time at;
  };
  struct Boundary {
    Time at;
    std::int64_t steps;  // of the segment under way that have ended then
  };
  struct PlanPoint {
    Time time;
    std::int32_t steps;  // of the segment under way that stay as planned
  };

  // When (node_time.cpp).
  [[nodiscard]] Time boundary(std::int64_t steps) const { return start_ + segment_.total(steps); }
  [[nodiscard]] Boundary first_boundary(Time at) const;
  [[nodiscard]] Time cut_time(const NodeSettings&) const;
  [[nodiscard]] PlanPoint next_plan_point(const NodeSettings&, Time cut) const;
  void set_steps(const NodeSettings&, std::int64_t steps);
  void reschedule(const NodeContext&);
  void find_next(const NodeContext&, Time cut);
  [[gnu::noinline]] void find_next_plan(const NodeContext&, Time cut, Time kept);
  [[nodiscard]] bool admits_only_newcomer(const NodeContext&) const;
  [[nodiscard]] Duration newcomers_step(const NodeContext&) const;
  void make_plans(const NodeContext&, Time limit, bool inclusive);

  /// What a victim had in the step that is being planned, and the free blocks before.
  struct Withdrawn {
    std::int32_t tokens = 0, blocks = 0;
    std::int64_t free = 0;
  };

  // What (node_plan.cpp).
  void plan(const NodeContext&, Time now);
  void hear_mailbox(const NodeContext&, Time now);
  void close_segment(const NodeContext&);
  void count_segment();
  void start_decoding(const NodeContext&, TaskSlot);
  void stop_decoding(const NodeContext&, TaskSlot);
  void finish(const NodeContext&, TaskSlot);
  void start_leaving(const NodeSettings&, TaskSlot, Request&);
  void apply_changes(const NodeContext&, Time now);
  void find_next_change();
  void cancel_running(const NodeContext&, TaskSlot, Time now);
  void release(const NodeContext&, TaskSlot);
  void release_leaving(const NodeContext&, std::int64_t step);
  [[nodiscard]] bool only_decodes(const NodeContext&) const;
  [[nodiscard]] bool plain(const NodeContext&);
  void wait_by_priority(const NodeContext&, TaskSlot);
  void preempt(const NodeContext&, TaskSlot, Time now, const Withdrawn&);
  void enter(const NodeContext&, TaskSlot, Time now);
  void continue_prefill(const NodeContext&);
  void admit(const NodeContext&, Time now);
  void start_segment(const NodeContext&, Time now, bool preempted);
  void begin_segment();
  void start_mixed(const NodeContext&);
  void start_decode(const NodeContext&, bool single);
  [[nodiscard]] std::int64_t longest_context(const NodeContext&);
  void emit_joining(const NodeContext&, Time step_end);
  void link(const NodeContext&, TaskSlot);
  void unlink(const NodeContext&, TaskSlot);
  void leave_batch(const NodeContext&, TaskSlot);
  void add_chunk(const NodeSettings&, const Request&, std::int32_t tokens);
  [[nodiscard]] std::int32_t chunk_blocks(const NodeContext&) const;

  // Rule by rule (node_literal.cpp).
  struct LiteralStep;
  bool plan_literally(const NodeContext&, Time now);
  void serve_running(const NodeContext&, LiteralStep&);
  [[nodiscard]] std::int32_t wanted_tokens(const NodeSettings&, const Request&,
                                           const LiteralStep&) const;
  [[nodiscard]] TaskSlot victim(const NodeContext&) const;
  bool make_room(const NodeContext&, LiteralStep&, TaskSlot, std::int32_t blocks);
  void add_entry(const NodeContext&, LiteralStep&, TaskSlot, std::int32_t tokens);
  void admit_literally(const NodeContext&, LiteralStep&);
  void carry_out(const NodeContext&, const LiteralStep&);
  void serve(const NodeContext&, TaskSlot, std::int32_t tokens);
  void stall(const NodeContext&, TaskSlot);
  [[nodiscard]] std::int32_t computed(const Request&) const;

  // With prefix caching (node_cache.cpp).
  struct Prefix {
    std::int32_t tokens = 0, blocks = 0, idle = 0;  // found; of the blocks, nobody holds `idle`
  };
  [[nodiscard]] static PromptPath path_of(const NodeContext&, const Request&);
  [[nodiscard]] Prefix find_prefix(const NodeContext&, const Request&) const;
  void hold_prefix(const NodeContext&, TaskSlot, const Prefix&, bool whole);
  void take_until(std::int64_t free);
  void publish(const NodeContext&, const Request&, std::int32_t held, std::int32_t published);
  void publish_shared(const NodeContext&, bool scheduled);
  [[nodiscard]] bool meets_sharer(const NodeContext&, TaskSlot) const;
  [[nodiscard]] std::int32_t published_tokens(const Request&, std::int32_t in_this_step) const;
  std::int32_t give_back(const NodeContext&, TaskSlot, std::int32_t held, std::int32_t published,
                         std::int64_t free);
  void release_one(const NodeContext&, TaskSlot);
  void release_in_order(const NodeContext&, std::int64_t step);
  [[nodiscard]] std::int64_t pending_blocks(const NodeContext&) const;

  // For NodeTables::recorder (node_record.cpp).
  void record_decodes(const NodeContext&) const;
  void record_plan(const NodeContext&, Time now, bool preempted) const;
  [[nodiscard]] bool releases_count(const NodeContext&) const;
  [[nodiscard]] std::int64_t steps_until_release() const;
  [[nodiscard]] std::int64_t steps_that_fit(std::int64_t limit) const;
  [[nodiscard]] std::int64_t chunk_steps_that_fit(const NodeContext&, std::int64_t limit) const;
  void push_output(NodeOutput);
  static void forget_output(const NodeContext&, const NodeOutput&);

  // What happens next: written by reschedule().
  PlanPoint plan_point_{Time::never(), 0};
  Time next_output_ = Time::never(), next_plan_ = Time::never();
  FinishHeap by_finish_;  // the decoding requests

  // The segment under way: steps step_ .. step_ + steps_ - 1; written by start_segment().
  Time start_;  // of its first step on the device
  Segment segment_{};
  double per_first_ = 0;  // 1 / segment_.first, 1/ps
  std::int64_t step_ = 0;
  std::int32_t steps_ = 0;  // 0: none
  bool mixed_ = false;      // it holds prefill chunks
  bool idle_ = true;        // nothing to do: the next plan is made at the next delivery
  bool irregular_ = false;  // the next plan must be literal, whatever else
  std::uint8_t cost_level_ = 0, next_cost_level_ = 0;
  bool unseen_ = false;                 // the last planned step had not ended at the last plan
  bool planned_seen_ = false;           // nor had any when that step was planned: false
  bool head_waits_for_sharer_ = false;  // the head may be let in by what a sharer publishes
  bool longest_left_ = false;           // who had longest_offset_ no longer decodes
  Time end_;                            // of the last step that has been closed
  Time last_step_start_,
      opportunity_;  // of that step; the last instant before now when a plan could be made
  Time natural_plan_,
      segment_end_;  // written by set_steps: the plan after the segment, if nothing cuts it
  Time change_at_ = Time::never();  // the first of cost_change_at_, replan_at_ and the cancels

  // The batch.
  std::int64_t offset_sum_ = 0;   // context of the decodes at step s: decodes_ * s + this
  std::int32_t decodes_ = 0;      // requests that decode
  std::int32_t running_ = 0;      // requests in the running list, the leaving ones too
  std::int32_t free_blocks_ = 0;  // as if no decode step of the segment under way had been made
  TaskSlot first_running_ = kNoTask, last_running_ = kNoTask;
  TaskSlot prefilling_ = kNoTask;   // the only partly computed prompt, if last in the running list
  std::int32_t chunk_tokens_ = 0;   // its chunk in each step of the segment
  std::int32_t extra_decodes_ = 0;  // entries of a literal step that are none of decodes_
  std::int32_t sharers_ = 0, rivals_ = 0;  // running requests with these flags
  std::uint32_t arrivals_ = 0;             // deliveries so far
  NodeId id_ = kNoNode;
  BlockPhases phases_;           // of the decodes: who needs a block when
  Ring<TaskSlot, 2> joining_;    // their last chunk is in the step under way
  Ring<Leaving, 2> leaving_;     // last token sampled, seat and blocks not yet free
  Ring<NodeOutput, 2> outputs_;  // decided and not yet collected, by time
  Ring<Delivery, 2> mailbox_;    // on their way or not yet seen, by time
  Ring<TaskSlot> waiting_;
  std::int64_t waiting_tokens_ = 0;  // to compute for those, whole sequences
  MixedStep step_shape_;             // the segment's first step, when it has chunks; else no chunks
  Duration prefill_clock_;           // time in closed steps with prefill chunks
  std::int64_t longest_offset_ = 0;  // the largest context_offset, unless longest_left_
  std::int64_t extra_context_ = 0;   // of extra_decodes_
  std::int64_t extra_longest_ = 0;   // the longest of them
  NodeCounters counters_;

  // What is rarely touched: while change_at_ is never(), the first three hold nothing.
  Time cost_change_at_ = Time::never(), replan_at_ = Time::never();
  std::vector<Cancel> cancels_;  // at the next plan
  // Prefix caching. free_blocks_ leads; the cache takes blocks when it is changed or looked at.
  PrefixCache cache_;
};

}  // namespace yardmaster
