// Tasks that no node can serve.
#pragma once

#include "env/scenario/scenario.h"

namespace yardmaster {

/// Whether some task of the workload may be too long for every node: its prompt and max_tokens
/// exceed the longest max_model_len of the fleet. Such a task is refused at the door.
bool refusals_are_possible(const Scenario&);

}  // namespace yardmaster
