// The shipped catalogue, for commands that name its entries without a scenario.
#pragma once

#include <string>
#include <vector>

#include "env/hardware/catalogue.h"

namespace yardmaster {

/// Throws ConfigError when it cannot be read.
Catalogue shipped_catalogue();

/// Throws BadInput: the value `name` of `option` is not among `known`.
[[noreturn]] void not_in_catalogue(const std::string& option, const std::string& name,
                                   const std::vector<std::string>& known);

/// The entry `name` that `option` asks for. Throws BadInput with a suggestion when there is none.
template <class Spec>
const Spec& named(const std::vector<CatalogueEntry<Spec>>& entries, const std::string& option,
                  const std::string& name) {
  if (const CatalogueEntry<Spec>* entry = find_entry(entries, name)) {
    return entry->spec;
  }
  std::vector<std::string> known;
  known.reserve(entries.size());
  for (const CatalogueEntry<Spec>& entry : entries) {
    known.push_back(entry.spec.name);
  }
  not_in_catalogue(option, name, known);
}

}  // namespace yardmaster
