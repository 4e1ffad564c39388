#include "agents/collector.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "env/base/check.h"
#include "env/base/math.h"
#include "policies/policy.h"

namespace yardmaster {
namespace {

constexpr double kWarmUpEpsilon = 0.1;
constexpr std::size_t kSampleEvery = 8;  // decisions of the warm-up
constexpr double kUniformShare = 0.1;    // of exploring actions
// The value of a state differs from the mean by about a tenth of it.
constexpr double kValueUnits = 10;

EnvironmentOptions options_for(const OrderingPolicy* ordering, const ObservationSpec& columns) {
  EnvironmentOptions options;
  options.columns = columns;
  options.ordering = ordering;
  return options;
}

std::span<const float> row_of(const std::vector<float>& all, std::size_t row, std::size_t width) {
  return std::span(all).subspan(row * width, width);
}
std::span<float> row_of(std::vector<float>& all, std::size_t row, std::size_t width) {
  return std::span(all).subspan(row * width, width);
}

void standardise(const Standardiser& s, std::span<const float> raw, std::span<float> out) {
  if (s.mean.empty()) {
    std::copy(raw.begin(), raw.end(), out.begin());
  } else {
    s.apply(raw, out);
  }
}

}  // namespace

// One environment in one step; it touches the rows of that environment only.
struct Collector::Player {
  Collector& self;
  const NetworkWeights* weights;  // null: the rule decides
  double epsilon;
  StepBlock& block;

  void write_state(std::size_t row, std::size_t env) const {
    const ReplayShape& s = block.shape;
    const ObservationRows seen = self.envs_.rows(env);
    standardise(self.scales_.node, seen.node, row_of(block.node, row, s.nodes * s.node_features));
    const std::span<float> shared = row_of(block.shared, row, s.shared_features);
    std::copy(seen.task.begin(), seen.task.end(), shared.begin());
    std::copy(seen.fleet.begin(), seen.fleet.end(),
              shared.begin() + static_cast<std::ptrdiff_t>(seen.task.size()));
    standardise(self.scales_.shared, shared, shared);
    const std::span<const std::uint8_t> legal = self.envs_.legal(env).first(s.nodes);
    std::copy(legal.begin(), legal.end(),
              block.legal.begin() + static_cast<std::ptrdiff_t>(row * s.nodes));
    write_base(row_of(block.base, row, s.nodes), env, legal);
  }

  // How much worse each node is than the base's choice, times -1, in units of reward; 0 without a
  // base.
  void write_base(std::span<float> out, std::size_t env,
                  std::span<const std::uint8_t> legal) const {
    std::fill(out.begin(), out.end(), 0.0F);
    const DispatchPolicy* rule = self.base_ != nullptr ? self.base_ : self.fallback_.get();
    if (rule == nullptr || (self.base_ == nullptr && weights != nullptr)) {
      return;
    }
    Environment& world = self.envs_.environment(env);
    std::vector<double>& scores = self.scores_[env];
    const TaskView& task = world.task();
    rule->score(task, world.view(), legal, Draw{world.seed(), Purpose::tie, task.address}, scores);
    double best = std::numeric_limits<double>::infinity();
    for (std::size_t n = 0; n < out.size(); ++n) {
      best = legal[n] != 0 ? std::min(best, scores[n]) : best;
    }
    for (std::size_t n = 0; n < out.size(); ++n) {
      if (legal[n] != 0) {
        out[n] = static_cast<float>(-std::min(scores[n] - best, kWorst) / self.scales_.reward_s);
      }
    }
  }

  [[nodiscard]] std::int32_t choose(std::size_t row, std::size_t env) const {
    const ReplayShape& s = block.shape;
    const std::span<const std::uint8_t> legal =
        std::span(block.legal).subspan(row * s.nodes, s.nodes);
    const Draw draw{
        Seed{self.seed_}, Purpose::exploration,
        object_address(static_cast<std::uint32_t>(env), static_cast<std::uint32_t>(self.steps_))};
    std::vector<double>& costs = self.scores_[env];
    std::fill(costs.begin(), costs.end(), 0.0);
    const double u = draw.uniform(0);
    if (u >= epsilon * kUniformShare) {
      add_costs(row, costs);
      if (u < epsilon) {
        // The best of noisy values is a draw from their softmax (Gumbel, 1954).
        for (std::size_t n = 0; n < s.nodes; ++n) {
          costs[n] +=
              self.temperature_ * math::log(draw.exponential(static_cast<std::uint32_t>(n + 1)));
        }
      }
    }
    const NodeId best = best_node(costs, legal, draw);
    // Ties are broken by draw. If every node is closed, the only action offered is to hold.
    return best == kNoNode ? static_cast<std::int32_t>(s.nodes)
                           : static_cast<std::int32_t>(index(best));
  }

