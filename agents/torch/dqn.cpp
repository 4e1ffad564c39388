// Deep Q-learning of dispatch, whole and in reading order. The only code that includes LibTorch.
//
// DQN (Mnih et al., Nature 518, 2015) on the semi-Markov process of env/rl/environment.h, with
// double Q-learning (van Hasselt et al., AAAI 2016), dueling heads (Wang et al., ICML 2016) and
// n-step returns, each of which can be switched off. As a residual on a rule,
//
//   Q(s, n) = V(s) - (base(n) - best base) / scale + f(s, n) - mean of f over legal nodes
//
// with f = 0 at the start, so training begins at the rule and learns only what to add (Silver et
// al., Residual policy learning, 2018). Plain DQN is the same without the base term.
//
// Actors and learner work at the same time: while the learner makes its gradient steps on the
// present content of the replay buffer, the actors play the next block with the weights from before
// these steps. So a run is the same for any number of threads.
#include <torch/torch.h>

#include <algorithm>
#include <exception>
#include <future>
#include <limits>
#include <memory>
#include <optional>
#include <utility>

#include "agents/collector.h"
#include "agents/network.h"
#include "agents/replay_buffer.h"
#include "agents/trainer.h"
#include "agents/validation.h"
#include "env/rl/usage_error.h"

namespace yardmaster {
namespace {

// Of each environment, to fix the scales: long enough for whole episodes of the quick start.
constexpr std::size_t kWarmUpBlocks = 16, kWarmUpSteps = 256;
constexpr std::uint64_t kUpdatesPerBlock = 16;  // gradient steps while the actors play one block
constexpr double kAverageRate = 0.005;          // a mean over about 200 gradient steps
constexpr std::uint64_t kBlocksPerFile = 16;    // between two intermediate checkpoints

// ---- The network, as in agents/network.h ----

struct Output {
  torch::Tensor scores;  // f [batch, nodes]
  torch::Tensor value;   // v [batch]: (V + mean) / unit of ValueScale
};

class Scorer {
 public:
  explicit Scorer(NetworkWeights weights) : shape_(weights.shape) {
    const auto h = static_cast<std::int64_t>(shape_.hidden);
    for (const std::span<float> t : weights.tensors()) {
      const auto size = static_cast<std::int64_t>(t.size());
      const bool matrix = size > h;
      const torch::Tensor flat = torch::from_blob(t.data(), {size}, torch::kFloat).clone();
      parameters_.push_back(
          (matrix ? flat.view({size / h, h}) : flat).detach().requires_grad_(true));
    }
  }

  // node [batch, nodes, features], shared [batch, features].
  [[nodiscard]] Output forward(const torch::Tensor& node, const torch::Tensor& shared) const {
    const auto& p = parameters_;
    const torch::Tensor context = torch::cat({shared, node.mean(1), std::get<0>(node.min(1))}, 1);
    const torch::Tensor common = torch::addmm(p[2], context, p[1]).unsqueeze(1);
    const torch::Tensor h1 = torch::relu(torch::matmul(node, p[0]) + common);
    const torch::Tensor h2 = torch::relu(torch::matmul(h1, p[3]) + p[4]);
    const torch::Tensor hv = torch::relu(torch::addmm(p[7], context, p[6]));
    return {torch::matmul(h2, p[5]),
            torch::matmul(hv, p[8]) + p[9] + torch::matmul(h2.mean(1), p[10])};
  }

  [[nodiscard]] std::vector<torch::Tensor>& parameters() { return parameters_; }

  [[nodiscard]] NetworkWeights weights() const {
    NetworkWeights w = NetworkWeights::zero(shape_);
    const std::vector<std::span<float>> out = w.tensors();
    for (std::size_t i = 0; i < out.size(); ++i) {
      const torch::Tensor flat = parameters_[i].detach().contiguous();
      std::copy_n(flat.data_ptr<float>(), out[i].size(), out[i].data());
    }
    return w;
  }

  // this += rate * (other - this)
  void move_towards(const Scorer& other, double rate) {
    const torch::NoGradGuard no_grad;
    for (std::size_t i = 0; i < parameters_.size(); ++i) {
      parameters_[i].lerp_(other.parameters_[i], rate);
    }
  }

