#include "env/rl/columns.h"

#include <algorithm>
#include <array>
#include <utility>

#include "env/base/math.h"

namespace yardmaster {
namespace {

constexpr FeatureScale kLog = FeatureScale::log1p;
constexpr FeatureScale kLinear = FeatureScale::linear;

// A column and the raw value behind it.
template <class Facts>
struct Column {
  Feature feature;
  double (*raw)(const Facts&);

  // `value` is a lambda without captures; its result may have any arithmetic type.
  template <class Value>
  constexpr Column(const char* name, const char* unit, float max, FeatureScale scale, Value)
      : feature{name, unit, max, scale},
        raw([](const Facts& facts) { return static_cast<double>(Value{}(facts)); }) {}
};

float scaled(const Feature& feature, double raw) {
  // The comparison also sends NaN to 0: an estimate without a report must not poison the row.
  const float cut =
      raw > 0 ? static_cast<float>(std::min(raw, static_cast<double>(feature.max))) : 0.0F;
  return feature.scale == kLog ? math::log1p_approx(cut) : cut;
}

// The columns of a block are known at compile time, so all of them are inlined into one function.
template <class Facts, const auto& kColumns>
struct BlockOf {
  static constexpr std::size_t kCount = kColumns.size();
  using Indices = std::make_index_sequence<kCount>;

  template <std::size_t... kAt>
  static constexpr std::array<Feature, kCount> features(std::index_sequence<kAt...>) {
    return {kColumns[kAt].feature...};
  }
  static constexpr std::array<Feature, kCount> kFeatures = features(Indices{});