  // Minus base - trust * f, without what is common to all nodes.
  void add_costs(std::size_t row, std::vector<double>& costs) const {
    const ReplayShape& s = block.shape;
    std::vector<float> f(s.nodes, 0.0F);
    if (weights != nullptr) {
      score_nodes(*weights, row_of(std::as_const(block.node), row, s.nodes * s.node_features),
                  row_of(std::as_const(block.shared), row, s.shared_features), f);
    }
    for (std::size_t n = 0; n < s.nodes; ++n) {
      costs[n] -= static_cast<double>(block.base[row * s.nodes + n]) +
                  self.trust_ * static_cast<double>(f[n]);
    }
  }

  static constexpr double kWorst = 1e4;  // seconds: finite where the score of a rule is infinite
};

Collector::Collector(const Scenario& scenario, const TrainOptions& options,
                     const DispatchPolicy* base, const ObservationSpec& columns)
    : scenario_(&scenario),
      seed_(options.seed),
      temperature_(options.temperature),
      trust_(base == nullptr ? 1.0 : options.trust),
      train_(options.train),
      fallback_(base == nullptr ? make_dispatch("join_shortest_queue") : nullptr),
      base_(base),
      ordering_(make_ordering(scenario.dispatch.ordering)),
      envs_(scenario, options.envs, options.threads, options_for(ordering_.get(), columns)),
      scores_(static_cast<std::size_t>(options.envs), std::vector<double>(scenario.nodes())) {
  envs_.reset(train_);
}

ReplayShape Collector::shape() const {
  return {envs_.envs(), envs_.nodes(), envs_.columns().node_width(),
          envs_.columns().shared_width()};
}

Scales Collector::measure(std::size_t blocks, std::size_t steps) {
  StepBlock block(shape(), steps);
  scales_ = Scales{};
  std::vector<float> node, shared;  // samples of each block
  double cost = 0, rate = 0;
  for (std::size_t b = 0; b < blocks; ++b) {
    play(nullptr, kWarmUpEpsilon, steps, block);
    for (std::size_t row = b % kSampleEvery; row < block.reward.size(); row += kSampleEvery) {
      const std::span<const float> nodes =
          row_of(std::as_const(block.node), row, block.shape.nodes * block.shape.node_features);
      const std::span<const float> rest =
          row_of(std::as_const(block.shared), row, block.shape.shared_features);
      node.insert(node.end(), nodes.begin(), nodes.end());
      shared.insert(shared.end(), rest.begin(), rest.end());
    }
    for (const float r : block.reward) {
      cost -= static_cast<double>(r) / static_cast<double>(block.reward.size() * blocks);
    }
    rate += cost_rate_ / static_cast<double>(blocks);
  }
  Scales measured;
  measured.node = Standardiser::fit(node, block.shape.node_features);
  measured.shared = Standardiser::fit(shared, block.shape.shared_features);
  measured.reward_s = std::max(cost, 1e-6);
  measured.value_mean = rate * scenario_->objective.discount_time.seconds() / measured.reward_s;
  measured.value_unit = std::max(measured.value_mean / kValueUnits, 1.0);
  steps_ = 0;
  envs_.reset(train_);
  return measured;
}

void Collector::collect(const NetworkWeights& weights, double epsilon, std::size_t steps,
                        StepBlock& block) {
  play(&weights, epsilon, steps, block);
}

void Collector::play(const NetworkWeights* weights, double epsilon, std::size_t steps,
                     StepBlock& block) {
  check(block.steps == steps, "a block of another length");
  const Player player{*this, weights, epsilon, block};
  double cost = 0, elapsed_s = 0;
  for (std::size_t t = 0; t < steps; ++t, ++steps_) {
    const std::size_t first = t * envs_.envs();
    envs_.step([&](std::size_t env) {
      player.write_state(first + env, env);
      return block.action[first + env] = player.choose(first + env, env);
    });
    const Batch& batch = envs_.batch();
    for (std::size_t env = 0; env < envs_.envs(); ++env) {
      const std::size_t row = first + env;
      block.reward[row] =
          static_cast<float>(static_cast<double>(batch.reward[env]) / scales_.reward_s);
      block.discount[row] = static_cast<float>(batch.discount[env]);
      block.truncated[row] = batch.truncated[env];
      cost -= static_cast<double>(batch.reward[env]);
      elapsed_s += batch.elapsed_s[env];
    }
  }
  cost_rate_ = elapsed_s > 0 ? cost / elapsed_s : 0;
}

}  // namespace yardmaster
