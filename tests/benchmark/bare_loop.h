// A yardstick for speed: closed-form decode and an event queue, nothing else. No dispatcher,
// network, failures, moments, facts, views or rows; what remains is the least that a simulation of
// continuous batching has to do for a request, and what `yardmaster run` is measured against.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "env/base/units.h"

namespace yardmaster::bare {

/// A request, sorted by arrival in a list.
struct Arrival {
  Time at;
  std::int32_t prompt_tokens = 0, output_tokens = 0;
};

/// A node: the step's cost is affine in sequences, context tokens and prompt tokens; memory is
/// blocks of 16 tokens.
struct NodeCosts {
  Duration step, sequence, context_token, prompt_token;
  std::int64_t blocks = 0;
  std::int32_t max_sequences = 0;
};

/// A node like an H100 with a model of 8e9 parameters; round figures, for speed only.
NodeCosts example_node();

/// What a run did.
struct Result {
  std::uint64_t finished = 0, events = 0, preemptions = 0, output_tokens = 0;
  Time end;
  std::uint64_t checksum = 0;  // sum of the times of the ends, in ps
};

/// Serves all arrivals on `nodes` equal nodes, dealt out in turn, until all have ended.
/// REQUIRES that every request fits into an empty node.
Result run(std::span<const Arrival> arrivals, std::uint32_t nodes, const NodeCosts&);

/// `count` arrivals like a conversation's: lognormal lengths (medians 1000 and 130), Poisson, one
/// second apart on average. Pure in its arguments.
std::vector<Arrival> conversation(std::uint32_t count, std::uint64_t seed);

/// Scales the times of `arrivals` so that they come at `load` of what `nodes` nodes can serve,
/// which is found by serving them all at once.
void scale_to_load(std::vector<Arrival>& arrivals, double load, std::uint32_t nodes,
                   const NodeCosts&);

}  // namespace yardmaster::bare
