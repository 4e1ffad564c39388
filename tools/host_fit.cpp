#include "tools/host_fit.h"

#include <algorithm>
#include <cmath>

#include "env/base/random.h"
#include "env/scenario/load.h"

namespace yardmaster {
namespace {

constexpr int kRounds = 8;
constexpr int kReweightings = 10;
constexpr double kStepChange = 100e-6, kUncapturedChange = 1e-3;  // of the finite differences
constexpr double kHuber = 1.5;                                    // spreads
constexpr std::size_t kBlock = 20;                                // requests resampled together
constexpr std::uint32_t kResamples = 1000;

/// A relative error and what it changes by with either number: one equation.
struct Equation {
  std::size_t request;
  int kind;  // 0: TPOT, 1: scheduled to first token
  double error, by_step, by_uncaptured;
};

struct Host {
  double step = 0, uncaptured = 0;
};

std::vector<Served> play(const std::vector<Served>& run, const Scenario& scenario,
                         const Host& host) {
  NodeKind kind = scenario.kinds.front();
  kind.engine.step_s += host.step;
  kind.engine.uncaptured_step_s += host.uncaptured;
  compile_kind(kind, scenario.network);
  return replay(run, kind.settings, scenario.network.frontend + scenario.network.latency);
}

double quantity(const Served& r, int kind) {
  return kind == 0 ? r.last_token_s - r.first_token_s : r.first_token_s - r.scheduled_s;
}

std::vector<Equation> equations_at(const std::vector<Served>& run, const Scenario& scenario,
                                   const Host& host, std::size_t first, std::size_t last) {
  const auto base = play(run, scenario, host);
  const auto step = play(run, scenario, {host.step + kStepChange, host.uncaptured});
  const auto uncaptured = play(run, scenario, {host.step, host.uncaptured + kUncapturedChange});
  std::vector<Equation> equations;
  for (std::size_t i = first; i <= last; ++i) {
    for (const int kind : {0, 1}) {
      const double real = quantity(run[i], kind);
      if (real <= 0 || (kind == 0 && run[i].output_tokens < 2)) {
        continue;
      }
      const double now = quantity(base[i], kind);
      equations.push_back({i, kind, now / real - 1,
                           (quantity(step[i], kind) - now) / real / kStepChange,
                           (quantity(uncaptured[i], kind) - now) / real / kUncapturedChange});
    }
  }
  return equations;
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// The spread of each kind's errors after the correction: 1.48 times the median of their sizes.
double spread(const std::vector<Equation>& equations, int kind, const Host& by) {
  std::vector<double> sizes;
  for (const Equation& e : equations) {
    if (e.kind == kind) {
      sizes.push_back(std::abs(e.error + by.step * e.by_step + by.uncaptured * e.by_uncaptured));
    }
  }
  return sizes.empty() ? 1 : std::max(1.48 * median(std::move(sizes)), 1e-4);
}

/// The correction of least weighted squares.
Host solve(const std::vector<Equation>& equations) {
  Host by;
  for (int round = 0; round < kReweightings; ++round) {
    const std::array<double, 2> spreads = {spread(equations, 0, by), spread(equations, 1, by)};
    double aa = 0, ab = 0, bb = 0, ay = 0, by_sum = 0;
    for (const Equation& e : equations) {
      const double scale = spreads[static_cast<std::size_t>(e.kind)];
      const double size =
          std::abs(e.error + by.step * e.by_step + by.uncaptured * e.by_uncaptured) / scale;
      const double weight = (size > kHuber ? kHuber / size : 1) / (scale * scale);
      aa += weight * e.by_step * e.by_step;
      ab += weight * e.by_step * e.by_uncaptured;
      bb += weight * e.by_uncaptured * e.by_uncaptured;
      ay -= weight * e.by_step * e.error;
      by_sum -= weight * e.by_uncaptured * e.error;
    }
    const double determinant = aa * bb - ab * ab;
    if (determinant <= 1e-12 * aa * bb) {  // no step beyond the graphs, or nothing but such
      by = aa > 0 ? Host{ay / aa, 0} : Host{};
    } else {
      by = {(ay * bb - by_sum * ab) / determinant, (by_sum * aa - ay * ab) / determinant};
    }
  }
  return by;
}

HostNumber number(double value, std::vector<double> resampled) {
  std::sort(resampled.begin(), resampled.end());
  const auto at = [&](double p) {
    return resampled[static_cast<std::size_t>(p * static_cast<double>(resampled.size() - 1))];
  };
  return {value, value + at(0.025), value + at(0.975)};
}

}  // namespace

HostFit fit_host(const std::vector<Served>& run, const Scenario& scenario, std::size_t first,
                 std::size_t last) {
  Host host;
  std::vector<Equation> equations;
  for (int round = 0; round < kRounds; ++round) {
    equations = equations_at(run, scenario, host, first, last);
    const Host by = solve(equations);
    // Half a step each time: the replay is not quite smooth, and an average over rounds is wanted.
    const double share = round == 0 ? 1 : 0.5;
    host = {std::max(0.0, host.step + share * by.step),
            std::max(0.0, host.uncaptured + share * by.uncaptured)};
  }
  const std::size_t blocks = (last - first) / kBlock + 1;
  std::vector<std::vector<Equation>> by_block(blocks);
  for (const Equation& e : equations) {
    by_block[(e.request - first) / kBlock].push_back(e);
  }
  const Host centre = solve(equations);
  std::vector<double> steps, uncaptured;
  for (std::uint32_t i = 0; i < kResamples; ++i) {
    const Draw draw{Seed{1}, Purpose::tie, object_address(0, i)};
    std::vector<Equation> sample;
    for (std::uint32_t b = 0; b < blocks; ++b) {
      const auto& block = by_block[draw.below(static_cast<std::uint32_t>(blocks), b)];
      sample.insert(sample.end(), block.begin(), block.end());
    }
    const Host by = solve(sample);
    steps.push_back(by.step - centre.step);
    uncaptured.push_back(by.uncaptured - centre.uncaptured);
  }
  return {number(host.step, std::move(steps)), number(host.uncaptured, std::move(uncaptured))};
}

}  // namespace yardmaster
