// Speed of the kernel: whole runs under round robin, and copies of a busy world. The loops that
// time need a Simulation and nothing else.
#include "env/simulation/simulation.h"

#include <benchmark/benchmark.h>
#include <malloc.h>

#include <memory>
#include <string>

#include "env/base/random.h"
#include "env/scenario/load.h"
#include "env/simulation/metrics.h"
#include "policies/policy.h"

namespace yardmaster {
namespace {

/// `nodes` equal nodes for `seconds` under the workload of a YAML mapping.
Scenario scenario_of(std::int64_t nodes, double seconds, const std::string& workload,
                     bool caching = false) {
  const std::string text =
      "duration: " + std::to_string(seconds) + " s\nnodes:\n  - count: " + std::to_string(nodes) +
      "\n    gpu: h100-sxm\n    model: llama-3.1-8b\n    engine: {enable_prefix_caching: " +
      (caching ? "true" : "false") + "}\nworkload: " + workload + "\n";
  return load_scenario_text(text, YARDMASTER_SOURCE_DIR "/scenarios/benchmark.yaml");
}

/// Generated conversations at `load` of the nodes' capacity.
Scenario conversations(std::int64_t nodes, double seconds, double load, bool caching = false) {
  return scenario_of(nodes, seconds, "{load: " + std::to_string(load) + "}", caching);
}

/// Round robin: a decision that costs nothing.
Action in_turn(const Decision& decision) {
  const std::size_t nodes = decision.legal.size() - 2;
  for (std::size_t i = 0; i < nodes; ++i) {
    const std::size_t node = (decision.index + i) % nodes;
    if (decision.legal[node] != 0) {
      return Action::send(node_id(node));
    }
  }
  return Action::hold(Time::never());
}

/// What is done beside the simulation itself.
struct Extras {
  bool views = true;  // the view, reports included, is read at each decision
  bool rows = false;  // finished tasks go to the metrics
};

/// Requests per second of whole runs, the digest on.
void whole_runs(benchmark::State& state, const Scenario& scenario, Extras extras) {
  const OrderingKey ordering = find_ordering("first_come_first_served");
  RunCounts counts;
  NodeCounters work;
  for (auto _ : state) {
    Simulation world(scenario, Seed{1}, ordering,
                     extras.views ? Reporting::read : Reporting::unread);
    MetricsCollector collector(scenario);
    Observer* const observer = extras.rows ? &collector : nullptr;
    for (const Decision* d = &world.advance(observer); d->kind != DecisionKind::end;
         d = &world.advance(observer)) {
      if (extras.views) {
        benchmark::DoNotOptimize(world.view().running.data());
      }
      world.apply(in_turn(*d));
    }
    benchmark::DoNotOptimize(world.digest());
    counts = world.counts();
    work = world.node_state(node_id(0)).counters;
  }
  const auto finished = static_cast<double>(counts.finished);
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(counts.finished));
  state.counters["events_per_request"] = static_cast<double>(counts.events) / finished;
  state.counters["segments_per_request"] = static_cast<double>(counts.segments) / finished;
  state.counters["mean_batch"] =
      static_cast<double>(work.decode_tokens) / static_cast<double>(work.steps);
}

constexpr double kRequests = 100'000;     // of a run, about
constexpr double kRequestsPerNode = 6.2;  // a second at load 0.7, about

double seconds_for(double nodes, double load) {
  return kRequests / (nodes * kRequestsPerNode * load / 0.7);
}

void by_nodes(benchmark::State& state, Extras extras) {
  const auto nodes = static_cast<double>(state.range(0));
  whole_runs(state, conversations(state.range(0), seconds_for(nodes, 0.7), 0.7), extras);
}
BENCHMARK_CAPTURE(by_nodes, blind, {.views = false})
    ->Arg(1)
    ->Arg(8)
    ->Arg(64)
    ->Arg(1024)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(by_nodes, views, {})
    ->Arg(1)
    ->Arg(8)
    ->Arg(64)
    ->Arg(1024)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(by_nodes, views_and_rows, {.rows = true})
    ->Arg(8)
    ->Arg(1024)
    ->Unit(benchmark::kMillisecond);

/// Nothing is shared, so that the work is the same with caching on.
void with_prefix_caching(benchmark::State& state) {
  whole_runs(state, conversations(8, seconds_for(8, 0.7), 0.7, state.range(0) != 0), {});
}
BENCHMARK(with_prefix_caching)->Arg(0)->Arg(1)->Unit(benchmark::kMillisecond);

/// Loads in percent of capacity; the last is overload.
void by_load(benchmark::State& state) {
  const double load = static_cast<double>(state.range(0)) / 100;
  whole_runs(state, conversations(8, seconds_for(8, load), load), {});
}
BENCHMARK(by_load)->Arg(30)->Arg(70)->Arg(95)->Arg(130)->Unit(benchmark::kMillisecond);

/// Outputs of one length at one batch, about 20: the rate falls as they grow. Work should not.
void by_output_tokens(benchmark::State& state, Extras extras) {
  const auto tokens = static_cast<double>(state.range(0));
  constexpr double kNodes = 8, kBatch = 20, kSecondsPerToken = 0.0075;
  const double rate = kNodes * kBatch / (tokens * kSecondsPerToken);
  whole_runs(state,
             scenario_of(8, 20'000 / rate,
                         "{rate: " + std::to_string(rate) +
                             " /s, tenants: [{name: all, prompt_tokens: 200, output_tokens: " +
                             std::to_string(state.range(0)) + "}]}"),
             extras);
}
BENCHMARK_CAPTURE(by_output_tokens, blind, {.views = false})
    ->RangeMultiplier(4)
    ->Range(16, 4096)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(by_output_tokens, views, {})
    ->RangeMultiplier(4)
    ->Range(16, 4096)
    ->Unit(benchmark::kMillisecond);

/// A world of 16 nodes with about 64 running requests each, and as few waiting as may be. With
/// caching, after as many requests as fill the caches.
class BusyWorld {
 public:
  explicit BusyWorld(bool caching)
      : scenario_(conversations(16, 600, caching ? 0.83 : 2, caching)),
        world_(scenario_, Seed{1}, key()) {
    while (world_.unfinished() < kInFlight || (caching && world_.counts().finished < kFilling)) {
      world_.apply(in_turn(world_.advance()));
    }
    world_.advance();
  }
  [[nodiscard]] const Simulation& world() const { return world_; }
  [[nodiscard]] double running_per_node() {
    double running = 0;
    for (std::size_t n = 0; n < 16; ++n) {
      running += world_.node_state(node_id(n)).running;
    }
    return running / 16;
  }

