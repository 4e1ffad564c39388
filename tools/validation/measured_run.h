// A measured run of one server, and the same requests on a simulated node.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "env/node/settings.h"
#include "env/scenario/scenario.h"

namespace yardmaster {

/// One request as served; seconds since the run began.
struct Served {
  std::string where = "a request";  // FILE:LINE, for faults
  std::int32_t prompt_tokens = 0, output_tokens = 0;
  double arrival_s = 0;
  double scheduled_s = 0;  // NaN: not measured
  double first_token_s = 0, last_token_s = 0;
  std::vector<std::uint64_t> blocks;  // ids of the prompt's full blocks; equal ids: equal prefixes
};

/// Columns that a file must have; scheduled_s is not always measured.
enum class Columns : std::uint8_t { all, all_but_scheduled };

/// Reads arrival_s, input_tokens, output_tokens, scheduled_s, first_token_s and last_token_s, and
/// prefix_block_ids if present, in order of arrival. Calendar times count from the first arrival.
/// Throws BadInput.
std::vector<Served> read_measured_run(const std::string& path, Columns needed = Columns::all);

/// Warns on stderr where times, which are read as seconds, look like milliseconds.
void warn_of_unit(const std::vector<Served>& run);

/// Sends the same requests to a node of this kind, each `before` after its arrival. Unless the kind
/// sets it, prefix caching is on where the run names its blocks. Throws BadInput for a request that
/// does not fit.
std::vector<Served> replay(const std::vector<Served>& run, const NodeKind&, Duration before);

/// The same on the first node of a scenario, with the latencies of its network. Throws BadInput.
std::vector<Served> replay_scenario(const std::vector<Served>& run, const Scenario&);

/// The measures that are compared, in order of output.
inline constexpr std::array<const char*, 5> kServedMeasures = {
    "TTFT", "TPOT", "E2E", "arrival to scheduled", "scheduled to first token"};
inline constexpr std::array<const char*, 5> kServedStatistics = {"mean", "p50", "p90", "p95",
                                                                 "p99"};

/// One value in seconds per request that has it.
std::vector<double> measure(const std::vector<Served>& run, std::size_t measure);
/// Mean and percentiles: [measure][statistic], in seconds; NaN where no request has the measure.
using ServedTable = std::array<std::array<double, 5>, 5>;
ServedTable statistics_of(const std::vector<Served>& run);

/// How many of the 15 statistics of TTFT, TPOT and E2E have a real value above 0.
std::size_t comparable_statistics(const ServedTable& real);
/// Mean and largest |simulated / real - 1| over these; NaN where there are none.
std::pair<double, double> mean_and_worst_error(const ServedTable& real,
                                               const ServedTable& simulated);

/// Parses a range of requests such as `0..149`; an empty text means all. Throws BadInput.
std::pair<std::size_t, std::size_t> parse_requests(const std::string& text, std::size_t size);

}  // namespace yardmaster
