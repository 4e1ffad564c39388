// The fixed properties of a serving node: shared by all worlds, never written after loading.
#pragma once

#include <array>
#include <cstdint>

#include "env/base/units.h"
#include "env/hardware/step_cost.h"
#include "env/workload/prompt_paths.h"

namespace yardmaster {

/// Blocks that hold `tokens` tokens.
constexpr std::int32_t blocks_for(std::int32_t tokens) {
  return (tokens + kBlockTokens - 1) / kBlockTokens;
}

/// Engine settings and step costs of a kind of node.
struct NodeSettings {
  std::int32_t max_num_seqs = 256;             // requests in the running list
  std::int32_t max_num_batched_tokens = 8192;  // token budget of a step; at least max_num_seqs
  std::int32_t max_model_len = 8192;           // prompt and output; at most usable_blocks * 16
  std::int32_t usable_blocks = 0;              // KV blocks of 16 tokens
  std::int32_t steps_in_flight = 2;            // 1: synchronous; 2: asynchronous scheduling
  Duration response_latency{};                 // from a token's step end to the dispatcher
  std::array<StepCost, 2> cost;                // as designed, and slowed down
};

}  // namespace yardmaster
