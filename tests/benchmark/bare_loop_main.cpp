// bare_loop [TRACE [NODES [LOAD]]]: speed of the yardstick as JSON. Without TRACE, generated work.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "env/node/kv_block.h"
#include "env/workload/trace.h"
#include "tests/benchmark/bare_loop.h"

namespace yardmaster {
namespace {

std::vector<bare::Arrival> read(const std::string& path) {
  yaml::Faults faults;
  std::vector<bare::Arrival> arrivals;
  for (const TraceRow& row : read_trace(path, kBlockTokens, faults).rows) {
    arrivals.push_back({Time{} + row.arrival, row.prompt_tokens, row.output_tokens});
  }
  for (const std::string& fault : faults.lines()) {
    std::fprintf(stderr, "%s\n", fault.c_str());
  }
  return arrivals;
}

double seconds_of_run(const std::vector<bare::Arrival>& arrivals, std::uint32_t nodes,
                      const bare::NodeCosts& costs, bare::Result& result) {
  const auto start = std::chrono::steady_clock::now();
  result = bare::run(arrivals, nodes, costs);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

int run(int argc, char** argv) {
  const auto nodes = static_cast<std::uint32_t>(argc > 2 ? std::atoi(argv[2]) : 8);
  const double load = argc > 3 ? std::atof(argv[3]) : 0.7;
  std::vector<bare::Arrival> arrivals =
      argc > 1 ? read(argv[1]) : bare::conversation(nodes * 2'000, 1);
  if (arrivals.empty() || nodes == 0 || load <= 0) {
    std::fputs("usage: bare_loop [TRACE [NODES [LOAD]]]\n", stderr);
    return 2;
  }
  const bare::NodeCosts costs = bare::example_node();
  bare::scale_to_load(arrivals, load, nodes, costs);
  bare::Result result;
  const double wall_s = seconds_of_run(arrivals, nodes, costs, result);  // one, as `run` does
  const auto requests = static_cast<double>(result.finished);
  std::printf(
      "{\"nodes\": %u, \"requests\": %.0f, \"events_per_request\": %.3f, \"preemptions\": %llu, "
      "\"wall_s\": %.6f, \"requests_per_s\": %.0f}\n",
      nodes, requests, static_cast<double>(result.events) / requests,
      static_cast<unsigned long long>(result.preemptions), wall_s, requests / wall_s);
  return 0;
}

}  // namespace
}  // namespace yardmaster

int main(int argc, char** argv) { return yardmaster::run(argc, argv); }
