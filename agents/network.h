// The network that scores nodes, as decisions use it: without LibTorch, and with the same bits on
// every processor.
//
// All nodes share one scorer, so a network runs on any number of them:
//
//   context  = task, fleet, mean over nodes, minimum over nodes          (standardised features)
//   h(n)     = relu(W_2 relu(W_node x_n + W_context context + b1) + b2)  (two layers per node)
//   f(s, n)  = w3 . h(n)
//   V(s)     = v2 . relu(V_1 context + c1) + c2 + mean over nodes of v3 . h(n)
//   Q(s, n)  = V(s) + f(s, n) - mean of f over the legal nodes
//
// The last line is the dueling form of Wang et al. (ICML 2016). Layers are sums of columns in a
// fixed order, element by element, so neither the width of vectors nor a BLAS can change a bit.
// Sums over nodes are exact, so a permutation of the nodes permutes the scores and changes nothing
// else.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace yardmaster {

/// Sizes of a network. Hidden layers are multiples of 4 and at most kMaxHidden wide.
struct NetworkShape {
  std::size_t node = 0;    // features of a node row
  std::size_t shared = 0;  // features of the task row and the fleet row together
  std::size_t hidden = 0;  // units per hidden layer

  [[nodiscard]] std::size_t context() const { return shared + 2 * node; }
  bool operator==(const NetworkShape&) const = default;
};
inline constexpr std::size_t kMaxHidden = 256;

/// All parameters. Matrices are [input][output], so that a column of weights of one input is
/// contiguous.
struct NetworkWeights {
  NetworkShape shape;
  std::vector<float> node;          // [node][hidden]       W_node
  std::vector<float> context;       // [context][hidden]    W_context
  std::vector<float> bias1;         // [hidden]
  std::vector<float> hidden;        // [hidden][hidden]     W_2
  std::vector<float> bias2;         // [hidden]
  std::vector<float> score;         // [hidden]             w3
  std::vector<float> value_hidden;  // [context][hidden]    V_1
  std::vector<float> value_bias;    // [hidden]             c1
  std::vector<float> value;         // [hidden]             v2
  std::vector<float> value_offset;  // [1]                  c2
  std::vector<float> value_node;    // [hidden]             v3

  /// All zero. Throws std::invalid_argument if the shape is not allowed.
  static NetworkWeights zero(const NetworkShape& shape);
  /// Small random weights by our own streams, the output layers zero: f and V start at 0.
  static NetworkWeights initial(const NetworkShape& shape, std::uint64_t seed);
  /// The parameter tensors in a fixed order, to copy or store them.
  [[nodiscard]] std::vector<std::span<float>> tensors();
};

/// Maps raw features to about [-1, 1]: (x - mean) * inverse, cut to [-6, 6] and rounded to a
/// multiple of 2^-19, which keeps sums over nodes exact.
struct Standardiser {
  std::vector<float> mean;     // [features]
  std::vector<float> inverse;  // [features] 1 / standard deviation

  void apply(std::span<const float> raw, std::span<float> out) const;
  /// From samples [rows][features]. A feature that never changes is divided by 1.
  static Standardiser fit(std::span<const float> rows, std::size_t features);
};

/// The context of a decision from standardised rows: shared features, then mean and minimum over
/// nodes.
void make_context(const NetworkShape&, std::span<const float> node_rows,
                  std::span<const float> shared, std::span<float> context);

/// f(s, n) for every node, from standardised rows.
void score_nodes(const NetworkWeights&, std::span<const float> node_rows,
                 std::span<const float> shared, std::span<float> scores);

/// V(s), from standardised rows. Decisions do not need it.
float state_value(const NetworkWeights&, std::span<const float> node_rows,
                  std::span<const float> shared);

}  // namespace yardmaster
