// Random trials as recordings: what the slow node decides, in the format in which the decisions of
// vLLM's scheduler are recorded.
#pragma once

#include <string>

#include "tests/reference/random_trial.h"
#include "tools/validation/recording.h"

namespace yardmaster::reference {

/// The trial's node and load as a case to record, without what recordings cannot express: a network
/// and step costs that are not affine. The rules are those of vLLM 0.19.1 where freed blocks go to
/// the back of the queue, else of 0.32.0.
RecordedCase case_of(const Trial&);

/// Small cases that the slow node decides by the rules of one version, "0.19.1" or "0.32.0": a file
/// of recordings. A random trial is kept while a rule that matters in it has fewer than two cases.
std::string small_recordings(const std::string& version, bool asynchronous);

}  // namespace yardmaster::reference
