// The time of one engine step, compiled to integers when the scenario is loaded.
//
// A step with d decodes over S tokens of context and prefill chunks of c_i tokens after b_i others
// lasts (docs/model.md, "Step time"):
//   without chunks  decode_base[d] + S * decode_token
//   with chunks     dense[d + sum c_i] + head[sampled] + (d + chunks) * sequence + mixed_base
//                   + S * mixed_token + sum c_i * chunk_token + sum (2 b_i c_i + c_i^2) * pair
// and decode_base[d] = dense[d] + head[d] + d * sequence + a constant of at most mixed_base.
// All integers, in ps; so sums over steps are exact and do not depend on where a stretch was cut.
// Where the GPU and model were profiled, tables stand in for dense, head and attention
// (step_table.h): decode is then affine within a cell, and says for how many steps.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "env/base/units.h"
#include "env/hardware/hardware.h"
#include "env/hardware/step_table.h"

namespace yardmaster {

/// A stretch of equal steps: step j (from 0) lasts first + growth * j.
struct Segment {
  Duration first, growth;

  /// Duration of step `j`.
  [[nodiscard]] constexpr Duration step(std::int64_t j) const { return {first.ps + growth.ps * j}; }
  /// Duration of the first `steps` steps together.
  [[nodiscard]] constexpr Duration total(std::int64_t steps) const {
    return {first.ps * steps + growth.ps * (steps * (steps - 1) >> 1)};
  }
};

/// A stretch of decode steps that may last for at most `steps` before its form changes.
struct DecodeRun {
  Segment segment;
  std::int64_t steps;
};

/// What is computed in a step that holds prefill chunks.
struct MixedStep {
  std::int32_t decodes = 0;         // sequences that decode
  std::int64_t context_tokens = 0;  // S: computed tokens of those, before this step
  std::int32_t chunks = 0;          // number of prefill chunks
  std::int32_t chunk_tokens = 0;    // sum c_i
  std::int64_t chunk_pairs = 0;     // sum (2 b_i c_i + c_i^2)
  std::int32_t sampled = 0;         // sequences that get a token: decodes and last chunks
  // The chunk of most pairs; none given: all chunks count as one.
  std::int32_t largest_tokens = 0;
  std::int64_t largest_pairs = 0;

  /// Adds a chunk of `tokens` after `before` computed ones.
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

/// Limits of the tables: no step holds more sequences or tokens.
struct StepLimits {
  std::int32_t max_num_seqs = 0, max_num_batched_tokens = 0;
};

/// What an engine chooses on a GPU when nothing else is asked for.
[[nodiscard]] StepLimits default_limits(const GpuSpec&, const EngineSpec&);

/// The captured graph that a step of `tokens` tokens runs as, by its size; 0 when it exceeds them
/// all. vLLM captures 1, 2, 4, multiples of 8 to 256 and of 16 beyond, up to min(2 max_num_seqs,
/// 512).
[[nodiscard]] std::int32_t captured_tokens(std::int32_t tokens, std::int32_t max_num_seqs);

/// Step times of one GPU type, model, engine and tensor-parallel degree. Immutable and shared.
class StepCost {
 public:
  StepCost() = default;
  /// Compiles the formula. `slow` multiplies every term: 1, or more for a straggler.
  /// REQUIRES gpu.runs(model, tensor_parallel), tensor_parallel >= 1, limits >= 1.
  StepCost(const GpuSpec&, const ModelSpec&, const EngineSpec&, int tensor_parallel, StepLimits,
           double slow = 1.0);
  /// The same with measured tables for all but communication and host time. REQUIRES a profile of
  /// this GPU, model and degree.
  StepCost(const StepProfile&, const GpuSpec&, const ModelSpec&, const EngineSpec&, StepLimits,
           double slow = 1.0);
  /// An affine cost for tests and theory: h0 + h1 * entries + token * tokens + context * S, as the
  /// recordings of vLLM's scheduler use; S counts decodes only.
  static StepCost affine(Duration step, Duration entry, Duration token, Duration context,
                         StepLimits);

