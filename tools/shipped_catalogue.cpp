#include "tools/shipped_catalogue.h"

#include "env/config/suggestion.h"

#include <fmt/format.h>

#include "tools/command.h"

namespace yardmaster {

Catalogue shipped_catalogue() {
  Catalogue catalogue;
  yaml::Faults faults;
  load_catalogue(catalogue_folder(""), catalogue, faults);
  if (!faults.empty()) {
    throw ConfigError(faults.lines());
  }
  return catalogue;
}

void not_in_catalogue(const std::string& option, const std::string& name,
                      const std::vector<std::string>& known) {
  throw BadInput(
      fmt::format("{} {}: not in the catalogue{}", option, name, yaml::did_you_mean(name, known)));
}

}  // namespace yardmaster
