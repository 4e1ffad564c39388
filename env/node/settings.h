// The fixed properties of a serving node: shared by all worlds, never written after loading.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "env/base/units.h"
#include "env/hardware/step_cost.h"
#include "env/node/kv_block.h"

namespace yardmaster {

/// The order of a node's waiting queue, and who is preempted.
enum class QueuePolicy : std::uint8_t {
  fcfs,     // first come, first served; the newest of the running list is preempted
  priority  // smallest (priority, arrival) first; the largest is preempted
};

/// Where engine versions differ in what they decide (docs/model.md, "The node").
struct EngineRules {
  bool cap_binds_lone_request = false;  // the long-prefill cap counts even for a request alone
  bool freed_blocks_to_back = false;    // freed blocks without a hash are reused last, not first
  bool knows_watermark = true;          // the setting exists

  friend bool operator==(const EngineRules&, const EngineRules&) = default;
};

/// The rules of a vLLM version, such as `0.32.0`; nullopt for one that nobody has read or run:
/// known are 0.19 (0.19.1 was run) and 0.30 on (0.30.0, 0.31.0, 0.32.0).
[[nodiscard]] std::optional<EngineRules> rules_of_vllm(std::string_view version);

/// Engine settings and step costs of a kind of node.
struct NodeSettings {
  std::int32_t max_num_seqs = 256;             // requests in the running list
  std::int32_t max_num_batched_tokens = 8192;  // token budget of a step; at least max_num_seqs
  std::int32_t max_model_len = 8192;           // prompt and output; at most usable_blocks * 16
  std::int32_t usable_blocks = 0;              // KV blocks of 16 tokens
  std::int32_t steps_in_flight = 2;            // 1: synchronous; 2: asynchronous scheduling
  QueuePolicy policy = QueuePolicy::fcfs;
  std::int32_t long_prefill_token_threshold = 0;  // tokens of a chunk, at most; 0: no cap
  std::int32_t watermark_blocks = 0;   // stay free when a request is admitted beside others
  bool reserve_full_isl = true;        // admission asks for blocks for the whole sequence
  bool enable_prefix_caching = false;  // KV blocks of equal prefixes are found again
  EngineRules rules;
  // Whether the cost's context also counts a preempted request's recomputed output (its chunks
  // beyond the prompt), as the recordings' cost does.
  bool recomputed_output_is_context = false;
  Duration response_latency{};   // from a token's step end to the dispatcher
  std::array<StepCost, 2> cost;  // as designed, and slowed down
};

}  // namespace yardmaster
