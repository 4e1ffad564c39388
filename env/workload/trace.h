// Reading of request traces.
#pragma once

#include <string>
#include <vector>

#include "env/base/yaml.h"
#include "env/workload/workload.h"

namespace yardmaster {

/// Reads a trace of the Azure LLM inference data set, plain or gzipped: a header
/// `TIMESTAMP,ContextTokens,GeneratedTokens`, then `2023-11-16 18:15:46.6805900,374,44`. A time may
/// also be a number of seconds. Rows come back sorted by arrival, the first at 0. What is wrong,
/// with its line, goes to `faults`.
std::vector<TraceRow> read_trace(const std::string& path, yaml::Faults& faults);

}  // namespace yardmaster
