// Always-on checks of invariants. A failed check is a bug in this program, never bad input.
#pragma once

#include <source_location>
#include <stdexcept>

namespace yardmaster {

/// A broken invariant. what() names the invariant and its place in the source. Thrown from a
/// simulation, it also names the seed and the decision that reproduce it.
class InternalFault : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

/// Throws InternalFault for a failed check.
[[noreturn]] void check_failed(const char* message, std::source_location where);

/// Throws InternalFault if `holds` is false, also in release builds.
inline void check(bool holds, const char* message,
                  std::source_location where = std::source_location::current()) {
  if (!holds) [[unlikely]] {
    check_failed(message, where);
  }
}

}  // namespace yardmaster
