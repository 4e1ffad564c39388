// The catalogue of GPUs, models, engines and profiles: YAML in scenarios/catalogue/ and entries of
// a scenario itself.
#pragma once

#include <string>
#include <vector>

#include "env/config/section.h"
#include "env/hardware/hardware.h"
#include "env/hardware/profile.h"

namespace yardmaster {

/// An entry and its source text with all defaults.
template <class Spec>
struct CatalogueEntry {
  Spec spec;
  yaml::Node resolved;
};

/// All entries that a scenario may name, in the order of reading. A later entry replaces an earlier
/// one of the same name.
struct Catalogue {
  std::vector<CatalogueEntry<GpuSpec>> gpus;
  std::vector<CatalogueEntry<ModelSpec>> models;
  std::vector<CatalogueEntry<EngineSpec>> engines;
  std::vector<CatalogueEntry<StepProfile>> profiles;  // shipped ones only after find_profile()
  std::string folder;                                 // of the shipped entries
};

/// The entry of that name. Null if there is none.
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

/// The folder of the shipped catalogue. In this order: the environment variable
/// YARDMASTER_CATALOGUE, `catalogue` beside or above the scenario, the one installed with this
/// program, and the one in the source tree of this build.
std::string catalogue_folder(const std::string& scenario_path);
/// Reads gpus.yaml, models.yaml and engines.yaml from a folder.
void load_catalogue(const std::string& folder, Catalogue&, yaml::Faults&);
/// The profile of that name. Reads it from `profiles/NAME.yaml` in the catalogue's folder if it has
/// not been read yet. Null if there is none.
const StepProfile* find_profile(Catalogue&, const std::string& name, yaml::Faults&);
/// The name of the profile of a GPU, model and degree.
std::string profile_name(const std::string& gpu, const std::string& model, int tensor_parallel);
/// Reads the sections `gpus`, `models`, `engines` and `profiles` into the catalogue.
void read_catalogue(yaml::Section&, Catalogue&);

}  // namespace yardmaster
