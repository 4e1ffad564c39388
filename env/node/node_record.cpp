// What a node tells a recorder.
#include "env/node/node.h"

namespace yardmaster {

// The decodes of the step that is being planned, in the order of the running list.
void Node::record_decodes(const NodeContext& context) const {
  for (TaskSlot task = first_running_; task != kNoTask;
       task = context.tables.links[index(task)].next) {
    const Request& r = context.tables.requests[index(task)];
    if (r.state == RequestState::decoding) {
      context.tables.recorder->next.entries.push_back({task, 1, computed(r)});
    }
  }
}

void Node::record_plan(const NodeContext& context, Time now, bool preempted) const {
  NodeRecorder& recorder = *context.tables.recorder;
  if (steps_ > 0 || preempted) {
    PlannedSegment& planned = recorder.next;
    planned.planned = now;
    planned.start = start_;
    planned.length = steps_ > 0 ? segment_ : Segment{};
    planned.free_blocks =
        free_blocks_ - static_cast<std::int32_t>(phases_.blocks(step_)) - chunk_blocks(context);
    recorder.segments.push_back(std::move(planned));
  }
  recorder.next = {};
}

}  // namespace yardmaster
