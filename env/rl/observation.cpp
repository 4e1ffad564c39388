#include "env/rl/observation.h"

#include <algorithm>
#include <array>
#include <limits>

#include "env/base/check.h"
#include "env/base/math.h"

namespace yardmaster {
namespace {

constexpr FeatureScale kLog = FeatureScale::log1p;
constexpr FeatureScale kLinear = FeatureScale::linear;

// Scores of good rules are among the columns (finish, marginal cost, queue over rate), so the best
// hand-made rule is inside the hypothesis class and a network only learns what to add.
constexpr std::array<Feature, kNodeFeatures> kNodeTable = {{
    {"reported_running", "requests", 1e4F, kLog},
    {"reported_waiting", "requests", 1e4F, kLog},
    {"reported_kv_use", "share", 1, kLinear},
    {"reported_prefill", "tokens", 1e8F, kLog},
    {"reported_context", "tokens", 1e8F, kLog},
    {"report_age", "ms", 1e6F, kLog},
    {"sent_since_report", "requests", 1e4F, kLog},
    {"returned_since_report", "requests", 1e4F, kLog},
    {"in_flight", "requests", 1e4F, kLog},
    {"awaiting_first_token", "requests", 1e4F, kLog},
    {"awaiting_prompt", "tokens", 1e8F, kLog},
    {"decoding_prompt", "tokens", 1e8F, kLog},
    {"decoding_predicted", "tokens", 1e8F, kLog},
    {"remaining", "tokens", 1e8F, kLog},
    {"context", "tokens", 1e8F, kLog},
    {"work_ahead", "s", 1e4F, kLog},
    {"prefill", "ms", 1e6F, kLog},
    {"prefill_beside_decodes", "ms", 1e6F, kLog},
    {"tpot_if_joined", "ms", 1e5F, kLog},
    {"wait", "s", 1e4F, kLog},
    {"decode", "s", 1e4F, kLog},
    {"finish", "s", 1e4F, kLog},
    {"others_lose", "s", 1e4F, kLog},
    {"marginal_cost", "s", 1e4F, kLog},
    {"queue_over_rate", "s", 1e4F, kLog},
    {"service_rate", "requests/s", 1e4F, kLog},
    {"up", "flag", 1, kLinear},
    {"legal", "flag", 1, kLinear},
    // Distance to the best legal node.
    {"finish_gap", "s", 30, kLinear},
    {"marginal_cost_gap", "s", 30, kLinear},
    {"queue_over_rate_gap", "s", 30, kLinear},
}};

constexpr std::array<Feature, kTaskFeatures> kTaskTable = {{
    {"prompt", "tokens", 1e7F, kLog},
    {"predicted_output", "tokens", 1e7F, kLog},
    {"prompt_share", "share", 1, kLinear},
    {"weight", "weight", 1e3F, kLog},
    {"attempt", "attempts", 16, kLinear},
    {"time_since_arrival", "ms", 1e7F, kLog},
    {"time_since_ready", "ms", 1e7F, kLog},
}};

constexpr std::array<Feature, kFleetFeatures> kFleetTable = {{
    {"ready", "tasks", 1e5F, kLog},
    {"in_flight", "requests", 1e6F, kLog},
    {"awaiting_first_token", "requests", 1e6F, kLog},
    {"reported_waiting", "requests", 1e6F, kLog},
    {"in_flight_over_rate", "s", 1e4F, kLog},
    {"mean_kv_use", "share", 1, kLinear},
    {"max_kv_use", "share", 1, kLinear},
    {"mean_work_ahead", "s", 1e4F, kLog},
    {"max_work_ahead", "s", 1e4F, kLog},
    {"up_share", "share", 1, kLinear},
    {"legal_share", "share", 1, kLinear},
}};

static_assert(kNodeTable.back().name != nullptr && kTaskTable.back().name != nullptr &&
              kFleetTable.back().name != nullptr);

constexpr std::size_t kGaps = 3;
constexpr std::size_t kFirstGap = kNodeFeatures - kGaps;

float feature(const Feature& f, double raw) {
  // The comparison also sends NaN to 0: an estimate without a report must not poison the row.
  const float cut = raw > 0 ? static_cast<float>(std::min(raw, static_cast<double>(f.max))) : 0.0F;
  return f.scale == kLog ? math::log1p_approx(cut) : cut;
}

// Fills a row from left to right by the recipes of its table.
class RowWriter {
 public:
  RowWriter(std::span<const Feature> table, std::span<float> out) : table_(table), out_(out) {
    check(out.size() == table.size(), "an observation row has the wrong size");
  }
  void put(double raw) {
    out_[at_] = feature(table_[at_], raw);
    ++at_;
  }
  [[nodiscard]] std::size_t filled() const { return at_; }

 private:
  std::span<const Feature> table_;
  std::span<float> out_;
  std::size_t at_ = 0;
};

// Sum that does not depend on the order of its terms: multiples of 2^-20, in 64 bits.
class ExactSum {
 public:
  void add(double x) { sum_ += static_cast<std::int64_t>(std::clamp(x, 0.0, 1e6) * kUnit); }
  [[nodiscard]] double value() const { return static_cast<double>(sum_) / kUnit; }

