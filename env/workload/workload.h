// Who submits what, and when: arrival processes, lengths, and traces. Immutable; the mutable part
// of an arrival process is an ArrivalCursor, a value inside the world.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "env/base/random.h"
#include "env/base/units.h"
#include "env/workload/prompt_paths.h"

namespace yardmaster {

/// A distribution of lengths in tokens, cut to [min, max].
struct LengthDistribution {
  enum class Kind : std::uint8_t { fixed, uniform, lognormal, exponential };
  Kind kind = Kind::fixed;
  double value = 1;  // fixed: the value; lognormal: the median; exponential: the mean
  double sigma = 0;  // lognormal: standard deviation of the logarithm
  std::int32_t min = 1, max = 1;

  /// The value at this address; pure.
  [[nodiscard]] std::int32_t sample(const Draw&) const;
  /// The same for tasks in a row.
  [[nodiscard]] std::array<std::int32_t, math::kLanes> samples(const LaneDraw&) const;
};

/// How gaps between arrivals are made. Rates are relative: Workload::rate scales them.
struct ArrivalProcess {
  enum class Kind : std::uint8_t { poisson, deterministic, bursty };
  Kind kind = Kind::poisson;
  double burst_factor = 1;      // bursty: rate in a burst over the rate in the calm
  Duration calm{}, burst{};     // bursty: mean lengths of the two states
  std::vector<double> profile;  // factors of the rate over one period, repeated; empty: constant
  Duration period{};
};

/// Latency objectives of a tenant; `Duration::zero()` means none.
struct Slo {
  Duration ttft{}, tpot{}, e2e{};
};

/// One source of tasks.
struct Tenant {
  std::string name;
  double share = 1;   // of all requests; normalised over tenants
  double weight = 1;  // of its tasks in the objective
  std::int32_t priority = 0;
  ArrivalProcess arrivals;
  LengthDistribution prompt_tokens, output_tokens;
  Slo slo;
};

/// One request of a trace; arrival since the trace's first request, in the trace's own time.
struct TraceRow {
  Duration arrival;
  std::int32_t prompt_tokens = 0, output_tokens = 0;
  PathId path = kNoPath;  // in Workload::paths
};

/// Means over the tasks of a workload: of their tokens, and of the square of output tokens.
struct MeanTask {
  double prompt_tokens = 0, output_tokens = 0, output_tokens_squared = 0;
};

/// All work of a scenario.
struct Workload {
  std::vector<Tenant> tenants;  // exactly one when there is a trace
  std::vector<TraceRow> trace;  // sorted by arrival; empty: generated from the tenants
  PromptPaths paths;            // what the prompts of the trace share
  std::string trace_path;
  double load = 0;            // asked for, as a share of capacity; 0: a rate was asked for
  double rate_per_s = 0;      // requests/s of all tenants, resolved
  double time_scale = 1;      // trace: simulated seconds of one second of the trace
  std::uint32_t windows = 1;  // trace: disjoint windows of `duration`; a seed chooses one
  Duration window{};          // trace: length of a window, simulated time
  double length_error = 0;    // sigma of the lognormal error of predicted output lengths
  MeanTask mean;              // mean_task() of all this, which every world asks for
};

/// The mean over a trace's rows, or over the tenants by their shares.
MeanTask mean_task(const Workload&);

/// What a task asks for, and what the dispatcher is told of it.
struct TaskSizes {
  std::int32_t prompt_tokens = 0, output_tokens = 0, predicted_tokens = 0;
  PathId path = kNoPath;  // what of its prompt others share
};

/// Where one tenant's arrival process stands.
struct ArrivalCursor {
  Time next;                 // never() when no more come
  std::uint32_t count = 0;   // arrivals before `next`: the workflow number of the next one
  std::uint32_t row = 0;     // trace: its row
  Time state_end;            // bursty: when the state changes
  std::uint32_t states = 0;  // bursty: states so far; odd is a burst
  DrawnAhead<double> gaps;   // exponential deviates
  DrawnAhead<TaskSizes> sizes;
};

/// The trace window that a seed chooses.
std::uint32_t trace_window(const Workload&, Seed);
/// The process at time 0: `next` is the first arrival. Arrivals at or after `end` are never().
ArrivalCursor first_arrival(const Workload&, std::uint32_t tenant, Seed, Time end);
/// Moves to the following arrival.
void next_arrival(ArrivalCursor&, const Workload&, std::uint32_t tenant, Seed, Time end);
/// Sizes of the task that `cursor` stands at, and on the way those of the next ones. Pure in
/// (workload, tenant, cursor, seed). REQUIRES a cursor of one workload and tenant.
TaskSizes task_sizes(ArrivalCursor&, const Workload&, std::uint32_t tenant, Seed);

}  // namespace yardmaster
