// YAML to Scenario.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "env/scenario/scenario.h"

namespace yardmaster {

/// Wrong input. Has one line per fault: `file:line:column: key.path: what is wrong (what was
/// expected)`.
class ConfigError : public std::runtime_error {
 public:
  explicit ConfigError(std::vector<std::string> faults);
  [[nodiscard]] const std::vector<std::string>& faults() const { return faults_; }

 private:
  std::vector<std::string> faults_;
};

/// `key.path` and value as YAML text: one `--set` of the command line.
using Override = std::pair<std::string, std::string>;

/// Reads, checks and compiles a scenario: catalogue entries resolved, step costs compiled, capacity
/// simulated, the trace read and scaled. Throws ConfigError with all faults at once.
Scenario load_scenario(const std::string& path, const std::vector<Override>& overrides = {});

/// The same from text. `path` is its name in faults, and paths in it are relative to that.
Scenario load_scenario_text(const std::string& text, const std::string& path,
                            const std::vector<Override>& overrides = {});

/// The text of docs/scenario.md, made from the declarations in the reader.
std::string scenario_reference();

/// Compiles the step costs of a node from its GPU, model, engine, profile and limits, without
/// outages.
void compile_kind(NodeKind&, const Network&);

}  // namespace yardmaster
