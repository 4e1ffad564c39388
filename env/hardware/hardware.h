// What a node is made of: figures of the catalogue, in SI units, each with its source in
// scenarios/catalogue/. Doubles: they are compiled to integers by StepCost.
#pragma once

#include <cstdint>
#include <string>

namespace yardmaster {

/// Number format of weights or of KV; it fixes bytes an element and which peak rate applies.
enum class Dtype : std::uint8_t { bf16, fp8 };

/// Bytes of one element.
[[nodiscard]] constexpr double bytes_of(Dtype dtype) { return dtype == Dtype::fp8 ? 1.0 : 2.0; }

/// How the linear layers run in one number format. Shares of peak are measured ones, in (0, 1.5].
struct GemmSpec {
  double flops = 0;             // dense peak, FLOP/s; 0: no measured figures, the format is refused
  double flop_share = 0;        // e_f: of `flops` in large GEMMs
  double weight_share = 0;      // e_m: of memory bandwidth while reading weights
  double activation_share = 0;  // of memory bandwidth in element-wise kernels; 0: inside the fit
  double layer_s = 0;           // c: constant seconds of a layer (its kernels' launches and tails)
  double knee_share = 0;        // rho: below the knee a token costs this share of the full slope
  double knee_tokens = 0;       // K; 0: no knee, the larger of compute and memory
};

/// Attention of one layer.
struct AttentionSpec {
  double kv_share_bf16 = 0, kv_share_fp8 = 0;  // e_kv: of bandwidth while reading KV; 0: refused
  double decode_s = 0, decode_sequence_s = 0;  // a0, a1: seconds a layer; a layer and sequence
  double prefill_s = 0, prefill_head_token_s = 0;  // p0, p1: a layer; a layer, head and token
  double prefill_share = 0;                        // e_a: of bf16 peak in prefill
  double mixed_group_factor =
      0;  // in steps with prefill, KV reads cost max(1, this x heads / kv_heads)
};

/// All-reduce of one GPU with its peers, inside CUDA graphs.
struct LinkSpec {
  double bandwidth = 0;  // bytes/s; 0: no figures, tensor parallelism is refused
  double latency_s = 0;  // constant of one call
};

struct ModelSpec;

/// One GPU type.
struct GpuSpec {
  std::string name;
  double memory_bytes = 0;           // what the driver reports as usable
  double memory_bandwidth = 0;       // bytes/s
  bool large = false;                // engines choose their larger default limits on it
  std::int32_t multiprocessors = 0;  // 0: not known
  GemmSpec bf16, fp8;
  AttentionSpec attention;
  LinkSpec link;
  double power_w = 0, price_usd_per_h = 0;

  /// The figures of one number format of weights.
  [[nodiscard]] const GemmSpec& gemm(Dtype dtype) const { return dtype == Dtype::fp8 ? fp8 : bf16; }
  /// e_kv of one number format of KV.
  [[nodiscard]] double kv_share(Dtype dtype) const;
  /// Whether there are figures for this model on `tensor_parallel` of these GPUs; loaders refuse
  /// others.
  [[nodiscard]] bool runs(const ModelSpec& model, int tensor_parallel) const;
};

/// One model, dense or mixture of experts (active parameters differ from all).
struct ModelSpec {
  std::string name;
  double parameters = 0, active_parameters = 0;  // whole model, both embedding tables included
  std::int32_t layers = 0, hidden = 0, heads = 0, kv_heads = 0, head_dim = 0, intermediate = 0,
               vocabulary = 0;
  std::int32_t max_context_tokens = 0;
  // Mixture of experts: of each layer, and of those that a token is sent to; 0: dense.
  std::int32_t experts = 0, experts_per_token = 0, expert_intermediate = 0;
  Dtype weights = Dtype::bf16, kv = Dtype::bf16;  // embedding tables stay in bf16

  /// Bytes of K and V of one token over all layers, stored once.
  [[nodiscard]] double kv_bytes_per_token() const;
  /// The same on each of `tensor_parallel` GPUs: heads are split, and copied when there are too
  /// few.
  [[nodiscard]] double kv_bytes_per_token_per_gpu(int tensor_parallel) const;
  /// Parameters of one of the two embedding tables.
  [[nodiscard]] double table_parameters() const;
  /// Parameters of one layer: all of them, and those that one token uses.
  [[nodiscard]] double layer_parameters() const;
  [[nodiscard]] double layer_active_parameters() const;
  /// Parameters of all experts of one layer.
  [[nodiscard]] double expert_parameters() const;
  /// The share of a layer's experts that `tokens` tokens hit, routed evenly; 1 for dense models.
  [[nodiscard]] double experts_hit(double tokens) const;
  /// Bytes of all weights.
  [[nodiscard]] double weight_bytes() const;
  /// Bytes of weights read in one step: all but the input table, of which a step reads a few rows.
  [[nodiscard]] double weight_bytes_read() const;
};

/// One engine version: its rule set and the host time that it adds to each step.
struct EngineSpec {
  std::string name;
  double step_s = 0, sequence_s = 0;  // h0, h1: seconds a step; seconds a step and sequence
  double uncaptured_step_s = 0;       // more for steps beyond the captured graph sizes
  std::string rules = "0.32";         // the vLLM version whose scheduling rules it follows
  bool asynchronous = true;           // step k + 2 is planned when step k ends
  std::int32_t max_num_seqs = 256, max_num_batched_tokens = 2048;               // defaults
  std::int32_t max_num_seqs_large = 1024, max_num_batched_tokens_large = 8192;  // on large GPUs
  double memory_utilisation = 0.9;  // share of GPU memory the engine takes
};

}  // namespace yardmaster
