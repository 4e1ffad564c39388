// One node alone, without a fleet around it.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "env/base/ids.h"
#include "env/base/units.h"
#include "env/node/node.h"
#include "env/node/settings.h"

namespace yardmaster {

/// A node that owns its requests and runs from event to event. For capacity, recordings, measured
/// runs and theory. Borrows the settings, the paths and the recorder.
class SoloNode {
 public:
  /// An idle node with the grant of the settings, and `slots` requests.
  SoloNode(const NodeSettings&, std::size_t slots, const PromptPaths* = nullptr,
           NodeRecorder* = nullptr);

  [[nodiscard]] std::size_t slots() const { return tables_.requests.size(); }
  /// The request of a slot. Its sizes are set before it is delivered. A slot can be used again once
  /// its request has finished.
  [[nodiscard]] Request& request(TaskSlot task) { return tables_.requests[index(task)]; }
  /// The request of this slot arrives at `at`, not before the present.
  void deliver(TaskSlot, Time at);

  /// Whether nothing more happens: every request has ended, or waits for ever.
  [[nodiscard]] bool done() const {
    return node_.next.output.is_never() && node_.next.plan.is_never();
  }
  /// Goes on to the next output or plan, and returns the outputs that became visible; the span is
  /// valid until the next call. REQUIRES that the node is not done.
  std::span<const NodeOutput> advance();

  [[nodiscard]] const NodeCounters& counters() const { return node_.counters; }

 private:
  [[nodiscard]] NodeRef ref() {
    return {node_, settings_->rules, settings_->costs, settings_->grant, tables_};
  }

  const NodeSettings* settings_;
  NodeTables tables_;
  Node node_;
  std::vector<NodeOutput> outputs_;
};

}  // namespace yardmaster
