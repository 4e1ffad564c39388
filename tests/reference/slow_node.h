// A serving node without algebra: one loop iteration per engine step, one counter per request. The
// node of env/node is compared with it, integer by integer.
//
// The rules are those of vLLM's V1 scheduler (docs/model.md, "The node"). The slow node itself is
// validated on recorded decisions of that scheduler (recordings_test.cpp).
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <vector>

#include "env/base/units.h"
#include "env/node/request.h"
#include "env/node/settings.h"
#include "tests/reference/block_pool.h"

namespace yardmaster::reference {

/// Identifies a request in a script; never used twice.
using RequestId = std::uint32_t;

/// Something that happens to a node from outside.
struct ScriptEvent {
  enum class Kind : std::uint8_t {
    /// Deliveries under way are lost too.
    crash,
    deliver,
    cancel,
    cost_level
  };
  Kind kind = Kind::deliver;
  Time at;                         // when it is done; for a delivery, when it is sent
  Time arrives{};                  // deliver: at the node, not before `at`
  RequestId id = 0;                // deliver, cancel
  std::int32_t prompt_tokens = 0;  // deliver
  std::int32_t output_tokens = 0;  // deliver: tokens until it ends
  bool stop_token = false;         // deliver: its end cannot be foreseen
  double priority = 0;             // deliver
  std::vector<BlockHash> blocks;   // deliver: what the full blocks of prompt and output are
  std::int32_t level = 0;          // cost_level: speed level of CostBook
};

/// How a request ended, as far as the node knows.
enum class End : std::uint8_t { unfinished, finished, cancelled, failed };

/// What is known of a request afterwards; never() where something did not happen.
struct RequestFacts {
  /// The schedule() call, not the start of the step.
  Time first_scheduled = Time::never();
  Time first_token = Time::never();
  /// The newest one if the request did not finish.
  Time last_token = Time::never();
  /// The schedule() calls that preempted it.
  std::vector<Time> preempted;
  std::int32_t produced = 0;
  /// Hits of the first admission.
  std::int32_t cached_tokens = 0;
  End end = End::unfinished;
  /// Of a cancelled request: when the cancellation took effect.
  Time ended = Time::never();
  /// From arrival to the step of the last token; no network.
  Moments moments{};
};

/// One entry of a step.
struct Entry {
  RequestId id = 0;
  /// Computed in this step.
  std::int32_t tokens = 0;
  /// Computed before it.
  std::int32_t before = 0;
  /// It computes tokens that the request had when it was admitted.
  bool chunk = false;
  bool samples = false;
  /// Preemptions of the request when this was planned.
  std::int32_t epoch = 0;
  /// Blocks taken for it.
  std::int32_t blocks = 0;
  /// before >= prompt tokens
  bool past_prompt = false;
};

/// One schedule() call that planned or preempted something.
struct Step {
  Time planned;
  Time start;
  Duration lasts;
  std::vector<Entry> entries;
  std::vector<RequestId> admitted;
  std::vector<RequestId> preempted;
  /// Tokens, of admissions that hit any.
  std::map<RequestId, std::int32_t> hits;
  /// Right after schedule().
  std::int32_t free_blocks = 0;
  std::int32_t level = 0;
  /// False also for a step that a crash voided.
  bool ended = false;
};

/// Time of a step. The default is that of StepCost.
using StepTime = std::function<Duration(const NodeSettings&, const Step&)>;
Duration compiled_step_time(const NodeSettings&, const Step&);

/// The node. Call `apply` in order of time, then `drain`.
class SlowNode {
 public:
  explicit SlowNode(const NodeSettings& settings, StepTime step_time = compiled_step_time)
      : settings_(settings),
        step_time_(std::move(step_time)),
        pool_(settings.grant.blocks, settings.rules.engine.freed_blocks_to_back
                                         ? FreedBlocks::all_to_back
                                         : FreedBlocks::unhashed_to_front) {}

  /// Runs to the event's instant and applies the event: after completions of that instant, before
  /// the node plans.
  void apply(const ScriptEvent& event);
  /// Runs until nothing more happens.
  void drain() { run_until(Time::never()); }

