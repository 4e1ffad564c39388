// Random nodes, loads and mishaps: the swarm that both nodes meet. Each trial switches features on
// and off by itself (Groce et al., Swarm Testing, ISSTA 2012), so rare combinations are not washed
// out.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/reference/slow_node.h"

namespace yardmaster::reference {

/// A node and what happens to it.
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
