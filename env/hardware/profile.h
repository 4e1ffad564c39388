// Measured step times of one GPU type, model and tensor-parallel degree as tables. They replace the
// formula where kernels were profiled. `yardmaster calibrate` makes them for the catalogue.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace yardmaster {

/// Times of all layers together in microseconds, without communication and host time.
struct StepProfile {
  // Entries of the catalogue.
  std::string name;
  std::string gpu;
  std::string model;
  std::int32_t tensor_parallel = 1;

  // Token-parallel kernels and the embedding, by tokens per step. Between two of `tokens` the
  // larger one counts, because GEMM times are staircases. Experts are separate, because padding to
  // a captured graph size adds no experts. Empty `experts_us`: a dense model.
  std::vector<double> tokens;
  std::vector<double> dense_us;
  std::vector<double> experts_us;

  // Output head and sampler, by entries of the batch.
  std::vector<double> sequences;
  std::vector<double> head_us;

  // Attention of decode-only steps: decode_us[decodes][contexts].
  std::vector<double> decodes;
  std::vector<double> contexts;
  std::vector<double> decode_us;

  // Attention of steps with a chunk: mixed_us[chunks][histories][mixed_decodes][mixed_contexts].
  // The axes are the tokens of the largest chunk, the tokens of its prompt computed before, the
  // sequences that decode beside it and the context tokens of each.
  std::vector<double> chunks;
  std::vector<double> histories;
  std::vector<double> mixed_decodes;
  std::vector<double> mixed_contexts;
  std::vector<double> mixed_us;

  // Further chunks of a step: microseconds per token and per half (query, key) pair.
  double other_token_us = 0;
  double other_pair_us = 0;

  // From this number of decodes on, the attention kernel does not split contexts over
  // multiprocessors. Then each token by which the longest context exceeds the mean costs skew_us,
  // and a step takes at least floor_us per token of the longest context. 0: it always splits.
  std::int32_t unsplit_decodes = 0;
  double skew_us = 0;
  double floor_us = 0;

  [[nodiscard]] bool empty() const { return tokens.empty(); }
};

/// The value at x of the piecewise linear function through (xs, ys), extrapolated at both ends.
/// REQUIRES sorted xs and as many ys.
[[nodiscard]] double interpolate(const std::vector<double>& xs, const std::vector<double>& ys,
                                 double x);

/// The number of decodes from which FlashAttention-2 does not split contexts: the first that,
/// padded to a graph size and times the KV heads of a GPU, fills 1.6 blocks per multiprocessor. 0
/// if the number of multiprocessors is unknown.
[[nodiscard]] std::int32_t unsplit_decodes(std::int32_t multiprocessors, std::int32_t kv_heads);

}  // namespace yardmaster
