#include "agents/checkpoint.h"

#include <array>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "env/rl/observation.h"

namespace yardmaster {
namespace {

using Json = nlohmann::json;

constexpr const char* kFormat = "yardmaster checkpoint";
constexpr int kVersion = 1;

Json features_json(std::span<const Feature> table) {
  Json out = Json::array();
  for (const Feature& f : table) {
    out.push_back({{"name", f.name},
                   {"unit", f.unit},
                   {"max", f.max},
                   {"scale", f.scale == FeatureScale::log1p ? "log1p" : "linear"}});
  }
  return out;
}

Json all_features_json() {
  return {{"node", features_json(node_features())},
          {"task", features_json(task_features())},
          {"fleet", features_json(fleet_features())}};
}

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
          {"value_mean", agent.value_mean},
          {"value_unit", agent.value_unit},
          {"hidden_units", agent.weights.shape.hidden},
          {"standardisation",
           {{"node", {{"mean", agent.node.mean}, {"inverse", agent.node.inverse}}},
            {"shared", {{"mean", agent.shared.mean}, {"inverse", agent.shared.inverse}}}}},
          {"tensors", tensors}};
}

Standardiser standardiser_from(const Json& j, std::size_t features) {
  Standardiser s{j.at("mean").get<std::vector<float>>(), j.at("inverse").get<std::vector<float>>()};
  if (s.mean.size() != features || s.inverse.size() != features) {
    throw std::invalid_argument("the standardisation does not match the features");
  }
  return s;
}

NetworkAgent network_from(const Json& j) {
  const std::size_t shared = kTaskFeatures + kFleetFeatures;
  NetworkAgent agent;
  agent.base = j.at("base").get<std::string>();
  agent.lambda = j.at("lambda").get<double>();
  agent.value_mean = j.at("value_mean").get<double>();
  agent.value_unit = j.at("value_unit").get<double>();
  agent.weights =
      NetworkWeights::zero({kNodeFeatures, shared, j.at("hidden_units").get<std::size_t>()});
  const std::vector<std::span<float>> all = agent.weights.tensors();
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto values = j.at("tensors").at(kTensorNames[i]).get<std::vector<float>>();
    if (values.size() != all[i].size()) {
      throw std::invalid_argument(std::string("tensor \"") + kTensorNames[i] +
                                  "\" has the wrong size");
    }
    std::copy(values.begin(), values.end(), all[i].begin());
  }
  agent.node = standardiser_from(j.at("standardisation").at("node"), kNodeFeatures);
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

Json to_json(const SeedRange& range) { return {{"first", range.first}, {"count", range.count}}; }

SeedRange range_from(const Json& j) {
  return {j.at("first").get<std::uint64_t>(), j.at("count").get<std::uint64_t>()};
}

Json to_json(const TrainingRecord& record) {
  Json points = Json::array();
  for (const LineSearchPoint& p : record.line_search) {
    points.push_back({{"lambda", p.lambda},
                      {"mean_s", p.mean_s},
                      {"difference_s", p.difference_s},
                      {"error_s", p.error_s}});
  }
  return {{"scenario", record.scenario},
          {"seed", record.seed},
          {"train_seeds", to_json(record.train)},
          {"validation_seeds", to_json(record.validation)},
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
  record.decisions = j.at("decisions").get<std::uint64_t>();
  record.updates = j.at("updates").get<std::uint64_t>();
  for (const Json& p : j.at("line_search")) {
    record.line_search.push_back({p.at("lambda").get<double>(), p.at("mean_s").get<double>(),
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
  if (version != kVersion) {
    throw std::invalid_argument("version " + std::to_string(version) +
                                " of the format; this program reads " + std::to_string(kVersion));
  }
  Checkpoint c;
  c.algorithm = j.at("algorithm").get<std::string>();
  c.scale_s = j.at("scale_s").get<double>();
  c.discount_time_s = j.at("discount_time_s").get<double>();
  c.training = record_from(j.at("training"));
  if (j.contains("network")) {
    // Weights are bound to the columns that they were trained on, their units and ranges.
    if (j.at("features") != all_features_json()) {
      throw std::invalid_argument(
          "trained on other features than this program computes; train again");
    }
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
    j["features"] = all_features_json();
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
