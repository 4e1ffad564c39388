#include "agents/checkpoint.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>

#include "env/rl/usage_error.h"

namespace yardmaster {
namespace {

using Json = nlohmann::json;

constexpr const char* kFormat = "yardmaster checkpoint";
constexpr int kVersion = 2;

// ---- Columns ----

Json column_json(const Feature& column) {
  return {{"name", column.name},
          {"unit", column.unit},
          {"max", column.max},
          {"scale", column.scale == FeatureScale::log1p ? "log1p" : "linear"}};
}

Json columns_json(std::span<const Feature> columns) {
  Json out = Json::array();
  for (const Feature& column : columns) {
    out.push_back(column_json(column));
  }
  return out;
}

Json to_json(const ObservationSpec& columns) {
  return {{"node", columns_json(columns.node_columns())},
          {"task", columns_json(columns.task_columns())},
          {"fleet", columns_json(columns.fleet_columns())}};
}

std::vector<std::string> column_names(const Json& stored) {
  std::vector<std::string> names;
  for (const Json& column : stored) {
    names.push_back(column.at("name").get<std::string>());
  }
  return names;
}

// Weights are bound to the unit and the range of each column that they were trained on.
void check_recipes(const Json& stored, std::span<const Feature> columns) {
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (stored[i] != column_json(columns[i])) {
      throw std::invalid_argument(
          std::string("the column \"") + columns[i].name +
          "\" was computed in another way when this was trained: " + stored[i].dump() + ", now " +
          column_json(columns[i]).dump() + "; train again");
    }
  }
}

ObservationSpec columns_from(const Json& j) {
  const Json &node = j.at("node"), &task = j.at("task"), &fleet = j.at("fleet");
  try {
    ObservationSpec columns =
        ObservationSpec::of({column_names(node), column_names(task), column_names(fleet)});
    check_recipes(node, columns.node_columns());
    check_recipes(task, columns.task_columns());
    check_recipes(fleet, columns.fleet_columns());
    return columns;
  } catch (const UsageError& error) {
    throw std::invalid_argument(std::string(error.what()) + " in this program; train again");
  }
}

// ---- Agents ----

constexpr std::array<const char*, 11> kTensorNames = {
    "node",         "context",    "bias1", "hidden",       "bias2",     "score",
    "value_hidden", "value_bias", "value", "value_offset", "value_node"};

Json to_json(NetworkAgent agent) {
  Json tensors;
  const std::vector<std::span<float>> all = agent.weights.tensors();
  for (std::size_t i = 0; i < all.size(); ++i) {
    tensors[kTensorNames[i]] = std::vector<float>(all[i].begin(), all[i].end());
  }
  return {{"base", agent.base},
          {"lambda", agent.lambda},
          {"columns", to_json(agent.columns)},
          {"dueling", agent.dueling},
          {"value_mean", agent.value_mean},
          {"value_unit", agent.value_unit},
          {"hidden_units", agent.weights.shape.hidden},
          {"standardisation",
           {{"node", {{"mean", agent.node.mean}, {"inverse", agent.node.inverse}}},
            {"shared", {{"mean", agent.shared.mean}, {"inverse", agent.shared.inverse}}}}},
          {"tensors", tensors}};
}

// Larger numbers do not come out of training, and could overflow to scores that are not numbers.
constexpr double kLargest = 1e6;

std::vector<float> bounded_floats(const Json& j, const char* what) {
  auto values = j.get<std::vector<float>>();
  if (!std::all_of(values.begin(), values.end(),
                   [](float x) { return std::abs(static_cast<double>(x)) <= kLargest; })) {
    throw std::invalid_argument(std::string(what) + " holds a number outside [-1e6, 1e6]");
  }
  return values;
}

double bounded(const Json& j, const char* key) {
  const double value = j.at(key).get<double>();
  if (!(std::abs(value) <= kLargest)) {
    throw std::invalid_argument(std::string(key) + " is outside [-1e6, 1e6]");
  }
  return value;
}

Standardiser standardiser_from(const Json& j, std::size_t features) {
  Standardiser s{bounded_floats(j.at("mean"), "the standardisation"),
                 bounded_floats(j.at("inverse"), "the standardisation")};
  if (s.mean.size() != features || s.inverse.size() != features) {
    throw std::invalid_argument("the standardisation does not match the columns");
  }
  return s;
}

NetworkAgent network_from(const Json& j) {
  NetworkAgent agent;
  agent.columns = columns_from(j.at("columns"));
  agent.dueling = j.at("dueling").get<bool>();
  agent.base = j.at("base").get<std::string>();
  agent.lambda = bounded(j, "lambda");
  agent.value_mean = bounded(j, "value_mean");
  agent.value_unit = bounded(j, "value_unit");
  const std::size_t node = agent.columns.node_width(), shared = agent.columns.shared_width();
  agent.weights = NetworkWeights::zero({node, shared, j.at("hidden_units").get<std::size_t>()});
  const std::vector<std::span<float>> all = agent.weights.tensors();
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::vector<float> values =
        bounded_floats(j.at("tensors").at(kTensorNames[i]), kTensorNames[i]);
    if (values.size() != all[i].size()) {
      throw std::invalid_argument(std::string("tensor \"") + kTensorNames[i] +
                                  "\" has the wrong size");
    }
    std::copy(values.begin(), values.end(), all[i].begin());
  }
  agent.node = standardiser_from(j.at("standardisation").at("node"), node);
  agent.shared = standardiser_from(j.at("standardisation").at("shared"), shared);
  return agent;
}

