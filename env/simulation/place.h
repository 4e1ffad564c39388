// A node slot of a world.
#pragma once

#include <cstdint>

#include "env/node/settings.h"

namespace yardmaster {

/// What stands in a node slot, and what it may use. A crash keeps it.
struct Place {
  /// Index into Scenario::kinds.
  std::uint32_t kind = 0;
  Grant grant;
};

}  // namespace yardmaster