 private:
  NetworkShape shape_;
  std::vector<torch::Tensor> parameters_;  // in the order of NetworkWeights::tensors()
};

// ---- Q-values ----

struct State {
  torch::Tensor node;
  torch::Tensor shared;
  torch::Tensor base;
  torch::Tensor mask;
};

State to_tensors(StateBatch& s, const ReplayShape& shape, std::int64_t batch) {
  const auto nodes = static_cast<std::int64_t>(shape.nodes);
  const auto wrap = [](std::vector<float>& v, torch::IntArrayRef sizes) {
    return torch::from_blob(v.data(), sizes, torch::kFloat);
  };
  return {wrap(s.node, {batch, nodes, static_cast<std::int64_t>(shape.node_features)}),
          wrap(s.shared, {batch, static_cast<std::int64_t>(shape.shared_features)}),
          wrap(s.base, {batch, nodes}), wrap(s.mask, {batch, nodes})};
}

// How outputs become rewards: V = unit * v - mean. Without dueling heads f takes the place of V and
// has its unit.
struct ValueScale {
  double mean = 0;
  double unit = 1;
};

// Q [batch, nodes]; the values of nodes that are not legal have no meaning.
torch::Tensor q_values(const Scorer& network, const State& s, bool dueling,
                       const ValueScale& scale) {
  const Output out = network.forward(s.node, s.shared);
  if (!dueling) {
    return s.base + scale.unit * out.scores - scale.mean;
  }
  const torch::Tensor mean = (out.scores * s.mask).sum(1, true) / s.mask.sum(1, true);
  return s.base + out.scores - mean + scale.unit * out.value.unsqueeze(1) - scale.mean;
}

torch::Tensor best_legal(const torch::Tensor& q, const torch::Tensor& mask) {
  return q.masked_fill(mask == 0, -std::numeric_limits<float>::infinity()).argmax(1, true);
}

// Multiplies the outputs that make up V.
void rescale(NetworkWeights& w, float factor, bool dueling) {
  w.value_offset[0] *= factor;
  std::for_each(w.value.begin(), w.value.end(), [&](float& x) { x *= factor; });
  std::for_each(w.value_node.begin(), w.value_node.end(), [&](float& x) { x *= factor; });
  if (!dueling) {
    std::for_each(w.score.begin(), w.score.end(), [&](float& x) { x *= factor; });
  }
}

// ---- One gradient step ----

class Learner {
 public:
  Learner(const NetworkWeights& weights, const TrainOptions& options, ValueScale scale)
      : options_(options),
        scale_(scale),
        online_(weights),
        target_(weights),
        average_(weights),
        adam_(online_.parameters(), torch::optim::AdamOptions(options.learning_rate)) {}

  // Returns the mean squared error.
  double update(const ReplayBuffer& replay, const ReplayShape& shape, std::uint64_t index) {
    const Draw draw{Seed{options_.seed}, Purpose::replay,
                    object_address(0, static_cast<std::uint32_t>(index))};
    replay.sample(options_.batch, options_.n_step, draw, batch_);
    const auto count = static_cast<std::int64_t>(options_.batch);
    const State now = to_tensors(batch_.now, shape, count);
    const State next = to_tensors(batch_.next, shape, count);
    const torch::Tensor action = torch::from_blob(batch_.action.data(), {count, 1}, torch::kLong);

    const torch::Tensor goal = td_target(next, count);
    const torch::Tensor q =
        q_values(online_, now, options_.dueling, scale_).gather(1, action).squeeze(1);
    const torch::Tensor loss = torch::mse_loss(q, goal);
    adam_.zero_grad();
    loss.backward();
    const double share = static_cast<double>(index) / static_cast<double>(options_.updates);
    static_cast<torch::optim::AdamOptions&>(adam_.param_groups()[0].options())
        .lr(options_.learning_rate * std::max(1 - share, 0.01));
    adam_.step();
    target_.move_towards(online_, options_.target_rate);
    average_.move_towards(online_, kAverageRate);
    return loss.item<double>();
  }

  [[nodiscard]] NetworkWeights acting() const { return exported(online_); }
  // A running mean of the online network, less noisy than its last state: the result of training.
  [[nodiscard]] NetworkWeights averaged() const { return exported(average_); }

 private:
  torch::Tensor td_target(const State& next, std::int64_t count) {
    const torch::NoGradGuard no_grad;
    const torch::Tensor reward = torch::from_blob(batch_.reward.data(), {count}, torch::kFloat);
    const torch::Tensor discount = torch::from_blob(batch_.discount.data(), {count}, torch::kFloat);
    const torch::Tensor by_target = q_values(target_, next, options_.dueling, scale_);
    const Output chooser = (options_.double_q ? online_ : target_).forward(next.node, next.shared);
    const double trust = options_.base.empty() ? 1.0 : options_.trust;
    const torch::Tensor action =
        best_legal(next.base + trust * f_scale() * chooser.scores, next.mask);
    const torch::Tensor follow = by_target.gather(1, action).squeeze(1);
    return reward + discount * follow;
  }

