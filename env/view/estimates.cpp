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

/// x where it is well above zero, and a small positive number of the order of `scale` around and below it.
double smoothly_positive(double x, double scale) { return (x + std::sqrt(x * x + scale * scale)) / 2; }

/// A request that has outlived its predicted length has this share of it still to come, twice.
constexpr double kOverdueShare = 0.5;

}  // namespace

Estimates::Estimates(const Scenario& scenario, Seed seed) {
  const MeanTask mean = mean_task(scenario.workload);
  mean_prompt_ = mean.prompt;
  mean_output_ = mean.output;
  nodes_.reserve(scenario.nodes());
  for (std::uint32_t i = 0; i < scenario.nodes(); ++i) {
    const NodeKind& kind = scenario.kind(node_id(i));
    const Draw draw{seed, Purpose::calibration, object_address(i, 0)};
    const double factor = math::exp(scenario.calibration_error * draw.normal());
    NodeModel node;
    node.settings = &kind.settings;
    node.seconds_per_ps = factor / static_cast<double>(kPsPerSecond);
    node.context_token = static_cast<double>(kind.settings.cost[0].decode(1, 0).growth.ps) * node.seconds_per_ps;
    node.kv_tokens = static_cast<double>(kind.settings.usable_blocks) * kBlockTokens;
    node.service_rate = kind.capacity_per_s / factor;
    node.most_decodes = std::min(kind.settings.max_num_seqs, kind.settings.max_num_batched_tokens - 1);
    nodes_.push_back(node);
  }
}

double Estimates::step(const NodeModel& node, double sequences, double context) {
  const auto batch = static_cast<std::int32_t>(std::clamp<double>(sequences, 0, node.settings->max_num_seqs));
  return static_cast<double>(node.settings->cost[0].decode(batch, 0).first.ps) * node.seconds_per_ps +
         context * node.context_token;
}

Estimates::Mixed Estimates::mixed(const NodeModel& node, double decodes, double context, double tokens,
                                  double pairs) {
  const StepCost& cost = node.settings->cost[0];
  MixedStep step;
  step.decodes = static_cast<std::int32_t>(std::min<double>(decodes, node.most_decodes));
  step.context_tokens = static_cast<std::int64_t>(context);
  step.chunks = 1;
  step.sampled = step.decodes;
  const std::int32_t room = node.settings->max_num_batched_tokens - step.decodes;
  const auto all = std::max<std::int64_t>(static_cast<std::int64_t>(tokens), 1);
  const std::int64_t full = (all - 1) / room;
  std::int64_t ps = 0;
  if (full > 0) {
    step.chunk_tokens = room;
    ps = full * cost.mixed(step).ps;
  }
  step.chunk_tokens = static_cast<std::int32_t>(all - full * room);
  // Attention pays for pairs of tokens, however the prompt is cut.
  step.chunk_pairs = static_cast<std::int64_t>(pairs);
  ps += cost.mixed(step).ps;
  return {static_cast<double>(ps) * node.seconds_per_ps, static_cast<double>(full + 1)};
}

double Estimates::stall(const NodeModel& node, double decodes, double context, double tokens) {
  const Mixed with = mixed(node, decodes, context, tokens, tokens * tokens);
  return std::max(with.seconds - with.steps * step(node, decodes, context), 0.0);
}

double Estimates::pace(const NodeModel& node, double decodes, double context) const {
  return step(node, decodes, context) + decodes / mean_output_ * stall(node, decodes, context, mean_prompt_);
}

LoadEstimate Estimates::load(const NodeModel& node, std::size_t i, const FleetView& view) const {
  LoadEstimate load;
  load.requests = view.in_flight[i];
  load.decoding = view.in_flight[i] - view.awaiting_first[i];
  if (load.decoding <= 0) {
    return load;
  }
  const auto prompts = static_cast<double>(view.prompt_tokens[i]);
  const auto predicted = static_cast<double>(view.predicted_tokens[i]);
  const double now_us = static_cast<double>(view.now.ps / kPsPerMicrosecond);
  const double elapsed = (load.decoding * now_us - static_cast<double>(view.first_token_us[i])) * 1e-6;
  // The pace depends on the context, which depends on the pace: one round from half of what is predicted.
  const double guess = pace(node, load.decoding, prompts + predicted / 2);
  const double produced = load.decoding + std::max(elapsed, 0.0) / guess;
  load.context = std::min(prompts + produced, node.kv_tokens);
  load.step = step(node, load.decoding, load.context);
  load.pace = guess + (load.context - prompts - predicted / 2) * node.context_token;
  load.remaining =
      std::max(smoothly_positive(predicted - produced, kOverdueShare * predicted), load.decoding);
  return load;
}

