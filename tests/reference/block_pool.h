// The KV memory of a node block by block, with hashes and a free queue: vLLM's rules written down
// literally. env/node/prefix_cache.h is compared with it.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <span>
#include <vector>

#include "env/node/prefix_cache.h"

namespace yardmaster::reference {

/// Names a block's tokens and all tokens before it: equal if and only if those are equal.
using BlockHash = std::uint64_t;

/// The block pool. A holder is an index, given by admit().
class BlockPool {
 public:
  BlockPool(std::int32_t blocks, FreedBlocks freed);

  [[nodiscard]] std::int32_t free_blocks() const {
    return static_cast<std::int32_t>(queue_.size());
  }
  /// Walks `hashes` from the root to the first that no block has, at most `limit` of them.
  [[nodiscard]] PrefixHit lookup(std::span<const BlockHash> hashes, std::int32_t limit) const;
  /// A new holder of the first `hit_blocks` blocks of a lookup.
  std::size_t admit(std::span<const BlockHash> hashes, std::int32_t hit_blocks);
  void take(std::size_t holder, std::int32_t blocks);
  /// The first `up_to` blocks of the holder get the hashes of its text.
  void publish(std::size_t holder, std::int32_t up_to);
  void release(std::size_t holder);
  void reset();

  [[nodiscard]] std::int32_t held(std::size_t holder) const {
    return static_cast<std::int32_t>(holders_[holder].blocks.size());
  }
  /// Hashes of the free queue from its front; 0: none.
  [[nodiscard]] std::vector<BlockHash> free_queue() const;

 private:
  struct Block {
    BlockHash hash = 0;
    std::int32_t references = 0;
  };
  struct Holder {
    std::vector<BlockHash> hashes;
    std::vector<std::size_t> blocks;
    std::int32_t published = 0;
  };
  std::size_t take_front();

  FreedBlocks freed_;
  std::vector<Block> blocks_;
  std::list<std::size_t> queue_;                           // front first
  std::map<BlockHash, std::vector<std::size_t>> by_hash_;  // in order of publication
  std::vector<Holder> holders_;
};

}  // namespace yardmaster::reference