Json to_json(const TabularAgent& agent) {
  Json values = Json::array(), visits = Json::array();
  for (std::size_t s = 0; s < agent.table.states(); ++s) {
    for (std::size_t a = 0; a < agent.table.actions(); ++a) {
      values.push_back(agent.table.value(s, a));
      visits.push_back(agent.table.visits(s, a));
    }
  }
  return {{"rules", agent.rules}, {"values", values}, {"visits", visits}};
}

TabularAgent tabular_from(const Json& j) {
  TabularAgent agent;
  agent.rules = j.at("rules").get<std::vector<std::string>>();
  const auto values = j.at("values").get<std::vector<double>>();
  const auto visits = j.at("visits").get<std::vector<std::uint32_t>>();
  const std::size_t actions = agent.rules.size();
  if (values.size() != kTabularStates * actions || visits.size() != values.size()) {
    throw std::invalid_argument("the table does not match the states of this program");
  }
  agent.table = QTable(kTabularStates, actions);
  for (std::size_t i = 0; i < values.size(); ++i) {
    agent.table.set(i / actions, i % actions, values[i], visits[i]);
  }
  return agent;
}

// ---- How it came about ----

Json to_json(const SeedRange& range) { return {{"first", range.first}, {"count", range.count}}; }

SeedRange range_from(const Json& j) {
  const SeedRange range{j.at("first").get<std::uint64_t>(), j.at("count").get<std::uint64_t>()};
  if (range.count == 0 || range.last() < range.first) {
    throw std::invalid_argument("a range of seeds is empty or too long");
  }
  return range;
}

// 64 bits as hexadecimal digits, because readers of JSON may keep 53 bits of a number only.
std::string hex(std::uint64_t value) {
  std::array<char, 16> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value, 16).ptr;
  return {digits.data(), end};
}

std::uint64_t from_hex(const std::string& text) {
  std::uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value, 16);
  if (error != std::errc{} || at != end) {
    throw std::invalid_argument("\"" + text + "\" is not the hash of a trace");
  }
  return value;
}

Json to_json(const Worlds& worlds) {
  Json seeds = Json::array(), intervals = Json::array();
  for (const SeedRange& range : worlds.seeds) {
    seeds.push_back(to_json(range));
  }
  for (const TraceInterval& i : worlds.intervals) {
    intervals.push_back(
        {{"trace", hex(i.trace)}, {"from_ps", i.from.ps}, {"until_ps", i.until.ps}});
  }
  return {{"seeds", seeds}, {"trace_intervals", intervals}};
}

Worlds worlds_from(const Json& j) {
  Worlds worlds;
  for (const Json& range : j.at("seeds")) {
    worlds.seeds.push_back(range_from(range));
  }
  for (const Json& i : j.at("trace_intervals")) {
    worlds.intervals.push_back({from_hex(i.at("trace").get<std::string>()),
                                Duration{i.at("from_ps").get<std::int64_t>()},
                                Duration{i.at("until_ps").get<std::int64_t>()}});
  }
  return worlds;
}