  [[nodiscard]] double f_scale() const { return options_.dueling ? 1.0 : scale_.unit; }

  // With V and f in units of reward, whatever they were trained in.
  [[nodiscard]] NetworkWeights exported(const Scorer& network) const {
    NetworkWeights w = network.weights();
    rescale(w, static_cast<float>(scale_.unit), options_.dueling);
    w.value_offset[0] -= static_cast<float>(scale_.mean);
    return w;
  }

  TrainOptions options_;
  ValueScale scale_;
  Scorer online_, target_, average_;
  torch::optim::Adam adam_;
  MiniBatch batch_;
};

// ---- Training ----

// Undoes Learner::exported, to continue the training.
NetworkWeights imported(NetworkWeights w, const ValueScale& scale, bool dueling) {
  w.value_offset[0] += static_cast<float>(scale.mean);
  rescale(w, static_cast<float>(1 / scale.unit), dueling);
  return w;
}

struct Start {
  Checkpoint checkpoint;
  Scales scales;
  NetworkWeights weights;
};

// From zero, by a warm-up under the base rule.
Start begin(const Scenario& scenario, const TrainOptions& options, Collector& collector,
            const ObservationSpec& columns) {
  Start start;
  start.scales = collector.measure(kWarmUpBlocks, kWarmUpSteps);
  start.weights = NetworkWeights::initial(
      {columns.node_width(), columns.shared_width(), options.hidden}, options.seed);
  Checkpoint& c = start.checkpoint;
  c.algorithm = options.algorithm;
  c.scale_s = start.scales.reward_s;
  c.discount_time_s = scenario.objective.discount_time.seconds();
  NetworkAgent agent;
  agent.columns = columns;
  agent.node = start.scales.node;
  agent.shared = start.scales.shared;
  agent.base = options.base;
  agent.dueling = options.dueling;
  agent.value_mean = start.scales.value_mean;
  agent.value_unit = start.scales.value_unit;
  c.network = std::move(agent);
  c.training = begin_record(scenario, options, nullptr);
  return start;
}

// From a checkpoint: weights and scales, but no replay buffer.
Start resume(const Scenario& scenario, const TrainOptions& options, Checkpoint before) {
  Start start;
  const NetworkAgent& agent = *before.network;
  start.scales = {agent.node, agent.shared, before.scale_s, agent.value_mean, agent.value_unit};
  start.weights = imported(agent.weights, {agent.value_mean, agent.value_unit}, options.dueling);
  before.training = begin_record(scenario, options, &before);
  start.checkpoint = std::move(before);
  return start;
}

// An intermediate checkpoint of a residual decides as its base does, because lambda is chosen at
// the end.
void save_intermediate(Checkpoint& checkpoint, const Learner& learner,
                       const TrainOptions& options) {
  if (!options.output.empty()) {
    checkpoint.network->weights = learner.averaged();
    checkpoint.network->lambda = options.base.empty() ? 1 : 0;
    save_checkpoint(checkpoint, options.output);
  }
}

// The last loss, smoothed, and whether the user stopped the training.
struct Learned {
  double loss = 0;
  bool stopped = false;
};

// Plays blocks and makes gradient steps, until the updates are done.
Learned learn(const TrainOptions& options, Collector& collector, Learner& learner,
              Checkpoint& checkpoint, const ProgressFunction& progress) {
  const ReplayShape shape = collector.shape();
  const std::size_t steps =
      std::max(kUpdatesPerBlock * options.decisions_per_update / shape.envs, std::size_t{2});
  ReplayBuffer replay(shape, std::max(options.replay_decisions / shape.envs, steps));
  StepBlock block(shape, steps);
  Learned learned;
  for (std::uint64_t done = 0; done < options.updates && !learned.stopped;
       done += kUpdatesPerBlock) {
    const double share = static_cast<double>(done) / static_cast<double>(options.updates);
    const double epsilon = options.epsilon_last + (options.epsilon_first - options.epsilon_last) *
                                                      std::max(1 - 2 * share, 0.0);
    const NetworkWeights acting = learner.acting();
    std::future<void> actors =
        std::async(std::launch::async, [&] { collector.collect(acting, epsilon, steps, block); });
    if (replay.ready()) {
      for (std::uint64_t u = 0; u < kUpdatesPerBlock; ++u) {
        const double now = learner.update(replay, shape, done + u);
        learned.loss = learned.loss == 0 ? now : 0.99 * learned.loss + 0.01 * now;
      }
      checkpoint.training.updates += kUpdatesPerBlock;
    }
    actors.get();
    replay.append(block);
    checkpoint.training.decisions += steps * shape.envs;
    if (done / kUpdatesPerBlock % kBlocksPerFile == kBlocksPerFile - 1) {
      save_intermediate(checkpoint, learner, options);
    }
    learned.stopped =
        progress && !progress({"training", std::min(done + kUpdatesPerBlock, options.updates),
                               options.updates, learned.loss, -collector.cost_rate()});
  }
  return learned;
}

std::unique_ptr<DispatchPolicy> base_of(const TrainOptions& options) {
  if (options.base.empty()) {
    return nullptr;
  }
  std::unique_ptr<DispatchPolicy> base = make_dispatch(options.base);
  if (base == nullptr) {
    throw UsageError("unknown base rule \"" + options.base + "\"");
  }
  return base;
}

// The checkpoint to resume, if any.
std::optional<Checkpoint> checkpoint_to_resume(const Scenario& scenario,
                                               const TrainOptions& options) {
  if (options.resume.empty()) {
    return std::nullopt;
  }
  Checkpoint before = load_checkpoint(options.resume);
  check_resumable(before, options, scenario);
  if (!before.network) {
    throw CheckpointError(options.resume + ": does not hold a network");
  }
  return before;
}

Checkpoint train_dqn(const Scenario& scenario, TrainOptions options,
                     const ProgressFunction& progress) {
  at::set_num_threads(1);  // small matrices: more threads are slower, and change the bits
  if (options.algorithm == "dqn") {
    options.base.clear();
  }
  const std::unique_ptr<DispatchPolicy> base = base_of(options);
  std::optional<Checkpoint> before = checkpoint_to_resume(scenario, options);
  const ObservationSpec columns = before ? before->network->columns : ObservationSpec::dispatch();
  Collector collector(scenario, options, base.get(), columns);
  Start start = before ? resume(scenario, options, *std::move(before))
                       : begin(scenario, options, collector, columns);
  collector.set_scales(start.scales);
  Learner learner(start.weights, options, {start.scales.value_mean, start.scales.value_unit});
  Checkpoint& checkpoint = start.checkpoint;
  const Learned learned = learn(options, collector, learner, checkpoint, progress);

  checkpoint.network->weights = learner.averaged();
  checkpoint.network->lambda = options.base.empty() ? 1 : 0;
  if (!options.base.empty() && !learned.stopped) {
    ThreadPool pool(options.threads);
    std::uint64_t tried = 0;
    choose_lambda(scenario, checkpoint, pool, [&] {
      return !progress || progress({"line search", ++tried, kLambdaCount, learned.loss, 0});
    });
  }
  if (!options.output.empty()) {
    save_checkpoint(checkpoint, options.output);
  }
  return checkpoint;
}

}  // namespace
}  // namespace yardmaster

