// The unit of a KV cache.
#pragma once

#include <cstdint>

namespace yardmaster {

/// Tokens in a block of the KV cache: vLLM's default.
inline constexpr std::int32_t kBlockTokens = 16;

/// Blocks that hold `tokens` tokens.
constexpr std::int32_t blocks_for(std::int32_t tokens) {
  return (tokens + kBlockTokens - 1) / kBlockTokens;
}

}  // namespace yardmaster
