// Measured step times of one GPU type, model and tensor-parallel degree, as tables: what stands in
// for the formula where kernels were profiled. Made by `yardmaster calibrate`, read from the
// catalogue.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace yardmaster {

/// Times of all layers together, in microseconds, without communication and without host time.
struct StepProfile {
  std::string name, gpu, model;  // of the catalogue
  std::int32_t tensor_parallel = 1;

  // Token-parallel kernels and the embedding, by tokens of a step; experts apart, for padding to a
  // captured graph size adds no experts. Between two of `tokens` the next one counts: GEMMs are
  // staircases.
  std::vector<double> tokens, dense_us;
  std::vector<double> experts_us;          // empty: a dense model
  std::vector<double> sequences, head_us;  // output head and sampler, by entries of the batch
  std::vector<double> decodes, contexts;   // axes of decode_us
  std::vector<double> decode_us;           // attention of decode-only steps: [decodes][contexts]
  std::vector<double> chunks, histories;   // axes of mixed_us: the largest chunk and what precedes
  std::vector<double> mixed_decodes, mixed_contexts;
  std::vector<double> mixed_us;  // attention of steps with a chunk: [chunk][history][n][context]
  // Further chunks of a step: microseconds a token and a half (query, key) pair.
  double other_token_us = 0, other_pair_us = 0;

  // From so many decodes on the attention kernel no longer splits contexts over multiprocessors;
  // then a context longer than the mean costs skew_us a token of the difference, and no step is
  // shorter than floor_us a token of the longest. 0: it always splits.
  std::int32_t unsplit_decodes = 0;
  double skew_us = 0, floor_us = 0;

  [[nodiscard]] bool empty() const { return tokens.empty(); }
};

/// Reads ys at x from a sorted table, on straight lines; the first and the last go on.
[[nodiscard]] double interpolate(const std::vector<double>& xs, const std::vector<double>& ys,
                                 double x);

/// The first number of decodes from which FlashAttention-2 does not split: padded to graph sizes
/// and times the KV heads of a GPU it fills 1.6 blocks a multiprocessor. 0 without their number.
[[nodiscard]] std::int32_t unsplit_decodes(std::int32_t multiprocessors, std::int32_t kv_heads);

}  // namespace yardmaster
