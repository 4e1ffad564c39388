// The parts of a node: figures of the catalogue in SI units. scenarios/catalogue/ gives their
// sources. StepCost compiles these doubles to integers.
#pragma once

#include <cstdint>
#include <string>

namespace yardmaster {

/// Number format of weights or KV. It determines the bytes per element and the peak rate.
enum class Dtype : std::uint8_t { bf16, fp8 };

/// Bytes of one element.
[[nodiscard]] constexpr double bytes_of(Dtype dtype) { return dtype == Dtype::fp8 ? 1.0 : 2.0; }

/// Speed of the linear layers in one number format. Shares of a peak are measured, in (0, 1.5].
struct GemmSpec {
  double flops = 0;             // dense peak, FLOP/s; 0: not measured, the format is refused
  double flop_share = 0;        // e_f: share of `flops` in large GEMMs
  double weight_share = 0;      // e_m: share of memory bandwidth while reading weights
  double activation_share = 0;  // share of it in element-wise kernels; 0: included in the fit
  double layer_s = 0;           // c: constant seconds per layer (launches and tails of kernels)
  double knee_share = 0;        // rho: below the knee a token costs this share of the full slope
  double knee_tokens = 0;       // K; 0: no knee, but the larger of compute and memory
};

/// Attention of one layer.
struct AttentionSpec {
  // e_kv: share of bandwidth while reading KV. 0: not measured, the format is refused.
  double kv_share_bf16 = 0;
  double kv_share_fp8 = 0;
  double decode_s = 0;              // a0: seconds per layer
  double decode_sequence_s = 0;     // a1: seconds per layer and sequence
  double prefill_s = 0;             // p0: seconds per layer
  double prefill_head_token_s = 0;  // p1: seconds per layer, head and token
  double prefill_share = 0;         // e_a: share of the bf16 peak in prefill
  // In steps with prefill, reading KV costs max(1, this * heads / kv_heads) times as much.
  double mixed_group_factor = 0;
};

/// All-reduce between the GPUs of a node, inside CUDA graphs.
struct LinkSpec {
  double bandwidth = 0;  // bytes/s of one GPU; 0: not measured, tensor parallelism is refused
  double latency_s = 0;  // constant per call
};

struct ModelSpec;

/// One GPU type.
struct GpuSpec {
  std::string name;
  double memory_bytes = 0;           // usable, as reported by the driver
  double memory_bandwidth = 0;       // bytes/s
  bool large = false;                // engines use their larger default limits on it
  std::int32_t multiprocessors = 0;  // 0: unknown
  GemmSpec bf16;
  GemmSpec fp8;
  AttentionSpec attention;
  LinkSpec link;
  double power_w = 0;
  double price_usd_per_h = 0;

  /// The linear layers for weights of a number format.
  [[nodiscard]] const GemmSpec& gemm(Dtype dtype) const { return dtype == Dtype::fp8 ? fp8 : bf16; }
  /// e_kv for KV of a number format.
  [[nodiscard]] double kv_share(Dtype dtype) const;
  /// Whether there are figures for the model on `tensor_parallel` of these GPUs. Loaders refuse
  /// other combinations.
  [[nodiscard]] bool runs(const ModelSpec& model, int tensor_parallel) const;
};

/// One model: dense or, if `experts` is positive, a mixture of experts.
struct ModelSpec {
  std::string name;
  double parameters = 0;         // including both embedding tables
  double active_parameters = 0;  // those that one token uses, including both embedding tables
  std::int32_t layers = 0;
  std::int32_t hidden = 0;
  std::int32_t heads = 0;
  std::int32_t kv_heads = 0;
  std::int32_t head_dim = 0;
  std::int32_t intermediate = 0;
  std::int32_t vocabulary = 0;
  std::int32_t max_context_tokens = 0;
  std::int32_t experts = 0;            // per layer; 0: a dense model
  std::int32_t experts_per_token = 0;  // those to which a token is routed
  std::int32_t expert_intermediate = 0;
  Dtype weights = Dtype::bf16;  // embedding tables are always bf16
  Dtype kv = Dtype::bf16;

  /// Bytes of K and V per token over all layers, stored once.
  [[nodiscard]] double kv_bytes_per_token() const;
  /// The same on each of `tensor_parallel` GPUs. KV heads are split among them, and copied if there
  /// are fewer heads than GPUs.
  [[nodiscard]] double kv_bytes_per_token_per_gpu(int tensor_parallel) const;
  /// Parameters of one of the two embedding tables.
  [[nodiscard]] double table_parameters() const;
  /// Parameters of one layer.
  [[nodiscard]] double layer_parameters() const;
  /// Parameters of one layer that one token uses.
  [[nodiscard]] double layer_active_parameters() const;
  /// Parameters of all experts of one layer.
  [[nodiscard]] double expert_parameters() const;
  /// The expected share of a layer's experts used by `tokens` evenly routed tokens. 1 if dense.
  [[nodiscard]] double experts_hit(double tokens) const;
  /// Bytes of all weights.
  [[nodiscard]] double weight_bytes() const;
  /// Bytes of weights that a step reads: all except the input table, of which it reads a few rows.
  [[nodiscard]] double weight_bytes_read() const;
};

/// One engine version: its scheduling rules, its default limits and its host time per step.
struct EngineSpec {
  std::string name;
  double step_s = 0;             // h0: host seconds per step
  double sequence_s = 0;         // h1: host seconds per step and sequence
  double uncaptured_step_s = 0;  // extra seconds per step beyond the captured graph sizes
  std::string rules = "0.32";    // the vLLM version whose scheduling rules it follows
  bool asynchronous = true;      // step k + 2 is planned when step k ends
  // Default limits, on small and on large GPUs.
  std::int32_t max_num_seqs = 256;
  std::int32_t max_num_batched_tokens = 2048;
  std::int32_t max_num_seqs_large = 1024;
  std::int32_t max_num_batched_tokens_large = 8192;
  double memory_utilisation = 0.9;  // share of GPU memory that the engine uses
};

}  // namespace yardmaster
