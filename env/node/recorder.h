// A node's decisions, step by step, as recorded for tests and `yardmaster conform`.
#pragma once

#include <cstdint>
#include <vector>

#include "env/base/ids.h"
#include "env/base/units.h"
#include "env/hardware/step_cost.h"

namespace yardmaster {

/// What one request computes in a step.
struct PlannedEntry {
  TaskSlot task = kNoTask;
  /// Tokens computed in this step, and before it.
  std::int32_t tokens = 0, before = 0;

  friend bool operator==(const PlannedEntry&, const PlannedEntry&) = default;
};

/// Full blocks that an admission found in the prefix cache, in tokens.
struct PlannedHit {
  TaskSlot task = kNoTask;
  std::int32_t tokens = 0;

  friend bool operator==(const PlannedHit&, const PlannedHit&) = default;
};

/// A stretch of steps as it was planned. In its step j, every entry has `tokens` after `before` + j
/// tokens. Admissions, preemptions and hits are those of step 0.
struct PlannedSegment {
  /// Of step 0: the schedule() call, and the start on the device.
  Time planned, start;
  Segment length;
  /// 0: the call planned nothing and only preempted.
  std::int64_t steps = 0;
  std::vector<PlannedEntry> entries;
  std::vector<TaskSlot> admitted;
  std::vector<TaskSlot> preempted;
  std::vector<PlannedHit> hits;
  /// Right after the call of step 0.
  std::int32_t free_blocks = 0;
};

/// Keeps every decision of a node. Slots are those of the time of planning. Segments are complete
/// up to the last one that the node has closed.
struct NodeRecorder {
  std::vector<PlannedSegment> segments;
  /// The segment that is being planned.
  PlannedSegment next;
};

}  // namespace yardmaster
