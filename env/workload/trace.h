// Reading request traces.
#pragma once

#include <string>
#include <vector>

#include "env/config/document.h"
#include "env/workload/prompt_paths.h"
#include "env/workload/workload.h"

namespace yardmaster {

/// The requests of a trace and the shared prefixes of their prompts.
struct Trace {
  std::vector<TraceRow> rows;  // sorted by arrival; the first arrives at 0
  PromptPaths paths;           // empty if the format has no prefixes
};

/// Reads a trace, plain or gzipped. The first byte determines the format:
/// - The Azure LLM inference data set: the header `TIMESTAMP,ContextTokens,GeneratedTokens`, then
///   rows such as `2023-11-16 18:15:46.6805900,374,44`. A time may also be a number of seconds.
/// - Mooncake's JSON lines, which start with `{` (trace_formats.h).
/// Shared prefixes are in blocks of `block_tokens`. Errors go to `faults` with their lines. Then
/// the returned trace is empty.
Trace read_trace(const std::string& path, std::int32_t block_tokens, yaml::Faults& faults);

}  // namespace yardmaster
