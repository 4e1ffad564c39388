// The version of the program; CMakeLists.txt says the same, and a test compares them.
#pragma once

namespace yardmaster {

inline constexpr const char* kVersion = "0.1.0";

}  // namespace yardmaster
