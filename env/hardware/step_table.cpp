#include "env/hardware/step_table.h"

#include <algorithm>
#include <limits>

#include "env/base/check.h"

namespace yardmaster {
namespace {

constexpr std::int64_t kForever = std::numeric_limits<std::int64_t>::max();

Duration compile(double microseconds, double slow) {
  return Duration::from_seconds(slow * microseconds * 1e-6);
}

std::vector<std::int64_t> whole(const std::vector<double>& values) {
  std::vector<std::int64_t> axis;
  axis.reserve(values.size());
  for (const double value : values) {
    axis.push_back(static_cast<std::int64_t>(value));
  }
  return axis;
}

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// Rows of a profile between which `decodes` is read: never two of different kernels.
struct Rows {
  std::size_t low, high;
};

Rows rows_around(const StepProfile& profile, double decodes) {
  const double unsplit = profile.unsplit_decodes;
  const auto begin = profile.decodes.begin();
  const auto border = std::lower_bound(begin, profile.decodes.end(), unsplit);
  const bool above = profile.unsplit_decodes > 0 && decodes >= unsplit;
  auto first = begin, last = profile.decodes.end();
  if (profile.unsplit_decodes > 0 && border - begin >= 2 && profile.decodes.end() - border >= 2) {
    (above ? first : last) = border;
  }
  const auto after = std::upper_bound(first, last, decodes);
  const auto high = std::clamp(after, first + 1, last - 1);
  return {static_cast<std::size_t>(high - begin - 1), static_cast<std::size_t>(high - begin)};
}

}  // namespace

StepTable::StepTable(const StepProfile& profile, std::int32_t max_num_seqs, double slow)
    : unsplit_decodes_(profile.unsplit_decodes),
      skew_token_(compile(profile.skew_us, slow)),
      floor_token_(compile(profile.floor_us, slow)),
      other_token_(compile(profile.other_token_us, slow)),
      other_pair_(compile(profile.other_pair_us, slow)) {
  compile_decode(profile, max_num_seqs, slow);
  compile_mixed(profile, slow);
}

void StepTable::compile_decode(const StepProfile& profile, std::int32_t max_num_seqs, double slow) {
  knots_ = whole(profile.contexts);
  const std::size_t knots = knots_.size();
  check(knots >= 2 && profile.decodes.size() >= 2 &&
            profile.decode_us.size() == knots * profile.decodes.size(),
        "a profile's decode table has at least two rows and columns");
  cells_.resize((static_cast<std::size_t>(max_num_seqs) + 1) * (knots - 1));
  std::vector<std::int64_t> row(knots);
  for (std::int32_t n = 1; n <= max_num_seqs; ++n) {
    const Rows rows = rows_around(profile, n);
    const std::vector<double> places = {profile.decodes[rows.low], profile.decodes[rows.high]};
    for (std::size_t i = 0; i < knots; ++i) {
      const std::vector<double> values = {profile.decode_us[rows.low * knots + i],
                                          profile.decode_us[rows.high * knots + i]};
      row[i] = compile(std::max(interpolate(places, values, n), 0.0), slow).ps;
      // Measured times waver; no step is shorter for a longer context, or it could not be closed.
      row[i] = std::max(row[i], i > 0 ? row[i - 1] : 0);
    }
    for (std::size_t i = 0; i + 1 < knots; ++i) {
      const std::int64_t token = (row[i + 1] - row[i]) / (n * (knots_[i + 1] - knots_[i]));
      cells_[static_cast<std::size_t>(n) * (knots - 1) + i] = {row[i] - token * n * knots_[i],
                                                               token};
    }
  }
}

void StepTable::compile_mixed(const StepProfile& profile, double slow) {
  axes_[0].places = profile.chunks;
  axes_[1].places = profile.histories;
  axes_[2].places = profile.mixed_decodes;
  axes_[3].places = profile.mixed_contexts;
  largest_chunk_ = static_cast<std::int64_t>(profile.chunks.back());
  least_context_ = static_cast<std::int64_t>(profile.mixed_contexts.front());
  std::size_t size = 1;
  for (Axis& axis : axes_) {
    check(axis.places.size() >= 2, "an axis of a profile has at least two places");
    size *= axis.places.size();
    for (std::size_t i = 0; i + 1 < axis.places.size(); ++i) {
      axis.per_width.push_back(1 / (axis.places[i + 1] - axis.places[i]));
    }
  }
  check(profile.mixed_us.size() == size, "a profile's mixed table fills its axes");
  mixed_.reserve(size);
  for (const double us : profile.mixed_us) {
    mixed_.push_back(static_cast<double>(compile(us, slow).ps));
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
             i < last ? ceil_div(n * knots_[i + 1] - context_tokens, n) : kForever};
  if (longest == 0 || !wants_longest(decodes)) {
    return run;
  }
  // The longest and the mean grow alike, so that their difference holds for all steps.
  run.first_ps += skew_token_.ps * (n * longest - context_tokens) / n;
  const std::int64_t floor = floor_token_.ps * longest;
  const std::int64_t ahead = run.first_ps - floor;
  const std::int64_t gain = run.growth_ps - floor_token_.ps;  // of the cell on the floor, a step
  if (ahead < 0) {
    run.steps = gain > 0 ? std::min(run.steps, ceil_div(-ahead, gain)) : run.steps;
    run.first_ps = floor;
    run.growth_ps = floor_token_.ps;
  } else if (gain < 0) {
    run.steps = std::min(run.steps, ahead / -gain + 1);
  }
  return run;
}

Duration StepTable::context_token() const {
  const std::size_t cells = knots_.size() - 1;
  const std::size_t sequences = std::min<std::size_t>(cells_.size() / cells - 1, 16);
  return {cells_[sequences * cells + cells - 1].token_ps};
}

// Beyond an axis its last two places go on. Counted, not searched: branches on it cannot be
// guessed.
StepTable::Place StepTable::find(const Axis& axis, std::int64_t value) {
  const auto x = static_cast<double>(value);
  std::size_t low = 0;
  for (std::size_t i = 1; i + 1 < axis.places.size(); ++i) {
    low += x >= axis.places[i] ? 1 : 0;
  }
  return {low, (x - axis.places[low]) * axis.per_width[low]};
}

// Straight lines along each axis in turn, on the two contexts around at once. Doubles: four times
// as fast as whole numbers, and as repeatable, since no sum over steps is taken of them.
Duration StepTable::grid(std::int64_t tokens, std::int64_t history, std::int64_t decodes,
                         std::int64_t context) const {
  const Place chunk = find(axes_[0], tokens), before = find(axes_[1], history);
  const Place beside = find(axes_[2], decodes), over = find(axes_[3], context);
  const std::size_t next_decodes = axes_[3].places.size();
  const std::size_t next_history = next_decodes * axes_[2].places.size();
  const std::size_t next_chunk = next_history * axes_[1].places.size();
  const double* corner = &mixed_[chunk.low * next_chunk + before.low * next_history +
                                 beside.low * next_decodes + over.low];
  using Pair = std::array<double, 2>;
  const auto between = [](Pair a, Pair b, double weight) {
    return Pair{a[0] + (b[0] - a[0]) * weight, a[1] + (b[1] - a[1]) * weight};
  };
  const auto along_chunks = [&](const double* at) {
    return between({at[0], at[1]}, {at[next_chunk], at[next_chunk + 1]}, chunk.weight);
  };
  const auto along_histories = [&](const double* at) {
    return between(along_chunks(at), along_chunks(at + next_history), before.weight);
  };
  const Pair contexts =
      between(along_histories(corner), along_histories(corner + next_decodes), beside.weight);
  const double ps = contexts[0] + (contexts[1] - contexts[0]) * over.weight;
  return {static_cast<std::int64_t>(std::max(ps, 0.0))};
}

Duration StepTable::chunk(std::int64_t tokens, std::int64_t pairs, std::int32_t decodes,
                          std::int64_t context_tokens) const {
  const std::int64_t largest = largest_chunk_;
  const std::int64_t context = decodes > 0 ? context_tokens / decodes : least_context_;
  // Attention pays for pairs: a chunk beyond the table is several of its largest, each after the
  // mean history, and decodes are beside one of them.
  const std::int64_t mean_before = (pairs / tokens - tokens) / 2;
  if (tokens <= largest) {
    return grid(tokens, mean_before, decodes, context);
  }
  const std::int64_t before = mean_before + (tokens - largest) / 2;
  const std::int64_t alone = grid(largest, before, 0, least_context_).ps;
  return grid(largest, before, decodes, context) + Duration{alone / largest * (tokens - largest)};
}

}  // namespace yardmaster
