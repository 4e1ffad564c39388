// Recorded decisions of an engine's own scheduler: the input of `yardmaster conform`.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "env/node/recorder.h"
#include "env/node/settings.h"
#include "env/workload/prompt_paths.h"

namespace yardmaster {

/// One schedule() call that planned or preempted something. Requests are slots: their indices in
/// the case.
struct RecordedStep {
  Time planned, start;
  Duration lasts;
  std::vector<PlannedEntry> entries;
  std::vector<TaskSlot> admitted, preempted;
  std::vector<PlannedHit> hits;
  std::int32_t free_blocks = 0;  // right after the call

  friend bool operator==(const RecordedStep&, const RecordedStep&) = default;
};

/// Outcome of a request; never() where something did not happen.
struct RequestOutcome {
  Time first_scheduled = Time::never();                          // the schedule() call
  Time first_token = Time::never(), last_token = Time::never();  // ends of the steps
  std::int32_t produced = 0, preemptions = 0;
  std::int32_t cached_tokens = 0;  // hits of its first admission
  bool stuck = false;              // unfinished, although nothing more can happen

  friend bool operator==(const RequestOutcome&, const RequestOutcome&) = default;
};

/// A request as it was sent.
struct RecordedRequest {
  Time arrival;
  std::int32_t prompt_tokens = 0, output_tokens = 0;
  double priority = 0;
  bool stop_token = false;
  /// Ids of full blocks as runs: first, count.
  std::vector<std::pair<std::int64_t, std::int32_t>> blocks;
  RequestOutcome outcome;
};

/// One run of one scheduler.
struct RecordedCase {
  std::string id, regime, engine;
  NodeSettings settings;  // the cost on both levels
  Duration step_cost, entry_cost, token_cost, context_cost;
  std::vector<RecordedRequest> requests;
  std::vector<RecordedStep> steps;
};

/// Reads a file of cases, one JSON object per line, plain or gzipped, and calls `use` for each. The
/// format is in docs/model.md, "Recordings". Throws BadInput with file and line.
void read_recordings(const std::string& path, const std::function<void(const RecordedCase&)>& use);

/// The node's decisions for a case, in the form of the recorded ones.
struct ReplayedCase {
  std::vector<RecordedStep> steps;
  std::vector<RequestOutcome> outcomes;
};

/// Shared prefixes of the requests of a case. Throws BadInput where block ids are contradictory.
PromptPaths paths_of(const RecordedCase&);

/// Runs the case through a Node, up to a few steps beyond the recorded ones.
ReplayedCase replay(const RecordedCase&);

}  // namespace yardmaster
