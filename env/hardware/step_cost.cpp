#include "env/hardware/step_cost.h"

#include <algorithm>
#include <limits>

#include "env/base/check.h"

namespace yardmaster {
namespace {

constexpr double kActivationBytes = 2;  // activations are bf16 for all formats of weights
constexpr double kLogitBytes = 4;
// In layer profiles of three models on two GPUs with 1 to 256 sequences, the sampler takes as long
// as 1.7 to 2.1 more reads of the logits.
constexpr double kSamplerPasses = 2;

/// The terms of the formula for one GPU, model and degree, in seconds.
struct Formula {
  const GpuSpec& gpu;
  const ModelSpec& model;
  double gpus;  // k, the degree

  /// One read of a layer's weights, including only the experts that `tokens` tokens use.
  [[nodiscard]] double linear_read(double tokens) const {
    const double missed = model.expert_parameters() * (1 - model.experts_hit(tokens));
    return (model.layer_parameters() - missed) * bytes_of(model.weights) /
           (gpus * gpu.memory_bandwidth * gpu.gemm(model.weights).weight_share);
  }

  /// The linear part of one layer on one GPU: dense(T) without activations.
  [[nodiscard]] double linear(double tokens) const {
    const GemmSpec& g = gpu.gemm(model.weights);
    const double read = linear_read(tokens);
    const double token = 2 * model.layer_active_parameters() / (gpus * g.flops * g.flop_share);
    if (g.knee_tokens <= 0) {
      return std::max(token * tokens, read) + g.layer_s;
    }
    return read + g.layer_s + g.knee_share * token * std::min(tokens, g.knee_tokens) +
           token * std::max(tokens - g.knee_tokens, 0.0);
  }

  /// Element-wise kernels of one layer: norms over the hidden width, the rest over a GPU's share.
  [[nodiscard]] double activations(double tokens) const {
    const double share = gpu.gemm(model.weights).activation_share;
    if (share <= 0) {
      return 0;
    }
    const double heads = 2.0 * (model.heads + model.kv_heads) * model.head_dim;
    const double width =
        model.experts > 0 ? static_cast<double>(model.experts_per_token) * model.expert_intermediate
                          : model.intermediate;
    const double elements = 4.0 * model.hidden + (heads + 3.0 * width) / gpus;
    return tokens * elements * kActivationBytes / (gpu.memory_bandwidth * share);
  }

  [[nodiscard]] double all_reduce(double tokens) const {
    if (gpus <= 1) {
      return 0;
    }
    const double bytes = tokens * model.hidden * kActivationBytes;
    return gpu.link.latency_s + 2 * (gpus - 1) / gpus * bytes / gpu.link.bandwidth;
  }

  /// All layers without attention.
  [[nodiscard]] double layers(double tokens) const {
    return model.layers * (linear(tokens) + activations(tokens) + 2 * all_reduce(tokens));
  }

  /// The output head in bf16, and the sampler, which reads all logits of each row. They run for at
  /// least one row, even if a step samples nothing.
  [[nodiscard]] double head(double samples) const {
    const double rows = std::max(samples, 1.0);
    const double flop = 2 * model.table_parameters() * rows;
    const double logits = kSamplerPasses * kLogitBytes * model.vocabulary * rows;
    return std::max(flop / (gpus * gpu.bf16.flops * gpu.bf16.flop_share), head_read()) +
           logits / gpu.memory_bandwidth;
  }

  [[nodiscard]] double head_read() const {
    return model.table_parameters() * bytes_of(Dtype::bf16) /
           (gpus * gpu.memory_bandwidth * gpu.bf16.weight_share);
  }

  /// Reading K and V of one token in all layers, in a step without chunks.
  [[nodiscard]] double kv_token() const {
    return model.kv_bytes_per_token_per_gpu(static_cast<int>(gpus)) /
           (gpu.memory_bandwidth * gpu.kv_share(model.kv));
  }

  [[nodiscard]] double mixed_factor() const {
    return std::max(1.0, gpu.attention.mixed_group_factor * model.heads / model.kv_heads);
  }

  /// Half a (query, key) pair in all layers, because sum (2 b c + c^2) counts pairs twice. A chunk
  /// takes 4 heads head_dim c (b + c / 2) FLOP per layer.
  [[nodiscard]] double half_pair() const {
    return 2.0 * model.layers * model.heads * model.head_dim /
           (gpus * gpu.bf16.flops * gpu.attention.prefill_share);
  }