  /// Completions at `t` included, planning at `t` not.
  void run_until(Time t);

  [[nodiscard]] const std::map<RequestId, RequestFacts>& facts() const { return facts_; }
  [[nodiscard]] const std::vector<Step>& steps() const { return steps_; }  // planned, or preempting
  [[nodiscard]] std::int64_t tokens() const { return tokens_; }            // sampled and delivered
  [[nodiscard]] std::int32_t running() const { return static_cast<std::int32_t>(running_.size()); }
  [[nodiscard]] std::int32_t waiting() const { return static_cast<std::int32_t>(waiting_.size()); }
  [[nodiscard]] std::int32_t free_blocks() const { return pool_.free_blocks(); }
  /// Requests that wait, with those that arrived before `t` and that no plan has seen.
  [[nodiscard]] std::int32_t waiting_at(Time t) const {
    return waiting() + static_cast<std::int32_t>(
                           std::count_if(mailbox_.begin(), mailbox_.end(),
                                         [t](const ScriptEvent& e) { return e.arrives < t; }));
  }

 private:
  struct Live {
    std::int32_t prompt = 0, output = 0;
    bool stop_token = false;
    double priority = 0;
    std::uint32_t number = 0;  // in order of arrival
    std::int32_t tokens = 0;   // prompt and received output
    std::int32_t computed = 0;
    std::int32_t placeholders = 0;  // sampled, not yet received
    std::vector<BlockHash> hashes;
    std::size_t holder = 0;  // while it runs
    bool holds = false;
    std::int32_t at_admission = 0;  // tokens when it was last admitted
    std::int32_t epoch = 0;
    bool cancel_asked = false;
    Time arrived, mark;  // mark: up to here every picosecond has its moment
  };
  void complete_oldest();
  void deliver_token(const Entry& entry, Time when);
  void plan(Time now);
  void take_in(Time now);
  Step schedule(Time now);
  void serve_running(Step& step, std::int32_t& budget);
  bool make_room(RequestId id, std::int32_t tokens, Step& step, std::int32_t& budget);
  void admit(Step& step, std::int32_t& budget);
  void add_entry(Step& step, RequestId id, std::int32_t tokens);
  void preempt(RequestId victim, Step& step, std::int32_t& budget);
  [[nodiscard]] RequestId next_victim() const;
  [[nodiscard]] RequestId next_to_admit() const;
  [[nodiscard]] std::int32_t chunk_cap() const;
  void book(RequestId id, Moment moment, Time until);
  void book_admission(RequestId id, const Step& step);
  void book_step(const Step& step, Time end);
  void release(RequestId id);
  void publish(RequestId id, std::int32_t tokens);
  [[nodiscard]] std::int32_t held(RequestId id) const;
  void end(RequestId id, End how, Time when);
  void crash(Time when);
  void cancel(RequestId id, Time when);
  void forget_unseen(RequestId id, Time when);
  [[nodiscard]] bool is_waiting(RequestId id) const;
  [[nodiscard]] bool last_token_in_flight(RequestId id) const;
  void post(const ScriptEvent& letter);
  [[nodiscard]] Time next_plan() const;

  NodeSettings settings_;
  StepTime step_time_;
  BlockPool pool_;
  std::int32_t level_ = 0;
  std::map<RequestId, Live> live_;
  std::vector<RequestId> running_;
  std::deque<RequestId> waiting_;
  std::vector<ScriptEvent> mailbox_;   // on their way or not yet seen, by arrival
  std::deque<std::size_t> in_flight_;  // indices into steps_
  Time plan_due_ = Time::never();      // a step has just ended
  Time device_free_{0};
  Time last_plan_{-1};  // the schedule() call before the one under way
  std::map<RequestId, RequestFacts> facts_;
  std::vector<Step> steps_;
  std::int64_t tokens_ = 0;
  std::int32_t cap_ = 0;  // of the call under way
  std::uint32_t arrivals_ = 0;
};

/// Runs a script from an idle node to the end.
SlowNode run_script(const NodeSettings&, const std::vector<ScriptEvent>&,
                    StepTime = compiled_step_time);

}  // namespace yardmaster::reference
