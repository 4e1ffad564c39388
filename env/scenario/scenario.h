// The immutable, checked description of an experiment. Worlds borrow it; it outlives them.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "env/base/ids.h"
#include "env/base/units.h"
#include "env/hardware/hardware.h"
#include "env/hardware/profile.h"
#include "env/node/settings.h"
#include "env/workload/workload.h"

namespace yardmaster {

/// Random crashes or slow-downs of a node: exponential times between and of each. `between` zero:
/// none.
struct Outages {
  Duration between{}, lasting{};
};

/// A group of equal nodes.
struct NodeKind {
  std::string name;
  std::int32_t count = 1;
  GpuSpec gpu;
  ModelSpec model;
  EngineSpec engine;    // with the machine's host time in it
  StepProfile profile;  // empty: the formula
  std::int32_t tensor_parallel = 1;
  NodeSettings settings;               // compiled
  double watermark = 0;                // share of the KV blocks that admission leaves free
  std::optional<bool> prefix_caching;  // as asked for; else where prompts share blocks
  WorkCost work;
  Outages failures;  // lasting: mean time to repair
  Outages slowdowns;
  double slowdown_factor = 1;  // steps last this much longer
  double capacity_per_s = 0;   // saturated requests/s of one node on this workload, simulated alone
};

/// Latencies between client, dispatcher and nodes.
struct Network {
  Duration frontend{};  // arrival to the dispatcher's sight
  Duration latency{};   // dispatcher to node, and back
  double bandwidth_bytes_per_s =
      0;  // prompts on their way to a node, 4 bytes a token; 0: unlimited
};

inline constexpr std::int32_t kUnlimitedWindow = std::numeric_limits<std::int32_t>::max();

/// What the dispatcher's prefix index is made from.
enum class PrefixSource : std::uint8_t {
  events,  // what the nodes tell of their prefix caches
  sent     // its own record of what it sent where
};

/// How the dispatcher works.
struct DispatchRules {
  std::int32_t window = kUnlimitedWindow;            // unfinished tasks on one node, at most
  std::string ordering = "first_come_first_served";  // name of the ordering of the ready queue
  Duration detection{};                              // from a crash until the dispatcher knows
  bool allow_rejection = false;
  PrefixSource prefix_index = PrefixSource::events;
};

/// What nodes report besides running, waiting and KV use.
enum class ReportFields : std::uint8_t { vllm, dynamo, full };

/// When and how the dispatcher hears of the nodes. Each node has its own phase.
struct Reports {
  Duration interval{}, delay{};
  double loss = 0;  // share of reports that never arrive
  ReportFields fields = ReportFields::vllm;
};

/// What a learner maximises, and by what evaluation ranks.
struct Objective {
  Duration discount_time{};   // a reward dt later counts exp(-dt / discount_time)
  double latency_weight = 1;  // of each task-second unfinished
  double slo_weight = 0;      // of each task-second beyond its tenant's E2E objective
  Duration reject_penalty{};  // charged at once for each rejected or lost task
};

/// Everything that fixes an experiment, but for the seed and the policy.
struct Scenario {
  std::string name, path;
  Duration duration{};  // arrivals stop here; evaluation then drains
  Duration warm_up{};   // tasks that arrive earlier are not counted
  std::vector<NodeKind> kinds;
  std::vector<std::uint32_t> kind_of;  // [node] -> kind
  Workload workload;
  Network network;
  DispatchRules dispatch;
  Reports reports;
  double calibration_error = 0;  // sigma of the lognormal error of Estimates, one draw a node
  Objective objective;
  double capacity_per_s = 0;          // sum over nodes
  std::vector<std::string> policies;  // compared by default
  std::vector<std::uint64_t> seeds;   // of evaluation, by default
  std::string resolved;               // the scenario as YAML, every default written out

  [[nodiscard]] std::size_t nodes() const { return kind_of.size(); }
  [[nodiscard]] const NodeKind& kind(NodeId n) const { return kinds[kind_of[index(n)]]; }
};

}  // namespace yardmaster
