// Random nodes, loads and failures for both nodes. Each trial switches features on and off
// independently (Groce et al., Swarm Testing, ISSTA 2012), so that rare combinations occur.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/reference/slow_node.h"

namespace yardmaster::reference {

/// A node, and the events that happen to it.
struct Trial {
  std::uint64_t seed = 0;
  NodeSettings settings;
  std::vector<ScriptEvent> script;  // in order of time
};

/// The trial of this seed. `mishaps`: with crashes, cancellations and changes of the step cost.
Trial random_trial(std::uint64_t seed, bool mishaps);

/// The trial as text, for a failure's message.
std::string describe(const Trial&);

}  // namespace yardmaster::reference
