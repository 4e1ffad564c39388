// The unit in which memory is fetched.
#pragma once

#include <cstddef>

namespace yardmaster {

/// Bytes in a cache line of every machine that this program is tuned for.
inline constexpr std::size_t kCacheLine = 64;

}  // namespace yardmaster
