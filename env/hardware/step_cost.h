// The time of one engine step, compiled to integers when the scenario is loaded.
//
// The formula is that of docs/model.md, "Step time". For d decodes over S context tokens and
// prefill chunks of c_i tokens after b_i computed ones, a step takes
//
//   without chunks   decode_base[d] + S * decode_token
//   with chunks      dense[d + sum c_i] + head[sampled] + (d + chunks) * sequence + mixed_base
//                    + S * mixed_token + sum c_i * chunk_token + sum (2 b_i c_i + c_i^2) * pair
//
// where decode_base[d] = dense[d] + head[d] + d * sequence + a constant of at most mixed_base.
//
// All terms are integers in ps. Sums over steps are therefore exact and do not depend on where a
// stretch was cut. If the GPU and model were profiled, tables replace dense, head and attention
// (step_table.h). Decode is then affine within a cell.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "env/base/units.h"
#include "env/hardware/hardware.h"
#include "env/hardware/step_table.h"

namespace yardmaster {

/// A stretch of steps with one composition of the batch. Step j (from 0) takes first + growth * j.
struct Segment {
  Duration first;
  Duration growth;

  /// Duration of step `j`.
  [[nodiscard]] constexpr Duration step(std::int64_t j) const { return {first.ps + growth.ps * j}; }
  /// Total duration of the first `steps` steps.
  [[nodiscard]] constexpr Duration total(std::int64_t steps) const {
    return {first.ps * steps + growth.ps * (steps * (steps - 1) >> 1)};
  }
};

/// A stretch of decode steps, affine for at most `steps` steps.
struct DecodeRun {
  Segment segment;
  std::int64_t steps;
};

/// The contents of a step with prefill chunks.
struct MixedStep {
  std::int32_t decodes = 0;         // sequences that decode
  std::int64_t context_tokens = 0;  // S: their computed tokens before this step
  std::int32_t chunks = 0;          // number of prefill chunks
  std::int32_t chunk_tokens = 0;    // sum c_i
  std::int64_t chunk_pairs = 0;     // sum (2 b_i c_i + c_i^2)
  std::int32_t sampled = 0;         // sequences that sample a token: decodes and last chunks
  // The chunk with the most pairs. 0 tokens: all chunks count as one.
  std::int32_t largest_tokens = 0;
  std::int64_t largest_pairs = 0;

  /// Adds a chunk of `tokens` tokens after `before` computed ones.
  constexpr void add_chunk(std::int32_t before, std::int32_t tokens) {
    const std::int64_t pairs = tokens * (2LL * before + tokens);
    ++chunks;
    chunk_tokens += tokens;
    chunk_pairs += pairs;
    if (pairs > largest_pairs) {
      largest_tokens = tokens;
      largest_pairs = pairs;
    }
  }
};

/// The most sequences and tokens per step.
struct StepLimits {
  std::int32_t max_num_seqs = 0;
  std::int32_t max_num_batched_tokens = 0;
};

/// The default limits of an engine on a GPU.
[[nodiscard]] StepLimits default_limits(const GpuSpec&, const EngineSpec&);

/// The size of the captured graph that runs a step of `tokens` tokens. 0 if the step exceeds all
/// graphs. vLLM captures sizes of 1, 2, 4, multiples of 8 to 256 and multiples of 16 beyond, up to
/// min(2 max_num_seqs, 512).
[[nodiscard]] std::int32_t captured_tokens(std::int32_t tokens, std::int32_t max_num_seqs);

/// Step times of one GPU type, model, engine and tensor-parallel degree. Immutable and shared.
class StepCost {
 public:
  StepCost() = default;
  /// Compiles the formula. `slowdown` multiplies every term; it is above 1 for a straggler.
  /// REQUIRES gpu.runs(model, tensor_parallel), tensor_parallel >= 1, limits >= 1.
  StepCost(const GpuSpec&, const ModelSpec&, const EngineSpec&, int tensor_parallel, StepLimits,
           double slowdown = 1.0);
  /// Compiles measured tables. Only communication and host time come from the formula. REQUIRES a
  /// profile of this GPU and model, and limits as above.
  StepCost(const StepProfile&, const GpuSpec&, const ModelSpec&, const EngineSpec&, StepLimits,
           double slowdown = 1.0);
  /// An affine cost for tests and theory, as in the recordings of vLLM's scheduler. A step takes
  /// step + entry * entries + token * tokens + context * S, where S counts decodes only.
  static StepCost affine(Duration step, Duration entry, Duration token, Duration context,
                         StepLimits);

