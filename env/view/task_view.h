// What a policy may know of a task.
#pragma once

#include <cstdint>
#include <span>

#include "env/base/ids.h"
#include "env/base/units.h"
#include "env/workload/prompt_paths.h"

namespace yardmaster {

/// A task that waits for a decision. Its true output length is not here.
struct TaskView {
  TaskSlot slot = kNoTask;
  TaskAddress address;
  std::int32_t prompt_tokens = 0;
  std::int32_t max_tokens = 0;        // declared limit of the output; 0: none was declared
  std::int32_t predicted_tokens = 0;  // output length as predicted, with the scenario's error
  double weight = 1;                  // in the objective
  Time arrival, ready;                // ready: this attempt came into the dispatcher's queue
  std::span<const PathSpan> shared;   // what of its prompt others have too; of the scenario
};

}  // namespace yardmaster
