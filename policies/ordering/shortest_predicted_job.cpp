#include "policies/policy.h"

namespace yardmaster {
namespace {

// An output token counts as two of the prompt: the weights of Sheng et al., Fairness in serving
// large language models, OSDI 2024. Any weight from 1 to 8 orders as well on the validation seeds.
constexpr double kOutputWeight = 2;

}  // namespace

/// Least predicted work first, in prompt tokens; ties by readiness. Shortest job first, with
/// predicted sizes.
double shortest_predicted_job(const TaskView& task) {
  return task.prompt_tokens + kOutputWeight * task.predicted_tokens;
}

}  // namespace yardmaster