 private:
  static constexpr double kUnit = 1 << 20;
  std::int64_t sum_ = 0;
};

// All columns but the gaps; into those go the scores themselves, in seconds, for close_gaps().
void write_node(NodeId n, const TaskView& task, const FleetView& fleet, bool legal,
                std::span<float> out) {
  const Estimates& e = *fleet.estimates;
  const std::size_t i = index(n);
  const LoadEstimate load = e.load(n, fleet);
  const Prediction p = e.predict(n, task, fleet);
  const double queue = (fleet.in_flight[i] + 1) / std::max(e.service_rate(n), 1e-9);
  RowWriter row(kNodeTable, out);
  row.put(fleet.running[i]);
  row.put(fleet.waiting[i]);
  row.put(static_cast<double>(fleet.kv_use[i]));
  row.put(static_cast<double>(fleet.reported_prefill_tokens[i]));
  row.put(static_cast<double>(fleet.reported_context_tokens[i]));
  row.put(fleet.age(n).seconds() * 1e3);
  row.put(fleet.sent_since[i]);
  row.put(fleet.returned_since[i]);
  row.put(fleet.in_flight[i]);
  row.put(fleet.awaiting_first[i]);
  row.put(static_cast<double>(fleet.awaiting_tokens[i]));
  row.put(static_cast<double>(fleet.prompt_tokens[i]));
  row.put(static_cast<double>(fleet.predicted_tokens[i]));
  row.put(load.remaining);
  row.put(load.context);
  row.put(e.work_ahead(n, fleet));
  row.put(e.prefill(n, task.prompt_tokens) * 1e3);
  row.put(p.prefill * 1e3);
  row.put(p.tpot * 1e3);
  row.put(p.wait);
  row.put(p.decode);
  row.put(p.finish());
  row.put(p.others);
  row.put(p.finish() + p.others);
  row.put(queue);
  row.put(e.service_rate(n));
  row.put(fleet.up[i]);
  row.put(legal ? 1 : 0);
  check(row.filled() == kFirstGap, "a node row does not match its table");
  out[kFirstGap] = static_cast<float>(p.finish());
  out[kFirstGap + 1] = static_cast<float>(p.finish() + p.others);
  out[kFirstGap + 2] = static_cast<float>(queue);
}

// Turns the scores in the gap columns into distances to the best legal node.
void close_gaps(std::span<const std::uint8_t> legal, std::size_t nodes, std::span<float> rows) {
  for (std::size_t gap = kFirstGap; gap < kNodeFeatures; ++gap) {
    float best = std::numeric_limits<float>::infinity();
    for (std::size_t i = 0; i < nodes; ++i) {
      best = legal[i] != 0 ? std::min(best, rows[i * kNodeFeatures + gap]) : best;
    }
    for (std::size_t i = 0; i < nodes; ++i) {
      float& cell = rows[i * kNodeFeatures + gap];
      cell = feature(kNodeTable[gap], static_cast<double>(cell) - static_cast<double>(best));
    }
  }
}

void write_task(const TaskView& task, const FleetView& fleet, std::span<float> out) {
  const double tokens = static_cast<double>(task.prompt_tokens) + task.predicted_tokens;
  RowWriter row(kTaskTable, out);
  row.put(task.prompt_tokens);
  row.put(task.predicted_tokens);
  row.put(tokens > 0 ? task.prompt_tokens / tokens : 0);
  row.put(task.weight);
  row.put(task.address.attempt);
  row.put((fleet.now - task.arrival).seconds() * 1e3);
  row.put((fleet.now - task.ready).seconds() * 1e3);
  check(row.filled() == kTaskFeatures, "the task row does not match its table");
}

void write_fleet(const FleetView& fleet, std::span<const std::uint8_t> legal,
                 std::span<float> out) {
  std::int64_t in_flight = 0, awaiting = 0, waiting = 0, up = 0, allowed = 0;
  ExactSum rate, kv, work;
  double max_kv = 0, max_work = 0;
  for (std::size_t i = 0; i < fleet.nodes(); ++i) {
    const double ahead = fleet.estimates->work_ahead(node_id(i), fleet);
    in_flight += fleet.in_flight[i];
    awaiting += fleet.awaiting_first[i];
    waiting += fleet.waiting[i];
    up += fleet.up[i] != 0 ? 1 : 0;
    allowed += legal[i] != 0 ? 1 : 0;
    if (fleet.up[i] != 0) {
      rate.add(fleet.estimates->service_rate(node_id(i)));
    }
    kv.add(static_cast<double>(fleet.kv_use[i]));
    work.add(ahead);
    max_kv = std::max(max_kv, static_cast<double>(fleet.kv_use[i]));
    max_work = std::max(max_work, ahead);
  }
  const auto nodes = static_cast<double>(fleet.nodes());
  RowWriter row(kFleetTable, out);
  row.put(fleet.ready);
  row.put(static_cast<double>(in_flight));
  row.put(static_cast<double>(awaiting));
  row.put(static_cast<double>(waiting));
  row.put(static_cast<double>(in_flight) / std::max(rate.value(), 1e-6));
  row.put(kv.value() / nodes);
  row.put(max_kv);
  row.put(work.value() / nodes);
  row.put(max_work);
  row.put(static_cast<double>(up) / nodes);
  row.put(static_cast<double>(allowed) / nodes);
  check(row.filled() == kFleetFeatures, "the fleet row does not match its table");
}

}  // namespace

std::span<const Feature> node_features() { return kNodeTable; }
std::span<const Feature> task_features() { return kTaskTable; }
std::span<const Feature> fleet_features() { return kFleetTable; }

void observe(const TaskView& task, const FleetView& fleet, std::span<const std::uint8_t> legal,
             ObservationRows rows) {
  const std::size_t nodes = fleet.nodes();
  check(rows.node.size() == nodes * kNodeFeatures, "the node rows have the wrong size");
  check(legal.size() >= nodes, "the mask is shorter than the fleet");
  for (std::size_t i = 0; i < nodes; ++i) {
    write_node(node_id(i), task, fleet, legal[i] != 0,
               rows.node.subspan(i * kNodeFeatures, kNodeFeatures));
  }
  close_gaps(legal, nodes, rows.node);
  write_task(task, fleet, rows.task);
  write_fleet(fleet, legal, rows.fleet);
}

}  // namespace yardmaster
