#include "env/rl/vector_env.h"

#include "env/base/check.h"

namespace yardmaster {

VectorEnv::VectorEnv(const Scenario& scenario, int envs, int threads, EnvironmentOptions options)
    : nodes_(scenario.nodes()), pool_(threads) {
  check(envs >= 1, "a vector environment needs an environment");
  check(nodes_ >= 2, "with one node there is nothing to decide");
  const auto n = static_cast<std::size_t>(envs);
  for (std::size_t e = 0; e < n; ++e) {
    environments_.emplace_back(scenario, options);
  }
  episodes_.assign(n, 0);
  doubles_.assign(2 * n, 0);
  floats_.assign(n * (nodes_ * kNodeFeatures + kTaskFeatures + kFleetFeatures + 1), 0);
  bytes_.assign(n * (nodes_ + 2 + 2), 0);

  std::span<float> floats(floats_);
  const auto take = [](auto& from, std::size_t count) {
    const auto part = from.first(count);
    from = from.subspan(count);
    return part;
  };
  batch_.node = take(floats, n * nodes_ * kNodeFeatures);
  batch_.task = take(floats, n * kTaskFeatures);
  batch_.fleet = take(floats, n * kFleetFeatures);
  batch_.reward = take(floats, n);
  std::span<double> doubles(doubles_);
  batch_.elapsed_s = take(doubles, n);
  batch_.discount = take(doubles, n);
  std::span<std::uint8_t> bytes(bytes_);
  batch_.legal = take(bytes, n * (nodes_ + 2));
  batch_.terminated = take(bytes, n);
  batch_.truncated = take(bytes, n);
}

void VectorEnv::reset(SeedRange seeds) {
  check(seeds.count > 0, "a vector environment needs seeds");
  seeds_ = seeds;
  episodes_.assign(envs(), 0);
  pool_.run(envs(), [this](std::size_t e) {
    batch_.reward[e] = 0;
    batch_.elapsed_s[e] = 0;
    batch_.discount[e] = 1;
    batch_.terminated[e] = batch_.truncated[e] = 0;
    begin_episode(e);
    write_state(e);
  });
}

void VectorEnv::step(std::span<const std::int32_t> actions) {
  check(actions.size() == envs(), "one action an environment");
  pool_.run(envs(), [&](std::size_t e) { step_one(e, actions[e]); });
}

void VectorEnv::step(const std::function<std::int32_t(std::size_t)>& choose) {
  pool_.run(envs(), [&](std::size_t e) { step_one(e, choose(e)); });
}

ObservationRows VectorEnv::rows(std::size_t env) const {
  return {batch_.node.subspan(env * nodes_ * kNodeFeatures, nodes_ * kNodeFeatures),
          batch_.task.subspan(env * kTaskFeatures, kTaskFeatures),
          batch_.fleet.subspan(env * kFleetFeatures, kFleetFeatures)};
}

void VectorEnv::begin_episode(std::size_t env) {
  // An episode may hold no decision at all (one arrival, one node up); a scenario of such episodes
  // only is a mistake.
  for (int attempt = 0; attempt < 1000; ++attempt) {
    if (environments_[env].reset(seeds_.at(episodes_[env]++ * envs() + env))) {
      return;
    }
  }
  check(false, "no episode of this scenario holds a decision");
}

void VectorEnv::step_one(std::size_t env, std::int32_t action) {
  const StepOutcome outcome = environments_[env].step(action);
  batch_.reward[env] = static_cast<float>(outcome.reward);
  batch_.elapsed_s[env] = outcome.elapsed_s;
  batch_.discount[env] = outcome.discount;
  batch_.terminated[env] = outcome.terminated ? 1 : 0;
  batch_.truncated[env] = outcome.truncated ? 1 : 0;
  if (outcome.terminated || outcome.truncated) {
    begin_episode(env);
  }
  write_state(env);
}

void VectorEnv::write_state(std::size_t env) {
  environments_[env].observe(rows(env));
  const std::span<const std::uint8_t> legal = environments_[env].legal();
  for (std::size_t i = 0; i < legal.size(); ++i) {
    batch_.legal[env * (nodes_ + 2) + i] = legal[i];
  }
}

}  // namespace yardmaster
