#include "env/view/estimates.h"

#include <algorithm>
#include <cmath>

#include "env/base/math.h"
#include "env/view/fleet_view.h"
#include "env/view/task_view.h"

namespace yardmaster {
namespace {

/// Mean of a distribution of lengths, by its quantiles: the cut to [min, max] included.
double mean_of(const LengthDistribution& lengths) {
  constexpr int kQuantiles = 64;
  double sum = 0;
  for (int i = 0; i < kQuantiles; ++i) {
    const double p = (i + 0.5) / kQuantiles;
    double x = lengths.value;
    if (lengths.kind == LengthDistribution::Kind::uniform) {
      x = lengths.min + p * (lengths.max - lengths.min);
    } else if (lengths.kind == LengthDistribution::Kind::lognormal) {
      x = lengths.value * math::exp(lengths.sigma * math::normal_quantile(p));
    } else if (lengths.kind == LengthDistribution::Kind::exponential) {
      x = -lengths.value * math::log(1 - p);
    }
    sum += std::clamp<double>(x, lengths.min, lengths.max);
  }
  return sum / kQuantiles;
}

struct MeanTask {
  double prompt = 0, output = 0;
};

MeanTask mean_task(const Workload& workload) {
  MeanTask mean;
  double weight = 0;
  for (const TraceRow& row : workload.trace) {
    mean.prompt += row.prompt_tokens;
    mean.output += row.output_tokens;
    weight += 1;
  }
  if (workload.trace.empty()) {
    for (const Tenant& tenant : workload.tenants) {
      mean.prompt += tenant.share * mean_of(tenant.prompt_tokens);
      mean.output += tenant.share * mean_of(tenant.output_tokens);
      weight += tenant.share;
    }
  }
  weight = weight > 0 ? weight : 1;
  return {std::max(mean.prompt / weight, 1.0), std::max(mean.output / weight, 1.0)};
}

/// x where it is well above zero, and a small positive number of the order of `scale` around and
/// below it.
double smoothly_positive(double x, double scale) {
  return (x + std::sqrt(x * x + scale * scale)) / 2;
}

/// Where the stall by a mean prompt is taken.
constexpr double kTypicalBatch = 16, kProbeContext = 1e5;

/// Engines pad a batch to captured sizes this far apart: the slope of a step is taken over as many.
constexpr double kGraphSpacing = 8;

/// A request that has outlived its predicted length has this share of it still to come, twice.
constexpr double kOverdueShare = 0.5;

}  // namespace

Estimates::Estimates(const Scenario& scenario, Seed seed) {
  const MeanTask mean = mean_task(scenario.workload);
  mean_output_ = mean.output;
  nodes_.reserve(scenario.nodes());
  for (std::uint32_t i = 0; i < scenario.nodes(); ++i) {
    const NodeKind& kind = scenario.kind(node_id(i));
    const Draw draw{seed, Purpose::calibration, object_address(i, 0)};
    const double factor = math::exp(scenario.calibration_error * draw.normal());
    NodeModel node;
    node.settings = &kind.settings;
    node.seconds_per_ps = factor / static_cast<double>(kPsPerSecond);
    node.context_token =
        static_cast<double>(kind.settings.cost[0].decode(1, 0).growth.ps) * node.seconds_per_ps;
    node.kv_tokens = static_cast<double>(kind.settings.usable_blocks) * kBlockTokens;
    node.service_rate = kind.capacity_per_s / factor;
    node.most_decodes =
        std::min(kind.settings.max_num_seqs, kind.settings.max_num_batched_tokens - 1);
    // The stall hardly depends on the batch, and is affine in its context: two points give it.
    const double batch = std::min<double>(kTypicalBatch, node.most_decodes);
    node.successor_stall = stall(node, batch, 0, mean.prompt) / mean.output;
    node.successor_context =
        (stall(node, batch, kProbeContext, mean.prompt) / mean.output - node.successor_stall) /
        kProbeContext;
    nodes_.push_back(node);
  }
}

double Estimates::step(const NodeModel& node, double sequences, double context) {
  const auto batch =
      static_cast<std::int32_t>(std::clamp<double>(sequences, 0, node.settings->max_num_seqs));
  return static_cast<double>(node.settings->cost[0].decode(batch, 0).first.ps) *
             node.seconds_per_ps +
         context * node.context_token;
}

Estimates::Mixed Estimates::mixed(const NodeModel& node, double decodes, double context,
                                  double tokens, double pairs) {
  const StepCost& cost = node.settings->cost[0];
  MixedStep step;
  step.decodes = static_cast<std::int32_t>(std::min<double>(decodes, node.most_decodes));
  step.context_tokens = static_cast<std::int64_t>(context);
  step.chunks = 1;
  step.sampled = step.decodes;
  const std::int32_t room = node.settings->max_num_batched_tokens - step.decodes;
  std::int64_t left = std::max<std::int64_t>(static_cast<std::int64_t>(tokens), 1);
  std::int64_t ps = 0, full = 0;
  if (left > room) {
    full = (left - 1) / room;
    left -= full * room;
    step.chunk_tokens = room;
    ps = full * cost.mixed(step).ps;
  }
  step.chunk_tokens = static_cast<std::int32_t>(left);
  // Attention pays for pairs of tokens, however the prompt is cut.
  step.chunk_pairs = static_cast<std::int64_t>(pairs);
  ps += cost.mixed(step).ps;
  return {static_cast<double>(ps) * node.seconds_per_ps, static_cast<double>(full + 1)};
}

double Estimates::stall(const NodeModel& node, double decodes, double context, double tokens) {
  const Mixed with = mixed(node, decodes, context, tokens, tokens * tokens);
  return std::max(with.seconds - with.steps * step(node, decodes, context), 0.0);
}

double Estimates::growth(const NodeModel& node, double sequences) {
  const double from =
      std::clamp(sequences, 1.0, std::max(node.settings->max_num_seqs - kGraphSpacing, 1.0));
  return (step(node, from + kGraphSpacing, 0) - step(node, from, 0)) / kGraphSpacing;
}

double Estimates::successors(const NodeModel& node, double decodes, double context) {
  // One of these decodes is who asks: it is not stalled by its own successor.
  return std::max(decodes - 1, 0.0) * (node.successor_stall + context * node.successor_context);
}

LoadEstimate Estimates::load(const NodeModel& node, std::size_t i, const FleetView& view) {
  LoadEstimate load;
  load.requests = view.in_flight[i];
  load.decoding = view.in_flight[i] - view.awaiting_first[i];
  if (load.decoding <= 0) {
    return load;
  }
  const auto prompts = static_cast<double>(view.prompt_tokens[i]);
  const auto predicted = static_cast<double>(view.predicted_tokens[i]);
  const double now_us = static_cast<double>(view.now.ps) / static_cast<double>(kPsPerMicrosecond);
  const double elapsed =
      (load.decoding * now_us - static_cast<double>(view.first_token_us[i])) * 1e-6;
  // The pace depends on the context, which depends on the pace: one round from half of what is
  // predicted.
  const double middle = prompts + predicted / 2;
  const double without_context = step(node, load.decoding, 0);
  const double pace =
      without_context + middle * node.context_token + successors(node, load.decoding, middle);
  const double produced = load.decoding + std::max(elapsed, 0.0) / pace;
  load.context = std::min(prompts + produced, node.kv_tokens);
  load.step = without_context + load.context * node.context_token;
  load.remaining =
      std::max(smoothly_positive(predicted - produced, kOverdueShare * predicted), load.decoding);
  return load;
}

LoadEstimate Estimates::load(NodeId n, const FleetView& view) const {
  return load(nodes_[index(n)], index(n), view);
}

Prediction Estimates::predict(NodeId n, const TaskView& task, const FleetView& view) const {
  const std::size_t i = index(n);
  const NodeModel& node = nodes_[i];
  const LoadEstimate now = load(node, i, view);
  const double prompt = task.prompt_tokens;
  const double output = std::max(task.predicted_tokens, 1);
  const auto awaiting_tokens = static_cast<double>(view.awaiting_tokens[i]);

  Prediction p;
  p.wait = waiting_prefill(node, now, view.awaiting_first[i], awaiting_tokens);
  // A full node serves its queue at its saturated rate.
  const double demand = now.context + awaiting_tokens + prompt;
  const double no_place = now.requests + 1 - node.settings->max_num_seqs;
  const double no_memory =
      demand > node.kv_tokens ? (now.requests + 1) * (1 - node.kv_tokens / demand) : 0;
  const double excess = std::max(no_place, no_memory);
  if (excess > 0) {
    p.wait = std::max(p.wait, excess / node.service_rate);
  }
  // Steps that are planned already: half of one on average, and those that run ahead.
  p.wait += (node.settings->steps_in_flight - 0.5) * now.step;

  const Mixed prefill = mixed(node, now.decoding, now.context, prompt, prompt * prompt);
  p.prefill = prefill.seconds;
  // What does not fit does not run.
  const double context = demand + output / 2;
  const double fits = context > node.kv_tokens ? node.kv_tokens / context : 1;
  const double batch = (now.requests + 1) * fits;
  p.tpot = step(node, batch, context * fits) + successors(node, batch, context * fits);
  p.decode = (output - 1) * p.tpot;

  const double others = now.requests;
  if (others > 0) {
    const double left = now.decoding > 0 ? now.remaining / now.decoding : mean_output_;
    const double alone = now.decoding > 0 ? now.step : step(node, 1, 0);
    const double stalled = std::max(prefill.seconds - prefill.steps * alone, 0.0);
    const double slower = node.context_token * (prompt + output / 2) + growth(node, others);
    p.others = others * (stalled + std::min(left, output) * slower);
  }
  return p;
}

double Estimates::waiting_prefill(const NodeModel& node, const LoadEstimate& now, double prompts,
                                  double tokens) {
  return prompts > 0
             ? mixed(node, now.decoding, now.context, tokens, tokens * tokens / prompts).seconds
             : 0;
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
  const auto awaiting_tokens = static_cast<double>(view.awaiting_tokens[i]);
  const double left = (now.remaining + awaiting * mean_output_) / now.requests;
  return waiting_prefill(node, now, awaiting, awaiting_tokens) +
         left * step(node, now.requests, now.context + awaiting_tokens);
}

}  // namespace yardmaster
