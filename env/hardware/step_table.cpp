#include "env/hardware/step_table.h"

#include <algorithm>
#include <limits>

#include "env/base/check.h"

namespace yardmaster {
namespace {

constexpr std::int64_t kUnbounded = std::numeric_limits<std::int64_t>::max();

Duration compile(double microseconds, double slowdown) {
  return Duration::from_seconds(slowdown * microseconds * 1e-6);
}

std::vector<std::int64_t> whole_numbers(const std::vector<double>& values) {
  std::vector<std::int64_t> axis;
  axis.reserve(values.size());
  for (const double value : values) {
    axis.push_back(static_cast<std::int64_t>(value));
  }
  return axis;
}

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// The rows of a profile between which `decodes` is interpolated. Both belong to the same kernel.
struct Rows {
  std::size_t low;
  std::size_t high;
};

Rows rows_around(const StepProfile& profile, double decodes) {
  const double unsplit = profile.unsplit_decodes;
  const auto begin = profile.decodes.begin();
  const auto border = std::lower_bound(begin, profile.decodes.end(), unsplit);
  const bool above = profile.unsplit_decodes > 0 && decodes >= unsplit;
  auto first = begin;
  auto last = profile.decodes.end();
  if (profile.unsplit_decodes > 0 && border - begin >= 2 && profile.decodes.end() - border >= 2) {
    (above ? first : last) = border;
  }
  const auto after = std::upper_bound(first, last, decodes);
  const auto high = std::clamp(after, first + 1, last - 1);
  return {static_cast<std::size_t>(high - begin - 1), static_cast<std::size_t>(high - begin)};
}

}  // namespace

StepTable::StepTable(const StepProfile& profile, std::int32_t max_num_seqs, double slowdown)
    : unsplit_decodes_(profile.unsplit_decodes),
      skew_token_(compile(profile.skew_us, slowdown)),
      floor_token_(compile(profile.floor_us, slowdown)),
      other_token_(compile(profile.other_token_us, slowdown)),
      other_pair_(compile(profile.other_pair_us, slowdown)) {
  compile_decode(profile, max_num_seqs, slowdown);
  compile_mixed(profile, slowdown);
}

void StepTable::compile_decode(const StepProfile& profile, std::int32_t max_num_seqs,
                               double slowdown) {
  knots_ = whole_numbers(profile.contexts);
  const std::size_t knots = knots_.size();
  check(knots >= 2 && profile.decodes.size() >= 2 &&
            profile.decode_us.size() == knots * profile.decodes.size(),
        "a profile's decode table has fewer than two rows or columns");
  cells_.resize((static_cast<std::size_t>(max_num_seqs) + 1) * (knots - 1));
  std::vector<std::int64_t> row(knots);
  for (std::int32_t n = 1; n <= max_num_seqs; ++n) {
    const Rows rows = rows_around(profile, n);
    const std::vector<double> points = {profile.decodes[rows.low], profile.decodes[rows.high]};
    for (std::size_t i = 0; i < knots; ++i) {
      const std::vector<double> values = {profile.decode_us[rows.low * knots + i],
                                          profile.decode_us[rows.high * knots + i]};
      row[i] = compile(std::max(interpolate(points, values, n), 0.0), slowdown).ps;
      // Measured times are noisy. Times that fall with the context would break the stretches.
      row[i] = std::max(row[i], i > 0 ? row[i - 1] : 0);
    }
    for (std::size_t i = 0; i + 1 < knots; ++i) {
      const std::int64_t token = (row[i + 1] - row[i]) / (n * (knots_[i + 1] - knots_[i]));
      cells_[static_cast<std::size_t>(n) * (knots - 1) + i] = {row[i] - token * n * knots_[i],
                                                               token};
    }
  }
}

void StepTable::compile_mixed(const StepProfile& profile, double slowdown) {
  axes_[0].points = profile.chunks;
  axes_[1].points = profile.histories;
  axes_[2].points = profile.mixed_decodes;
  axes_[3].points = profile.mixed_contexts;
  largest_chunk_ = static_cast<std::int64_t>(profile.chunks.back());
  least_context_ = static_cast<std::int64_t>(profile.mixed_contexts.front());
  std::size_t size = 1;
  for (Axis& axis : axes_) {
    check(axis.points.size() >= 2, "an axis of a profile has fewer than two points");
    size *= axis.points.size();
    for (std::size_t i = 0; i + 1 < axis.points.size(); ++i) {
      axis.inverse_width.push_back(1 / (axis.points[i + 1] - axis.points[i]));
    }
  }
  check(profile.mixed_us.size() == size, "a profile's mixed table does not match its axes");
  mixed_.reserve(size);
  for (const double us : profile.mixed_us) {
    mixed_.push_back(static_cast<double>(compile(us, slowdown).ps));
  }
}

StepTable::Decode StepTable::decode(std::int32_t decodes, std::int64_t context_tokens,
                                    std::int64_t longest) const {
  const std::int64_t n = decodes;
  const std::size_t last = knots_.size() - 2;
  std::size_t i = 0;
  while (i < last && context_tokens >= n * knots_[i + 1]) {
    ++i;
  }
  const Cell& cell = cells_[static_cast<std::size_t>(n) * (last + 1) + i];
  Decode run{cell.base_ps + cell.token_ps * context_tokens, n * cell.token_ps,
             i < last ? ceil_div(n * knots_[i + 1] - context_tokens, n) : kUnbounded};
  if (longest == 0 || !depends_on_longest(decodes)) {
    return run;
  }
  // The longest context and the mean grow equally, so their difference is constant.
  run.first_ps += skew_token_.ps * (n * longest - context_tokens) / n;
  const std::int64_t floor = floor_token_.ps * longest;
  const std::int64_t margin = run.first_ps - floor;
  const std::int64_t margin_growth = run.growth_ps - floor_token_.ps;  // per step
  if (margin < 0) {
    run.steps =
        margin_growth > 0 ? std::min(run.steps, ceil_div(-margin, margin_growth)) : run.steps;
    run.first_ps = floor;
    run.growth_ps = floor_token_.ps;
  } else if (margin_growth < 0) {
    run.steps = std::min(run.steps, margin / -margin_growth + 1);
  }
  return run;
}

Duration StepTable::context_token() const {
  const std::size_t cells = knots_.size() - 1;
  const std::size_t sequences = std::min<std::size_t>(cells_.size() / cells - 1, 16);
  return {cells_[sequences * cells + cells - 1].token_ps};
}

// Values beyond an axis are extrapolated from its last two points. The loop counts instead of
// searching, because the branches of a search are unpredictable.
StepTable::Position StepTable::find(const Axis& axis, std::int64_t value) {
  const auto x = static_cast<double>(value);
  std::size_t low = 0;
  for (std::size_t i = 1; i + 1 < axis.points.size(); ++i) {
    low += x >= axis.points[i] ? 1 : 0;
  }
  return {low, (x - axis.points[low]) * axis.inverse_width[low]};
}

// Linear interpolation along each axis in turn, for the two neighbouring contexts at once. Doubles
// are four times as fast as integers. The result does not depend on where a stretch is cut, because
// it is never summed over steps.
Duration StepTable::grid(std::int64_t tokens, std::int64_t history, std::int64_t decodes,
                         std::int64_t context) const {
  const Position at_chunk = find(axes_[0], tokens);
  const Position at_history = find(axes_[1], history);
  const Position at_decodes = find(axes_[2], decodes);
  const Position at_context = find(axes_[3], context);
  const std::size_t next_decodes = axes_[3].points.size();
  const std::size_t next_history = next_decodes * axes_[2].points.size();
  const std::size_t next_chunk = next_history * axes_[1].points.size();
  const double* corner = &mixed_[at_chunk.low * next_chunk + at_history.low * next_history +
                                 at_decodes.low * next_decodes + at_context.low];
  using Pair = std::array<double, 2>;
  const auto between = [](Pair a, Pair b, double weight) {
    return Pair{a[0] + (b[0] - a[0]) * weight, a[1] + (b[1] - a[1]) * weight};
  };
  const auto along_chunks = [&](const double* at) {
    return between({at[0], at[1]}, {at[next_chunk], at[next_chunk + 1]}, at_chunk.weight);
  };
  const auto along_histories = [&](const double* at) {
    return between(along_chunks(at), along_chunks(at + next_history), at_history.weight);
  };
  const Pair contexts =
      between(along_histories(corner), along_histories(corner + next_decodes), at_decodes.weight);
  const double ps = contexts[0] + (contexts[1] - contexts[0]) * at_context.weight;
  return {static_cast<std::int64_t>(std::max(ps, 0.0))};
}

Duration StepTable::chunk(std::int64_t tokens, std::int64_t pairs, std::int32_t decodes,
                          std::int64_t context_tokens) const {
  const std::int64_t largest = largest_chunk_;
  const std::int64_t context = decodes > 0 ? context_tokens / decodes : least_context_;
  // The time of attention follows the pairs. A chunk beyond the table counts as several of the
  // largest chunk, each after the mean history. The decodes are beside one of them.
  const std::int64_t mean_before = (pairs / tokens - tokens) / 2;
  if (tokens <= largest) {
    return grid(tokens, mean_before, decodes, context);
  }
  const std::int64_t before = mean_before + (tokens - largest) / 2;
  const std::int64_t alone = grid(largest, before, 0, least_context_).ps;
  return grid(largest, before, decodes, context) + Duration{alone / largest * (tokens - largest)};
}

}  // namespace yardmaster
