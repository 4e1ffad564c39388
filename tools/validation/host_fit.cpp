#include "tools/validation/host_fit.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "env/base/random.h"
#include "env/scenario/load.h"
#include "tools/command.h"
#include "tools/progress.h"

namespace yardmaster {
namespace {

// Replays are made on a grid of this many steps, over which a request's times are fitted by planes.
// A single replay is not smooth: a small change admits some request one step later.
constexpr int kStepPlaces = 6, kUncapturedPlaces = 9;
constexpr double kStepPlace = 100e-6, kUncapturedPlace = 1e-3;
constexpr int kGrids = 9;             // the first one, and those that follow a solution outside it
constexpr double kLongestHost = 10;   // seconds; replays beyond this are useless
constexpr double kLeastSlope = 1e-9;  // relative error per grid step; less is rounding
constexpr int kReweightings = 20;
constexpr double kLeastSpread = 1e-4;
constexpr double kMostSpread = 0.3;  // of remaining errors, for a solution outside the first grid
constexpr double kHuber = 1.5;       // spreads beyond which an equation has less weight
constexpr std::size_t kBlock = 20;   // consecutive requests that are resampled together
constexpr std::uint32_t kResamples = 1000;

struct Host {
  double step = 0, uncaptured = 0;
};

/// A relative error without host time, and what one second of either number adds to it.
struct Equation {
  std::size_t request, kind;  // kind 0: TPOT, 1: scheduled to first token
  double error, by_step, by_uncaptured;

  [[nodiscard]] double left(const Host& host) const {
    return error + host.step * by_step + host.uncaptured * by_uncaptured;
  }
};

/// The lower corner of the grid of replays.
struct Grid {
  Host low;

  [[nodiscard]] Host place(int a, int b) const {
    return {low.step + a * kStepPlace, low.uncaptured + b * kUncapturedPlace};
  }
  [[nodiscard]] Host middle() const { return {low.step + kStepReach, low.uncaptured + kReach}; }
  [[nodiscard]] bool holds(const Host& host) const {
    return std::abs(host.step - middle().step) <= kStepReach &&
           std::abs(host.uncaptured - middle().uncaptured) <= kReach;
  }

