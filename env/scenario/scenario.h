// The immutable, checked description of an experiment. Worlds borrow it, so it outlives them.
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

/// Random outages of a node, crashes or slow spells: the means of the exponential times between
/// them and of their lengths. None if `between` is zero.
struct Outages {
  Duration between{};
  Duration lasting{};
};

/// A group of equal nodes.
struct NodeKind {
  std::string name;
  std::int32_t count = 1;
  GpuSpec gpu;
  ModelSpec model;
  EngineSpec engine;    // including the machine's host time
  StepProfile profile;  // empty: the formula is used
  std::int32_t tensor_parallel = 1;
  NodeSettings settings;               // compiled
  double watermark = 0;                // share of the KV blocks that admission leaves free
  std::optional<bool> prefix_caching;  // as requested; by default where prompts share blocks
  WorkCost work;
  Outages failures;  // crashes; `lasting` is the mean time to repair
  Outages slowdowns;
  double slowdown_factor = 1;  // steps in a slow spell take this many times as long
  double capacity_per_s = 0;   // saturated requests/s of one node on this workload
};

/// Latencies between client, dispatcher and nodes.
struct Network {
  Duration frontend{};               // from arrival to the dispatcher
  Duration latency{};                // between dispatcher and node, each way
  double bandwidth_bytes_per_s = 0;  // to a node, for prompts of 4 bytes per token; 0: unlimited
};

inline constexpr std::int32_t kUnlimitedWindow = std::numeric_limits<std::int32_t>::max();

/// Source of the dispatcher's prefix index.
enum class PrefixSource : std::uint8_t {
  events,  // what the nodes report of their prefix caches
  sent     // the dispatcher's own record of what it sent
};

/// The dispatcher.
struct DispatchRules {
  std::int32_t window = kUnlimitedWindow;            // unfinished tasks on one node, at most
  std::string ordering = "first_come_first_served";  // of the ready queue, with its knobs
  Duration detection{};                              // from a crash until its detection
  bool allow_rejection = false;                      // rejecting a task is a legal action
  PrefixSource prefix_index = PrefixSource::events;
};

/// Contents of a report besides running, waiting and KV use: nothing, the prompt tokens not yet
/// computed, or these and the context tokens.
enum class ReportFields : std::uint8_t { vllm, dynamo, full };

/// Reports of the nodes to the dispatcher. Each node has its own phase.
struct Reports {
  Duration interval{};
  Duration delay{};
  double loss = 0;  // share of reports that are lost
  ReportFields fields = ReportFields::vllm;
};

/// The cost that learners minimise and that evaluation ranks by.
struct Objective {
  Duration discount_time{};   // a cost dt later counts exp(-dt / discount_time)
  double latency_weight = 1;  // per task-second unfinished
  double slo_weight = 0;      // per task-second beyond the tenant's E2E objective
  Duration reject_penalty{};  // charged at once per rejected or lost task
};

/// Everything that defines an experiment except the seed and the policy.
struct Scenario {
  std::string name;
  std::string path;
  Duration duration{};  // arrivals stop then; `run` and `evaluate` finish what has arrived
  Duration warm_up{};   // tasks that arrive earlier are not counted
  std::vector<NodeKind> kinds;
  std::vector<std::uint32_t> kind_of;  // [node] -> kind
  Workload workload;
  Network network;
  DispatchRules dispatch;
  Reports reports;
  double calibration_error = 0;  // sigma of the lognormal error of Estimates, one draw per node
  Objective objective;
  double capacity_per_s = 0;          // sum over nodes
  std::vector<std::string> policies;  // compared by default
  std::vector<std::uint64_t> seeds;   // of evaluation, by default
  std::string resolved;               // the scenario as YAML, every default written out

  [[nodiscard]] std::size_t nodes() const { return kind_of.size(); }
  [[nodiscard]] const NodeKind& kind(NodeId n) const { return kinds[kind_of[index(n)]]; }
};

}  // namespace yardmaster
