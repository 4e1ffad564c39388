#include "results/schema.h"

#include <limits>

namespace yardmaster {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

double seconds(Time t) { return t.is_never() ? kNan : t.seconds(); }
double seconds_between(Time from, Time to) {
  return from.is_never() || to.is_never() ? kNan : (to - from).seconds();
}

template <class Row>
Column<Row> whole(const char* name, ColumnType type, const char* unit, const char* description,
                  std::function<std::int64_t(const Row&)> get) {
  return {name, type, unit, description, std::move(get), nullptr, nullptr};
}
template <class Row>
Column<Row> real(const std::string& name, const char* unit, const char* description,
                 std::function<double(const Row&)> get) {
  return {name, ColumnType::f64, unit, description, nullptr, std::move(get), nullptr};
}
template <class Row>
Column<Row> text(const char* name, const char* description,
                 std::function<std::string(const Row&)> get) {
  return {name, ColumnType::text, "", description, nullptr, nullptr, std::move(get)};
}

std::vector<Column<TaskRow>> make_task_identity() {
  using R = TaskRow;
  return {
      whole<R>("tenant", ColumnType::i32, "", "tenant, in the order of the scenario",
               [](const R& r) { return std::int64_t{r.address.tenant}; }),
      whole<R>("workflow", ColumnType::u32, "", "number among the tenant's arrivals",
               [](const R& r) { return std::int64_t{r.address.workflow}; }),
      whole<R>("attempt", ColumnType::i32, "count", "attempts before the one that ended the task",
               [](const R& r) { return std::int64_t{r.address.attempt}; }),
      whole<R>("node", ColumnType::i32, "", "row of /fleet that served the task; -1: none",
               [](const R& r) {
                 return r.node == kNoNode ? std::int64_t{-1}
                                          : static_cast<std::int64_t>(index(r.node));
               }),
      whole<R>("outcome", ColumnType::outcome, "", "how the task ended",
               [](const R& r) { return static_cast<std::int64_t>(r.outcome); }),
      whole<R>("preemptions", ColumnType::i32, "count", "number of times the task was preempted",
               [](const R& r) { return std::int64_t{r.preemptions}; }),
      whole<R>("prompt_tokens", ColumnType::i32, "tokens", "length of the prompt",
               [](const R& r) { return std::int64_t{r.prompt_tokens}; }),
      whole<R>("output_tokens", ColumnType::i32, "tokens", "length of the output",
               [](const R& r) { return std::int64_t{r.output_tokens}; }),
      whole<R>("predicted_tokens", ColumnType::i32, "tokens",
               "length of the output as policies saw it",
               [](const R& r) { return std::int64_t{r.predicted_tokens}; }),
      whole<R>("shared_tokens", ColumnType::i32, "tokens",
               "part of the prompt, in whole KV blocks, that other requests have too",
               [](const R& r) { return std::int64_t{r.shared_tokens}; }),
  };
}

std::vector<Column<TaskRow>> make_task_columns() {
  using R = TaskRow;
  std::vector<Column<R>> columns = make_task_identity();
  columns.insert(
      columns.end(),
      {real<R>("arrival_s", "s", "time of arrival", [](const R& r) { return seconds(r.arrival); }),
       real<R>("first_scheduled_s", "s", "time when a node first scheduled it",
               [](const R& r) { return seconds(r.first_scheduled); }),
       real<R>("first_token_s", "s", "time of its first token",
               [](const R& r) { return seconds(r.first_token); }),
       real<R>("last_token_s", "s", "time of its last token",
               [](const R& r) { return seconds(r.last_token); }),
       real<R>("ttft_s", "s", "first token - arrival",
               [](const R& r) { return seconds_between(r.arrival, r.first_token); }),
       real<R>("tpot_s", "s", "(last - first token) / (output tokens - 1); NaN for one token",
               [](const R& r) {
                 return r.output_tokens > 1
                            ? seconds_between(r.first_token, r.last_token) / (r.output_tokens - 1)
                            : kNan;
               }),
       real<R>("e2e_s", "s", "last token - arrival",
               [](const R& r) { return seconds_between(r.arrival, r.last_token); })});
  for (std::size_t m = 0; m < kMomentCount; ++m) {
    columns.push_back(real<R>(std::string(kMomentNames[m]) + "_s", "s",
                              "part of e2e_s: see Moments in docs/model.md",
                              [m](const R& r) { return r.moments[m].seconds(); }));
  }
  return columns;
}

std::vector<Column<NodeSample>> make_node_columns() {
  using R = NodeSample;
  const auto count = [](const char* name, const char* unit, const char* description,
                        std::int64_t NodeCounters::*counter) {
    return whole<R>(name, ColumnType::i64, unit, description,
                    [counter](const R& r) { return r.state.counters.*counter; });
  };
  return {
      real<R>("time_s", "s", "time of the sample", [](const R& r) { return seconds(r.time); }),
      whole<R>("node", ColumnType::i32, "", "row of /fleet",
               [](const R& r) { return static_cast<std::int64_t>(index(r.node)); }),
      whole<R>("up", ColumnType::u8, "", "1: serving, 0: down",
               [](const R& r) { return std::int64_t{r.state.up}; }),
      whole<R>("running", ColumnType::i32, "requests", "requests in the running list",
               [](const R& r) { return std::int64_t{r.state.running}; }),
      whole<R>("waiting", ColumnType::i32, "requests", "requests in the waiting queue",
               [](const R& r) { return std::int64_t{r.state.waiting}; }),
      real<R>("kv_use", "share", "share of KV blocks in use",
              [](const R& r) { return r.state.kv_use; }),
      real<R>("busy", "share",
              "share of the time since the last sample in which a step was under way",
              [](const R& r) { return r.since_last.busy; }),
      real<R>("compute_utilisation", "share", "share of peak FLOP/s since the last sample",
              [](const R& r) { return r.since_last.compute; }),
      real<R>("memory_utilisation", "share", "mean share of KV blocks in use since the last sample",
              [](const R& r) { return r.since_last.memory; }),
      real<R>("bandwidth_utilisation", "share",
              "share of peak memory bandwidth since the last sample",
              [](const R& r) { return r.since_last.bandwidth; }),
      count("steps", "count", "engine steps since the start", &NodeCounters::steps),
      count("prefill_tokens", "tokens", "prompt tokens computed since the start",
            &NodeCounters::prefill_tokens),
      count("decode_tokens", "tokens", "tokens decoded since the start",
            &NodeCounters::decode_tokens),
      count("preemptions", "count", "preemptions since the start", &NodeCounters::preemptions),
  };
}

std::vector<Column<FleetRow>> make_fleet_columns() {
  using R = FleetRow;
  return {
      whole<R>("node", ColumnType::i32, "", "index in the order of the scenario",
               [](const R& r) { return std::int64_t{r.node}; }),
      text<R>("kind", "name of its entry in the scenario's nodes",
              [](const R& r) { return r.kind->name; }),
      text<R>("gpu", "name of the GPU in the catalogue",
              [](const R& r) { return r.kind->gpu.name; }),
      text<R>("model", "name of the model in the catalogue",
              [](const R& r) { return r.kind->model.name; }),
      text<R>("engine", "name of the engine in the catalogue",
              [](const R& r) { return r.kind->engine.name; }),
      whole<R>("tensor_parallel", ColumnType::i32, "count", "number of GPUs",
               [](const R& r) { return std::int64_t{r.kind->tensor_parallel}; }),
      whole<R>("kv_blocks", ColumnType::i32, "blocks", "KV blocks of 16 tokens",
               [](const R& r) { return std::int64_t{r.kind->settings.grant.blocks}; }),
      real<R>("capacity_per_s", "1/s", "saturated rate of the node alone on this workload",
              [](const R& r) { return r.kind->capacity_per_s; }),
  };
}

std::vector<Column<ComparisonRow>> make_summary_columns() {
  using R = ComparisonRow;
  return {
      text<R>("policy", "policy", [](const R& r) { return r.policy; }),
      text<R>("metric", "name of the metric, as in the tables of runs",
              [](const R& r) { return r.metric; }),
      text<R>("unit", "unit of the metric", [](const R& r) { return r.unit; }),
      real<R>("mean", "", "mean over seeds", [](const R& r) { return r.value.mean; }),
      real<R>("low", "", "95 % interval of the mean", [](const R& r) { return r.value.low; }),
      real<R>("high", "", "95 % interval of the mean", [](const R& r) { return r.value.high; }),
      real<R>("difference", "", "mean paired difference to the best baseline",
              [](const R& r) { return r.difference.mean; }),
      real<R>("difference_low", "", "95 % interval of the difference",
              [](const R& r) { return r.difference.low; }),
      real<R>("difference_high", "", "95 % interval of the difference",
              [](const R& r) { return r.difference.high; }),
      real<R>("p_value", "",
              "of the difference in objective_s, Holm-corrected; NaN for other metrics",
              [](const R& r) { return r.p_value; }),
  };
}

}  // namespace

const std::vector<Column<TaskRow>>& task_columns() {
  static const std::vector<Column<TaskRow>> columns = make_task_columns();
  return columns;
}

const std::vector<Column<NodeSample>>& node_columns() {
  static const std::vector<Column<NodeSample>> columns = make_node_columns();
  return columns;
}

const std::vector<Column<NamedMetric>>& metric_columns() {
  using R = NamedMetric;
  static const std::vector<Column<R>> columns = {
      text<R>("name", "name of the metric", [](const R& r) { return r.name; }),
      real<R>("value", "", "in the unit of the same row", [](const R& r) { return r.value; }),
      text<R>("unit", "s, 1/s, tokens/s, share, ratio or count", [](const R& r) { return r.unit; }),
  };
  return columns;
}

const std::vector<Column<FleetRow>>& fleet_columns() {
  static const std::vector<Column<FleetRow>> columns = make_fleet_columns();
  return columns;
}

const std::vector<Column<ComparisonRow>>& summary_columns() {
  static const std::vector<Column<ComparisonRow>> columns = make_summary_columns();
  return columns;
}

}  // namespace yardmaster