 private:
  // A request of some 1,000 tokens has 63 blocks, a node 26,000: it is full after 400.
  static constexpr std::uint64_t kInFlight = 16 * 64, kFilling = 16 * 1000;
  static OrderingKey key() { return find_ordering("first_come_first_served"); }

  Scenario scenario_;
  Simulation world_;
};

/// The bars: at most 20 us, with full caches 30 us.
void copy_into_a_used_world(benchmark::State& state, bool caching) {
  BusyWorld busy(caching);
  Simulation used = busy.world();
  for (auto _ : state) {
    used = busy.world();
    benchmark::DoNotOptimize(used.digest());
  }
  state.counters["running_per_node"] = busy.running_per_node();
}
BENCHMARK_CAPTURE(copy_into_a_used_world, plain, false)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(copy_into_a_used_world, full_caches, true)->Unit(benchmark::kMicrosecond);

void copy_into_a_new_world(benchmark::State& state) {
  BusyWorld busy(false);
  for (auto _ : state) {
    const Simulation copy = busy.world();
    benchmark::DoNotOptimize(copy.digest());
  }
  state.counters["running_per_node"] = busy.running_per_node();
}
BENCHMARK(copy_into_a_new_world)->Unit(benchmark::kMicrosecond);

/// Heap in use, as glibc counts it.
double heap_bytes() {
  const auto heap = mallinfo2();
  return static_cast<double>(heap.uordblks + heap.hblkhd);
}

/// What a copy of a world in overload takes from the heap, a request in it.
void memory_of_live_requests(benchmark::State& state) {
  constexpr std::uint64_t kLive = 100'000;
  const Scenario scenario = conversations(8, 7200, 4);
  Simulation world(scenario, Seed{1}, find_ordering("first_come_first_served"));
  while (world.unfinished() < kLive) {
    world.apply(in_turn(world.advance()));
  }
  double bytes = 0;
  for (auto _ : state) {
    const double before = heap_bytes();
    const Simulation copy = world;
    bytes = heap_bytes() - before;
    benchmark::DoNotOptimize(copy.digest());
  }
  state.counters["bytes_per_live_request"] = bytes / static_cast<double>(world.unfinished());
}
BENCHMARK(memory_of_live_requests)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace yardmaster
