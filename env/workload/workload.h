// The submitted work: arrival processes, lengths and traces. Immutable. The mutable part of an
// arrival process is an ArrivalCursor, which is a value of the world.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "env/base/random.h"
#include "env/base/units.h"
#include "env/workload/prompt_paths.h"

namespace yardmaster {

/// A distribution of lengths in tokens. Values are clamped to [min, max].
struct LengthDistribution {
  enum class Kind : std::uint8_t { fixed, uniform, lognormal, exponential };
  Kind kind = Kind::fixed;
  double value = 1;  // fixed: the length; lognormal: the median; exponential: the mean
  double sigma = 0;  // lognormal: standard deviation of the logarithm
  std::int32_t min = 1;
  std::int32_t max = 1;

  /// The value at the draw's address. A pure function.
  [[nodiscard]] std::int32_t sample(const Draw&) const;
  /// The same for consecutive workflows.
  [[nodiscard]] std::array<std::int32_t, math::kLanes> samples(const LaneDraw&) const;
};

/// The process of arrivals. Rates are relative: Workload::rate_per_s scales them.
struct ArrivalProcess {
  enum class Kind : std::uint8_t { poisson, deterministic, bursty };
  Kind kind = Kind::poisson;
  double burst_factor = 1;      // bursty: rate in a burst over the rate between bursts
  Duration calm{};              // bursty: mean time between bursts
  Duration burst{};             // bursty: mean length of a burst
  std::vector<double> profile;  // factors of the rate over one period, repeated; empty: constant
  Duration period{};
};

/// Latency objectives of a tenant. `Duration::zero()`: none.
struct Slo {
  Duration ttft{};
  Duration tpot{};
  Duration e2e{};
};

/// One source of tasks.
struct Tenant {
  std::string name;
  double share = 1;   // of all requests, normalised over tenants
  double weight = 1;  // of its tasks in the objective
  ArrivalProcess arrivals;
  LengthDistribution prompt_tokens;
  LengthDistribution output_tokens;
  Slo slo;
};

/// One request of a trace.
struct TraceRow {
  Duration arrival;  // since the first request, before time_scale
  std::int32_t prompt_tokens = 0;
  std::int32_t output_tokens = 0;
  std::int32_t max_tokens = 0;  // declared limit of the output; 0: the trace has no such column
  PathId path = kNoPath;        // in Workload::paths
};

/// Means over the tasks of a workload.
struct MeanTask {
  double prompt_tokens = 0;
  double output_tokens = 0;
  double output_tokens_squared = 0;
};

/// All work of a scenario.
struct Workload {
  std::vector<Tenant> tenants;  // exactly one with a trace
  std::vector<TraceRow> trace;  // sorted by arrival; empty: the tenants generate the work
  PromptPaths paths;            // shared prefixes of the trace
  std::string trace_path;
  double load = 0;            // as given in the scenario, a share of capacity; 0: a rate was given
  double rate_per_s = 0;      // requests/s of all tenants
  double time_scale = 1;      // trace: simulated seconds per second of the trace
  std::uint32_t windows = 1;  // trace: number of disjoint windows; the seed selects one
  Duration window{};          // trace: length of a window in simulated time
  double length_error = 0;    // sigma of the lognormal error of predicted output lengths
  MeanTask mean;              // mean_task(), stored because every world needs it
  // The dispatcher sees max_tokens: generated tasks, and traces with a column for it. Without the
  // column max_tokens is the hidden output length, as benchmarks replay traces.
  bool declares_max_tokens = true;
};

/// The mean over the rows of the trace or, without one, over the tenants by their shares.
MeanTask mean_task(const Workload&);

/// The sizes of a task.
struct TaskSizes {
  std::int32_t prompt_tokens = 0;
  std::int32_t output_tokens = 0;     // hidden from the dispatcher
  std::int32_t predicted_tokens = 0;  // output tokens as predicted to the dispatcher
  std::int32_t max_tokens = 0;        // declared limit of the output
  PathId path = kNoPath;              // the shared part of the prompt
};

/// The state of one tenant's arrival process.
struct ArrivalCursor {
  Time next;                 // never(): no more arrivals
  std::uint32_t count = 0;   // arrivals before `next`: the workflow number of the next one
  std::uint32_t row = 0;     // trace: row of the next arrival
  std::uint32_t window = 0;  // trace: the window that the seed of first_arrival() selected
  Time state_end;            // bursty: when the state changes
  std::uint32_t states = 0;  // bursty: number of the current state; odd: a burst
  DrawnAhead<double> gaps;   // exponential deviates
  DrawnAhead<TaskSizes> sizes;
};

/// The window of the trace that a seed selects.
std::uint32_t trace_window(const Workload&, Seed);
/// The process before its first arrival. Arrivals at or after `end` are never().
ArrivalCursor first_arrival(const Workload&, std::uint32_t tenant, Seed, Time end);
/// Advances to the next arrival.
void next_arrival(ArrivalCursor&, const Workload&, std::uint32_t tenant, Seed, Time end);
/// Sizes of the next task of `cursor`, which caches those of the following tasks. A pure function
/// of (workload, tenant, cursor, seed). REQUIRES a cursor of this workload and tenant.
TaskSizes task_sizes(ArrivalCursor&, const Workload&, std::uint32_t tenant, Seed);

}  // namespace yardmaster
