// The requests that run on a node, the decoding ones as sums.
#pragma once

#include <cstdint>

#include "env/base/ids.h"
#include "env/base/piecewise.h"
#include "env/node/block_phases.h"
#include "env/node/finish_heap.h"
#include "env/node/request.h"
#include "env/node/ring.h"

namespace yardmaster {

/// A request whose last token is sampled and whose seat and blocks are not yet free.
struct Leaving {
  TaskSlot task = kNoTask;
  /// They are free when this step is planned.
  std::int64_t release_step = 0;
};

/// The running list, in order of admission, and what its requests compute in each step. What
/// depends on the step is kept as an offset: a decoding request has s + offset tokens before
/// step s.
struct RunningBatch {
  /// The decoding requests by the step that samples their last token.
  FinishHeap by_finish;
  /// The decoding requests have `decodes` * s + this tokens of context before step s.
  std::int64_t offset_sum = 0;
  std::int32_t decodes = 0;
  /// Requests in the running list, leaving ones included.
  std::int32_t running = 0;
  TaskSlot first = kNoTask, last = kNoTask;
  /// The only partly computed prompt, if it is the last of the running list.
  TaskSlot prefilling = kNoTask;
  /// Its chunk in each step of the segment.
  std::int32_t chunk_tokens = 0;
  /// Which decoding requests take a block in which step.
  BlockPhases phases;
  /// Requests that decode after the step under way.
  Ring<TaskSlot, 2> joining;
  Ring<Leaving, 2> leaving;
  /// The largest context_offset of a decoding request, unless the request that had it has left.
  std::int64_t longest_offset = 0;
  bool longest_left = false;

  /// Context of the decoding requests before `step`.
  [[nodiscard]] std::int64_t context(std::int64_t step) const {
    return decodes * step + offset_sum;
  }

  /// Appends to the running list.
  void link(Piecewise<RunningLink>& links, TaskSlot task) {
    links[index(task)] = {last, kNoTask};
    (last == kNoTask ? first : links[index(last)].next) = task;
    last = task;
    ++running;
  }
  /// Takes a request out of the running list.
  void unlink(Piecewise<RunningLink>& links, TaskSlot task) {
    const RunningLink l = links[index(task)];
    (l.previous == kNoTask ? first : links[index(l.previous)].next) = l.next;
    (l.next == kNoTask ? last : links[index(l.next)].previous) = l.previous;
    --running;
  }
};

}  // namespace yardmaster
