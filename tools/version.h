// The version of the program. A test compares it with CMakeLists.txt.
#pragma once

namespace yardmaster {

inline constexpr const char* kVersion = "0.1.0";

}  // namespace yardmaster
