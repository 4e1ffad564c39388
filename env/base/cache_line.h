// The size of a cache line.
#pragma once

#include <cstddef>

namespace yardmaster {

/// Bytes per cache line on every machine that this program is tuned for.
inline constexpr std::size_t kCacheLine = 64;

}  // namespace yardmaster
