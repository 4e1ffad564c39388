#include "agents/network.h"

#include <Eigen/Core>
#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>

#include "env/base/check.h"
#include "env/base/random.h"

namespace yardmaster {
namespace {

constexpr float kClip = 6.0F;

using Column = Eigen::Map<const Eigen::ArrayXf>;
using Layer = std::array<float, kMaxHidden>;
using ContextBuffer = std::array<float, 4 * kMaxHidden>;

// out += sum over inputs of x[i] * column i, in the order of the inputs. Element by element:
// Eigen's product kernels would use FMA where the processor has it.
void add_columns(std::span<const float> weights, std::span<const float> x, std::span<float> out) {
  Eigen::Map<Eigen::ArrayXf> sum(out.data(), static_cast<Eigen::Index>(out.size()));
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (x[i] != 0) {
      sum += Column(weights.data() + i * out.size(), sum.size()) * x[i];
    }
  }
}

void relu(std::span<float> x) {
  for (float& v : x) {
    v = v > 0 ? v : 0.0F;
  }
}

// Four partial sums, for any width of vectors.
float dot(std::span<const float> a, std::span<const float> b) {
  std::array<float, 4> sum{};
  for (std::size_t i = 0; i < a.size(); i += 4) {
    for (std::size_t k = 0; k < 4; ++k) {
      sum[k] += a[i + k] * b[i + k];
    }
  }
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

std::span<float> copy_of(std::span<const float> from, Layer& to) {
  std::copy(from.begin(), from.end(), to.begin());
  return std::span<float>(to).first(from.size());
}

std::span<const float> context_in(ContextBuffer& buffer, const NetworkShape& shape,
                                  std::span<const float> node_rows, std::span<const float> shared) {
  check(shape.context() <= buffer.size(), "the context has too many features");
  const std::span<float> context = std::span<float>(buffer).first(shape.context());
  make_context(shape, node_rows, shared, context);
  return context;
}

// The part of the first layer that all nodes share.
std::span<float> common_layer(const NetworkWeights& w, std::span<const float> context, Layer& out) {
  const std::span<float> common = copy_of(w.bias1, out);
  add_columns(w.context, context, common);
  return common;
}

std::span<float> node_layers(const NetworkWeights& w, std::span<const float> row,
                             std::span<const float> common, Layer& first, Layer& second) {
  const std::span<float> h1 = copy_of(common, first);
  add_columns(w.node, row, h1);
  relu(h1);
  const std::span<float> h2 = copy_of(w.bias2, second);
  add_columns(w.hidden, h1, h2);
  relu(h2);
  return h2;
}

}  // namespace

NetworkWeights NetworkWeights::zero(const NetworkShape& s) {
  if (s.node == 0 || s.hidden == 0 || s.hidden % 4 != 0 || s.hidden > kMaxHidden) {
    throw std::invalid_argument("a hidden layer has a multiple of 4 units, at most 256");
  }
  NetworkWeights w;
  w.shape = s;
  w.node.assign(s.node * s.hidden, 0);
  w.context.assign(s.context() * s.hidden, 0);
  w.bias1.assign(s.hidden, 0);
  w.hidden.assign(s.hidden * s.hidden, 0);
  w.bias2.assign(s.hidden, 0);
  w.score.assign(s.hidden, 0);
  w.value_hidden.assign(s.context() * s.hidden, 0);
  w.value_bias.assign(s.hidden, 0);
  w.value.assign(s.hidden, 0);
  w.value_offset.assign(1, 0);
  w.value_node.assign(s.hidden, 0);
  return w;
}

NetworkWeights NetworkWeights::initial(const NetworkShape& s, std::uint64_t seed) {
  NetworkWeights w = zero(s);
  // He et al. (ICCV 2015): variance 2 / inputs keeps the scale through rectifiers.
  const auto fill = [&](std::vector<float>& matrix, std::size_t inputs, std::uint32_t which) {
    const double sigma = std::sqrt(2.0 / static_cast<double>(inputs));
    for (std::size_t i = 0; i < matrix.size(); ++i) {
      const Draw draw{Seed{seed}, Purpose::weights,
                      object_address(which, static_cast<std::uint32_t>(i))};
      matrix[i] = static_cast<float>(sigma * draw.normal());
    }
  };
  fill(w.node, s.node + s.context(), 0);
  fill(w.context, s.node + s.context(), 1);
  fill(w.hidden, s.hidden, 2);
  fill(w.value_hidden, s.context(), 3);
  return w;
}

std::vector<std::span<float>> NetworkWeights::tensors() {
  return {node,         context,    bias1, hidden,       bias2,     score,
          value_hidden, value_bias, value, value_offset, value_node};
}

void Standardiser::apply(std::span<const float> raw, std::span<float> out) const {
  // Adding and subtracting 24 rounds a number of up to 6 to the last place of 24: 2^-19.
  constexpr float kRound = 24.0F;
  const std::size_t features = mean.size();
  for (std::size_t start = 0; start < raw.size(); start += features) {
    for (std::size_t i = 0; i < features; ++i) {
      const float z = std::clamp((raw[start + i] - mean[i]) * inverse[i], -kClip, kClip);
      out[start + i] = (z + kRound) - kRound;
    }
  }
}

Standardiser Standardiser::fit(std::span<const float> rows, std::size_t features) {
  const std::size_t count = rows.size() / features;
  check(count > 0, "there are no samples to standardise by");
  Standardiser s;
  for (std::size_t i = 0; i < features; ++i) {
    double sum = 0, squares = 0;
    for (std::size_t r = 0; r < count; ++r) {
      sum += static_cast<double>(rows[r * features + i]);
    }
    const double centre = sum / static_cast<double>(count);
    for (std::size_t r = 0; r < count; ++r) {
      const double d = static_cast<double>(rows[r * features + i]) - centre;
      squares += d * d;
    }
    const double sigma = std::sqrt(squares / static_cast<double>(count));
    s.mean.push_back(static_cast<float>(centre));
    s.inverse.push_back(sigma > 1e-4 ? static_cast<float>(1 / sigma) : 1.0F);
  }
  return s;
}

void make_context(const NetworkShape& shape, std::span<const float> node_rows,
                  std::span<const float> shared, std::span<float> context) {
  check(shared.size() == shape.shared && context.size() == shape.context(),
        "the context has the wrong size");
  const std::size_t nodes = node_rows.size() / shape.node;
  std::copy(shared.begin(), shared.end(), context.begin());
  for (std::size_t i = 0; i < shape.node; ++i) {
    double sum = 0;
    float least = kClip;
    for (std::size_t n = 0; n < nodes; ++n) {
      const float x = node_rows[n * shape.node + i];
      sum += static_cast<double>(x);
      least = std::min(least, x);
    }
    context[shape.shared + i] = static_cast<float>(sum / static_cast<double>(nodes));
    context[shape.shared + shape.node + i] = least;
  }
}

void score_nodes(const NetworkWeights& w, std::span<const float> node_rows,
                 std::span<const float> shared, std::span<float> scores) {
  check(node_rows.size() == scores.size() * w.shape.node, "one row per node");
  ContextBuffer buffer;
  Layer common{}, first{}, second{};
  const std::span<const float> from_context =
      common_layer(w, context_in(buffer, w.shape, node_rows, shared), common);
  for (std::size_t n = 0; n < scores.size(); ++n) {
    const std::span<const float> row = node_rows.subspan(n * w.shape.node, w.shape.node);
    scores[n] = dot(w.score, node_layers(w, row, from_context, first, second));
  }
}

float state_value(const NetworkWeights& w, std::span<const float> node_rows,
                  std::span<const float> shared) {
  ContextBuffer buffer;
  Layer common{}, first{}, second{};
  const std::span<const float> context = context_in(buffer, w.shape, node_rows, shared);
  const std::span<const float> from_context = common_layer(w, context, common);
  const std::size_t nodes = node_rows.size() / w.shape.node;
  double sum = 0;
  for (std::size_t n = 0; n < nodes; ++n) {
    const std::span<const float> row = node_rows.subspan(n * w.shape.node, w.shape.node);
    sum += static_cast<double>(dot(w.value_node, node_layers(w, row, from_context, first, second)));
  }
  const std::span<float> h = copy_of(w.value_bias, first);
  add_columns(w.value_hidden, context, h);
  relu(h);
  return dot(w.value, h) + w.value_offset[0] + static_cast<float>(sum / static_cast<double>(nodes));
}

}  // namespace yardmaster
