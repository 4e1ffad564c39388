// Always-on checks of invariants. A failed check is a bug of this program, never bad input.
#pragma once

#include <source_location>

namespace yardmaster {

/// Prints the place and the message to stderr and aborts.
[[noreturn]] void check_failed(const char* message, std::source_location where);

/// Aborts when `holds` is false; stays on in release builds.
inline void check(bool holds, const char* message,
                  std::source_location where = std::source_location::current()) {
  if (!holds) [[unlikely]] {
    check_failed(message, where);
  }
}

}  // namespace yardmaster
