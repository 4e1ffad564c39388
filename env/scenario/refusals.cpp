#include "env/scenario/refusals.h"

#include <algorithm>

namespace yardmaster {

bool refusals_are_possible(const Scenario& scenario) {
  std::int64_t longest = 0;
  for (const NodeKind& kind : scenario.kinds) {
    longest = std::max<std::int64_t>(longest, kind.settings.rules.max_model_len);
  }
  const Workload& work = scenario.workload;
  if (!work.trace.empty()) {
    return std::any_of(work.trace.begin(), work.trace.end(), [longest](const TraceRow& row) {
      return std::int64_t{row.prompt_tokens} + std::max(row.max_tokens, row.output_tokens) >
             longest;
    });
  }
  return std::any_of(work.tenants.begin(), work.tenants.end(), [longest](const Tenant& tenant) {
    return std::int64_t{tenant.prompt_tokens.max} + tenant.output_tokens.max > longest;
  });
}

}  // namespace yardmaster
