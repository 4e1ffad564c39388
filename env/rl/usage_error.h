// The error of code that calls the learning interface in the wrong way.
#pragma once

#include <stdexcept>

namespace yardmaster {

/// The caller asked for something impossible: an illegal action, a wrong shape, a fleet of one
/// node, options which contradict each other. It is not a bug of this program (InternalFault), and
/// the command ends with exit code 2.
class UsageError : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

}  // namespace yardmaster
