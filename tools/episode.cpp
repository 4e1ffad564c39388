#include "tools/episode.h"

#include <algorithm>
#include <chrono>
#include <optional>

#include "env/simulation/run_to_end.h"
#include "env/simulation/sampler.h"
#include "env/simulation/simulation.h"
#include "env/workload/workload.h"

namespace yardmaster {
namespace {

// Decisions between two checks for signals and updates of the progress bar.
constexpr std::uint64_t kDecisionsPerCheck = 1024;

// Passes rows to the metrics and, if there is one, to the file.
class Rows final : public Observer {
 public:
  Rows(const Scenario& scenario, Writer* writer, const RunKey& key) : collector(scenario) {
    if (writer != nullptr) {
      recorder.emplace(*writer, key);
    }
  }
  void on_task(const TaskRow& row) override {
    collector.on_task(row);
    if (recorder) {
      recorder->on_task(row);
    }
  }

  MetricsCollector collector;
  std::optional<TaskRecorder> recorder;
};

void check_in(const Scenario& scenario, Time now, const EpisodeProgress& progress) {
  if (interrupted()) {
    throw Interrupted();
  }
  if (progress) {
    progress(std::min(1.0, now.seconds() / scenario.duration.seconds()));
  }
}

}  // namespace

EpisodeResult run_episode(const Scenario& scenario, Seed seed, const NamedPolicy& policy,
                          const OrderingPolicy& ordering, Writer* writer,
                          const EpisodeProgress& progress) {
  const RunKey key{policy.name, seed.value};
  Rows rows(scenario, writer, key);
  NodeSampler sampler(scenario, NodeSampler::default_interval(scenario));
  Simulation world(scenario, seed, &ordering,
                   policy.policy->reads_reports() ? Reporting::read : Reporting::unread);
  Dispatcher dispatcher(*policy.policy, seed);

  const auto start = std::chrono::steady_clock::now();
  std::uint64_t decisions = 0;
  const auto decide = [&](Simulation& at, const Decision& decision) {
    sampler.at_decision(at);
    if (++decisions % kDecisionsPerCheck == 0) {
      check_in(scenario, at.now(), progress);
    }
    return dispatcher.decide(at, decision);
  };
  run_to_end(world, decide, &rows);
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;

  sampler.sample(world);
  EpisodeResult result;
  result.metrics = rows.collector.finish(world, sampler);
  result.digest = world.digest();
  result.wall_s = wall.count();
  if (!scenario.workload.trace.empty()) {
    result.trace_window = trace_window(scenario.workload, seed);
  }
  if (writer != nullptr) {
    rows.recorder->flush();
    writer->add_nodes(key, sampler.samples());
    writer->end_run(key, {result.digest, result.metrics, scenario.dispatch.ordering,
                          result.trace_window, result.wall_s});
  }
  return result;
}

}  // namespace yardmaster
