#include "tools/validation/measured_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <limits>

#include "env/base/statistics.h"
#include "env/node/solo_node.h"
#include "tools/command.h"
#include "tools/validation/csv.h"

namespace yardmaster {
namespace {

constexpr std::array<double, 4> kPercentiles = {0.5, 0.9, 0.95, 0.99};
constexpr double kLongestRun = 1e6;   // seconds
constexpr double kDoubtfulTpot = 10;  // seconds per token; more suggests milliseconds
constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t kEndToEnd = 3;  // errors are computed of the first so many measures

void check_request(const Served& r) {
  if (r.prompt_tokens < 1 || r.output_tokens < 1) {
    throw BadInput(r.where + ": a request has at least one prompt and one output token");
  }
  const std::array<std::pair<const char*, double>, 4> moments = {
      {{"arrival_s", r.arrival_s},
       {"scheduled_s", r.scheduled_s},
       {"first_token_s", r.first_token_s},
       {"last_token_s", r.last_token_s}}};
  double before = 0;
  for (const auto& [name, moment] : moments) {
    if (std::isnan(moment)) {
      continue;
    }
    if (moment < before) {
      throw BadInput(fmt::format(
          "{}: {} is {} (expected {} or later: 0 <= arrival <= scheduled <= first token <= last "
          "token)",
          r.where, name, moment, before));
    }
    before = moment;
  }
}

/// Sorts by arrival, and subtracts the first arrival from times that do not start near 0.
void begin_at_zero(std::vector<Served>& run) {
  const bool elsewhere = std::any_of(run.begin(), run.end(),
                                     [](const Served& r) { return r.last_token_s >= kLongestRun; });
  const double start = elsewhere ? run.front().arrival_s : 0;
  for (Served& r : run) {
    r.arrival_s -= start;
    r.scheduled_s -= start;
    r.first_token_s -= start;
    r.last_token_s -= start;
    if (r.last_token_s >= kLongestRun) {
      throw BadInput(
          fmt::format("{}: last_token_s is {} s after the first arrival (expected less "
                      "than {} s)",
                      r.where, r.last_token_s, kLongestRun));
    }
  }
}

/// Ids of blocks of 16 tokens, separated by spaces.
std::vector<std::uint64_t> read_blocks(const std::string& text, std::int32_t prompt_tokens,
                                       const std::string& where) {
  std::vector<std::uint64_t> blocks;
  const char* at = text.data();
  const char* end = at + text.size();
  while (at < end) {
    std::uint64_t id = 0;
    const auto [after, error] = std::from_chars(at, end, id);
    if (error != std::errc() || (after < end && *after != ' ')) {
      throw BadInput(where + ": prefix_block_ids: expected whole numbers separated by spaces");
    }
    blocks.push_back(id);
    at = after + 1;
  }
  if (blocks.size() > static_cast<std::size_t>(prompt_tokens / kBlockTokens)) {
    throw BadInput(fmt::format("{}: {} blocks of 16 tokens in a prompt of {}", where, blocks.size(),
                               prompt_tokens));
  }
  return blocks;
}

PromptPaths paths_of(const std::vector<Served>& run) {
  PathBuilder builder(1);
  for (const Served& r : run) {
    if (!builder.add(r.blocks, static_cast<std::int32_t>(r.blocks.size()))) {
      throw BadInput(r.where + ": equal prefix_block_ids after different ones");
    }
  }
  return builder.build();
}

Time time_of(double seconds) { return Time{Duration::from_seconds(seconds).ps}; }

}  // namespace

std::vector<Served> read_measured_run(const std::string& path, Columns needed) {
  const CsvTable table(path);
  const bool scheduled = needed == Columns::all || table.has("scheduled_s");
  std::vector<Served> run;
  for (std::size_t i = 0; i < table.size(); ++i) {
    Served r;
    r.where = table.where(i);
    r.prompt_tokens = table.whole(i, "input_tokens");
    r.output_tokens = table.whole(i, "output_tokens");
    r.arrival_s = table.number(i, "arrival_s");
    r.scheduled_s = scheduled ? table.number(i, "scheduled_s") : kMissing;
    r.first_token_s = table.number(i, "first_token_s");
    r.last_token_s = table.number(i, "last_token_s");
    if (table.has("prefix_block_ids")) {
      r.blocks = read_blocks(table.text(i, "prefix_block_ids"), r.prompt_tokens, r.where);
    }
    check_request(r);
    run.push_back(std::move(r));
  }
  if (run.size() < 2) {
    throw BadInput(fmt::format("{}: {} requests (expected at least two)", path, run.size()));
  }
  std::stable_sort(run.begin(), run.end(),
                   [](const Served& a, const Served& b) { return a.arrival_s < b.arrival_s; });
  begin_at_zero(run);
  return run;
}

void warn_of_unit(const std::vector<Served>& run) {
  const double tpot = statistics_of(run)[1][0];
  if (tpot > kDoubtfulTpot) {
    fmt::print(stderr,
               "yardmaster: a token takes {:.4g} s in the mean of the measured run: times are read "
               "as seconds\n",
               tpot);
  }
}

std::vector<Served> replay(const std::vector<Served>& run, const NodeKind& kind, Duration before) {
  NodeSettings settings = kind.settings;
  settings.rules.enable_prefix_caching = kind.prefix_caching.value_or(std::any_of(
      run.begin(), run.end(), [](const Served& request) { return !request.blocks.empty(); }));
  const PromptPaths paths = paths_of(run);
  SoloNode node(settings, run.size(), &paths);
  for (std::uint32_t i = 0; i < run.size(); ++i) {
    if (run[i].prompt_tokens + run[i].output_tokens > settings.rules.max_model_len) {
      throw BadInput(fmt::format(
          "{}: {} tokens of prompt and output (expected at most {}, "
          "max_model_len of the node)",
          run[i].where, run[i].prompt_tokens + run[i].output_tokens, settings.rules.max_model_len));
    }
    Request& request = node.request(TaskSlot{i});
    request.spec.address = object_address(0, i);
    request.spec.prompt_tokens = run[i].prompt_tokens;
    request.spec.output_tokens = run[i].output_tokens;
    request.spec.path = PathId{i};
    node.deliver(TaskSlot{i}, time_of(run[i].arrival_s) + before);
  }
  while (!node.done()) {
    node.advance();
  }
  std::vector<Served> served = run;
  for (std::uint32_t i = 0; i < run.size(); ++i) {
    const Request& request = node.request(TaskSlot{i});
    served[i].scheduled_s = request.first_scheduled.seconds();
    served[i].first_token_s = request.first_token.seconds();
    served[i].last_token_s = request.last_token.seconds();
  }
  return served;
}

std::vector<Served> replay_scenario(const std::vector<Served>& run, const Scenario& scenario) {
  return replay(run, scenario.kinds.front(), scenario.network.frontend + scenario.network.latency);
}

std::vector<double> measure(const std::vector<Served>& run, std::size_t measure) {
  std::vector<double> values;
  for (const Served& r : run) {
    const double decoding = r.last_token_s - r.first_token_s;
    const std::array<double, 5> all = {
        r.first_token_s - r.arrival_s, decoding / std::max(r.output_tokens - 1, 1),
        r.last_token_s - r.arrival_s, r.scheduled_s - r.arrival_s, r.first_token_s - r.scheduled_s};
    if (!std::isnan(all[measure]) && (measure != 1 || r.output_tokens > 1)) {
      values.push_back(all[measure]);
    }
  }
  return values;
}

ServedTable statistics_of(const std::vector<Served>& run) {
  ServedTable table{};
  for (std::size_t m = 0; m < table.size(); ++m) {
    std::vector<double> values = measure(run, m);
    if (values.empty()) {
      table[m].fill(kMissing);
      continue;
    }
    table[m][0] = mean(values);
    for (std::size_t p = 0; p < kPercentiles.size(); ++p) {
      table[m][p + 1] = quantile(values, kPercentiles[p]);
    }
  }
  return table;
}

std::size_t comparable_statistics(const ServedTable& real) {
  std::size_t comparable = 0;
  for (std::size_t m = 0; m < kEndToEnd; ++m) {
    comparable += static_cast<std::size_t>(
        std::count_if(real[m].begin(), real[m].end(), [](double value) { return value > 0; }));
  }
  return comparable;
}

std::pair<double, double> mean_and_worst_error(const ServedTable& real,
                                               const ServedTable& simulated) {
  const std::size_t comparable = comparable_statistics(real);
  if (comparable == 0) {
    return {kMissing, kMissing};
  }
  double sum = 0, worst = 0;
  for (std::size_t m = 0; m < kEndToEnd; ++m) {
    for (std::size_t s = 0; s < real[m].size(); ++s) {
      const double error = real[m][s] > 0 ? std::abs(simulated[m][s] / real[m][s] - 1) : 0;
      sum += error / static_cast<double>(comparable);
      worst = std::max(worst, error);
    }
  }
  return {sum, worst};
}

std::pair<std::size_t, std::size_t> parse_requests(const std::string& text, std::size_t size) {
  if (text.empty()) {
    return {0, size - 1};
  }
  const std::size_t dots = text.find("..");
  std::size_t first = 0, last = 0;
  if (dots != std::string::npos) {
    const char* begin = text.data();
    const char* end = begin + text.size();
    const auto low = std::from_chars(begin, begin + dots, first);
    const auto high = std::from_chars(begin + dots + 2, end, last);
    if (low.ptr == begin + dots && low.ec == std::errc() && high.ptr == end &&
        high.ec == std::errc() && first <= last && last < size) {
      return {first, last};
    }
  }
  throw BadInput(fmt::format("--requests {}: expected FIRST..LAST from 0..{}, in order of arrival",
                             text, size - 1));
}

}  // namespace yardmaster
