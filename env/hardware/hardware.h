// What a node is made of: figures of the catalogue, in SI units, each with its source in
// scenarios/catalogue/. Doubles: they are compiled to integers by StepCost.
#pragma once

#include <cstdint>
#include <string>

namespace yardmaster {

/// Number format of weights; it fixes bytes a parameter and which peak rate applies.
enum class Dtype : std::uint8_t { bf16, fp8 };

/// One GPU type. Shares of peak ("efficiencies") are measured ones, in (0, 1.5].
struct GpuSpec {
  std::string name;
  double bf16_flops = 0, fp8_flops = 0;  // dense peak, FLOP/s
  double memory_bytes = 0;               // what the driver reports as usable
  double memory_bandwidth = 0;           // bytes/s
  double link_bandwidth = 0;             // all-reduce bytes/s of one GPU, measured inside graphs
  double link_latency_s = 0;             // constant of one all-reduce, seconds
  double gemm_share_bf16 = 0, gemm_share_fp8 = 0;  // e_f: of peak FLOP/s in large GEMMs
  double weight_share = 0;               // e_m: of bandwidth while reading weights
  double kv_share = 0;                   // e_kv: of bandwidth while reading KV in decode
  double prefill_attention_share = 0;    // e_a: of bf16 peak in prefill attention
  double layer_s = 0;                    // c: constant seconds of a layer (its ten-odd kernels)
  double knee_share = 0, knee_tokens = 0;  // rho, K: below K tokens the slope is rho of the full one; K = 0: plain max
  double decode_attention_s = 0, decode_sequence_s = 0;  // a0, a1: seconds a layer, a layer and sequence
  double prefill_attention_s = 0, prefill_head_token_s = 0;  // p0, p1: a layer; a layer, head and token
  double mixed_context_factor = 1;       // decode's KV term costs this times more in a step with prefill
  double power_w = 0, price_usd_per_h = 0;
};

/// One model, dense or mixture of experts (active parameters differ from all).
struct ModelSpec {
  std::string name;
  double parameters = 0, active_parameters = 0;  // whole model, embeddings included
  std::int32_t layers = 0, hidden = 0, heads = 0, kv_heads = 0, head_dim = 0, intermediate = 0, vocabulary = 0;
  std::int32_t max_context_tokens = 0;
  Dtype weights = Dtype::bf16, kv = Dtype::bf16;

  /// Bytes of K and V of one token over all layers.
  [[nodiscard]] double kv_bytes_per_token() const;
  /// Bytes of all weights.
  [[nodiscard]] double weight_bytes() const;
};

/// One engine version: its rule set and the host time that it adds to each step.
struct EngineSpec {
  std::string name;
  double step_s = 0, sequence_s = 0;  // h0, h1: seconds a step; seconds a step and sequence
  bool asynchronous = true;           // step k + 2 is planned when step k ends
  std::int32_t max_num_seqs = 256, max_num_batched_tokens = 8192;
  double memory_utilisation = 0.9;    // share of GPU memory the engine takes
};

}  // namespace yardmaster
