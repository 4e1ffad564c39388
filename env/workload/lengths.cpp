#include <algorithm>

#include "env/base/math.h"
#include "env/workload/workload.h"

namespace yardmaster {

namespace {

std::int32_t to_tokens(double value, std::int32_t min, std::int32_t max) {
  // Clamped as doubles first: the conversion of a larger one is undefined.
  const double clamped = std::clamp(value, static_cast<double>(min), static_cast<double>(max));
  return static_cast<std::int32_t>(clamped + 0.5);
}

std::int32_t predict(std::int32_t output_tokens, const Workload& workload, Seed seed,
                     TaskAddress at) {
  if (workload.length_error <= 0) {
    return output_tokens;
  }
  const Draw draw{seed, Purpose::predicted_length, at};
  const double factor = math::exp(workload.length_error * draw.normal());
  return to_tokens(static_cast<double>(output_tokens) * factor, 1, 1 << 30);
}

}  // namespace

std::int32_t LengthDistribution::sample(const Draw& draw) const {
  switch (kind) {
    case Kind::fixed:
      return to_tokens(value, min, max);
    case Kind::uniform:
      return min + static_cast<std::int32_t>(draw.below(static_cast<std::uint32_t>(max - min) + 1));
    case Kind::lognormal:
      return to_tokens(value * math::exp(sigma * draw.normal()), min, max);
    case Kind::exponential:
      return to_tokens(value * draw.exponential(), min, max);
  }
  return min;
}

TaskSizes task_sizes(const ArrivalCursor& cursor, const Workload& workload, std::uint32_t tenant,
                     Seed seed) {
  const TaskAddress at = object_address(tenant, cursor.count);
  TaskSizes sizes;
  if (workload.trace.empty()) {
    const Tenant& t = workload.tenants[tenant];
    sizes.prompt_tokens = t.prompt_tokens.sample({seed, Purpose::prompt_length, at});
    sizes.output_tokens = t.output_tokens.sample({seed, Purpose::output_length, at});
  } else {
    sizes.prompt_tokens = workload.trace[cursor.row].prompt_tokens;
    sizes.output_tokens = workload.trace[cursor.row].output_tokens;
    sizes.path = workload.trace[cursor.row].path;
  }
  sizes.predicted_tokens = predict(sizes.output_tokens, workload, seed, at);
  return sizes;
}

}  // namespace yardmaster