  [[nodiscard]] double weight_read() const { return model.layers * linear_read(1) + head_read(); }
};

/// The value of a staircase: that of the first of `xs` at or above x. Beyond the last, the line
/// through the middle and the last point.
double next_step(const std::vector<double>& xs, const std::vector<double>& ys, double x) {
  const auto at = static_cast<std::size_t>(std::lower_bound(xs.begin(), xs.end(), x) - xs.begin());
  if (at < xs.size()) {
    return ys[at];
  }
  const std::size_t half = xs.size() / 2;
  const double slope = (ys.back() - ys[half]) / (xs.back() - xs[half]);
  return ys.back() + slope * (x - xs.back());
}

std::size_t table_size(std::int32_t largest) { return static_cast<std::size_t>(largest) + 1; }

}  // namespace

StepLimits default_limits(const GpuSpec& gpu, const EngineSpec& engine) {
  if (gpu.large) {
    return {engine.max_num_seqs_large, engine.max_num_batched_tokens_large};
  }
  return {engine.max_num_seqs, engine.max_num_batched_tokens};
}

std::int32_t captured_tokens(std::int32_t tokens, std::int32_t max_num_seqs) {
  std::int32_t graph = tokens <= 2 ? tokens : 4;
  if (tokens > 4) {
    const std::int32_t spacing = tokens <= 256 ? 8 : 16;
    graph = (tokens + spacing - 1) / spacing * spacing;
  }
  return graph <= std::min(2 * max_num_seqs, 512) ? graph : 0;
}

StepCost::StepCost(const GpuSpec& gpu, const ModelSpec& model, const EngineSpec& engine,
                   int tensor_parallel, StepLimits limits, double slowdown) {
  check(tensor_parallel >= 1 && gpu.runs(model, tensor_parallel),
        "no step cost for this model and GPU");
  check(limits.max_num_seqs >= 1 && limits.max_num_batched_tokens >= limits.max_num_seqs,
        "step limits are too small");
  check(slowdown > 0, "a slowdown is not positive");
  const Formula formula{gpu, model, static_cast<double>(tensor_parallel)};
  const AttentionSpec& attention = gpu.attention;
  const auto compile = [slowdown](double seconds) {
    return Duration::from_seconds(slowdown * seconds);
  };

  const double layers = model.layers;
  sequence_ = compile(engine.sequence_s + layers * attention.decode_sequence_s);
  decode_token_ = compile(formula.kv_token());
  mixed_token_ = compile(formula.kv_token() * formula.mixed_factor());
  chunk_token_ = compile(layers * attention.prefill_head_token_s * model.heads / tensor_parallel);
  pair_ = compile(formula.half_pair());
  const Duration decode_attention = compile(layers * attention.decode_s);
  // One kernel runs all attention of a mixed step. It takes at least as long as that of a step
  // without chunks, so that added work never saves time.
  mixed_base_ = compile(layers * std::max(attention.prefill_s, attention.decode_s));

  dense_.resize(table_size(limits.max_num_batched_tokens));
  for (std::int32_t tokens = 1; tokens <= limits.max_num_batched_tokens; ++tokens) {
    const std::int32_t graph = captured_tokens(tokens, limits.max_num_seqs);
    dense_[static_cast<std::size_t>(tokens)] =
        compile(engine.step_s + (graph > 0 ? formula.layers(graph)
                                           : engine.uncaptured_step_s + formula.layers(tokens)));
  }
  head_.resize(table_size(limits.max_num_seqs));
  decode_base_.resize(table_size(limits.max_num_seqs));
  for (std::int32_t n = 0; n <= limits.max_num_seqs; ++n) {
    const auto i = static_cast<std::size_t>(n);
    head_[i] = compile(formula.head(n));
    if (n > 0) {  // an empty step takes no time
      decode_base_[i] = dense_[i] + head_[i] + sequence_ * n + decode_attention;
    }
  }
  // Rounded down by more than the rounding errors of the terms, so that it stays a lower bound.
  weight_read_ = compile(formula.weight_read()) - Duration{1};
  fill_decode_without_context();
  fill_weights(model, limits);
}

StepCost::StepCost(const StepProfile& profile, const GpuSpec& gpu, const ModelSpec& model,
                   const EngineSpec& engine, StepLimits limits, double slowdown)
    : table_(profile, limits.max_num_seqs, slowdown) {
  check(profile.tensor_parallel == 1 || gpu.link.bandwidth > 0, "no figures for the link");
  check(limits.max_num_seqs >= 1 && limits.max_num_batched_tokens >= limits.max_num_seqs,
        "step limits are too small");
  const Formula formula{gpu, model, static_cast<double>(profile.tensor_parallel)};
  const auto compile = [slowdown](double seconds) {
    return Duration::from_seconds(slowdown * seconds);
  };
  sequence_ = compile(engine.sequence_s);
  dense_.resize(table_size(limits.max_num_batched_tokens));
  Duration shortest{std::numeric_limits<std::int64_t>::max()};
  for (std::int32_t tokens = 1; tokens <= limits.max_num_batched_tokens; ++tokens) {
    const std::int32_t graph = captured_tokens(tokens, limits.max_num_seqs);
    const double run_as = graph > 0 ? graph : tokens;
    const double experts =
        profile.experts_us.empty() ? 0 : interpolate(profile.tokens, profile.experts_us, tokens);
    const auto i = static_cast<std::size_t>(tokens);
    dense_[i] = compile((next_step(profile.tokens, profile.dense_us, run_as) + experts) * 1e-6 +
                        2 * model.layers * formula.all_reduce(run_as) + engine.step_s +
                        (graph > 0 ? 0 : engine.uncaptured_step_s));
    shortest = std::min(shortest, dense_[i]);
  }
  head_.resize(table_size(limits.max_num_seqs));
  decode_base_.resize(table_size(limits.max_num_seqs));
  for (std::int32_t n = 0; n <= limits.max_num_seqs; ++n) {
    const auto i = static_cast<std::size_t>(n);
    head_[i] = compile(interpolate(profile.sequences, profile.head_us, std::max(n, 1)) * 1e-6);
    if (n > 0) {
      decode_base_[i] = dense_[i] + head_[i] + sequence_ * n;
    }
  }
  weight_read_ = shortest;
  fill_decode_without_context();
  fill_weights(model, limits);
}

void StepCost::fill_weights(const ModelSpec& model, StepLimits limits) {
  constexpr double kKib = 1024;
  weights_kib_ = static_cast<std::int64_t>(model.weight_bytes_read() / kKib);
  if (model.experts <= 0) {
    return;
  }
  const double experts = model.layers * model.expert_parameters() * bytes_of(model.weights) / kKib;
  unread_kib_.resize(table_size(limits.max_num_batched_tokens));
  for (std::size_t tokens = 0; tokens < unread_kib_.size(); ++tokens) {
    const double missed = 1 - model.experts_hit(static_cast<double>(tokens));
    unread_kib_[tokens] = static_cast<std::int64_t>(experts * missed) + 1;
  }
}

void StepCost::fill_decode_without_context() {
  decode_without_context_.resize(decode_base_.size());
  for (std::size_t n = 0; n < decode_base_.size(); ++n) {
    decode_without_context_[n] = decode(static_cast<std::int32_t>(n), 0).first;
  }
}

Duration StepCost::mixed_from_table(const MixedStep& s) const {
  const bool one = s.largest_tokens == 0;
  const std::int64_t tokens = one ? s.chunk_tokens : s.largest_tokens;
  const std::int64_t pairs = one ? s.chunk_pairs : s.largest_pairs;
  const std::int32_t entries = s.decodes + s.chunks;
  return dense_[static_cast<std::size_t>(s.decodes + s.chunk_tokens)] +
         head_[static_cast<std::size_t>(
             std::min<std::int64_t>(entries, static_cast<std::int64_t>(head_.size()) - 1))] +
         sequence_ * entries + table_.chunk(tokens, pairs, s.decodes, s.context_tokens) +
         table_.further_chunks(s.chunk_tokens - tokens, s.chunk_pairs - pairs);
}

Duration StepCost::decode_total(std::int32_t sequences, std::int64_t context_tokens,
                                std::int64_t steps) const {
  Duration total;
  while (steps > 0) {
    const DecodeRun run = decode_run(sequences, context_tokens, 0);
    const std::int64_t taken = std::min(steps, run.steps);
    total += run.segment.total(taken);
    context_tokens += taken * sequences;
    steps -= taken;
  }
  return total;
}

StepCost StepCost::affine(Duration step, Duration entry, Duration token, Duration context,
                          StepLimits limits) {
  StepCost cost;
  cost.sequence_ = entry;
  cost.decode_token_ = cost.mixed_token_ = context;
  cost.weight_read_ = step;
  cost.dense_.resize(table_size(limits.max_num_batched_tokens));
  for (std::size_t tokens = 1; tokens < cost.dense_.size(); ++tokens) {
    cost.dense_[tokens] = step + token * static_cast<std::int64_t>(tokens);
  }
  cost.head_.resize(table_size(limits.max_num_seqs));
  cost.decode_base_.resize(table_size(limits.max_num_seqs));
  for (std::size_t n = 1; n < cost.decode_base_.size(); ++n) {
    cost.decode_base_[n] = cost.dense_[n] + entry * static_cast<std::int64_t>(n);
  }
  cost.fill_decode_without_context();
  return cost;
}

WorkCost work_cost(const GpuSpec& gpu, const ModelSpec& model, int tensor_parallel) {
  WorkCost work;
  work.flops_per_token = 2 * model.layers * model.layer_active_parameters();
  work.flops_per_sample = 2 * model.table_parameters();
  work.flops_per_pair = 4.0 * model.layers * model.heads * model.head_dim;
  work.kv_bytes_per_token = tensor_parallel * model.kv_bytes_per_token_per_gpu(tensor_parallel);
  work.peak_flops = tensor_parallel * gpu.gemm(model.weights).flops;
  work.peak_bandwidth = tensor_parallel * gpu.memory_bandwidth;
  return work;
}

std::int64_t usable_kv_blocks(const GpuSpec& gpu, const ModelSpec& model, int tensor_parallel,
                              double memory_utilisation) {
  const double free = gpu.memory_bytes * memory_utilisation -
                      model.weight_bytes() / tensor_parallel - kReservedBytes;
  const double block = 16 * model.kv_bytes_per_token_per_gpu(tensor_parallel);
  return static_cast<std::int64_t>(free / block) - 1;
}

}  // namespace yardmaster
