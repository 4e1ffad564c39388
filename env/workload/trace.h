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
  std::vector<TraceRow> rows;        // sorted by arrival; the first arrives at 0
  PromptPaths paths;                 // empty if the format has no prefixes
  bool declares_max_tokens = false;  // every row has max_tokens
};

/// Reads a trace, plain or gzipped. The first byte determines the format:
/// - The Azure LLM inference data set: the header `TIMESTAMP,ContextTokens,GeneratedTokens`, to
///   which a column `MaxTokens` (the declared limit of the output) may be added, then rows such as
///   `2023-11-16 18:15:46.6805900,374,44`. A time may also be a number of seconds.
/// - Mooncake's JSON lines, which start with `{` (trace_formats.h).
/// Shared prefixes are in blocks of `block_tokens`. Errors go to `faults` with their lines. Then
/// the returned trace is empty.
Trace read_trace(const std::string& path, std::int32_t block_tokens, yaml::Faults& faults);

}  // namespace yardmaster
