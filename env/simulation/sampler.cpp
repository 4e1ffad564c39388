#include "env/simulation/sampler.h"

#include <algorithm>

#include "env/base/check.h"

namespace yardmaster {

namespace {

constexpr double kKib = 1024;

}  // namespace

NodeSampler::NodeSampler(const Scenario& scenario, Duration interval)
    : scenario_(&scenario), interval_(interval) {
  check(interval > Duration::zero(), "a sampling interval must be positive");
}

Duration NodeSampler::default_interval(const Scenario& scenario) {
  return {std::max<std::int64_t>(scenario.duration.ps / 250, 1)};
}

void NodeSampler::sample(Simulation& world) {
  const std::size_t nodes = scenario_->nodes();
  const Time now = world.now();
  if (!samples_.empty() && samples_.back().time == now) {
    return;
  }
  const std::size_t before = samples_.size();
  samples_.resize(before + nodes);
  for (std::size_t n = 0; n < nodes; ++n) {
    NodeSample& s = samples_[before + n];
    s.time = now;
    s.node = node_id(n);
    s.state = world.node_state(s.node);
    const bool first = before == 0;
    const NodeSample& last = first ? s : samples_[before - nodes + n];
    s.since_last = utilisation(s.node, first ? NodeCounters{} : last.state.counters,
                               s.state.counters, first ? Duration{now.ps} : now - last.time);
  }
  next_ = {(now.ps / interval_.ps + 1) * interval_.ps};
}

Utilisation NodeSampler::utilisation(NodeId n, const NodeCounters& before,
                                     const NodeCounters& after, Duration elapsed) const {
  if (elapsed <= Duration::zero()) {
    return {};
  }
  const auto grown = [&](std::int64_t NodeCounters::*counter) {
    return static_cast<double>(after.*counter - before.*counter);
  };
  const NodeKind& kind = scenario_->kind(n);
  const double seconds = elapsed.seconds();
  const double context_tokens = grown(&NodeCounters::context_tokens);
  const double tokens = grown(&NodeCounters::prefill_tokens) + grown(&NodeCounters::decode_tokens);
  const double pairs = grown(&NodeCounters::chunk_pairs) / 2 + context_tokens;
  const double flops = kind.work.flops_per_token * tokens +
                       kind.work.flops_per_sample * (grown(&NodeCounters::decode_tokens) +
                                                     grown(&NodeCounters::other_samples)) +
                       kind.work.flops_per_pair * pairs;
  const double bytes =
      kKib * grown(&NodeCounters::weights_kib) + kind.work.kv_bytes_per_token * context_tokens;
  const NodeCounters::Wide slots = NodeCounters::Wide{kBlockTokens} * kind.settings.grant.blocks;
  const auto share = [&](double done, double possible) {
    return possible > 0 ? done / (possible * seconds) : 0.0;
  };
  return {.busy = (after.busy - before.busy).seconds() / seconds,
          .compute = share(flops, kind.work.peak_flops),
          .memory = static_cast<double>(after.kv_slot_ps - before.kv_slot_ps) /
                    static_cast<double>(slots * elapsed.ps),
          .bandwidth = share(bytes, kind.work.peak_bandwidth)};
}

std::vector<Utilisation> NodeSampler::between(Time from, Time to) const {
  const std::size_t nodes = scenario_->nodes();
  const std::size_t instants = nodes == 0 ? 0 : samples_.size() / nodes;
  std::vector<Utilisation> result(nodes);
  if (instants == 0) {
    return result;
  }
  const auto at = [&](std::size_t instant) { return samples_[instant * nodes].time; };
  std::size_t first = 0, last = instants - 1;
  while (first < instants && at(first) < from) {
    ++first;
  }
  while (last > 0 && at(last) > to) {
    --last;
  }
  const bool enough = first < last;
  const std::size_t end = enough ? last : instants - 1;
  const Duration elapsed = enough ? at(last) - at(first) : Duration{at(end).ps};
  for (std::size_t n = 0; n < nodes; ++n) {
    const NodeCounters before =
        enough ? samples_[first * nodes + n].state.counters : NodeCounters{};
    result[n] = utilisation(node_id(n), before, samples_[end * nodes + n].state.counters, elapsed);
  }
  return result;
}

}  // namespace yardmaster
