// Published closed-loop serving runs, one row a run, and the same loops on a node of the catalogue.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "env/hardware/catalogue.h"

namespace yardmaster::closed_loop {

/// One run: `clients` requests at any time, prompts and outputs of about these lengths.
struct PublishedRun {
  GpuSpec gpu;
  ModelSpec model;
  EngineSpec engine;
  std::int32_t gpus = 1, prompt_tokens = 0, output_tokens = 0, clients = 0;
  double shortest = 1;            // lengths are uniform between this share of nominal and nominal
  double ttft_s = 0, tpot_s = 0;  // as published

  /// Model, GPUs, prompt/output tokens, clients: "llama-3.1-8b x2 1024/128 C=8".
  [[nodiscard]] std::string name() const;
};

/// What can be replayed, and for each thing that is not known why how many rows cannot.
struct Table {
  std::vector<PublishedRun> runs;
  std::map<std::string, int> left_out;
};

/// What a file calls a system, a model or an engine: the catalogue's name for it.
using Names = std::map<std::string, std::string>;

/// Reads a CSV of one run a row (docs/validation.md has the columns and how names are found in the
/// catalogue; `names` goes before those rules). Throws BadInput.
Table read_runs(const std::string& path, const Catalogue&, const Names& names = {});

/// What the node makes of a run: means over the requests that count.
struct Prediction {
  double ttft_s = 0, tpot_s = 0;
  std::int64_t preemptions = 0;
};

/// Ten requests a client, each sent when the one before it ends. Where lengths vary, all clients
/// start at once and everything counts, as that benchmark does. Where they are fixed, nothing is
/// published of the start: each client's first request is cut short, evenly from none to whole, and
/// does not count, so that the clients are out of step as in a loop that has run for long.
Prediction replay(const PublishedRun&);

/// Sizes of relative errors of one quantity.
class Errors {
 public:
  void add(double predicted, double measured);
  [[nodiscard]] std::size_t size() const { return sizes_.size(); }
  /// Both NaN of nothing; quantiles interpolate, as everywhere.
  [[nodiscard]] double mean() const;
  [[nodiscard]] double quantile(double p) const;

 private:
  std::vector<double> sizes_;
};

}  // namespace yardmaster::closed_loop
