#include "tools/validation/profile_fit.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "env/hardware/catalogue.h"
#include "env/hardware/step_table.h"
#include "tools/command.h"
#include "tools/validation/csv.h"

namespace yardmaster {
namespace {

// Points of the compact tables. The grid of the profiles is four to eight times as dense; the
// printed errors include the loss from thinning.
constexpr auto kContexts =
    std::to_array<double>({16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384});
constexpr auto kChunks = std::to_array<double>({16, 32, 64, 128, 256, 512, 1024, 2048});
constexpr auto kHistories = std::to_array<double>({0, 512, 2048, 4096, 8192, 16384});
constexpr auto kMixedContexts = std::to_array<double>({16, 512, 1024, 2048, 4096, 8192, 16384});
constexpr auto kMixedDecodes = std::to_array<double>({0, 1, 8, 16, 32, 64, 128});
constexpr double kLaunchChunk = 16;  // the smallest prefill; its time is that of a launch

/// The two keys around x, or the two nearest on one side; a single key twice.
template <class Map, class Value>
double between(const Map& map, double x, const Value& value) {
  auto high = map.upper_bound(static_cast<int>(std::floor(x)));
  if (map.size() == 1) {
    return value(map.begin()->second, map.begin()->first);
  }
  if (high == map.begin()) {
    ++high;
  }
  if (high == map.end()) {
    --high;
  }
  const auto low = std::prev(high);
  const double at_low = value(low->second, low->first);
  if (x == low->first) {
    return at_low;
  }
  const double share = (x - low->first) / (high->first - low->first);
  return at_low + share * (value(high->second, high->first) - at_low);
}

FitError error_of(std::vector<double> relative) {
  FitError error;
  error.cells = relative.size();
  if (relative.empty()) {
    return error;
  }
  std::sort(relative.begin(), relative.end());
  for (const double r : relative) {
    error.mean += r / static_cast<double>(relative.size());
  }
  error.p90 = relative[static_cast<std::size_t>(0.9 * static_cast<double>(relative.size() - 1))];
  error.worst = relative.back();
  return error;
}

using Kernels = std::map<std::string, std::map<int, double>>;  // by name, then by size

Kernels read_kernels(const std::string& path, const char* size) {
  const CsvTable table(path);
  Kernels kernels;
  for (std::size_t i = 0; i < table.size(); ++i) {
    kernels[table.text(i, "layer")][table.whole(i, size)] = table.positive(i, "time_us");
  }
  return kernels;
}

/// Time of experts by tokens and experts hit, looked up with the hits of even routing. Each GPU of
/// a group holds a share of the experts, and does that share of the work.
std::vector<double> experts_of_step(const std::string& path, const ModelSpec& model,
                                    int tensor_parallel, const std::vector<double>& tokens) {
  const CsvTable table(path);
  std::map<int, std::map<int, double>> times;
  for (std::size_t i = 0; i < table.size(); ++i) {
    times[table.whole(i, "tokens")][table.whole(i, "activated_experts")] =
        table.positive(i, "time_us");
  }
  if (times.empty()) {
    throw BadInput(path + ": no rows");
  }
  std::vector<double> us;
  for (const double t : tokens) {
    const double hit = model.experts * model.experts_hit(t) / tensor_parallel;
    us.push_back(model.layers * between(times, std::max(t / tensor_parallel, 1.0),
                                        [&](const std::map<int, double>& row, int) {
                                          return between(row, hit, [](double v, int) { return v; });
                                        }));
  }
  return us;
}

void fit_kernels(const std::string& folder, const ModelSpec& model, StepProfile& p) {
  const std::string path = folder + "/dense.csv";
  const Kernels kernels = read_kernels(path, "tokens");
  const auto norm = kernels.find("layernorm");
  if (norm == kernels.end()) {
    throw BadInput(path + ": no rows of layernorm");
  }
  for (const auto& [tokens, ignored] : norm->second) {
    double us = 0;
    for (const auto& [name, times] : kernels) {
      const auto found = times.find(tokens);
      if (found == times.end()) {
        throw BadInput(fmt::format("{}: {} has no row of {} tokens", path, name, tokens));
      }
      const bool once = name == "embedding" || name == "final_layernorm";
      us += found->second * (once ? 1 : (name == "layernorm" ? 2 : 1) * model.layers);
    }
    p.tokens.push_back(tokens);
    p.dense_us.push_back(us);
  }
  const Kernels heads = read_kernels(folder + "/per_sequence.csv", "sequences");
  if (!heads.contains("lm_head") || !heads.contains("sampler")) {
    throw BadInput(folder + "/per_sequence.csv: expected rows of lm_head and of sampler");
  }
  for (const auto& [sequences, us] : heads.at("lm_head")) {
    const auto sampler = heads.at("sampler").find(sequences);
    if (sampler != heads.at("sampler").end()) {
      p.sequences.push_back(sequences);
      p.head_us.push_back(us + sampler->second);
    }
  }
  if (p.sequences.empty()) {
    throw BadInput(folder + "/per_sequence.csv: lm_head and sampler have no number of sequences " +
                   "in common");
  }
}

AttentionTimes read_attention(const std::string& path) {
  const CsvTable table(path);
  AttentionTimes times;
  for (std::size_t i = 0; i < table.size(); ++i) {
    if (table.whole(i, "prefill_chunk") == 0 && table.whole(i, "n_decode") == 0) {
      throw BadInput(table.where(i) + ": neither a chunk nor a decode");
    }
    times.add(table.whole(i, "prefill_chunk"), table.whole(i, "kv_prefill"),
              table.whole(i, "n_decode"), table.whole(i, "kv_decode"),
              table.positive(i, "time_us"));
  }
  times.check(path);
  return times;
}

/// Further chunks: relative least squares in (tokens, pairs) over prefill alone, less its launch.
void fit_others(const AttentionTimes& times, double layers, StepProfile& p) {
  const double launch = times.at(kLaunchChunk, 0, 0, 0);
  double tt = 0, tp = 0, pp = 0, ty = 0, py = 0;
  for (const AttentionTimes::Cell& cell : times.cells()) {
    if (cell.decodes > 0 || cell.us <= 1.5 * launch) {
      continue;
    }
    const double y = cell.us - launch;
    const double t = cell.chunk / y;
    const double q = cell.chunk * (2.0 * cell.history + cell.chunk) / y;
    tt += t * t, tp += t * q, pp += q * q, ty += t, py += q;
  }
  const double determinant = tt * pp - tp * tp;
  if (determinant > 0) {
    p.other_token_us = std::max(0.0, layers * (ty * pp - py * tp) / determinant);
    p.other_pair_us = std::max(0.0, layers * (py * tt - ty * tp) / determinant);
  }
}

void fill_tables(const AttentionTimes& times, double layers, StepProfile& p) {
  p.decodes = times.decodes();
  p.contexts.assign(kContexts.begin(), kContexts.end());
  for (const double n : p.decodes) {
    for (const double context : p.contexts) {
      p.decode_us.push_back(layers * times.at(0, 0, n, context));
    }
  }
  p.chunks.assign(kChunks.begin(), kChunks.end());
  p.histories.assign(kHistories.begin(), kHistories.end());
  p.mixed_decodes.assign(kMixedDecodes.begin(), kMixedDecodes.end());
  p.mixed_contexts.assign(kMixedContexts.begin(), kMixedContexts.end());
  for (const double chunk : p.chunks) {
    for (const double history : p.histories) {
      for (const double n : p.mixed_decodes) {
        for (const double context : p.mixed_contexts) {
          p.mixed_us.push_back(
              std::max(0.0, layers * times.at(chunk, history, n, n > 0 ? context : 0)));
        }
      }
    }
  }
}

/// One batch of unequal contexts: some long, the others a quarter as long. Times of one layer.
struct SkewRow {
  double mean_us, skewed_us, longest, above_mean;
};

std::vector<SkewRow> read_skew(const std::string& path, std::int32_t unsplit) {
  constexpr double kIterations = 3;  // times in the file are sums over so many
  std::vector<SkewRow> rows;
  if (!csv_exists(path) || unsplit == 0) {
    return rows;
  }
  const CsvTable table(path);
  for (std::size_t i = 0; i < table.size(); ++i) {
    const double n = table.number(i, "n");
    // Batches in which most contexts are long are not skewed; the kernel orders them differently.
    if (table.text(i, "regime") == "pure" && n >= unsplit && table.number(i, "nb") <= n / 2) {
      const double longest = table.number(i, "kv_big");
      rows.push_back({table.positive(i, "t_mean_us") / kIterations,
                      table.positive(i, "t_skew_us") / kIterations, longest,
                      longest - table.number(i, "kv_mean")});
    }
  }
  return rows;
}

double skew_error(const std::vector<SkewRow>& rows, double skew, double floor,
                  std::vector<double>* all) {
  double sum = 0;
  for (const SkewRow& row : rows) {
    const double predicted = std::max(row.mean_us + skew * row.above_mean, floor * row.longest);
    const double relative = std::abs(predicted / row.skewed_us - 1);
    sum += relative;
    if (all != nullptr) {
      all->push_back(relative);
    }
  }
  return sum;
}

/// The two constants with the least mean relative error, on a grid of 1/4 ns and 1 ns per token.
FitError fit_skew(const std::vector<SkewRow>& rows, double layers, StepProfile& p) {
  if (rows.empty()) {
    return {};
  }
  double best = skew_error(rows, 0, 0, nullptr), best_skew = 0, best_floor = 0;
  for (int i = 0; i < 150; ++i) {
    const double floor = 0.001 * i;
    for (int j = 0; j < 120; ++j) {
      const double skew = 0.00025 * j;
      const double error = skew_error(rows, skew, floor, nullptr);
      if (error < best) {
        best = error, best_skew = skew, best_floor = floor;
      }
    }
  }
  p.skew_us = layers * best_skew;
  p.floor_us = layers * best_floor;
  std::vector<double> relative;
  skew_error(rows, best_skew, best_floor, &relative);
  return error_of(std::move(relative));
}

/// Errors of the compiled tables in every profiled cell.
void measure(const AttentionTimes& times, double layers, FittedProfile& fitted) {
  const auto most = static_cast<std::int32_t>(fitted.profile.decodes.back());
  const StepTable table(fitted.profile, most, 1);
  std::vector<double> decode, mixed;
  for (const AttentionTimes::Cell& c : times.cells()) {
    const std::int64_t context = std::int64_t{c.decodes} * c.context;
    const bool alone = c.chunk == 0;
    const double ps =
        alone ? static_cast<double>(table.decode(c.decodes, context, 0).first_ps)
              : static_cast<double>(table
                                        .chunk(c.chunk,
                                               std::int64_t{c.chunk} * (2LL * c.history + c.chunk),
                                               c.decodes, context)
                                        .ps);
    (alone ? decode : mixed).push_back(std::abs(ps * 1e-6 / (layers * c.us) - 1));
  }
  fitted.decode = error_of(std::move(decode));
  fitted.mixed = error_of(std::move(mixed));
}

}  // namespace

void AttentionTimes::add(int chunk, int history, int decodes, int context, double us) {
  (chunk > 0 ? with_chunk_ : alone_)[decodes][chunk][history][context] = us;
  cells_.push_back({chunk, history, decodes, context, us});
}

std::vector<double> AttentionTimes::decodes() const {
  std::vector<double> all;
  for (const auto& [n, ignored] : alone_) {
    all.push_back(n);
  }
  return all;
}

void AttentionTimes::check(const std::string& path) const {
  if (alone_.empty()) {
    throw BadInput(path + ": no rows of decodes alone (expected some with prefill_chunk 0)");
  }
  if (with_chunk_.empty()) {
    throw BadInput(path + ": no rows with a chunk (expected some with prefill_chunk above 0)");
  }
}

double AttentionTimes::at(double chunk, double history, double decodes, double context) const {
  const Slices& slices = chunk > 0 ? with_chunk_ : alone_;
  return between(slices, decodes, [&](const Chunks& chunks, int n) {
    return between(chunks, chunk, [&](const Histories& histories, int) {
      return between(histories, history, [&](const Line& line, int) {
        return between(line, n > 0 ? context : 0, [](double us, int) { return us; });
      });
    });
  });
}

FittedProfile fit_profile(const std::string& folder, const std::string& top, const GpuSpec& gpu,
                          const ModelSpec& model, int tensor_parallel) {
  FittedProfile fitted;
  StepProfile& p = fitted.profile;
  p.name = profile_name(gpu.name, model.name, tensor_parallel);
  p.gpu = gpu.name;
  p.model = model.name;
  p.tensor_parallel = tensor_parallel;
  fit_kernels(folder, model, p);
  if (model.experts > 0) {
    p.experts_us = experts_of_step(top + "/moe.csv", model, tensor_parallel, p.tokens);
  }
  const AttentionTimes times = read_attention(folder + "/attention.csv");
  fill_tables(times, model.layers, p);
  fit_others(times, model.layers, p);
  p.unsplit_decodes =
      unsplit_decodes(gpu.multiprocessors, std::max(model.kv_heads / tensor_parallel, 1));
  fitted.skew = fit_skew(read_skew(folder + "/skew.csv", p.unsplit_decodes), model.layers, p);
  measure(times, model.layers, fitted);
  return fitted;
}

}  // namespace yardmaster
