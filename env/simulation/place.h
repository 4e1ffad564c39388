// A node slot of a world.
#pragma once

#include <cstdint>

#include "env/node/settings.h"

namespace yardmaster {

/// The node in a slot, and what it may use. Unchanged by a crash.
struct Place {
  /// Index into Scenario::kinds.
  std::uint32_t kind = 0;
  Grant grant;
};

}  // namespace yardmaster
