// A task as a serving node sees it, with the moments that sum to its latency.
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

/// Where the time of a request went. Every picosecond between its arrival and its last token
/// belongs to exactly one of these (docs/model.md, "Moments").
enum class Moment : std::uint8_t {
  frontend,        // from the arrival until the dispatcher sees it
  held,            // in the dispatcher's ready queue
  network,         // to the node, and the last token's way back
  queued,          // in the node's waiting queue
  step_in_flight,  // waiting only for steps already planned
  own_prefill,     // its own prompt is computed
  others_prefill,  // decoding in steps that also compute other prompts
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

/// State of a request inside a node.
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

/// State of a task at the dispatcher.
enum class TaskState : std::uint8_t { free, ready, held, sent };

/// The record of a request. The dispatcher writes the spec, the priority and what is marked as the
/// dispatcher's; the node writes the rest. The first three cache lines hold what the end of the
/// request touches, because it is not touched in the steps before.
struct alignas(kCacheLine) Request {
  TaskSpec spec;

  // Progress.
  /// Tokens sampled before it was last admitted, or stalled.
  std::int32_t produced = 0;
  /// Tokens computed since it was last admitted, hits included; not kept up while it decodes.
  std::int32_t computed = 0;
  /// While it decodes: the step that samples its last token.
  std::int64_t finish_step = 0;
  /// While it decodes: it has s + this computed tokens before step s.
  std::int64_t context_offset = 0;
  RequestState state = RequestState::outside;
  bool first_token_seen = false;
  bool cancelled = false;
  /// With prefix caching, while it runs: it will publish blocks that other requests may have too.
  bool publishes_shared = false;
  /// The same, and another running request might publish the same blocks first.
  bool publishes_contested = false;
  /// The dispatcher's.
  TaskState task_state = TaskState::free;
  std::uint16_t preemptions = 0;

  // Timeline.
  /// Every picosecond before this is booked under a moment.
  Time booked_until;
  /// The node's NodeCounters::busy_with_prefill when it began to decode.
  Duration prefill_time_before;
  /// As the client sees them.
  Time first_token = Time::never(), last_token = Time::never();
  Moments moments{};
  /// When the node first planned it.
  Time first_scheduled = Time::never();
  /// When this attempt arrived at the node.
  Time delivered;
  /// Small: urgent.
  double priority = 0;
  /// Among the deliveries of its node.
  std::uint32_t arrival_number = 0;
  /// What it holds of the prefix cache.
  HolderId holder = kNoHolder;

  // The dispatcher's.
  /// Where it was last sent.
  NodeId node = kNoNode;
  /// When this attempt came into the dispatcher's queue.
  Time ready;

  /// Tokens that must have been computed before the next one is sampled, while it does not decode.
  [[nodiscard]] std::int32_t known_tokens() const { return spec.prompt_tokens + produced; }
  /// Books [booked_until, until) under `moment`.
  void book(Moment moment, Time until) {
    moments[static_cast<std::size_t>(moment)] += until - booked_until;
    booked_until = until;
  }
};

static_assert(sizeof(Request) <= 4 * kCacheLine);

/// A request's neighbours in its node's running list. They stand apart from the requests because a
/// request that leaves writes to its neighbours, whose other data is not needed then.
struct RunningLink {
  TaskSlot previous = kNoTask, next = kNoTask;
};

}  // namespace yardmaster