  template <std::size_t... kAt>
  static void write_each(const Facts& facts, std::span<float> out, std::index_sequence<kAt...>) {
    ((out[kAt] = scaled(kFeatures[kAt], kColumns[kAt].raw(facts))), ...);
  }
  static void write(const Facts& facts, std::span<float> out) { write_each(facts, out, Indices{}); }
};

template <class Facts, const auto& kColumns>
constexpr Block<Facts> block() {
  using Of = BlockOf<Facts, kColumns>;
  return {Of::kFeatures, &Of::write};
}

using NodeColumn = Column<NodeFacts>;
using TaskColumn = Column<TaskFacts>;
using FleetColumn = Column<FleetFacts>;

// ---- Node rows ----
// Scores of good rules are among the columns, so the best hand-made rule is within the hypothesis
// class and a network only learns what to add.

// What the node reported.
constexpr auto kReportColumns = std::to_array<NodeColumn>({
    {"reported_running", "requests", 1e4F, kLog, [](auto& f) { return f.fleet.running[f.n]; }},
    {"reported_waiting", "requests", 1e4F, kLog, [](auto& f) { return f.fleet.waiting[f.n]; }},
    {"reported_kv_use", "share", 1, kLinear, [](auto& f) { return f.fleet.kv_use[f.n]; }},
    {"reported_prefill", "tokens", 1e8F, kLog,
     [](auto& f) { return f.fleet.reported_prefill_tokens[f.n]; }},
    {"reported_context", "tokens", 1e8F, kLog,
     [](auto& f) { return f.fleet.reported_context_tokens[f.n]; }},
    {"report_age", "ms", 1e6F, kLog,
     [](auto& f) { return f.fleet.age(node_id(f.n)).seconds() * 1e3; }},
});

// What the dispatcher's own ledger says of the node.
constexpr auto kLedgerColumns = std::to_array<NodeColumn>({
    {"sent_since_report", "requests", 1e4F, kLog, [](auto& f) { return f.fleet.sent_since[f.n]; }},
    {"returned_since_report", "requests", 1e4F, kLog,
     [](auto& f) { return f.fleet.returned_since[f.n]; }},
    {"in_flight", "requests", 1e4F, kLog, [](auto& f) { return f.fleet.in_flight[f.n]; }},
    {"awaiting_first_token", "requests", 1e4F, kLog,
     [](auto& f) { return f.fleet.awaiting_first[f.n]; }},
    {"awaiting_prompt", "tokens", 1e8F, kLog, [](auto& f) { return f.fleet.awaiting_tokens[f.n]; }},
    {"decoding_prompt", "tokens", 1e8F, kLog, [](auto& f) { return f.fleet.prompt_tokens[f.n]; }},
    {"decoding_predicted", "tokens", 1e8F, kLog,
     [](auto& f) { return f.fleet.predicted_tokens[f.n]; }},
});

// What the cost model makes of both.
constexpr auto kEstimateColumns = std::to_array<NodeColumn>({
    {"remaining", "tokens", 1e8F, kLog, [](auto& f) { return f.estimates.load.remaining; }},
    {"context", "tokens", 1e8F, kLog, [](auto& f) { return f.estimates.load.context; }},
    {"work_ahead", "s", 1e4F, kLog, [](auto& f) { return f.estimates.work_ahead_s; }},
    {"prefill", "ms", 1e6F, kLog,
     [](auto& f) { return f.fleet.estimates->prefill(node_id(f.n), f.task.prompt_tokens) * 1e3; }},
    {"prefill_beside_decodes", "ms", 1e6F, kLog,
     [](auto& f) { return f.estimates.predicted.prefill_s * 1e3; }},
    {"tpot_if_joined", "ms", 1e5F, kLog,
     [](auto& f) { return f.estimates.predicted.tpot_s * 1e3; }},
    {"wait", "s", 1e4F, kLog, [](auto& f) { return f.estimates.predicted.wait_s; }},
    {"decode", "s", 1e4F, kLog, [](auto& f) { return f.estimates.predicted.decode_s; }},
    {"finish", "s", 1e4F, kLog, [](auto& f) { return f.estimates.predicted.finish_s(); }},
    {"delay_to_others", "s", 1e4F, kLog,
     [](auto& f) { return f.estimates.predicted.delay_to_others_s; }},
    {"marginal_cost", "s", 1e4F, kLog,
     [](auto& f) {
       return f.estimates.predicted.finish_s() + f.estimates.predicted.delay_to_others_s;
     }},
    {"queue_over_rate", "s", 1e4F, kLog, [](auto& f) { return f.estimates.queue_over_rate_s; }},
    {"service_rate", "requests/s", 1e4F, kLog,
     [](auto& f) { return f.fleet.estimates->service_rate(node_id(f.n)); }},
});

constexpr auto kAvailabilityColumns = std::to_array<NodeColumn>({
    {"up", "flag", 1, kLinear, [](auto& f) { return f.fleet.up[f.n]; }},
    {"legal", "flag", 1, kLinear, [](auto& f) { return f.legal ? 1 : 0; }},
});

// How far a score lies above the best among the legal nodes.
double gap(float score, float best) {
  return static_cast<double>(score) - static_cast<double>(best);
}

constexpr auto kGapColumns = std::to_array<NodeColumn>({
    {"finish_gap", "s", 30, kLinear,
     [](auto& f) { return gap(f.estimates.scores.finish, f.best.finish); }},
    {"marginal_cost_gap", "s", 30, kLinear,
     [](auto& f) { return gap(f.estimates.scores.marginal_cost, f.best.marginal_cost); }},
    {"queue_over_rate_gap", "s", 30, kLinear,
     [](auto& f) { return gap(f.estimates.scores.queue_over_rate, f.best.queue_over_rate); }},
});

// ---- The task row ----

double prompt_share(const TaskView& task) {
  const double tokens = static_cast<double>(task.prompt_tokens) + task.predicted_tokens;
  return tokens > 0 ? task.prompt_tokens / tokens : 0;
}

constexpr auto kTaskColumns = std::to_array<TaskColumn>({
    {"prompt", "tokens", 1e7F, kLog, [](auto& f) { return f.task.prompt_tokens; }},
    {"predicted_output", "tokens", 1e7F, kLog, [](auto& f) { return f.task.predicted_tokens; }},
    {"prompt_share", "share", 1, kLinear, [](auto& f) { return prompt_share(f.task); }},
    // 0 where the task declares none.
    {"max_output", "tokens", 1e7F, kLog, [](auto& f) { return f.task.max_tokens; }},
    {"weight", "weight", 1e3F, kLog, [](auto& f) { return f.task.weight; }},
    {"attempt", "attempts", 16, kLinear, [](auto& f) { return f.task.address.attempt; }},
    {"time_since_arrival", "ms", 1e7F, kLog,
     [](auto& f) { return (f.fleet.now - f.task.arrival).seconds() * 1e3; }},
    {"time_since_ready", "ms", 1e7F, kLog,
     [](auto& f) { return (f.fleet.now - f.task.ready).seconds() * 1e3; }},
});

// ---- The fleet row ----

double per_node(const FleetFacts& f, double sum) {
  return sum / static_cast<double>(f.fleet.nodes());
}

double in_flight_over_rate(const FleetFacts& f) {
  return static_cast<double>(f.in_flight) / std::max(f.rate_per_s, 1e-6);
}

constexpr auto kFleetColumns = std::to_array<FleetColumn>({
    {"ready", "tasks", 1e5F, kLog, [](auto& f) { return f.fleet.ready; }},
    {"in_flight", "requests", 1e6F, kLog, [](auto& f) { return f.in_flight; }},
    {"awaiting_first_token", "requests", 1e6F, kLog, [](auto& f) { return f.awaiting_first; }},
    {"reported_waiting", "requests", 1e6F, kLog, [](auto& f) { return f.waiting; }},
    {"in_flight_over_rate", "s", 1e4F, kLog, [](auto& f) { return in_flight_over_rate(f); }},
    {"mean_kv_use", "share", 1, kLinear, [](auto& f) { return per_node(f, f.kv_use); }},
    {"max_kv_use", "share", 1, kLinear, [](auto& f) { return f.max_kv_use; }},
    {"mean_work_ahead", "s", 1e4F, kLog, [](auto& f) { return per_node(f, f.work_ahead_s); }},
    {"max_work_ahead", "s", 1e4F, kLog, [](auto& f) { return f.max_work_ahead_s; }},
    {"up_share", "share", 1, kLinear,
     [](auto& f) { return per_node(f, static_cast<double>(f.up)); }},
    {"legal_share", "share", 1, kLinear,
     [](auto& f) { return per_node(f, static_cast<double>(f.legal)); }},
});

constexpr std::array kNodeBlocks = {
    block<NodeFacts, kReportColumns>(), block<NodeFacts, kLedgerColumns>(),
    block<NodeFacts, kEstimateColumns>(), block<NodeFacts, kAvailabilityColumns>(),
    block<NodeFacts, kGapColumns>()};
constexpr std::array kTaskBlocks = {block<TaskFacts, kTaskColumns>()};
constexpr std::array kFleetBlocks = {block<FleetFacts, kFleetColumns>()};

}  // namespace

std::span<const Block<NodeFacts>> node_blocks() { return kNodeBlocks; }
std::span<const Block<TaskFacts>> task_blocks() { return kTaskBlocks; }
std::span<const Block<FleetFacts>> fleet_blocks() { return kFleetBlocks; }

}  // namespace yardmaster
