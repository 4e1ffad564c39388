// Recorded decisions of a scheduler (docs/model.md, "Recordings") as scripts of the slow node, and
// back.
#pragma once

#include <string>
#include <vector>

#include "tests/reference/slow_node.h"
#include "tools/validation/recording.h"

namespace yardmaster::reference {

/// All cases of a file. Throws BadInput where it cannot be read.
std::vector<RecordedCase> all_recordings(const std::string& path);

/// The requests of a case as a script; ids are the case's.
std::vector<ScriptEvent> deliveries(const RecordedCase&);

/// The steps of the slow node in the form of recordings.
std::vector<RecordedStep> recorded_steps(const SlowNode&);

/// Outcomes of the requests in the slow node, in the form of recordings.
std::vector<RequestOutcome> outcomes(const SlowNode&);

/// The case as the slow node decides it: a line of a file of recordings.
std::string case_line(const RecordedCase&);

}  // namespace yardmaster::reference
