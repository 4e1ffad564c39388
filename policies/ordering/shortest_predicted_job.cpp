#include "policies/policy.h"

namespace yardmaster {
namespace {

// An output token holds its place on a node for a whole step, a prompt token for its share of one.
constexpr double kOutputWeight = 64;

}  // namespace

/// Least predicted work first, in prompt tokens; ties by readiness. Shortest job first, with
/// predicted sizes.
double shortest_predicted_job(const TaskView& task) {
  return task.prompt_tokens + kOutputWeight * task.predicted_tokens;
}

}  // namespace yardmaster