  static constexpr double kStepReach = kStepPlace * (kStepPlaces - 1) / 2;
  static constexpr double kReach = kUncapturedPlace * (kUncapturedPlaces - 1) / 2;
};

/// The grid around this point, shifted so that no point is below 0.
Grid around(const Host& host) {
  return {
      {std::max(host.step - Grid::kStepReach, 0.0), std::max(host.uncaptured - Grid::kReach, 0.0)}};
}

std::vector<Served> play(const std::vector<Served>& run, const Scenario& scenario,
                         const Host& host) {
  NodeKind kind = scenario.kinds.front();
  kind.engine.step_s += host.step;
  kind.engine.uncaptured_step_s += host.uncaptured;
  compile_kind(kind, scenario.network);
  return replay(run, kind, scenario.network.frontend + scenario.network.latency);
}

/// The time in one kind of equation; 0 where there is none, such as decoding of a single token.
double quantity(const Served& r, std::size_t kind) {
  if (kind == 0) {
    return r.output_tokens > 1 ? r.last_token_s - r.first_token_s : 0;
  }
  return r.first_token_s - r.scheduled_s;
}

/// A slope, or 0 where it is mere rounding, which would yield hours of host time.
double slope(double found, double place) {
  return std::abs(found) * place < kLeastSlope ? 0 : found;
}

/// Planes by least squares. The grid is a product, so the two slopes are independent.
std::vector<Equation> equations_of(const std::vector<Served>& run, const Scenario& scenario,
                                   const Grid& grid, std::size_t first, std::size_t last) {
  constexpr double kPlaces = kStepPlaces * kUncapturedPlaces;
  const Host middle = grid.middle();
  std::vector<Equation> equations;
  for (std::size_t i = first; i <= last; ++i) {
    equations.push_back({i, 0, 0, 0, 0});
    equations.push_back({i, 1, 0, 0, 0});
  }
  Progress progress("replays", std::uint64_t{kStepPlaces} * kUncapturedPlaces);
  double step_squares = 0, uncaptured_squares = 0;
  for (int a = 0; a < kStepPlaces; ++a) {
    for (int b = 0; b < kUncapturedPlaces; ++b) {
      const Host host = grid.place(a, b);
      const double off_step = host.step - middle.step;
      const double off_uncaptured = host.uncaptured - middle.uncaptured;
      step_squares += off_step * off_step;
      uncaptured_squares += off_uncaptured * off_uncaptured;
      const std::vector<Served> played = play(run, scenario, host);
      progress.add();
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
    e.by_step = slope(e.by_step / step_squares, kStepPlace);
    e.by_uncaptured = slope(e.by_uncaptured / uncaptured_squares, kUncapturedPlace);
    e.error -= e.by_step * middle.step + e.by_uncaptured * middle.uncaptured;
  }
  std::erase_if(equations,
                [&](const Equation& e) { return quantity(run[e.request], e.kind) <= 0; });
  return equations;
}

/// Spread of the errors of each kind: 1.48 times the median of absolute errors.
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

/// The two non-negative numbers with the smallest weighted sum of squares.
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

/// Throws BadInput where an interval would be meaningless or an equation is missing.
void check_enough(const std::vector<Served>& run, std::size_t first, std::size_t last) {
  const std::size_t requests = last - first + 1;
  if (requests <= kBlock) {
    throw BadInput(
        fmt::format("calibrate --host: {} requests (expected more than {}, for an "
                    "interval resamples stretches of so many)",
                    requests, kBlock));
  }
  for (const std::size_t kind : {0U, 1U}) {
    const auto from = run.begin() + static_cast<std::ptrdiff_t>(first);
    if (std::none_of(from, from + static_cast<std::ptrdiff_t>(requests),
                     [&](const Served& r) { return quantity(r, kind) > 0; })) {
      throw BadInput(fmt::format(
          "calibrate --host: no request has time {} (expected it above 0 "
          "in some)",
          kind == 0 ? "between its first and last token" : "from scheduled to first token"));
    }
  }
}

/// A solution and the equations that it solves.
struct Solved {
  std::vector<Equation> equations;
  Host host;
};

/// Whether the remaining errors are small enough to accept a solution far from the start of the
/// search; an overloaded node has other solutions there.
bool explains(const Solved& solved) {
  const std::array<double, 2> spread = spreads(solved.equations, solved.host);
  return std::max(spread[0], spread[1]) < kMostSpread;
}

/// Moves the grid until it contains the solution. Throws BadInput if it never does.
Solved solve_around(const std::vector<Served>& run, const Scenario& scenario, std::size_t first,
                    std::size_t last) {
  Grid grid;
  Solved solved;
  for (int i = 0; i < kGrids; ++i) {
    solved.equations = equations_of(run, scenario, grid, first, last);
    solved.host = solve(solved.equations);
    if (grid.holds(solved.host)) {
      if (i == 0 || explains(solved)) {
        return solved;
      }
      break;
    }
    if (!(solved.host.step + solved.host.uncaptured < kLongestHost)) {
      break;
    }
    grid = around(solved.host);
  }
  throw BadInput(
      fmt::format("calibrate --host: no host times make the replay like the run (tried "
                  "at last: step {:.4g} ms, uncaptured_step {:.4g} ms; a scenario whose own "
                  "machine is near helps)",
                  1e3 * solved.host.step, 1e3 * solved.host.uncaptured));
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
  check_enough(run, first, last);
  const auto [equations, host] = solve_around(run, scenario, first, last);
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
    const Host resampled = solve(sample);
    steps.push_back(resampled.step);
    uncaptured.push_back(resampled.uncaptured);
  }
  return {number(host.step, std::move(steps)), number(host.uncaptured, std::move(uncaptured))};
}

}  // namespace yardmaster
