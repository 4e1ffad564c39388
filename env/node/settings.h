// How a serving node works: rules that never change, and what it may use.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "env/base/units.h"
#include "env/hardware/cost_book.h"
#include "env/node/kv_block.h"

namespace yardmaster {

/// The order of a node's waiting queue, and which request is preempted.
enum class QueuePolicy : std::uint8_t {
  fcfs,     // first come, first served; the newest of the running list is preempted
  priority  // smallest (priority, arrival) first; the largest is preempted
};

/// Where engine versions differ in what they decide (docs/model.md, "The node").
struct EngineRules {
  /// The long-prefill cap also binds a request that is alone on the node.
  bool cap_binds_lone_request = false;
  /// Freed blocks without a hash are reused last, not first.
  bool freed_blocks_to_back = false;
  /// The setting `watermark` exists.
  bool knows_watermark = true;

  friend bool operator==(const EngineRules&, const EngineRules&) = default;
};

/// The rules of a vLLM version, such as `0.32.0`; nullopt for a version whose rules are not known.
/// Known are 0.19 (0.19.1 was run) and 0.30 and later (0.30.0, 0.31.0 and 0.32.0 were run).
[[nodiscard]] std::optional<EngineRules> rules_of_vllm(std::string_view version);

/// Limits, engine rules and latencies of a kind of node. Constant.
struct NodeRules {
  /// Requests in the running list, at most.
  std::int32_t max_num_seqs = 256;
  /// Token budget of a step; at least max_num_seqs.
  std::int32_t max_num_batched_tokens = 8192;
  /// Tokens of prompt and output together, at most; KV memory holds as many.
  std::int32_t max_model_len = 8192;
  /// 1: synchronous scheduling; 2: asynchronous.
  std::int32_t steps_in_flight = 2;
  QueuePolicy policy = QueuePolicy::fcfs;
  /// Tokens of a chunk, at most; 0: no cap.
  std::int32_t long_prefill_token_threshold = 0;
  /// KV blocks that stay free when a request is admitted beside others.
  std::int32_t watermark_blocks = 0;
  /// Admission requires the blocks of the whole sequence.
  bool reserve_full_isl = true;
  /// KV blocks of equal prefixes are found again.
  bool enable_prefix_caching = false;
  EngineRules engine;
  /// The context that a step cost reads also counts the recomputed output of a preempted request,
  /// which is the part of its chunks beyond the prompt. So does the cost of recordings.
  bool recomputed_output_is_context = false;
  /// From the end of a token's step to the dispatcher.
  Duration response_latency{};
};

/// What a node may use. The world grants it, and may change it while it runs.
struct Grant {
  /// Cell of the CostBook.
  std::uint16_t cost = 0;
  /// KV blocks of 16 tokens.
  std::int32_t blocks = 0;
};

/// A kind of node as a scenario sets it up.
struct NodeSettings {
  NodeRules rules;
  CostBook costs;
  /// What its nodes are granted when a world begins.
  Grant grant;

  /// The step costs of that grant.
  [[nodiscard]] const StepCost& cost(std::uint8_t level) const {
    return costs.at(grant.cost, level);
  }
};

}  // namespace yardmaster