// ---- The narrow interface of agents/trainer.h ----

extern "C" {

int yardmaster_trainer_interface() { return yardmaster::kTrainerInterface; }

void yardmaster_train_dqn(const yardmaster::Scenario* scenario,
                          const yardmaster::TrainOptions* options,
                          const yardmaster::ProgressFunction* progress,
                          yardmaster::Checkpoint* result, std::exception_ptr* error) {
  try {
    *result = yardmaster::train_dqn(*scenario, *options, *progress);
  } catch (...) {
    *error = std::current_exception();
  }
}

void yardmaster_torch_forward(const yardmaster::NetworkWeights* weights, const float* node_rows,
                              std::size_t nodes, const float* shared, float* scores, float* value) {
  const torch::NoGradGuard no_grad;
  at::set_num_threads(1);
  const auto features = [](std::size_t n) { return static_cast<std::int64_t>(n); };
  const yardmaster::Scorer network(*weights);
  const torch::Tensor node =
      torch::tensor(at::ArrayRef<float>(node_rows, nodes * weights->shape.node));
  const torch::Tensor common = torch::tensor(at::ArrayRef<float>(shared, weights->shape.shared));
  const yardmaster::Output out =
      network.forward(node.view({1, features(nodes), features(weights->shape.node)}),
                      common.view({1, features(weights->shape.shared)}));
  std::copy_n(out.scores.contiguous().data_ptr<float>(), nodes, scores);
  *value = out.value.item<float>();
}

}  // extern "C"
