// What the nodes of a world share.
#pragma once

#include <cstddef>

#include "env/base/digest.h"
#include "env/base/ids.h"
#include "env/base/piecewise.h"
#include "env/node/recorder.h"
#include "env/node/request.h"
#include "env/workload/prompt_paths.h"

namespace yardmaster {

/// The tables that the nodes of a world work on. The world owns them.
struct NodeTables {
  /// [slot]
  Piecewise<Request> requests;
  /// [slot]
  Piecewise<RunningLink> links;
  FactLog facts;
  /// Null: decisions are not recorded.
  NodeRecorder* recorder = nullptr;
  /// The paths that TaskSpec::path names. Null: requests share no prefixes.
  const PromptPaths* paths = nullptr;

  NodeTables() = default;
  explicit NodeTables(std::size_t slots) {
    requests.items.resize(slots);
    links.items.resize(slots);
  }
  /// Adds a slot at the end and returns it.
  TaskSlot add_slot() {
    requests.items.emplace_back();
    links.items.emplace_back();
    return static_cast<TaskSlot>(requests.size() - 1);
  }
};

}  // namespace yardmaster
