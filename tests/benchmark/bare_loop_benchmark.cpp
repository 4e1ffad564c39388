#include "tests/benchmark/bare_loop.h"

#include <benchmark/benchmark.h>

namespace yardmaster {
namespace {

/// Requests per second of the yardstick at load 0.7.
void bare_loop(benchmark::State& state) {
  const auto nodes = static_cast<std::uint32_t>(state.range(0));
  const bare::NodeCosts costs = bare::example_node();
  std::vector<bare::Arrival> arrivals = bare::conversation(nodes * 2'000, 1);
  bare::scale_to_load(arrivals, 0.7, nodes, costs);
  double events = 0;
  for (auto _ : state) {
    const bare::Result result = bare::run(arrivals, nodes, costs);
    benchmark::DoNotOptimize(result.checksum);
    events = static_cast<double>(result.events);
  }
  const auto requests = static_cast<double>(arrivals.size());
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(arrivals.size()));
  state.counters["events_per_request"] = events / requests;
}
BENCHMARK(bare_loop)->Arg(8)->Arg(1024)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace yardmaster
