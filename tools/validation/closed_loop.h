// Published closed-loop serving runs, one per row, and the same loops on a node of the catalogue.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "env/hardware/catalogue.h"

namespace yardmaster::closed_loop {

/// One run: `clients` requests at any time, with prompts and outputs of about these lengths.
struct PublishedRun {
  GpuSpec gpu;
  ModelSpec model;
  EngineSpec engine;
  std::int32_t gpus = 1, prompt_tokens = 0, output_tokens = 0, clients = 0;
  /// Lengths are uniform between this share of the nominal length and the nominal length.
  double shortest = 1;
  double ttft_s = 0, tpot_s = 0;  // as published

  /// Model, GPUs, prompt/output tokens, clients: "llama-3.1-8b x2 1024/128 C=8".
  [[nodiscard]] std::string name() const;
};

/// The runs that can be replayed, and the number of rows that cannot, by reason.
struct Table {
  std::vector<PublishedRun> runs;
  std::map<std::string, int> left_out;
};

/// From a file's name of a system, model or engine to the catalogue's name.
using Names = std::map<std::string, std::string>;

/// Reads a CSV with one run per row. docs/validation.md lists the columns and says how names are
/// found in the catalogue; `names` takes precedence. Throws BadInput.
Table read_runs(const std::string& path, const Catalogue&, const Names& names = {});

/// The node's figures for a run: means over the requests that count.
struct Prediction {
  double ttft_s = 0, tpot_s = 0;
  std::int64_t preemptions = 0;
};

/// Ten requests per client, each sent when the one before it ends. Where lengths vary, all clients
/// start at once and every request counts, as in the benchmark that published them. Where lengths
/// are fixed, the start is not documented: first requests are shortened, evenly from nothing to
/// full length, and do not count, so that clients are out of step as in a loop that has run for
/// long.
Prediction replay(const PublishedRun&);

/// Absolute relative errors of one quantity.
class Errors {
 public:
  void add(double predicted, double measured);
  [[nodiscard]] std::size_t size() const { return sizes_.size(); }
  /// Both are NaN where nothing was added; quantiles interpolate linearly.
  [[nodiscard]] double mean() const;
  [[nodiscard]] double quantile(double p) const;

 private:
  std::vector<double> sizes_;
};

}  // namespace yardmaster::closed_loop
