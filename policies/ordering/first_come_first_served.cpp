#include "policies/policy.h"

namespace yardmaster {

/// Earliest arrival first; equal arrivals by readiness. A task that failed keeps its place.
double first_come_first_served(const TaskView& task) {
  return static_cast<double>(task.arrival.ps);
}

}  // namespace yardmaster
