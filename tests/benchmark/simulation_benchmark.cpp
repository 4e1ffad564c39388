// Speed of the kernel: whole runs under round robin next to the bare loop, and copies of a busy
// world. The timed loops need only a Simulation.
#include "env/simulation/simulation.h"

#include <benchmark/benchmark.h>
#include <malloc.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "env/base/random.h"
#include "env/scenario/load.h"
#include "env/simulation/metrics.h"
#include "policies/policy.h"
#include "tests/benchmark/bare_loop.h"
#include "tests/support/orderings.h"

namespace yardmaster {
namespace {

const char* const kScenarioPath = YARDMASTER_SOURCE_DIR "/scenarios/benchmark.yaml";

/// The section of `nodes` equal nodes.
std::string nodes_of(std::int64_t nodes, bool caching) {
  return "nodes:\n  - count: " + std::to_string(nodes) +
         "\n    gpu: h100-sxm\n    model: llama-3.1-8b\n    engine: {enable_prefix_caching: " +
         (caching ? "true" : "false") + "}\n";
}

/// Equal nodes for `seconds` under the workload of a YAML mapping.
Scenario scenario_of(std::int64_t nodes, double seconds, const std::string& workload,
                     bool caching = false) {
  const std::string text = "duration: " + std::to_string(seconds) + " s\n" +
                           nodes_of(nodes, caching) + "workload: " + workload + "\n";
  return load_scenario_text(text, kScenarioPath);
}

/// Generated conversations at `load` of the nodes' capacity.
Scenario conversations(std::int64_t nodes, double seconds, double load, bool caching = false) {
  return scenario_of(nodes, seconds, "{load: " + std::to_string(load) + "}", caching);
}

/// Round robin, whose decisions cost nothing.
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

/// Work in addition to the simulation itself.
struct Extras {
  bool views = true;    // the view is read at each decision
  bool reports = true;  // with reports of nodes, which most rules do not read
  bool rows = false;    // finished tasks go to the metrics
};

/// Requests per second of whole runs, the digest on.
void whole_runs(benchmark::State& state, const Scenario& scenario, Extras extras) {
  const OrderingPolicy* const ordering = find_ordering("first_come_first_served");
  RunCounts counts;
  NodeCounters work;
  for (auto _ : state) {
    Simulation world(scenario, Seed{1}, ordering,
                     extras.views && extras.reports ? Reporting::read : Reporting::unread);
    std::optional<MetricsCollector> collector;
    if (extras.rows) {
      collector.emplace(scenario);
    }
    Observer* const observer = extras.rows ? &*collector : nullptr;
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

// ---- the same requests in both loops -----------------------------------------------------------

/// Conversations at load 0.7 of the nodes of the bare loop; at least 200 per node, which must fill.
std::vector<bare::Arrival> requests_for(std::int64_t nodes) {
  const auto count = static_cast<std::uint32_t>(std::max<std::int64_t>(100'000, 200 * nodes));
  std::vector<bare::Arrival> arrivals = bare::conversation(count, 1);
  bare::scale_to_load(arrivals, 0.7, static_cast<std::uint32_t>(nodes), bare::example_node());
  return arrivals;
}

void bare_loop(benchmark::State& state) {
  const std::vector<bare::Arrival> arrivals = requests_for(state.range(0));
  const bare::NodeCosts costs = bare::example_node();
  bare::Result result;
  for (auto _ : state) {
    result = bare::run(arrivals, static_cast<std::uint32_t>(state.range(0)), costs);
    benchmark::DoNotOptimize(result.checksum);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(arrivals.size()));
  state.counters["events_per_request"] =
      static_cast<double>(result.events) / static_cast<double>(arrivals.size());
}
BENCHMARK(bare_loop)->Arg(8)->Arg(1024)->Unit(benchmark::kMillisecond);

/// Those requests as a trace, at load 0.7 of these nodes.
Scenario replay(std::int64_t nodes) {
  const std::filesystem::path trace =
      std::filesystem::temp_directory_path() / ("yardmaster_benchmark_" + std::to_string(getpid()));
  std::ofstream out(trace);
  out << "TIMESTAMP,ContextTokens,GeneratedTokens\n" << std::fixed;
  for (const bare::Arrival& a : requests_for(nodes)) {
    out << a.at.seconds() << ',' << a.prompt_tokens << ',' << a.output_tokens << '\n';
  }
  out.close();
  Scenario scenario = load_scenario_text(
      nodes_of(nodes, false) + "workload: {load: 0.7, trace: " + trace.string() + "}\n",
      kScenarioPath);
  std::filesystem::remove(trace);
  return scenario;
}

void same_requests(benchmark::State& state, Extras extras) {
  whole_runs(state, replay(state.range(0)), extras);
}
BENCHMARK_CAPTURE(same_requests, blind, {.views = false})
    ->Arg(8)
    ->Arg(1024)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(same_requests, views_without_reports, {.reports = false})
    ->Arg(8)
    ->Arg(1024)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(same_requests, views, {})->Arg(8)->Arg(1024)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(same_requests, views_and_rows, {.rows = true})
    ->Arg(8)
    ->Arg(1024)
    ->Unit(benchmark::kMillisecond);

// ---- generated requests ------------------------------------------------------------------------

constexpr double kRequests = 100'000;     // of a run, about
constexpr double kRequestsPerNode = 6.2;  // per second at load 0.7, about

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

/// Outputs of one length at a batch of about 20: the rate falls as they grow; work should not grow.
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

/// A world of 16 nodes with about 64 running requests each and hardly any waiting; with caching,
/// after enough requests to fill the caches.
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
  // A request of about 1,000 tokens has 63 blocks, a node 26,000: it is full after 400 requests.
  static constexpr std::uint64_t kInFlight = 16 * 64, kFilling = 16 * 1000;
  static const OrderingPolicy* key() { return find_ordering("first_come_first_served"); }

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

/// Heap memory of a copy of an overloaded world, per request in it.
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
