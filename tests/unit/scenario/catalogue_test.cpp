// The shipped catalogue reads without a fault, and wrong entries are reported with their places.
#include "env/hardware/catalogue.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "env/scenario/load.h"

namespace yardmaster {
namespace {

const std::string kFolder = std::string(YARDMASTER_SOURCE_DIR) + "/scenarios/catalogue";

TEST(CatalogueReader, ShippedEntriesReadWithoutAFault) {
  Catalogue catalogue;
  yaml::Faults faults;
  load_catalogue(kFolder, catalogue, faults);
  EXPECT_EQ(faults.lines(), std::vector<std::string>{});
  for (const char* gpu : {"rtx-4090", "rtx-pro-6000", "a100-80gb-sxm", "h100-sxm"}) {
    const auto* entry = find_entry(catalogue.gpus, gpu);
    ASSERT_NE(entry, nullptr) << gpu;
    EXPECT_GT(entry->spec.memory_bytes, 20e9);
    EXPECT_GT(entry->spec.bf16.flops, 1e14);
  }
  for (const char* model : {"llama-3.1-8b", "llama-3.1-70b", "qwen2.5-7b", "qwen3-32b"}) {
    EXPECT_NE(find_entry(catalogue.models, model), nullptr) << model;
  }
  EXPECT_NE(find_entry(catalogue.engines, "vllm-0.32"), nullptr);
}

TEST(CatalogueReader, IsFoundBesideAboveAndInTheSourceTree) {
  const std::string root = YARDMASTER_SOURCE_DIR;
  EXPECT_EQ(catalogue_folder(root + "/scenarios/x.yaml"), kFolder);
  EXPECT_TRUE(std::filesystem::exists(catalogue_folder("/x.yaml") + "/gpus.yaml"));
}

TEST(CatalogueReader, OwnFileIsReadFromTheScenariosFolderAndItsFaultsNameIt) {
  const std::string folder = testing::TempDir();
  std::ofstream(folder + "yardmaster_own.yaml")
      << "engines:\n  mine:\n    source: made up\n    step: 1\n    sequence: 0 us\n    "
         "max_num_seqs: 8\n"
         "    max_num_batched_tokens: 64\n    max_num_seqs_large: 8\n    "
         "max_num_batched_tokens_large: 64\n"
         "    memory_utilisation: 0.9\n";
  const std::string text =
      "catalogue: yardmaster_own.yaml\nnodes: [{gpu: h100-sxm, model: llama-3.1-8b, engine: "
      "mine}]\n";
  try {
    load_scenario_text(text, folder + "s.yaml");
    FAIL() << "loaded";
  } catch (const ConfigError& error) {
    EXPECT_EQ(error.faults(),
              std::vector<std::string>{
                  folder + "yardmaster_own.yaml:4:11: engines.mine.step: \"1\" has no unit; "
                           "write one of ps, ns, us, ms, s, min, h, d"});
  }
  std::filesystem::remove(folder + "yardmaster_own.yaml");
}

TEST(CatalogueReader, EntryWithoutSourceIsRefused) {
  yaml::Faults faults;
  const yaml::Node root = yaml::parse("models:\n  x:\n    parameters: 1\n", "m.yaml", faults);
  yaml::Section section(root, faults);
  Catalogue catalogue;
  read_catalogue(section, catalogue);
  ASSERT_FALSE(faults.empty());
  EXPECT_EQ(faults.lines()[0],
            "m.yaml:3:5: models.x: missing key \"source\": Where the figures come from, and their "
            "errors.");
}

}  // namespace
}  // namespace yardmaster