LoadEstimate Estimates::load(NodeId n, const FleetView& view) const { return load(nodes_[index(n)], index(n), view); }

double Estimates::joined_pace(const NodeModel& node, const LoadEstimate& load, double waiting_tokens,
                              const TaskView& task) const {
  const double context = load.context + waiting_tokens + task.prompt_tokens + task.predicted_tokens / 2.0;
  // What does not fit does not run.
  const double fits = std::min(1.0, node.kv_tokens / context);
  return pace(node, (load.requests + 1) * fits, context * fits);
}

Prediction Estimates::predict(NodeId n, const TaskView& task, const FleetView& view) const {
  const std::size_t i = index(n);
  const NodeModel& node = nodes_[i];
  const LoadEstimate now = load(node, i, view);
  const double prompt = task.prompt_tokens;
  const double output = std::max(task.predicted_tokens, 1);
  const double awaiting = view.awaiting_first[i];
  const auto awaiting_tokens = static_cast<double>(view.awaiting_tokens[i]);

  Prediction p;
  if (awaiting > 0) {
    p.wait = mixed(node, now.decoding, now.context, awaiting_tokens, awaiting_tokens * awaiting_tokens / awaiting).seconds;
  }
  // A full node serves its queue at its saturated rate.
  const double demand = now.context + awaiting_tokens + prompt;
  const double no_place = now.requests + 1 - node.settings->max_num_seqs;
  const double no_memory = (now.requests + 1) * (1 - node.kv_tokens / demand);
  const double excess = std::max(no_place, no_memory);
  if (excess > 0) {
    p.wait = std::max(p.wait, excess / node.service_rate);
  }
  if (now.requests > 0) {
    // Steps that are planned already: half of one on average, and those that run ahead.
    p.wait += (node.settings->steps_in_flight - 0.5) * now.step;
  }
  p.prefill = mixed(node, now.decoding, now.context, prompt, prompt * prompt).seconds;
  p.tpot = joined_pace(node, now, awaiting_tokens, task);
  p.decode = (output - 1) * p.tpot;

  const double others = now.requests;
  if (others > 0) {
    const double left = now.decoding > 0 ? now.remaining / now.decoding : mean_output_;
    const double overlap = std::min(left, output);
    const double slower = node.context_token * (prompt + output / 2) +
                          step(node, others + 1, 0) - step(node, others, 0);
    p.others = others * (stall(node, now.decoding, now.context, prompt) + overlap * slower);
  }
  return p;
}

double Estimates::step(NodeId n, double sequences, double context_tokens) const {
  return step(nodes_[index(n)], sequences, context_tokens);
}

double Estimates::prefill(NodeId n, double tokens) const {
  return mixed(nodes_[index(n)], 0, 0, tokens, tokens * tokens).seconds;
}

double Estimates::prefill_beside(NodeId n, double tokens) const { return stall(nodes_[index(n)], 1, 0, tokens); }

double Estimates::work_ahead(NodeId n, const FleetView& view) const {
  const std::size_t i = index(n);
  const NodeModel& node = nodes_[i];
  const LoadEstimate now = load(node, i, view);
  if (now.requests <= 0) {
    return 0;
  }
  const auto awaiting_tokens = static_cast<double>(view.awaiting_tokens[i]);
  const double awaiting = view.awaiting_first[i];
  const double prompts =
      awaiting > 0 ? mixed(node, now.decoding, now.context, awaiting_tokens, awaiting_tokens * awaiting_tokens / awaiting).seconds : 0;
  const double left = (now.remaining + awaiting * mean_output_) / now.requests;
  return prompts + left * step(node, now.requests, now.context + awaiting_tokens);
}

double Estimates::tpot_if_joined(NodeId n, const TaskView& task, const FleetView& view) const {
  const NodeModel& node = nodes_[index(n)];
  return joined_pace(node, load(node, index(n), view), static_cast<double>(view.awaiting_tokens[index(n)]), task);
}

}  // namespace yardmaster
