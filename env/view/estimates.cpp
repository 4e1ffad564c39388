#include "env/view/estimates.h"

#include <algorithm>
#include <cmath>

#include "env/base/math.h"
#include "env/view/fleet_view.h"
#include "env/view/task_view.h"

namespace yardmaster {
namespace {

/// Engines pad a batch to captured sizes this far apart, so slopes are taken over as many.
constexpr double kGraphSpacing = 8;
/// Batch and context at which the stall by a prompt is fitted.
constexpr double kFitBatch = 16;
constexpr double kFitContext = 1e5;
/// Number of tasks of the workload's mean that are added to a node's requests for its mean.
/// Chosen on validation seeds; between 8 and 64 the mean of marginal_cost differs by 2 %.
constexpr double kPriorTasks = 16;
/// A request at its predicted length is expected to produce half this share of it in addition.
constexpr double kOverdueShare = 0.5;

/// x where it is well above zero, falling to zero below it; half of `scale` at zero.
double smoothly_positive(double x, double scale) {
  return (x + std::sqrt(x * x + scale * scale)) / 2;
}

}  // namespace

Estimates::Estimates(const Scenario& scenario, Seed seed) {
  const MeanTask& mean = scenario.workload.mean;
  mean_prompt_ = std::max(mean.prompt_tokens, 1.0);
  mean_output_ = std::max(mean.output_tokens, 1.0);
  // A request is in flight for as long as it has tokens; the error's mean is exp(sigma^2 / 2).
  const double sigma = scenario.workload.length_error;
  predicted_in_flight_ =
      std::max(mean.output_tokens_squared / mean_output_, 1.0) * math::exp(sigma * sigma / 2);
  nodes_.reserve(scenario.nodes());
  for (std::uint32_t i = 0; i < scenario.nodes(); ++i) {
    const NodeKind& kind = scenario.kind(node_id(i));
    const Draw draw{seed, Purpose::calibration, object_address(i, 0)};
    const double factor = math::exp(scenario.calibration_error * draw.normal());
    NodeModel node;
    node.settings = &kind.settings;
    node.seconds_per_ps = factor / static_cast<double>(kPsPerSecond);
    node.context_token =
        static_cast<double>(kind.settings.cost(0).context_token().ps) * node.seconds_per_ps;
    node.kv_tokens = static_cast<double>(kind.settings.grant.blocks) * kBlockTokens;
    service_rates_.push_back(kind.capacity_per_s / factor);
    node.most_decodes =
        std::min(kind.settings.rules.max_num_seqs, kind.settings.rules.max_num_batched_tokens - 1);
    fit_stall(node);
    nodes_.push_back(node);
  }
}

// The stall hardly depends on the batch, is affine in the context, and nearly so in the prompt.
void Estimates::fit_stall(NodeModel& node) const {
  const double batch = std::min<double>(kFitBatch, node.most_decodes);
  const double short_prompt = std::ceil(mean_prompt_ / 2), long_prompt = 4 * short_prompt;
  const double low = stall(node, batch, 0, short_prompt);
  node.stall_token = (stall(node, batch, 0, long_prompt) - low) / (long_prompt - short_prompt);
  node.stall_base = low - node.stall_token * short_prompt;
  node.stall_context = (stall(node, batch, kFitContext, short_prompt) - low) / kFitContext;
}

double Estimates::step(const NodeModel& node, double sequences, double context) {
  const auto batch = static_cast<std::int32_t>(
      std::min<double>(std::max(sequences, 0.0), node.settings->rules.max_num_seqs));
  return static_cast<double>(node.settings->cost(0).decode_without_context(batch).ps) *
             node.seconds_per_ps +
         context * node.context_token;
}

double Estimates::growth(const NodeModel& node, double sequences) {
  const double last = std::max(node.settings->rules.max_num_seqs - kGraphSpacing, 1.0);
  const double from = std::clamp(sequences, 1.0, last);
  return (step(node, from + kGraphSpacing, 0) - step(node, from, 0)) / kGraphSpacing;
}

Estimates::Mixed Estimates::mixed(const NodeModel& node, double decodes, double context,
                                  double tokens, double pairs) {
  const StepCost& cost = node.settings->cost(0);
  MixedStep step;
  step.decodes = static_cast<std::int32_t>(std::min<double>(decodes, node.most_decodes));
  step.context_tokens = static_cast<std::int64_t>(context);
  step.chunks = 1;
  step.sampled = step.decodes;
  const std::int32_t room = node.settings->rules.max_num_batched_tokens - step.decodes;
  std::int64_t left = std::max<std::int64_t>(static_cast<std::int64_t>(tokens), 1);
  std::int64_t ps = 0, full = 0;
  if (left > room) {
    full = (left - 1) / room;
    left -= full * room;
    step.chunk_tokens = room;
    ps = full * cost.mixed(step).ps;
  }
  step.chunk_tokens = static_cast<std::int32_t>(left);
  // The cost of attention is per pair of tokens, however the prompt is cut.
  step.chunk_pairs = static_cast<std::int64_t>(pairs);
  ps += cost.mixed(step).ps;
  return {static_cast<double>(ps) * node.seconds_per_ps, static_cast<double>(full + 1)};
}

double Estimates::stall(const NodeModel& node, double decodes, double context, double tokens) {
  const Mixed with = mixed(node, decodes, context, tokens, tokens * tokens);
  return std::max(with.seconds - with.steps * step(node, decodes, context), 0.0);
}

double Estimates::pace(const NodeModel& node, const LoadEstimate& load, double decodes,
                       double context) {
  // A decode is not stalled by its own successor.
  const double others = std::max(decodes - 1, 0.0);
  return step(node, decodes, context) +
         others * (load.successor_stall_s + context * node.stall_context / load.mean_output);
}

LoadEstimate Estimates::load(const NodeModel& node, std::size_t i, const FleetView& view) const {
  LoadEstimate load;
  load.requests = view.in_flight[i];
  load.decoding = view.in_flight[i] - view.awaiting_first[i];
  const auto prompts = static_cast<double>(view.prompt_tokens[i]);
  const auto waiting = static_cast<double>(view.awaiting_tokens[i]);
  const auto predicted = static_cast<double>(view.predicted_tokens[i]);
  const double mean_prompt =
      (prompts + waiting + kPriorTasks * mean_prompt_) / (load.requests + kPriorTasks);
  load.mean_output = (predicted + kPriorTasks * predicted_in_flight_) /
                     (load.decoding + kPriorTasks) * (mean_output_ / predicted_in_flight_);
  load.successor_stall_s =
      std::max(node.stall_base + node.stall_token * mean_prompt, 0.0) / load.mean_output;
  if (load.decoding <= 0) {
    return load;
  }
  const double now_us = static_cast<double>(view.now.ps) / static_cast<double>(kPsPerMicrosecond);
  const double elapsed =
      (load.decoding * now_us - static_cast<double>(view.first_token_us[i])) * 1e-6;
  // The pace depends on the context, which depends on the pace. Use the context half way.
  load.pace_s = pace(node, load, load.decoding, prompts + predicted / 2);
  const double produced = load.decoding + std::max(elapsed, 0.0) / load.pace_s;
  load.context = std::min(prompts + produced, node.kv_tokens);
  load.step_s = step(node, load.decoding, load.context);
  load.remaining =
      std::max(smoothly_positive(predicted - produced, kOverdueShare * predicted), load.decoding);
  return load;
}

double Estimates::waiting_prefill(const NodeModel& node, const LoadEstimate& now, double prompts,
                                  double tokens) {
  if (prompts <= 0) {
    return 0;
  }
  return mixed(node, now.decoding, now.context, tokens, tokens * tokens / prompts).seconds;
}

double Estimates::wait(const NodeModel& node, const LoadEstimate& now, std::size_t i,
                       const TaskView& task, const FleetView& view) const {
  const auto waiting = static_cast<double>(view.awaiting_tokens[i]);
  const double prompts = waiting_prefill(node, now, view.awaiting_first[i], waiting);
  // Requests that must end before this one has a place and memory.
  const double demand = now.context + waiting + task.prompt_tokens;
  const double no_place = now.requests + 1 - node.settings->rules.max_num_seqs;
  const double no_memory =
      demand > node.kv_tokens ? (now.requests + 1) * (1 - node.kv_tokens / demand) : 0;
  const double excess = std::max(no_place, no_memory);
  double places = 0;
  if (excess > 0) {
    places = now.decoding > 0 ? excess * now.mean_output * now.pace_s / now.decoding
                              : excess / service_rates_[i];
  }
  // Steps that are already planned: half of one on average, and those that run ahead.
  return std::max(prompts, places) + (node.settings->rules.steps_in_flight - 0.5) * now.step_s;
}

double Estimates::delay_to_others_s(const NodeModel& node, const LoadEstimate& now,
                                    const Mixed& prefill, const TaskView& task) {
  const double output = std::max(task.predicted_tokens, 1);
  const double left = now.decoding > 0 ? now.remaining / now.decoding : now.mean_output;
  // Steps that the task shares with each request: the smaller of the two lengths if they are alike,
  // and up to twice as many otherwise, because a request that ends is replaced.
  const double overlap = 2 * left * output / (left + output);
  const double without = now.decoding > 0 ? now.step_s : step(node, 1, 0);
  const double stalled = std::max(prefill.seconds - prefill.steps * without, 0.0);
  const double slower =
      node.context_token * (task.prompt_tokens + output / 2) + growth(node, now.requests);
  return now.requests * (stalled + overlap * slower);
}

Prediction Estimates::predict(NodeId n, const TaskView& task, const FleetView& view) const {
  const std::size_t i = index(n);
  const NodeModel& node = nodes_[i];
  const LoadEstimate now = load(node, i, view);
  const double prompt = task.prompt_tokens;
  const double output = std::max(task.predicted_tokens, 1);
  const Mixed prefill = mixed(node, now.decoding, now.context, prompt, prompt * prompt);
  // Only the share that fits into memory runs.
  const double context =
      now.context + static_cast<double>(view.awaiting_tokens[i]) + prompt + output / 2;
  const double fits = context > node.kv_tokens ? node.kv_tokens / context : 1;

  Prediction p;
  p.wait_s = wait(node, now, i, task, view);
  p.prefill_s = prefill.seconds;
  p.tpot_s = pace(node, now, (now.requests + 1) * fits, context * fits);
  p.decode_s = (output - 1) * p.tpot_s;
  p.delay_to_others_s = now.requests > 0 ? delay_to_others_s(node, now, prefill, task) : 0;
  return p;
}

LoadEstimate Estimates::load(NodeId n, const FleetView& view) const {
  return load(nodes_[index(n)], index(n), view);
}

double Estimates::step(NodeId n, double sequences, double context_tokens) const {
  return step(nodes_[index(n)], sequences, context_tokens);
}

double Estimates::prefill(NodeId n, double tokens) const {
  return mixed(nodes_[index(n)], 0, 0, tokens, tokens * tokens).seconds;
}

double Estimates::prefill_beside(NodeId n, double tokens) const {
  return stall(nodes_[index(n)], 1, 0, tokens);
}

double Estimates::work_ahead(NodeId n, const FleetView& view) const {
  const std::size_t i = index(n);
  const NodeModel& node = nodes_[i];
  const LoadEstimate now = load(node, i, view);
  if (now.requests <= 0) {
    return 0;
  }
  const double awaiting = view.awaiting_first[i];
  const auto waiting = static_cast<double>(view.awaiting_tokens[i]);
  const double left = (now.remaining + awaiting * now.mean_output) / now.requests;
  return waiting_prefill(node, now, awaiting, waiting) +
         left * step(node, now.requests, now.context + waiting);
}

}  // namespace yardmaster
