// The rule by which a node admits waiting requests.
#pragma once

#include <algorithm>
#include <cstdint>

#include "env/node/kv_block.h"
#include "env/node/settings.h"

namespace yardmaster {

/// What of a request's known tokens was found in the prefix cache. Without prefix caching, nothing.
struct FoundPrefix {
  std::int32_t tokens = 0, blocks = 0;
  /// Of the blocks, those that no running request holds: they count as free until they are taken.
  std::int32_t idle = 0;
};

/// What a step has left for waiting requests, and the rule that says whether the head of the queue
/// gets a part of it. Nothing overtakes the head, and nothing is preempted for it.
/// Independent of Node.
struct Admission {
  const NodeRules& rules;
  /// Tokens left of the step's budget.
  std::int32_t tokens = 0;
  /// Tokens of one entry, at most.
  std::int32_t chunk_cap = 0;
  std::int64_t free_blocks = 0;

  /// Whether budget and a seat are left beside `running` requests.
  [[nodiscard]] bool open(std::int32_t running) const {
    return tokens > 0 && running < rules.max_num_seqs;
  }
  /// Tokens that a request of `known_tokens` tokens would compute in this step.
  [[nodiscard]] std::int32_t chunk(std::int32_t known_tokens, const FoundPrefix& found) const {
    return std::min({known_tokens - found.tokens, chunk_cap, tokens});
  }
  /// Whether memory admits it: the blocks of this chunk are free, with reserve_full_isl those of
  /// all its tokens, and beside running requests the watermark.
  [[nodiscard]] bool fits(std::int32_t known_tokens, const FoundPrefix& found,
                          std::int32_t running) const {
    const std::int32_t reserved =
        rules.reserve_full_isl ? std::min(known_tokens, rules.max_model_len) : 0;
    const std::int32_t held = std::max(reserved, found.tokens + chunk(known_tokens, found));
    const std::int32_t asked = blocks_for(held) - found.blocks + found.idle;
    return asked + (running > 0 ? rules.watermark_blocks : 0) <= free_blocks;
  }
  /// Takes what an admitted request gets: `chunk` tokens, and the blocks for them.
  void take(std::int32_t chunk_tokens, const FoundPrefix& found) {
    tokens -= chunk_tokens;
    free_blocks -= blocks_for(found.tokens + chunk_tokens) - found.blocks + found.idle;
  }
};

}  // namespace yardmaster
