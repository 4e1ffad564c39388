// The KV memory of a node.
#pragma once

#include <cstdint>

#include "env/node/prefix_cache.h"

namespace yardmaster {

/// KV blocks that are free, and with prefix caching what the cache holds. `free_blocks` leads: the
/// cache takes blocks from its free queue only before it is changed or looked at, because until
/// then nothing can tell the difference.
struct KvMemory {
  /// As if no decode step of the segment under way had been made.
  std::int32_t free_blocks = 0;
  /// Running requests whose Request::publishes_shared, or publishes_contested, is set.
  std::int32_t shared_publishers = 0, contested_publishers = 0;
  PrefixCache cache;

  /// Takes blocks from the cache's free queue until `free` are left.
  void take_until(std::int64_t free) {
    cache.take(cache.free_blocks() - static_cast<std::int32_t>(free));
  }
};

}  // namespace yardmaster
