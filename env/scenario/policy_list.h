// Lists of policies as text.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace yardmaster {

/// The policies of a list that was split at its commas. Commas also separate the knobs of one
/// policy, so a part KNOB=VALUE belongs to the policy before it if that one has knobs:
/// {"a:x=1", "y=2", "b"} is {"a:x=1,y=2", "b"}. A part with `/` or `.` before its `=` is a path.
std::vector<std::string> join_knobs(std::span<const std::string> parts);

}  // namespace yardmaster
