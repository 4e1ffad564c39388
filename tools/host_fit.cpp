#include "tools/host_fit.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "env/base/random.h"
#include "env/scenario/load.h"

namespace yardmaster {
namespace {

// Replays on a grid of this many steps; a request's times are planes over it. Single replays are
// not smooth: a small change admits somebody one step later.
constexpr int kStepPlaces = 6, kUncapturedPlaces = 9;
constexpr double kStepPlace = 100e-6, kUncapturedPlace = 1e-3;
constexpr int kReweightings = 20;
constexpr double kLeastSpread = 1e-4;
constexpr double kHuber = 1.5;      // spreads beyond which an equation counts less
constexpr std::size_t kBlock = 20;  // requests resampled together
constexpr std::uint32_t kResamples = 1000;

struct Host {
  double step = 0, uncaptured = 0;
};

/// A relative error with no host time, and what a second of either number adds to it.
struct Equation {
  std::size_t request, kind;  // kind 0: TPOT, 1: scheduled to first token
  double error, by_step, by_uncaptured;

  [[nodiscard]] double left(const Host& host) const {
    return error + host.step * by_step + host.uncaptured * by_uncaptured;
  }
};

std::vector<Served> play(const std::vector<Served>& run, const Scenario& scenario,
                         const Host& host) {
  NodeKind kind = scenario.kinds.front();
  kind.engine.step_s += host.step;
  kind.engine.uncaptured_step_s += host.uncaptured;
  compile_kind(kind, scenario.network);
  return replay(run, kind, scenario.network.frontend + scenario.network.latency);
}

double quantity(const Served& r, std::size_t kind) {
  return kind == 0 ? r.last_token_s - r.first_token_s : r.first_token_s - r.scheduled_s;
}

/// Planes by least squares over the grid: its places are a product, so each slope stands alone.
std::vector<Equation> equations_of(const std::vector<Served>& run, const Scenario& scenario,
                                   std::size_t first, std::size_t last) {
  constexpr double kPlaces = kStepPlaces * kUncapturedPlaces;
  constexpr double kMidStep = kStepPlace * (kStepPlaces - 1) / 2;
  constexpr double kMidUncaptured = kUncapturedPlace * (kUncapturedPlaces - 1) / 2;
  std::vector<Equation> equations;
  for (std::size_t i = first; i <= last; ++i) {
    equations.push_back({i, 0, 0, 0, 0});
    equations.push_back({i, 1, 0, 0, 0});
  }
  double step_squares = 0, uncaptured_squares = 0;
  for (int a = 0; a < kStepPlaces; ++a) {
    for (int b = 0; b < kUncapturedPlaces; ++b) {
      const Host host{a * kStepPlace, b * kUncapturedPlace};
      const double off_step = host.step - kMidStep;
      const double off_uncaptured = host.uncaptured - kMidUncaptured;
      step_squares += off_step * off_step;
      uncaptured_squares += off_uncaptured * off_uncaptured;
      const std::vector<Served> played = play(run, scenario, host);
      for (Equation& e : equations) {
        const double real = quantity(run[e.request], e.kind);
        const double error = real > 0 ? quantity(played[e.request], e.kind) / real - 1 : 0;
        e.error += error / kPlaces;
        e.by_step += error * off_step;
        e.by_uncaptured += error * off_uncaptured;
      }
    }
  }
  for (Equation& e : equations) {
    e.by_step /= step_squares;
    e.by_uncaptured /= uncaptured_squares;
    e.error -= e.by_step * kMidStep + e.by_uncaptured * kMidUncaptured;
  }
  std::erase_if(equations,
                [&](const Equation& e) { return quantity(run[e.request], e.kind) <= 0; });
  return equations;
}

/// Each kind's spread of errors: 1.48 times the median of their sizes.
std::array<double, 2> spreads(const std::vector<Equation>& equations, const Host& host) {
  std::array<std::vector<double>, 2> sizes;
  for (const Equation& e : equations) {
    sizes[e.kind].push_back(std::abs(e.left(host)));
  }
  std::array<double, 2> spread = {1, 1};
  for (const std::size_t kind : {0U, 1U}) {
    std::vector<double>& all = sizes[kind];
    if (!all.empty()) {
      const auto middle = all.begin() + static_cast<std::ptrdiff_t>(all.size() / 2);
      std::nth_element(all.begin(), middle, all.end());
      spread[kind] = std::max(1.48 * *middle, kLeastSpread);
    }
  }
  return spread;
}

/// The two numbers of 0 or more with the least weighted squares.
Host solve(const std::vector<Equation>& equations) {
  Host host;
  for (int round = 0; round < kReweightings; ++round) {
    const std::array<double, 2> spread = spreads(equations, host);
    double aa = 0, ab = 0, bb = 0, ay = 0, by = 0;
    for (const Equation& e : equations) {
      const double size = std::abs(e.left(host)) / spread[e.kind];
      const double weight = (size > kHuber ? kHuber / size : 1) / (spread[e.kind] * spread[e.kind]);
      aa += weight * e.by_step * e.by_step;
      ab += weight * e.by_step * e.by_uncaptured;
      bb += weight * e.by_uncaptured * e.by_uncaptured;
      ay -= weight * e.by_step * e.error;
      by -= weight * e.by_uncaptured * e.error;
    }
    const double determinant = aa * bb - ab * ab;
    const bool both = determinant > 1e-9 * aa * bb;
    host = both ? Host{(ay * bb - by * ab) / determinant, (by * aa - ay * ab) / determinant}
                : Host{aa > 0 ? ay / aa : 0, 0};
    if (host.step < 0) {
      host = {0, bb > 0 ? by / bb : 0};
    }
    if (host.uncaptured < 0) {
      host = {aa > 0 ? std::max(ay / aa, 0.0) : 0, 0};
    }
  }
  return host;
}

HostNumber number(double value, std::vector<double> resampled) {
  std::sort(resampled.begin(), resampled.end());
  const auto at = [&](double p) {
    return resampled[static_cast<std::size_t>(p * static_cast<double>(resampled.size() - 1))];
  };
  return {value, at(0.025), at(0.975)};
}

}  // namespace

HostFit fit_host(const std::vector<Served>& run, const Scenario& scenario, std::size_t first,
                 std::size_t last) {
  const std::vector<Equation> equations = equations_of(run, scenario, first, last);
  std::vector<std::vector<Equation>> blocks((last - first) / kBlock + 1);
  for (const Equation& e : equations) {
    blocks[(e.request - first) / kBlock].push_back(e);
  }
  std::vector<double> steps, uncaptured;
  for (std::uint32_t i = 0; i < kResamples; ++i) {
    const Draw draw{Seed{1}, Purpose::tie, object_address(0, i)};
    std::vector<Equation> sample;
    for (std::uint32_t b = 0; b < blocks.size(); ++b) {
      const auto& block = blocks[draw.below(static_cast<std::uint32_t>(blocks.size()), b)];
      sample.insert(sample.end(), block.begin(), block.end());
    }
    const Host host = solve(sample);
    steps.push_back(host.step);
    uncaptured.push_back(host.uncaptured);
  }
  const Host host = solve(equations);
  return {number(host.step, std::move(steps)), number(host.uncaptured, std::move(uncaptured))};
}

}  // namespace yardmaster
