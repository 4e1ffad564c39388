// A task as a serving node sees it, with the named moments that sum to its latency.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "env/base/cache_line.h"
#include "env/base/ids.h"
#include "env/base/units.h"
#include "env/node/prefix_cache.h"
#include "env/workload/task_spec.h"

namespace yardmaster {

/// Where the time of a request went. Every picosecond between arrival and the last token belongs to
/// exactly one of these (docs/model.md, "Moments").
enum class Moment : std::uint8_t {
  frontend,        // arrival to the dispatcher's sight
  held,            // in the dispatcher's ready queue
  network,         // to the node, and the last token's way back
  queued,          // in the node's waiting queue
  step_in_flight,  // waiting only for steps already planned
  own_prefill,     // its own prompt being computed
  others_prefill,  // decoding in steps that also computed others' prompts
  decode,          // decoding in steps without prefill
  recomputed,      // from a preemption until the lost KV is back
  rework,          // spent in attempts that failed
};
inline constexpr std::size_t kMomentCount = 10;

/// Column names of the moments, in order, without unit.
inline constexpr std::array<const char*, kMomentCount> kMomentNames = {
    "frontend",    "held",           "network", "queued",     "step_in_flight",
    "own_prefill", "others_prefill", "decode",  "recomputed", "rework"};

using Moments = std::array<Duration, kMomentCount>;

/// Where a request stands inside a node.
enum class RequestState : std::uint8_t {
  outside,
  mailbox,
  waiting,
  prefilling,  // partly computed
  joining,     // its last chunk, or the token that it had stalled for, is in the step under way
  decoding,    // one token in every step
  stalled,     // decoding, but a step had no budget or memory for its token
  leaving      // its last token is sampled
};

/// Where a task stands with the dispatcher.
enum class TaskState : std::uint8_t { free, ready, held, sent };

/// The record of a request, the dispatcher's and the node's. Plain data; a node writes all but the
/// sizes and what is said to be the dispatcher's. What its end touches, after all the steps in
/// which nobody looked at it, is in its first three cache lines.
struct alignas(kCacheLine) Request {
  TaskSpec spec;
  // Progress.
  std::int32_t produced = 0;        // tokens sampled before it was last admitted, or stalled
  std::int32_t computed = 0;        // prefill tokens computed of the current admission
  std::int64_t finish_step = 0;     // decoding: the step that samples the last token
  std::int64_t context_offset = 0;  // decoding: computed tokens before step s = s + offset
  RequestState state = RequestState::outside;
  bool first_token_seen = false, cancelled = false;
  // With prefix caching, while it runs: whether it will publish blocks that others may have too,
  // and whether another running request might publish the same ones meanwhile.
  bool shares = false, rivals = false;
  TaskState task_state = TaskState::free;  // the dispatcher's
  std::uint16_t preemptions = 0;
  // Timeline.
  Time mark;               // up to here every picosecond has its moment
  Duration prefill_clock;  // node's clock of steps with prefill when decoding began
  // As the client sees them.
  Time first_token = Time::never(), last_token = Time::never();
  Moments moments{};
  Time first_scheduled = Time::never();  // the node's own time of planning
  Time delivered;                        // at the node, of this attempt
  double priority = 0;                   // small: urgent
  std::uint32_t arrival_number = 0;      // among this node's deliveries
  HolderId holder = kNoHolder;           // what it holds of the prefix cache
  // The dispatcher's.
  NodeId node = kNoNode;          // it was sent there last
  Time ready;                     // when this attempt came into the dispatcher's queue

  /// Books [mark, until) under `moment`.
  void book(Moment moment, Time until) {
    moments[static_cast<std::size_t>(moment)] += until - mark;
    mark = until;
  }
};

static_assert(sizeof(Request) <= 4 * kCacheLine);

/// A request's neighbours in its node's running list, which is in order of admission. They stand
/// apart from the requests: who leaves writes to his neighbours, which nobody else looks at then.
struct RunningLink {
  TaskSlot previous = kNoTask, next = kNoTask;
};

}  // namespace yardmaster
