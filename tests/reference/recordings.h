// The recordings of vLLM's own scheduler (../shared/data/vllm) as scripts of the reference node.
#pragma once

#include <string>
#include <vector>

#include "tests/reference/slow_node.h"
#include "tools/validation/recording.h"

namespace yardmaster::reference {

/// Where the data lie: $YARDMASTER_DATA, else ../shared/data beside the source tree. May not exist.
std::string data_folder();

/// All cases of a file; empty when it does not exist.
std::vector<RecordedCase> all_recordings(const std::string& path);

/// What was sent, as a script. Ids are the case's.
std::vector<ScriptEvent> deliveries(const RecordedCase&);

/// The steps of the slow node in the recordings' form.
std::vector<RecordedStep> recorded_steps(const SlowNode&);

/// What the requests met in the slow node, in the recordings' form.
std::vector<RequestOutcome> outcomes(const SlowNode&);

/// The case as the slow node decides it, as a line of a file of recordings.
std::string case_line(const RecordedCase&);

}  // namespace yardmaster::reference
