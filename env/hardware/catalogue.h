// The catalogue of GPUs, models and engines: YAML in scenarios/catalogue/, and a scenario's own
// entries.
#pragma once

#include <string>
#include <vector>

#include "env/config/section.h"
#include "env/hardware/hardware.h"
#include "env/hardware/profile.h"

namespace yardmaster {

/// An entry, and the text that it came from with all defaults written out.
template <class Spec>
struct CatalogueEntry {
  Spec spec;
  yaml::Node resolved;
};

/// Everything that a scenario may name, in the order of reading. A later entry replaces an earlier
/// one of its name.
struct Catalogue {
  std::vector<CatalogueEntry<GpuSpec>> gpus;
  std::vector<CatalogueEntry<ModelSpec>> models;
  std::vector<CatalogueEntry<EngineSpec>> engines;
  std::vector<CatalogueEntry<StepProfile>> profiles;  // of the shipped ones, those asked for
  std::string folder;                                 // where the shipped ones are
};

/// The entry of that name; null when there is none.
template <class Spec>
const CatalogueEntry<Spec>* find_entry(const std::vector<CatalogueEntry<Spec>>& entries,
                                       const std::string& name) {
  for (const CatalogueEntry<Spec>& entry : entries) {
    if (entry.spec.name == name) {
      return &entry;
    }
  }
  return nullptr;
}

/// The folder of the shipped catalogue: that of the environment variable YARDMASTER_CATALOGUE, else
/// `catalogue` beside the scenario or above it, else the one in the source tree of this build.
std::string catalogue_folder(const std::string& scenario_path);
/// Reads gpus.yaml, models.yaml and engines.yaml of a folder.
void load_catalogue(const std::string& folder, Catalogue&, yaml::Faults&);
/// The profile of that name, read from `profiles/NAME.yaml` in the catalogue's folder unless it is
/// known; null when there is none.
const StepProfile* find_profile(Catalogue&, const std::string& name, yaml::Faults&);
/// The name that a profile of this GPU, model and degree has.
std::string profile_name(const std::string& gpu, const std::string& model, int tensor_parallel);
/// Reads the sections `gpus`, `models`, `engines` and `profiles`.
void read_catalogue(yaml::Section&, Catalogue&);

}  // namespace yardmaster
