// Writes one results file on a separate thread.
//
// The file grows under a temporary name beside its final one, and commit() renames it: under the
// final name there is a complete file or none. Without commit(), after an exception or an
// interrupt, nothing is left. Members may be called from several threads. They pass whole chunks
// through a bounded queue and wait only when the disk is slower than the simulation.
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

/// The origin of a file, as stated at its root.
struct Origin {
  std::string program_version;  // of yardmaster
  std::string command;          // the command line that reproduces this file
};

/// One run of a file: a policy on a seed.
struct RunKey {
  std::string policy;
  std::uint64_t seed = 0;
  /// Its group: /runs/POLICY/SEED.
  [[nodiscard]] std::string path() const { return "/runs/" + policy + "/" + std::to_string(seed); }
};

/// The results of a run that has ended.
struct RunRecord {
  std::uint64_t digest = 0;
  Metrics metrics;
  std::string ordering;
  std::uint32_t trace_window = 0;  // of a trace: the window that the seed chose
  double wall_s = 0;               // wall-clock seconds of the simulation loop; not reproducible
};

/// A results file being written. Only one per process at a time, because HDF5 has global state.
class Writer {
 public:
  /// Starts the file for `path`. Throws ResultsError when `path` exists and is not a regular file
  /// or `overwrite` is false, and when the folder cannot be written. Copies what it needs.
  Writer(const std::filesystem::path& path, const Scenario&, const Origin&, bool overwrite = false);
  /// Without commit(): stops and removes the temporary file.
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  /// Adds rows of a run, in its order. All add_ and end_ members throw ResultsError when writing
  /// has failed.
  void add_tasks(const RunKey&, std::vector<TaskRow> rows);
  void add_nodes(const RunKey&, std::vector<NodeSample> rows);
  /// Ends a run. Its tables exist even if they are empty.
  void end_run(const RunKey&, RunRecord);
  /// Adds the table over all runs.
  void add_summary(std::vector<ComparisonRow> rows);

  /// Waits until everything is written, closes the file and gives it its final name. Throws
  /// ResultsError.
  void commit();

 private:
  class Output;
  std::unique_ptr<Output> output_;
};

/// Passes the tasks of one run to a writer, one chunk at a time.
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
  /// Passes on the remaining rows. To be called at the end of the run.
  void flush();

 private:
  Writer* writer_;
  RunKey key_;
  std::vector<TaskRow> rows_;
};

}  // namespace yardmaster
