// Writes one results file, on a thread of its own.
//
// The file grows under a temporary name beside its final one and is renamed by commit(): under the
// final name there is a complete file or none. Whoever leaves without commit(), by an exception or
// an interrupt, leaves nothing. Members may be called from several threads; they hand over whole
// chunks through a bounded queue and wait only when the disk is slower than the simulation.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "env/scenario/scenario.h"
#include "env/simulation/metrics.h"
#include "env/simulation/observer.h"
#include "env/simulation/sampler.h"
#include "results/comparison.h"
#include "results/schema.h"

namespace yardmaster {

/// What the root of a file says of its origin.
struct Origin {
  std::string program_version;  // of yardmaster
  std::string command;          // the command line that makes this file again
};

/// One run of a file: a policy on a seed.
struct RunKey {
  std::string policy;
  std::uint64_t seed = 0;
  /// Its group: /runs/POLICY/SEED.
  [[nodiscard]] std::string path() const { return "/runs/" + policy + "/" + std::to_string(seed); }
};

/// What is known of a run when it is over.
struct RunRecord {
  std::uint64_t digest = 0;
  Metrics metrics;
  std::string ordering;
  std::uint32_t trace_window = 0;  // of a trace: the window that the seed chose
  double wall_s = 0;               // wall-clock seconds of the simulation loop; not reproducible
};

/// A results file in the making. Only one in a process at a time: the library below has one state.
class Writer {
 public:
  /// Starts the file for `path`. Throws ResultsError when it exists and `overwrite` is false, or
  /// when the folder cannot be written. Borrows nothing; the scenario's texts are copied.
  Writer(const std::filesystem::path& path, const Scenario&, const Origin&, bool overwrite = false);
  /// Without commit(): stops and removes the temporary file.
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  /// Rows of a run, in its order. These throw ResultsError when writing has failed.
  void add_tasks(const RunKey&, std::vector<TaskRow> rows);
  void add_nodes(const RunKey&, std::vector<NodeSample> rows);
  /// Closes a run; its tables exist even if they are empty.
  void end_run(const RunKey&, RunRecord);
  /// The table over all runs.
  void add_summary(std::vector<ComparisonRow> rows);

  /// Waits until all is written, closes the file and gives it its name. Throws ResultsError.
  void commit();

 private:
  class Output;
  std::unique_ptr<Output> output_;
};

/// Hands the tasks of one run to a writer, a chunk at a time.
class TaskRecorder final : public Observer {
 public:
  /// Borrows the writer.
  TaskRecorder(Writer& writer, RunKey key);
  void on_task(const TaskRow& row) override {
    rows_.push_back(row);
    if (rows_.size() == rows_.capacity()) {
      flush();
    }
  }
  /// Hands over what is left. Call it at the end of the run.
  void flush();

 private:
  Writer* writer_;
  RunKey key_;
  std::vector<TaskRow> rows_;
};

}  // namespace yardmaster
