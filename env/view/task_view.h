// What policies can see of a task.
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
  /// Declared limit of the output; 0 if none was declared.
  std::int32_t max_tokens = 0;
  /// Predicted output length, with the scenario's error.
  std::int32_t predicted_tokens = 0;
  /// Weight in the objective.
  double weight = 1;
  Time arrival;
  /// When this attempt entered the dispatcher's queue.
  Time ready;
  /// The part of the prompt that other tasks have too. Borrowed from the scenario.
  std::span<const PathSpan> shared;
};

}  // namespace yardmaster
