// Speed of the kernel: whole runs under round robin, and copies of a busy world. The loops that
// time need a Simulation and nothing else.
#include "env/simulation/simulation.h"

#include <benchmark/benchmark.h>

#include <memory>
#include <string>

#include "env/base/random.h"
#include "env/scenario/load.h"
#include "env/simulation/metrics.h"
#include "policies/policy.h"

namespace yardmaster {
namespace {

/// `nodes` equal nodes for `seconds` under the workload of a YAML mapping.
Scenario scenario_of(std::int64_t nodes, double seconds, const std::string& workload) {
  const std::string text =
      "duration: " + std::to_string(seconds) + " s\nnodes:\n  - count: " + std::to_string(nodes) +
      "\n    gpu: h100-sxm\n    model: llama-3.1-8b\nworkload: " + workload + "\n";
  return load_scenario_text(text, YARDMASTER_SOURCE_DIR "/scenarios/benchmark.yaml");
}

/// Generated conversations at `load` of the nodes' capacity.
Scenario conversations(std::int64_t nodes, double seconds, double load) {
  return scenario_of(nodes, seconds, "{load: " + std::to_string(load) + "}");
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

/// Loads in percent of capacity; the last is overload.
void by_load(benchmark::State& state) {
  const double load = static_cast<double>(state.range(0)) / 100;
  whole_runs(state, conversations(8, seconds_for(8, load), load), {});
}
BENCHMARK(by_load)->Arg(30)->Arg(70)->Arg(95)->Arg(130)->Unit(benchmark::kMillisecond);

/// Outputs of one length at one batch, about 20: the rate falls as they grow. Work should not.
void by_output_tokens(benchmark::State& state) {
  const auto tokens = static_cast<double>(state.range(0));
  constexpr double kNodes = 8, kBatch = 20, kSecondsPerToken = 0.0075;
  const double rate = kNodes * kBatch / (tokens * kSecondsPerToken);
  whole_runs(state,
             scenario_of(8, 20'000 / rate,
                         "{rate: " + std::to_string(rate) +
                             " /s, tenants: [{name: all, prompt_tokens: 200, output_tokens: " +
                             std::to_string(state.range(0)) + "}]}"),
             {});
}
BENCHMARK(by_output_tokens)
    ->Arg(16)
    ->Arg(64)
    ->Arg(256)
    ->Arg(1024)
    ->Arg(4096)
    ->Unit(benchmark::kMillisecond);

/// A world of 16 nodes with about 64 running requests each, and as few waiting as may be.
class BusyWorld {
 public:
  BusyWorld() : scenario_(conversations(16, 600, 2)), world_(scenario_, Seed{1}, key()) {
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
