#include "agents/network.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "env/base/random.h"

namespace yardmaster {
namespace {

constexpr NetworkShape kShape{5, 3, 8};

std::vector<float> random_row(std::size_t size, std::uint32_t which) {
  std::vector<float> row(size);
  for (std::size_t i = 0; i < size; ++i) {
    const Draw draw{Seed{7}, Purpose::weights,
                    object_address(1000 + which, static_cast<std::uint32_t>(i))};
    row[i] = static_cast<float>(std::clamp(draw.normal(), -6.0, 6.0));
  }
  // As standardised features are: multiples of 2^-19.
  for (float& x : row) {
    x = (x + 24.0F) - 24.0F;
  }
  return row;
}

NetworkWeights random_weights() {
  NetworkWeights w = NetworkWeights::initial(kShape, 3);
  std::uint32_t which = 50;
  for (const std::span<float> tensor : w.tensors()) {
    const std::vector<float> noise = random_row(tensor.size(), which++);
    std::transform(tensor.begin(), tensor.end(), noise.begin(), tensor.begin(),
                   [](float a, float b) { return a + 0.3F * b; });
  }
  return w;
}

// The formula of network.h in doubles.
std::vector<double> plain_scores(const NetworkWeights& w, const std::vector<float>& rows,
                                 const std::vector<float>& shared) {
  const std::size_t nodes = rows.size() / kShape.node;
  std::vector<double> context(shared.begin(), shared.end());
  for (std::size_t i = 0; i < kShape.node; ++i) {
    double sum = 0;
    for (std::size_t n = 0; n < nodes; ++n)
      sum += rows[n * kShape.node + i];
    context.push_back(sum / static_cast<double>(nodes));
  }
  for (std::size_t i = 0; i < kShape.node; ++i) {
    double least = rows[i];
    for (std::size_t n = 1; n < nodes; ++n)
      least = std::min<double>(least, rows[n * kShape.node + i]);
    context.push_back(least);
  }
  std::vector<double> scores;
  for (std::size_t n = 0; n < nodes; ++n) {
    std::vector<double> h1(kShape.hidden), h2(kShape.hidden);
    double f = 0;
    for (std::size_t j = 0; j < kShape.hidden; ++j) {
      h1[j] = w.bias1[j];
      for (std::size_t i = 0; i < context.size(); ++i)
        h1[j] += context[i] * w.context[i * kShape.hidden + j];
      for (std::size_t i = 0; i < kShape.node; ++i)
        h1[j] += rows[n * kShape.node + i] * w.node[i * kShape.hidden + j];
      h1[j] = std::max(h1[j], 0.0);
    }
    for (std::size_t j = 0; j < kShape.hidden; ++j) {
      h2[j] = w.bias2[j];
      for (std::size_t i = 0; i < kShape.hidden; ++i)
        h2[j] += h1[i] * w.hidden[i * kShape.hidden + j];
      f += std::max(h2[j], 0.0) * w.score[j];
    }
    scores.push_back(f);
  }
  return scores;
}

TEST(Network, ScoresAreThoseOfTheFormula) {
  const NetworkWeights w = random_weights();
  const std::vector<float> rows = random_row(4 * kShape.node, 1),
                           shared = random_row(kShape.shared, 2);
  std::vector<float> scores(4);
  score_nodes(w, rows, shared, scores);
  const std::vector<double> expected = plain_scores(w, rows, shared);
  for (std::size_t n = 0; n < 4; ++n) {
    EXPECT_NEAR(scores[n], expected[n], 1e-4);
  }
}

TEST(Network, PermutingNodesPermutesScoresExactlyAndKeepsTheValue) {
  const NetworkWeights w = random_weights();
  constexpr std::size_t kNodes = 11;
  const std::vector<float> rows = random_row(kNodes * kShape.node, 1),
                           shared = random_row(kShape.shared, 2);
  std::vector<float> turned(rows);
  std::rotate(turned.begin(), turned.begin() + 4 * static_cast<std::ptrdiff_t>(kShape.node),
              turned.end());
  std::vector<float> scores(kNodes), turned_scores(kNodes);
  score_nodes(w, rows, shared, scores);
  score_nodes(w, turned, shared, turned_scores);
  std::rotate(scores.begin(), scores.begin() + 4, scores.end());
  EXPECT_EQ(scores, turned_scores);
  EXPECT_EQ(state_value(w, rows, shared), state_value(w, turned, shared));
}

TEST(Network, StartsAtZeroScoresAndZeroValue) {
  const NetworkWeights w = NetworkWeights::initial(kShape, 9);
  const std::vector<float> rows = random_row(3 * kShape.node, 1),
                           shared = random_row(kShape.shared, 2);
  std::vector<float> scores(3, 1.0F);
  score_nodes(w, rows, shared, scores);
  EXPECT_EQ(scores, std::vector<float>(3, 0.0F));
  EXPECT_EQ(state_value(w, rows, shared), 0.0F);
  EXPECT_NE(w.node, NetworkWeights::initial(kShape, 10).node);
}

TEST(Network, RefusesShapesThatAreNotAllowed) {
  EXPECT_THROW(NetworkWeights::zero({5, 3, 6}), std::invalid_argument);
  EXPECT_THROW(NetworkWeights::zero({5, 3, kMaxHidden + 4}), std::invalid_argument);
}

TEST(Standardiser, GivesMeanZeroAndSpreadOneAndCutsAtSix) {
  std::vector<float> rows;
  for (int i = 0; i < 100; ++i) {
    rows.push_back(i % 2 == 0 ? 3.0F : 5.0F);
    rows.push_back(7.0F);  // never changes
  }
  const Standardiser s = Standardiser::fit(rows, 2);
  std::vector<float> out(4);
  s.apply(std::vector<float>{5.0F, 7.5F, 400.0F, -400.0F}, out);
  EXPECT_NEAR(out[0], 1.0F, 1e-5);
  EXPECT_NEAR(out[1], 0.5F, 1e-5);
  EXPECT_EQ(out[2], 6.0F);
  EXPECT_EQ(out[3], -6.0F);
  for (const float x : out) {
    EXPECT_EQ(x * 0x1p19F, std::nearbyint(x * 0x1p19F)) << "not a multiple of 2^-19";
  }
}

}  // namespace
}  // namespace yardmaster
