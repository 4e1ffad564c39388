#include <algorithm>
#include <array>

#include "env/base/math.h"
#include "env/workload/workload.h"

namespace yardmaster {

namespace {

std::int32_t to_tokens(double value, std::int32_t min, std::int32_t max) {
  // Clamped before the conversion, which is undefined for large doubles.
  const double clamped = std::clamp(value, static_cast<double>(min), static_cast<double>(max));
  return static_cast<std::int32_t>(clamped + 0.5);
}

using Tokens = std::array<std::int32_t, math::kLanes>;

constexpr std::int32_t kLongest = 1 << 30;

/// exp(sigma z) of normal deviates z.
math::Lanes lognormal(double sigma, const LaneDraw& draw) {
  math::Lanes x = draw.normal();
  for (double& lane : x) {
    lane *= sigma;
  }
  return math::exp(x);
}

std::array<TaskSizes, math::kLanes> sizes_ahead(const ArrivalCursor& cursor,
                                                const Workload& workload, std::uint32_t tenant,
                                                Seed seed) {
  const TaskAddress first = object_address(tenant, cursor.count);
  std::array<TaskSizes, math::kLanes> ahead;
  if (workload.trace.empty()) {
    const Tenant& t = workload.tenants[tenant];
    const Tokens prompts = t.prompt_tokens.samples({seed, Purpose::prompt_length, first});
    const Tokens outputs = t.output_tokens.samples({seed, Purpose::output_length, first});
    for (std::size_t i = 0; i < math::kLanes; ++i) {
      ahead[i] = {prompts[i], outputs[i], outputs[i], t.output_tokens.max, kNoPath};
    }
  } else {
    const std::size_t rows = std::min(math::kLanes, workload.trace.size() - cursor.row);
    for (std::size_t i = 0; i < rows; ++i) {
      const TraceRow& row = workload.trace[cursor.row + i];
      const std::int32_t limit = row.max_tokens > 0 ? row.max_tokens : row.output_tokens;
      ahead[i] = {row.prompt_tokens, row.output_tokens, row.output_tokens, limit, row.path};
    }
  }
  if (workload.length_error > 0) {
    const math::Lanes factors =
        lognormal(workload.length_error, {seed, Purpose::predicted_length, first});
    for (std::size_t i = 0; i < math::kLanes; ++i) {
      ahead[i].predicted_tokens = to_tokens(ahead[i].output_tokens * factors[i], 1, kLongest);
    }
  }
  return ahead;
}

/// Means of the value and of its square.
struct Moments {
  double mean = 0;
  double square = 0;
};

/// Moments of a distribution of lengths by its quantiles, clamped to [min, max].
Moments moments(const LengthDistribution& lengths) {
  constexpr int kQuantiles = 64;
  Moments sum;
  for (int i = 0; i < kQuantiles; ++i) {
    const double p = (i + 0.5) / kQuantiles;
    double x = lengths.value;
    if (lengths.kind == LengthDistribution::Kind::uniform) {
      x = lengths.min + p * (lengths.max - lengths.min);
    } else if (lengths.kind == LengthDistribution::Kind::lognormal) {
      x = lengths.value * math::exp(lengths.sigma * math::normal_quantile(p));
    } else if (lengths.kind == LengthDistribution::Kind::exponential) {
      x = -lengths.value * math::log(1 - p);
    }
    x = std::clamp<double>(x, lengths.min, lengths.max);
    sum.mean += x / kQuantiles;
    sum.square += x * x / kQuantiles;
  }
  return sum;
}

void add(MeanTask& mean, double share, double prompt_tokens, Moments output_tokens) {
  mean.prompt_tokens += share * prompt_tokens;
  mean.output_tokens += share * output_tokens.mean;
  mean.output_tokens_squared += share * output_tokens.square;
}

}  // namespace

MeanTask mean_task(const Workload& workload) {
  MeanTask mean;
  if (!workload.trace.empty()) {
    const double share = 1.0 / static_cast<double>(workload.trace.size());
    for (const TraceRow& row : workload.trace) {
      const double output = row.output_tokens;
      add(mean, share, row.prompt_tokens, {output, output * output});
    }
    return mean;
  }
  double shares = 0;
  for (const Tenant& tenant : workload.tenants) {
    shares += tenant.share;
  }
  for (const Tenant& tenant : workload.tenants) {
    add(mean, tenant.share / shares, moments(tenant.prompt_tokens).mean,
        moments(tenant.output_tokens));
  }
  return mean;
}

std::int32_t LengthDistribution::sample(const Draw& draw) const {
  switch (kind) {
    case Kind::fixed:
      return to_tokens(value, min, max);
    case Kind::uniform:
      return min + static_cast<std::int32_t>(draw.below(static_cast<std::uint32_t>(max - min) + 1));
    case Kind::lognormal:
      return to_tokens(value * math::exp(sigma * draw.normal()), min, max);
    case Kind::exponential:
      return to_tokens(value * draw.exponential(), min, max);
  }
  return min;
}

Tokens LengthDistribution::samples(const LaneDraw& draw) const {
  Tokens tokens{};
  if (kind == Kind::lognormal) {
    const math::Lanes factors = lognormal(sigma, draw);
    for (std::size_t i = 0; i < math::kLanes; ++i) {
      tokens[i] = to_tokens(value * factors[i], min, max);
    }
    return tokens;
  }
  Draw one{draw.seed, draw.purpose, draw.first};
  for (std::int32_t& t : tokens) {
    t = sample(one);
    ++one.at.workflow;
  }
  return tokens;
}

TaskSizes task_sizes(ArrivalCursor& cursor, const Workload& workload, std::uint32_t tenant,
                     Seed seed) {
  return cursor.sizes.at(seed, cursor.count, [&](std::uint32_t) {
    return sizes_ahead(cursor, workload, tenant, seed);
  });
}

}  // namespace yardmaster
