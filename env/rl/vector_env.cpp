#include "env/rl/vector_env.h"

#include <algorithm>
#include <string>

#include "env/rl/usage_error.h"

namespace yardmaster {
namespace {

// Cuts one buffer into spans, from the front to the back.
template <class T>
class Cutter {
 public:
  explicit Cutter(std::vector<T>& buffer) : rest_(buffer) {}
  std::span<T> next(std::size_t count) {
    const std::span<T> part = rest_.first(count);
    rest_ = rest_.subspan(count);
    return part;
  }

 private:
  std::span<T> rest_;
};

// The part of each span that belongs to one environment.
ObservationRows rows_of(std::size_t env, std::size_t nodes, const ObservationSpec& columns,
                        std::span<float> node, std::span<float> task, std::span<float> fleet) {
  const auto part = [env](std::span<float> all, std::size_t size) {
    return all.subspan(env * size, size);
  };
  return {part(node, nodes * columns.node_width()), part(task, columns.task_width()),
          part(fleet, columns.fleet_width())};
}

void copy_mask(const Environment& environment, std::size_t env, std::span<std::uint8_t> out) {
  const std::span<const std::uint8_t> legal = environment.legal();
  std::copy(legal.begin(), legal.end(), out.subspan(env * legal.size()).begin());
}

}  // namespace

VectorEnv::VectorEnv(const Scenario& scenario, int envs, int threads,
                     const EnvironmentOptions& options)
    : nodes_(scenario.nodes()), pool_(threads) {
  if (envs < 1) {
    throw UsageError("a vector environment needs at least one environment");
  }
  if (nodes_ < 2) {
    throw UsageError("a fleet of one node leaves nothing to decide");
  }
  const auto n = static_cast<std::size_t>(envs);
  environments_.assign(n, Environment(scenario, options));
  episodes_.assign(n, 0);

  const std::size_t node = n * nodes_ * columns().node_width();
  const std::size_t task = n * columns().task_width();
  const std::size_t fleet = n * columns().fleet_width();
  const std::size_t legal = n * (nodes_ + 2);
  floats_.assign(2 * (node + task + fleet) + n, 0);
  Cutter floats(floats_);
  batch_.node = floats.next(node);
  batch_.task = floats.next(task);
  batch_.fleet = floats.next(fleet);
  batch_.final_node = floats.next(node);
  batch_.final_task = floats.next(task);
  batch_.final_fleet = floats.next(fleet);
  batch_.reward = floats.next(n);
  doubles_.assign(2 * n, 0);
  Cutter doubles(doubles_);
  batch_.elapsed_s = doubles.next(n);
  batch_.discount = doubles.next(n);
  bytes_.assign(2 * (legal + n), 0);
  Cutter bytes(bytes_);
  batch_.legal = bytes.next(legal);
  batch_.final_legal = bytes.next(legal);
  batch_.terminated = bytes.next(n);
  batch_.truncated = bytes.next(n);
}

void VectorEnv::reset(SeedRange seeds) {
  if (seeds.count == 0) {
    throw UsageError("a vector environment needs at least one seed");
  }
  seeds_ = seeds;
  episodes_.assign(envs(), 0);
  pool_.run(envs(), [this](std::size_t e) {
    batch_.reward[e] = 0;
    batch_.elapsed_s[e] = 0;
    batch_.discount[e] = 1;
    batch_.terminated[e] = batch_.truncated[e] = 0;
    begin_episode(e);
  });
}

void VectorEnv::step(std::span<const std::int32_t> actions) {
  if (actions.size() != envs()) {
    throw UsageError(std::to_string(actions.size()) + " actions for " + std::to_string(envs()) +
                     " environments");
  }
  // All of them are checked before the first environment moves.
  for (std::size_t e = 0; e < envs(); ++e) {
    try {
      environments_[e].check_action(actions[e]);
    } catch (const UsageError& error) {
      throw UsageError("environment " + std::to_string(e) + ": " + error.what());
    }
  }
  pool_.run(envs(), [&](std::size_t e) { step_one(e, actions[e]); });
}

void VectorEnv::step(const std::function<std::int32_t(std::size_t)>& choose) {
  pool_.run(envs(), [&](std::size_t e) { step_one(e, choose(e)); });
}

ObservationRows VectorEnv::rows(std::size_t env) const {
  return rows_of(env, nodes_, columns(), batch_.node, batch_.task, batch_.fleet);
}

ObservationRows VectorEnv::final_rows(std::size_t env) const {
  return rows_of(env, nodes_, columns(), batch_.final_node, batch_.final_task, batch_.final_fleet);
}

void VectorEnv::begin_episode(std::size_t env) {
  // An episode may have no decision at all (one arrival, one node up). If that is so for every
  // episode, something is wrong with the scenario.
  constexpr std::uint64_t kMostWithoutDecision = 1000;
  for (std::uint64_t tried = 0; tried < kMostWithoutDecision; ++tried) {
    if (environments_[env].reset(seeds_.at(episodes_[env]++ * envs() + env))) {
      environments_[env].observe(rows(env));
      copy_mask(environments_[env], env, batch_.legal);
      return;
    }
  }
  throw UsageError("none of " + std::to_string(kMostWithoutDecision) +
                   " episodes of this scenario has a decision between two nodes");
}

void VectorEnv::step_one(std::size_t env, std::int32_t action) {
  Environment& environment = environments_[env];
  const StepOutcome outcome = environment.step(action);
  batch_.reward[env] = static_cast<float>(outcome.reward);
  batch_.elapsed_s[env] = outcome.elapsed_s;
  batch_.discount[env] = outcome.discount;
  batch_.terminated[env] = outcome.terminated ? 1 : 0;
  batch_.truncated[env] = outcome.truncated ? 1 : 0;
  if (outcome.terminated || outcome.truncated) {
    environment.observe(final_rows(env));
    copy_mask(environment, env, batch_.final_legal);
    begin_episode(env);
    return;
  }
  environment.observe(rows(env));
  copy_mask(environment, env, batch_.legal);
}

}  // namespace yardmaster