  /// Steps in which `sequences` decode, the first over `context_tokens`. Each step adds a token per
  /// sequence. With tables: for equal contexts, and for the number of steps of decode_run().
  [[nodiscard]] Segment decode(std::int32_t sequences, std::int64_t context_tokens) const {
    const auto n = static_cast<std::size_t>(sequences);
    if (!table_.empty() && sequences > 0) {
      const StepTable::Decode run = table_.decode(sequences, context_tokens, 0);
      return {{decode_base_[n].ps + run.first_ps}, {run.growth_ps}};
    }
    return {{decode_base_[n].ps + context_tokens * decode_token_.ps},
            {sequences * decode_token_.ps}};
  }
  /// The same, with the number of steps for which it holds. `longest` is the longest context, which
  /// is used only if depends_on_longest(). REQUIRES sequences >= 1.
  [[nodiscard]] DecodeRun decode_run(std::int32_t sequences, std::int64_t context_tokens,
                                     std::int64_t longest) const {
    if (table_.empty()) {
      return {decode(sequences, context_tokens), kUnbounded};
    }
    const StepTable::Decode run = table_.decode(sequences, context_tokens, longest);
    return {
        {{decode_base_[static_cast<std::size_t>(sequences)].ps + run.first_ps}, {run.growth_ps}},
        run.steps};
  }
  /// Whether the longest context affects decode steps of so many sequences.
  [[nodiscard]] bool depends_on_longest(std::int32_t sequences) const {
    return table_.depends_on_longest(sequences);
  }
  /// Total duration of `steps` decode steps, for equal contexts.
  [[nodiscard]] Duration decode_total(std::int32_t sequences, std::int64_t context_tokens,
                                      std::int64_t steps) const;
  /// Duration of a step with prefill chunks.
  [[nodiscard]] Duration mixed(const MixedStep& s) const {
    if (!table_.empty()) {
      return mixed_from_table(s);
    }
    return {dense_[static_cast<std::size_t>(s.decodes + s.chunk_tokens)].ps +
            head_[static_cast<std::size_t>(s.sampled)].ps + (s.decodes + s.chunks) * sequence_.ps +
            mixed_base_.ps + s.context_tokens * mixed_token_.ps + s.chunk_tokens * chunk_token_.ps +
            s.chunk_pairs * pair_.ps};
  }
  /// The most consecutive steps, each with a full chunk of one long prompt, that grow evenly.
  [[nodiscard]] std::int64_t most_chunk_steps() const { return table_.empty() ? kUnbounded : 1; }
  /// The difference between consecutive steps of such a run. Unused with tables.
  [[nodiscard]] Duration mixed_growth(const MixedStep& s) const {
    return {s.decodes * mixed_token_.ps +
            2 * static_cast<std::int64_t>(s.chunk_tokens) * s.chunk_tokens * pair_.ps};
  }
  /// The part of a decode step without contexts: decode(sequences, 0).first from a table.
  [[nodiscard]] Duration decode_without_context(std::int32_t sequences) const {
    return decode_without_context_[static_cast<std::size_t>(sequences)];
  }
  /// The time that one more context token adds to a decode step where contexts are long.
  [[nodiscard]] Duration context_token() const {
    return table_.empty() ? decode_token_ : table_.context_token();
  }

  /// KiB of weights that a step of `tokens` tokens reads, rounded down: all but the input table and
  /// the experts that no token is sent to. 0 for affine costs.
  [[nodiscard]] std::int64_t weights_kib(std::int32_t tokens) const {
    return weights_kib_ - unread_kib(tokens);
  }
  /// KiB of weights that it does not read, of those that some step reads.
  [[nodiscard]] std::int64_t unread_kib(std::int32_t tokens) const {
    return reads_all_weights() ? 0 : unread_kib_[static_cast<std::size_t>(tokens)];
  }
  /// Whether every step reads all of them, as in dense models.
  [[nodiscard]] bool reads_all_weights() const { return unread_kib_.empty(); }

  /// A lower bound of every step. Formula: one read of the weights at the measured rate. Tables:
  /// the shortest step without attention. Affine: the constant.
  [[nodiscard]] Duration weight_read() const { return weight_read_; }

 private:
  static constexpr std::int64_t kUnbounded = std::numeric_limits<std::int64_t>::max();
  [[nodiscard]] Duration mixed_from_table(const MixedStep&) const;

  void fill_decode_without_context();
  void fill_weights(const ModelSpec&, StepLimits);

  std::vector<Duration> decode_base_;             // [max_num_seqs + 1]
  std::vector<Duration> decode_without_context_;  // [max_num_seqs + 1]
  // [max_num_batched_tokens + 1]: token-parallel part and host time per step.
  std::vector<Duration> dense_;
  std::vector<Duration> head_;  // [max_num_seqs + 1]: output head, by samples
  Duration decode_token_;
  Duration sequence_;
  Duration mixed_base_;
  Duration mixed_token_;
  Duration chunk_token_;
  Duration pair_;
  Duration weight_read_;
  StepTable table_;  // empty: the formula is used
  std::int64_t weights_kib_ = 0;
  std::vector<std::int64_t> unread_kib_;  // [max_num_batched_tokens + 1]; empty: dense models
};

/// FLOP and bytes of a step's parts, and the peaks, over all GPUs of a node. Used for utilisation.
/// StepCost::weights_kib() has the weights.
struct WorkCost {
  double flops_per_token = 0;     // all layers: 2 * active parameters
  double flops_per_sample = 0;    // the output head
  double flops_per_pair = 0;      // attention of one query token over one key token, all layers
  double kv_bytes_per_token = 0;  // read once per decode and context token
  double peak_flops = 0;          // FLOP/s in the weights' format, from the data sheet
  double peak_bandwidth = 0;      // bytes/s, from the data sheet
};

/// The work figures of a model on `tensor_parallel` GPUs.
WorkCost work_cost(const GpuSpec&, const ModelSpec&, int tensor_parallel);

/// Bytes of GPU memory that an engine reserves for activations, graphs and the CUDA context.
/// Derived from vLLM on an RTX 4090 with Llama-3.1-8B, which had 2,588 blocks including the null
/// block (LLMServingSim): 0.9 * 25.757e9 - 16.061e9 - 2,588 * 16 * 131,072 bytes.
inline constexpr double kReservedBytes = 1.693e9;

/// KV blocks of 16 tokens that fit beside the weights and kReservedBytes, without vLLM's null
/// block. 0 or less if the weights do not fit.
std::int64_t usable_kv_blocks(const GpuSpec&, const ModelSpec&, int tensor_parallel,
                              double memory_utilisation);

}  // namespace yardmaster
