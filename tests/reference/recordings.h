// Reads the recordings of vLLM's own scheduler (../shared/data/vllm; its README.md has the format).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "env/base/units.h"
#include "tests/reference/slow_node.h"

namespace yardmaster::reference {

/// What a recorded request met.
struct RecordedRequest {
  Time first_scheduled, first_token, last_token;  // never() where it did not happen
  std::int32_t produced = 0, preemptions = 0;
  bool stuck = false;
};

/// One recorded run of one scheduler.
struct RecordedCase {
  std::string id, regime, policy;
  bool prefix_caching = false, reserve_full_isl = true, asynchronous = false;
  std::int32_t long_prefill_threshold = 0, watermark_blocks = 0;
  NodeSettings settings;  // cost: affine, on both levels
  std::int64_t h0_ps = 0, h1_ps = 0, token_ps = 0, context_ps = 0;
  std::vector<ScriptEvent> deliveries;    // in file order
  std::vector<RecordedRequest> requests;  // by id
  std::vector<Step> steps;                // ids, tokens, before, planned, start, lasts; no flags

  /// The rules that SlowNode has decide this case.
  [[nodiscard]] bool plain() const {
    return !prefix_caching && policy == "fcfs" && reserve_full_isl && long_prefill_threshold == 0 &&
           watermark_blocks == 0;
  }
};

/// Where the data lie: $YARDMASTER_DATA, else ../shared/data beside the source tree. May not exist.
std::string data_folder();

/// All cases of a gzipped file; empty when it does not exist.
std::vector<RecordedCase> read_recordings(const std::string& path);

}  // namespace yardmaster::reference
