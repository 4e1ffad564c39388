// Always-on checks of invariants. A failed check is a bug of this program, never bad input.
#pragma once

#include <source_location>
#include <stdexcept>

namespace yardmaster {

/// An invariant does not hold. what() says where and which, and, from within a simulation, the seed
/// and the decision that show it again.
class InternalFault : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

/// Throws the InternalFault of a check that failed.
[[noreturn]] void check_failed(const char* message, std::source_location where);

/// Throws InternalFault when `holds` is false; stays on in release builds.
inline void check(bool holds, const char* message,
                  std::source_location where = std::source_location::current()) {
  if (!holds) [[unlikely]] {
    check_failed(message, where);
  }
}

}  // namespace yardmaster
