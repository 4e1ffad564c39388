// Speed of the kernel: whole runs under round robin, and copies of a busy world. The loops that
// time need a Simulation and nothing else: no rows, no views.
#include "env/simulation/simulation.h"

#include <benchmark/benchmark.h>

#include <memory>
#include <string>

#include "env/base/random.h"
#include "env/scenario/load.h"
#include "policies/policy.h"

namespace yardmaster {
namespace {

/// `nodes` equal nodes under generated conversations, `seconds` long, at `load`.
Scenario conversations(std::int64_t nodes, double seconds, const std::string& load) {
  const std::string text =
      "duration: " + std::to_string(seconds) + " s\nnodes:\n  - count: " + std::to_string(nodes) +
      "\n    gpu: h100-sxm\n    model: llama-3.1-8b\nworkload:\n  load: " + load + "\n";
  return load_scenario_text(text, YARDMASTER_SOURCE_DIR "/scenarios/benchmark.yaml");
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

/// Requests per second of whole runs; with `views`, the view is read at each decision.
void whole_run(benchmark::State& state, bool views) {
  const std::int64_t nodes = state.range(0);
  const Scenario scenario = conversations(nodes, 16'000.0 / static_cast<double>(nodes), "0.7");
  const OrderingKey ordering = find_ordering("first_come_first_served");
  std::uint64_t requests = 0, events = 0, segments = 0;
  for (auto _ : state) {
    Simulation world(scenario, Seed{1}, ordering);
    while (true) {
      const Decision& decision = world.advance();
      if (decision.kind == DecisionKind::end) {
        break;
      }
      if (views) {
        benchmark::DoNotOptimize(world.view().running.data());
      }
      world.apply(in_turn(decision));
    }
    benchmark::DoNotOptimize(world.digest());
    const RunCounts counts = world.counts();
    requests = counts.finished;
    events = counts.events;
    segments = counts.segments;
  }
  const auto finished = static_cast<double>(requests);
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(requests));
  state.counters["events_per_request"] = static_cast<double>(events) / finished;
  state.counters["segments_per_request"] = static_cast<double>(segments) / finished;
}
BENCHMARK_CAPTURE(whole_run, blind, false)->Arg(8)->Arg(1024)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(whole_run, with_views, true)->Arg(8)->Arg(1024)->Unit(benchmark::kMillisecond);

/// A world of 16 nodes with about 64 running requests each, and as few waiting as may be.
class BusyWorld {
 public:
  BusyWorld() : scenario_(conversations(16, 600, "2")), world_(scenario_, Seed{1}, key()) {
    while (in_flight() < kInFlight) {
      world_.apply(in_turn(world_.advance()));
    }
    world_.advance();
  }
  [[nodiscard]] const Simulation& world() const { return world_; }
  [[nodiscard]] std::uint64_t in_flight() const { return world_.unfinished(); }
  [[nodiscard]] double running_per_node() {
    double running = 0;
    for (std::size_t n = 0; n < 16; ++n) {
      running += world_.node_state(node_id(n)).running;
    }
    return running / 16;
  }

 private:
  static constexpr std::uint64_t kInFlight = 16 * 64;
  static OrderingKey key() { return find_ordering("first_come_first_served"); }

  Scenario scenario_;
  Simulation world_;
};

/// The bar of the design: at most 20 us.
void copy_into_a_used_world(benchmark::State& state) {
  BusyWorld busy;
  Simulation used = busy.world();
  for (auto _ : state) {
    used = busy.world();
    benchmark::DoNotOptimize(used.digest());
  }
  state.counters["running_per_node"] = busy.running_per_node();
}
BENCHMARK(copy_into_a_used_world)->Unit(benchmark::kMicrosecond);

void copy_into_a_new_world(benchmark::State& state) {
  BusyWorld busy;
  for (auto _ : state) {
    const Simulation copy = busy.world();
    benchmark::DoNotOptimize(copy.digest());
  }
  state.counters["running_per_node"] = busy.running_per_node();
}
BENCHMARK(copy_into_a_new_world)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace yardmaster