Json to_json(const TrainingRecord& record) {
  Json points = Json::array();
  for (const LineSearchPoint& p : record.line_search) {
    points.push_back({{"lambda", p.lambda},
                      {"objective_s", p.objective_s},
                      {"difference_s", p.difference_s},
                      {"error_s", p.error_s}});
  }
  return {{"scenario", record.scenario},
          {"seed", record.seed},
          {"train_seeds", to_json(record.train)},
          {"validation_seeds", to_json(record.validation)},
          {"trained_on", to_json(record.trained)},
          {"validated_on", to_json(record.validated)},
          {"decisions", record.decisions},
          {"updates", record.updates},
          {"line_search", points}};
}

TrainingRecord record_from(const Json& j) {
  TrainingRecord record;
  record.scenario = j.at("scenario").get<std::string>();
  record.seed = j.at("seed").get<std::uint64_t>();
  record.train = range_from(j.at("train_seeds"));
  record.validation = range_from(j.at("validation_seeds"));
  record.trained = worlds_from(j.at("trained_on"));
  record.validated = worlds_from(j.at("validated_on"));
  record.decisions = j.at("decisions").get<std::uint64_t>();
  record.updates = j.at("updates").get<std::uint64_t>();
  for (const Json& p : j.at("line_search")) {
    record.line_search.push_back({p.at("lambda").get<double>(), p.at("objective_s").get<double>(),
                                  p.at("difference_s").get<double>(),
                                  p.at("error_s").get<double>()});
  }
  return record;
}

Checkpoint checkpoint_from(const Json& j) {
  if (j.value("format", "") != kFormat) {
    throw std::invalid_argument("not a checkpoint of this program");
  }
  const int version = j.at("version").get<int>();
  if (version < kVersion) {
    throw std::invalid_argument(
        "version " + std::to_string(version) +
        " of the format, which an earlier version of this program wrote; it names other columns "
        "and does not say which worlds were seen, so it cannot be used: train again");
  }
  if (version > kVersion) {
    throw std::invalid_argument("version " + std::to_string(version) +
                                " of the format; this program reads version " +
                                std::to_string(kVersion));
  }
  Checkpoint c;
  c.algorithm = j.at("algorithm").get<std::string>();
  c.scale_s = bounded(j, "scale_s");
  c.discount_time_s = bounded(j, "discount_time_s");
  c.training = record_from(j.at("training"));
  if (j.contains("network")) {
    c.network = network_from(j.at("network"));
  } else {
    c.tabular = tabular_from(j.at("tabular"));
  }
  return c;
}

}  // namespace

void save_checkpoint(const Checkpoint& c, const std::string& path) {
  Json j = {{"format", kFormat},
            {"version", kVersion},
            {"algorithm", c.algorithm},
            {"scale_s", c.scale_s},
            {"discount_time_s", c.discount_time_s},
            {"training", to_json(c.training)}};
  if (c.network) {
    j["network"] = to_json(*c.network);
  } else if (c.tabular) {
    j["tabular"] = to_json(*c.tabular);
  }
  const std::string temporary = path + ".tmp";
  std::ofstream file(temporary, std::ios::trunc);
  file << j.dump(1) << '\n';
  file.close();
  if (!file || std::rename(temporary.c_str(), path.c_str()) != 0) {
    std::remove(temporary.c_str());
    throw CheckpointError(path + ": cannot write the checkpoint");
  }
}

Checkpoint load_checkpoint(const std::string& path) {
  std::ifstream file(path);
  if (!file) {
    throw CheckpointError(path + ": cannot read the checkpoint");
  }
  try {
    return checkpoint_from(Json::parse(file));
  } catch (const Json::exception& fault) {
    throw CheckpointError(path + ": not a whole checkpoint: " + fault.what());
  } catch (const std::invalid_argument& fault) {
    throw CheckpointError(path + ": " + fault.what());
  }
}

std::unique_ptr<DispatchPolicy> load_checkpoint_policy(const std::string& path) {
  const Checkpoint checkpoint = load_checkpoint(path);
  try {
    return make_learned_policy(checkpoint);
  } catch (const CheckpointError& fault) {
    throw CheckpointError(path + ": " + fault.what());
  }
}

}  // namespace yardmaster