  /// Steps in which `sequences` decode, the first over `context_tokens`; each adds one a sequence.
  /// With tables: of equal contexts, and as long as decode_run() says.
  [[nodiscard]] Segment decode(std::int32_t sequences, std::int64_t context_tokens) const {
    const auto n = static_cast<std::size_t>(sequences);
    if (!table_.empty() && sequences > 0) {
      const StepTable::Decode run = table_.decode(sequences, context_tokens, 0);
      return {{decode_base_[n].ps + run.first_ps}, {run.growth_ps}};
    }
    return {{decode_base_[n].ps + context_tokens * decode_token_.ps},
            {sequences * decode_token_.ps}};
  }
  /// The same, and for how many steps it is so. `longest`: the longest of the contexts; only read
  /// where wants_longest() says so. REQUIRES sequences >= 1.
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
  /// Whether decode steps of so many sequences depend on the longest context.
  [[nodiscard]] bool wants_longest(std::int32_t sequences) const {
    return table_.wants_longest(sequences);
  }
  /// The duration of `steps` decode steps together, of equal contexts.
  [[nodiscard]] Duration decode_total(std::int32_t sequences, std::int64_t context_tokens,
                                      std::int64_t steps) const;
  /// One step with prefill chunks.
  [[nodiscard]] Duration mixed(const MixedStep& s) const {
    if (!table_.empty()) {
      return mixed_from_table(s);
    }
    return {dense_[static_cast<std::size_t>(s.decodes + s.chunk_tokens)].ps +
            head_[static_cast<std::size_t>(s.sampled)].ps + (s.decodes + s.chunks) * sequence_.ps +
            mixed_base_.ps + s.context_tokens * mixed_token_.ps + s.chunk_tokens * chunk_token_.ps +
            s.chunk_pairs * pair_.ps};
  }
  /// How many full chunks of one long prompt grow evenly, step by step.
  [[nodiscard]] std::int64_t most_chunk_steps() const { return table_.empty() ? kUnbounded : 1; }
  /// How much longer each next step is in a run of so many. With tables there is none.
  [[nodiscard]] Duration mixed_growth(const MixedStep& s) const {
    return {s.decodes * mixed_token_.ps +
            2 * static_cast<std::int64_t>(s.chunk_tokens) * s.chunk_tokens * pair_.ps};
  }
  /// A decode step's part that the contexts do not add to: decode(sequences, 0).first, looked up.
  [[nodiscard]] Duration decode_over_nothing(std::int32_t sequences) const {
    return decode_over_nothing_[static_cast<std::size_t>(sequences)];
  }
  /// What one more token of context adds to a decode step, where contexts are long.
  [[nodiscard]] Duration context_token() const {
    return table_.empty() ? decode_token_ : table_.context_token();
  }

  /// No step is shorter: one read of the weights at the measured rate; with tables, the shortest
  /// step without attention. Affine costs: the constant.
  [[nodiscard]] Duration weight_read() const { return weight_read_; }

 private:
  static constexpr std::int64_t kUnbounded = std::numeric_limits<std::int64_t>::max();
  [[nodiscard]] Duration mixed_from_table(const MixedStep&) const;

  void fill_decode_over_nothing();

  std::vector<Duration> decode_base_, decode_over_nothing_;  // [max_num_seqs + 1]
  std::vector<Duration>
      dense_;  // [max_num_batched_tokens + 1]: token-parallel part, host time of a step
  std::vector<Duration> head_;  // [max_num_seqs + 1]: output head for that many samples
  Duration decode_token_, sequence_, mixed_base_, mixed_token_, chunk_token_, pair_, weight_read_;
  StepTable table_;  // empty: the formula
};

/// Work of one token and one (query, key) pair, for utilisation: FLOP and bytes over all GPUs of a
/// node.
struct WorkCost {
  double flops_per_token = 0;     // 2 x active parameters, as model FLOP utilisation counts
  double flops_per_pair = 0;      // attention of one query token over one key token, all layers
  double weight_bytes = 0;        // read once a step
  double kv_bytes_per_token = 0;  // read once a decode and context token
  double peak_flops = 0, peak_bandwidth = 0;  // data sheet: FLOP/s of the weights' format, bytes/s
};

/// The work figures of a model on `tensor_parallel` GPUs.
WorkCost work_cost(const GpuSpec&, const ModelSpec&, int tensor_parallel);

/// GPU memory that an engine keeps for activations, graphs and the CUDA context, bytes. Derived:
/// vLLM on an RTX 4090 with Llama-3.1-8B had 2,588 blocks (LLMServingSim, one of them null): 0.9
/// x 25.757e9 - 16.061e9 - 2,588 x 16 x 131,072 bytes.
inline constexpr double kReservedBytes = 1.693e9;

/// KV blocks of 16 tokens that fit beside the weights and kReservedBytes, less the block that vLLM
/// keeps as null block; 0 or less when the weights do not fit.
std::int64_t usable_kv_blocks(const GpuSpec&, const ModelSpec&, int tensor_parallel,
                              double memory_utilisation);

}  // namespace yardmaster
