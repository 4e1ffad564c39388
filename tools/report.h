// What `run`, `evaluate` and `validate` print about a scenario and its metrics, as text and JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "env/scenario/scenario.h"
#include "env/simulation/metrics.h"
#include "tools/episode.h"

namespace yardmaster {

/// Fleet, capacity, load and time scale of the trace: a few lines.
std::string scenario_text(const Scenario&);
/// The same as a JSON object.
nlohmann::ordered_json scenario_json(const Scenario&);

/// All metrics of one run as tables.
std::string metrics_text(const Scenario&, const Metrics&);
/// All metrics by name; NaN becomes null.
nlohmann::ordered_json metrics_json(const Metrics&);

}  // namespace yardmaster
