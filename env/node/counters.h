// How much a node has computed.
#pragma once

#include <cstdint>

#include "env/base/units.h"

namespace yardmaster {

struct NodeRef;

/// Work since the start: in a Node of the steps that have been closed, from NodeRef::counters_at()
/// as of an instant.
struct NodeCounters {
  __extension__ using Wide = __int128;

  std::int64_t steps = 0;
  std::int64_t segments = 0;
  std::int64_t prefill_tokens = 0;
  std::int64_t decode_tokens = 0;
  std::int64_t preemptions = 0;
  /// Found in the prefix cache by admissions.
  std::int64_t cached_tokens = 0;
  /// KV tokens read, summed over decode steps.
  std::int64_t context_tokens = 0;
  /// Sum of 2 before c + c^2 over chunks of c tokens: twice the (query, key) pairs of prefill.
  std::int64_t chunk_pairs = 0;
  /// Rows of the output head besides one per decode.
  std::int64_t other_samples = 0;
  /// Weights that steps did not read: those of experts to which no token was sent.
  std::int64_t unread_kib = 0;
  /// Weights read. Of counters_at() only, because for most models it follows from `steps`.
  std::int64_t weights_kib = 0;
  /// Time in steps, and in steps with prefill chunks.
  Duration busy;
  Duration busy_with_prefill;
  /// Token slots of the KV blocks in use, integrated over busy time. Of what a segment under way
  /// has taken since its beginning, up to 15 slots per running request are not counted.
  Wide kv_slot_ps = 0;
};

/// What one step adds to the counters, but for the weights that it reads.
struct StepWork {
  std::int32_t decodes = 0;
  std::int32_t chunk_tokens = 0;
  std::int32_t other_samples = 0;
  std::int64_t context_tokens = 0;
  std::int64_t chunk_pairs = 0;
  std::int64_t kv_slots = 0;
};

/// Counts the segment under way, all of whose steps are being closed.
void count_segment(const NodeRef&);

}  // namespace yardmaster
