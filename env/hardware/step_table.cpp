#include "env/hardware/step_table.h"

#include <algorithm>
#include <limits>

#include "env/base/check.h"

namespace yardmaster {
namespace {

constexpr std::int64_t kForever = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kOne = 1 << 16;  // weights between two knots are multiples of 1 / kOne

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
  axes_ = {whole(profile.chunks), whole(profile.histories), whole(profile.mixed_decodes),
           whole(profile.mixed_contexts)};
  std::size_t size = 1;
  for (const Axis& axis : axes_) {
    check(axis.size() >= 2, "an axis of a profile has at least two places");
    size *= axis.size();
  }
  check(profile.mixed_us.size() == size, "a profile's mixed table fills its axes");
  mixed_.reserve(size);
  for (const double us : profile.mixed_us) {
    mixed_.push_back(compile(us, slow).ps);
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

// Straight lines along each axis in turn, the context first; the last two places go on.
std::int64_t StepTable::grid(std::int64_t tokens, std::int64_t history, std::int64_t decodes,
                             std::int64_t context) const {
  const std::array<std::int64_t, 4> at = {tokens, history, decodes, context};
  std::array<std::size_t, 4> low{};
  std::array<std::int64_t, 4> weight{};
  for (std::size_t a = 0; a < 4; ++a) {
    const Axis& axis = axes_[a];
    while (low[a] + 2 < axis.size() && at[a] >= axis[low[a] + 1]) {
      ++low[a];
    }
    weight[a] = (at[a] - axis[low[a]]) * kOne / (axis[low[a] + 1] - axis[low[a]]);
  }
  std::array<std::int64_t, 16> corner{};
  for (std::size_t c = 0; c < 16; ++c) {
    std::size_t place = 0;
    for (std::size_t a = 0; a < 4; ++a) {
      place = place * axes_[a].size() + low[a] + ((c >> (3 - a)) & 1U);
    }
    corner[c] = mixed_[place];
  }
  std::size_t count = 16;
  for (std::size_t a = 4; a-- > 0;) {
    count /= 2;
    for (std::size_t c = 0; c < count; ++c) {
      corner[c] = corner[2 * c] + (corner[2 * c + 1] - corner[2 * c]) * weight[a] / kOne;
    }
  }
  return corner[0];
}

Duration StepTable::chunk(std::int64_t tokens, std::int64_t pairs, std::int32_t decodes,
                          std::int64_t context_tokens) const {
  const std::int64_t largest = axes_[0].back();
  const std::int64_t context = decodes > 0 ? context_tokens / decodes : axes_[3].front();
  // Attention pays for pairs: a chunk beyond the table is several of its largest, each after the
  // mean history, and decodes are beside one of them.
  const std::int64_t mean_before = (pairs / tokens - tokens) / 2;
  if (tokens <= largest) {
    return {std::max<std::int64_t>(grid(tokens, mean_before, decodes, context), 0)};
  }
  const std::int64_t before = mean_before + (tokens - largest) / 2;
  const std::int64_t alone = grid(largest, before, 0, axes_[3].front());
  return {std::max<std::int64_t>(
      grid(largest, before, decodes, context) + alone / largest * (tokens - largest), 0)};
}

}  // namespace yardmaster
