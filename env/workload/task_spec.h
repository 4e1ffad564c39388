// What one LLM call asks for: everything about it that no policy and no node changes.
#pragma once

#include <cstdint>

#include "env/base/digest.h"
#include "env/base/ids.h"
#include "env/base/units.h"
#include "env/workload/prompt_paths.h"

namespace yardmaster {

/// A task as it was submitted. A retry is a new request with the same spec except for the attempt
/// in the address. The members fill one cache line.
struct TaskSpec {
  TaskAddress address;
  /// The declared limit of the output. It decides which nodes are legal.
  std::int32_t max_tokens = 0;
  /// hash_of(address), for facts.
  std::uint64_t address_hash = 0;
  std::int32_t prompt_tokens = 0;
  /// Hidden truth: tokens until the output ends; at most max_tokens.
  std::int32_t output_tokens = 0;
  /// The output length as predicted.
  std::int32_t predicted_tokens = 0;
  /// What of prompt and output other tasks share.
  PathId path = kNoPath;
  /// When the client sent it.
  Time arrival;
  /// The output ends with a stop token, which the engine cannot foresee.
  bool stop_token = false;

  /// Sets the address and its hash.
  void set_address(const TaskAddress& at) {
    address = at;
    address_hash = hash_of(at);
  }
};

}  // namespace yardmaster
