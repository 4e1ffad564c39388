#include "env/node/solo_node.h"

#include "env/base/check.h"

namespace yardmaster {

SoloNode::SoloNode(const NodeSettings& settings, std::size_t slots, const PromptPaths* paths,
                   NodeRecorder* recorder)
    : settings_(&settings), tables_(slots), node_(node_id(0), settings.rules, settings.grant) {
  tables_.paths = paths;
  tables_.recorder = recorder;
}

void SoloNode::deliver(TaskSlot task, Time at) {
  request(task).booked_until = at;
  ref().deliver(task, at);
}

std::span<const NodeOutput> SoloNode::advance() {
  check(!done(), "a node is run on although nothing more happens on it");
  outputs_.clear();
  if (node_.next.output <= node_.next.plan) {
    ref().collect(node_.next.output, outputs_);
  } else {
    ref().catch_up(node_.next.plan);
  }
  return outputs_;
}

}  // namespace yardmaster
