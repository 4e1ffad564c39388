// Replays measured closed-loop serving runs (../shared/data/silicon; its README.md has the columns
// and what is known of the benchmark) on one Node with figures of the catalogue.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "env/hardware/catalogue.h"

namespace yardmaster::silicon {

/// One published run: `clients` requests at any time, prompts and outputs of about these lengths.
struct MeasuredRun {
  std::string gpu, model, engine;  // names of the catalogue
  std::int32_t gpus = 1, prompt_tokens = 0, output_tokens = 0, clients = 0;
  double shortest = 1.0;  // lengths are uniform between this share of nominal and nominal
  double ttft_s = 0, tpot_s = 0;

  [[nodiscard]] std::string name() const;
};

/// What the model says of a run: means over the requests that count.
struct Prediction {
  double ttft_s = 0, tpot_s = 0;
  std::int64_t preemptions = 0;
};

/// Where the published runs lie: $YARDMASTER_DATA, else ../shared/data beside the source tree.
std::string runs_path();
/// What can be replayed, and for each thing that is not known why how many rows cannot.
struct RunTable {
  std::vector<MeasuredRun> runs;
  std::map<std::string, int> left_out;
};
/// The runs of models, GPUs and engines of the catalogue; empty when the file does not exist.
RunTable read_runs(const std::string& path, const Catalogue& catalogue);
/// Ten requests a client, each sent when the one before it ends. Where lengths vary, all clients
/// start at once and everything counts, as that benchmark does. Where they are fixed, nothing is
/// published of the start: each client's first request is cut short, evenly from none to whole, and
/// does not count, so that the clients are out of step as in a loop that has run for long.
Prediction replay(const MeasuredRun& run, const Catalogue& catalogue);

}  // namespace yardmaster::silicon
