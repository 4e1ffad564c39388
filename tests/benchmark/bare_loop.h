// A yardstick for speed: closed-form decode and an event queue, nothing else. There is no
// dispatcher, network, failure, moment, fact, view or row. What remains is the least work per
// request of any simulation of continuous batching; `yardmaster run` is compared with it.
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

/// A node: the cost of a step is affine in sequences, context tokens and prompt tokens; memory
/// consists of blocks of 16 tokens.
struct NodeCosts {
  Duration step, sequence, context_token, prompt_token;
  std::int64_t blocks = 0;
  std::int32_t max_sequences = 0;
};

/// A node similar to an H100 with a model of 8e9 parameters; round figures, for speed only.
NodeCosts example_node();

/// Result of a run.
struct Result {
  std::uint64_t finished = 0, events = 0, preemptions = 0, output_tokens = 0;
  Time end;
  std::uint64_t checksum = 0;  // sum of the times of the ends, in ps
};

/// Serves all arrivals on `nodes` equal nodes by round robin until all have ended.
/// REQUIRES that every request fits into an empty node.
Result run(std::span<const Arrival> arrivals, std::uint32_t nodes, const NodeCosts&);

/// `count` arrivals of conversations: lognormal lengths (medians 1000 and 130), Poisson, one second
/// apart on average. A pure function of its arguments.
std::vector<Arrival> conversation(std::uint32_t count, std::uint64_t seed);

/// Scales the times of `arrivals` to a load of `load` on `nodes` nodes, whose capacity is found by
/// serving all arrivals at once.
void scale_to_load(std::vector<Arrival>& arrivals, double load, std::uint32_t nodes,
                   const NodeCosts&);

}  // namespace yardmaster::bare
