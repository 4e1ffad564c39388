// Reading of request traces.
#pragma once

#include <string>
#include <vector>

#include "env/config/document.h"
#include "env/workload/prompt_paths.h"
#include "env/workload/workload.h"

namespace yardmaster {

/// The requests of a trace, and what their prompts share.
struct Trace {
  std::vector<TraceRow> rows;  // sorted by arrival, the first at 0
  PromptPaths paths;           // empty unless the trace tells
};

/// Reads a trace, plain or gzipped, in one of two formats, told apart by their first byte.
/// - The Azure LLM inference data set: a header `TIMESTAMP,ContextTokens,GeneratedTokens`, then
///   `2023-11-16 18:15:46.6805900,374,44`. A time may also be a number of seconds.
/// - Mooncake's JSON lines, see trace_formats.h.
/// Shared prefixes are told in blocks of `block_tokens`. What is wrong, with its line, goes to
/// `faults`.
Trace read_trace(const std::string& path, std::int32_t block_tokens, yaml::Faults& faults);

}  // namespace yardmaster
