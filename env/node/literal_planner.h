// One schedule() call, rule by rule, for steps that have no closed form.
#pragma once

#include "env/node/node.h"

namespace yardmaster {

/// Plans the next step as the engine does (docs/model.md, "The node"), and returns whether it
/// preempted. FirstStep holds what the step computes; the caller lays out the segment.
bool plan_literally(const NodeRef&, Time now);

/// Adds a prefill chunk of a request to the first step of the segment.
inline void add_chunk(const NodeRef& ref, const Request& r, std::int32_t tokens) {
  MixedStep& shape = ref.node.first_step.shape;
  shape.add_chunk(r.computed, tokens);
  if (ref.rules.recomputed_output_is_context && r.computed >= r.spec.prompt_tokens) {
    shape.context_tokens += r.computed;
  }
}

}  // namespace yardmaster
