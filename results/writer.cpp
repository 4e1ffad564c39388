#include "results/writer.h"

#include <unistd.h>

#include <condition_variable>
#include <deque>
#include <exception>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <variant>

#include "results/hdf5_file.h"

namespace yardmaster {
namespace {

namespace fs = std::filesystem;

// Most messages in the queue: about 20 MB with full chunks of tasks.
constexpr std::size_t kQueueLength = 16;

struct TaskChunk {
  RunKey key;
  std::vector<TaskRow> rows;
};
struct NodeChunk {
  RunKey key;
  std::vector<NodeSample> rows;
};
struct RunEnd {
  RunKey key;
  RunRecord record;
};
struct SummaryChunk {
  std::vector<ComparisonRow> rows;
};
using Message = std::variant<TaskChunk, NodeChunk, RunEnd, SummaryChunk>;

std::string hex(std::uint64_t value) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text(16, '0');
  for (std::size_t i = 0; i < text.size(); ++i) {
    text[i] = kDigits[(value >> (60 - 4 * i)) & 15U];
  }
  return text;
}

// The file itself: all calls of the HDF5 library. Once built, only the writer's thread uses it.
class ResultsFile {
 public:
  ResultsFile(const fs::path& path, const Scenario& scenario, const Origin& origin) {
    hdf5::silence_errors();
    const std::string what = "cannot create " + path.string();
    const hdf5::Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose, what);
    // The format of HDF5 1.8 (2008): every reader knows it, and attributes may exceed 64 KiB.
    hdf5::require(H5Pset_libver_bounds(access.get(), H5F_LIBVER_V18, H5F_LIBVER_V18), what);
    const hdf5::Handle creation(H5Pcreate(H5P_FILE_CREATE), H5Pclose, what);
    hdf5::require(H5Pset_obj_track_times(creation.get(), false), what);
    file_ = hdf5::Handle(H5Fcreate(path.c_str(), H5F_ACC_EXCL, creation.get(), access.get()),
                         H5Fclose, what);
    hdf5::write_attribute(file_.get(), "program", std::string("yardmaster"));
    hdf5::write_attribute(file_.get(), "program_version", origin.program_version);
    hdf5::write_attribute(file_.get(), "schema_version", kSchemaVersion);
    hdf5::write_attribute(file_.get(), "command", origin.command);
    hdf5::write_attribute(file_.get(), "scenario_name", scenario.name);
    hdf5::write_attribute(file_.get(), "scenario", scenario.resolved);
    hdf5::write_attribute(file_.get(), "capacity_per_s", scenario.capacity_per_s);
    hdf5::write_attribute(file_.get(), "rate_per_s", scenario.workload.rate_per_s);
    hdf5::write_attribute(file_.get(), "time_scale", scenario.workload.time_scale);
    std::vector<FleetRow> fleet;
    for (std::uint32_t n = 0; n < scenario.nodes(); ++n) {
      fleet.push_back({n, &scenario.kinds[scenario.kind_of[n]]});
    }
    hdf5::Table<FleetRow>(file_.get(), "fleet", fleet_columns(), fleet.size()).append(fleet);
  }

  void operator()(const TaskChunk& chunk) { run(chunk.key).tasks.append(chunk.rows); }
  void operator()(const NodeChunk& chunk) { run(chunk.key).nodes.append(chunk.rows); }
  void operator()(const RunEnd& end) {
    const Run& r = run(end.key);
    hdf5::write_attribute(r.group.get(), "policy", end.key.policy);
    hdf5::write_attribute(r.group.get(), "seed", end.key.seed);
    hdf5::write_attribute(r.group.get(), "ordering", end.record.ordering);
    hdf5::write_attribute(r.group.get(), "digest", hex(end.record.digest));
    hdf5::write_attribute(r.group.get(), "trace_window", std::int64_t{end.record.trace_window});
    hdf5::write_attribute(r.group.get(), "wall_s", end.record.wall_s);
    const double decisions = static_cast<double>(end.record.metrics.counts.decisions);
    hdf5::write_attribute(r.group.get(), "decisions_per_wall_s",
                          end.record.wall_s > 0 ? decisions / end.record.wall_s : 0.0);
    const std::vector<NamedMetric> metrics = named_metrics(end.record.metrics);
    hdf5::Table<NamedMetric>(r.group.get(), "metrics", metric_columns(), metrics.size())
        .append(metrics);
    open_.erase(end.key.path());
  }
  void operator()(const SummaryChunk& chunk) {
    hdf5::Table<ComparisonRow>(file_.get(), "summary", summary_columns(), chunk.rows.size())
        .append(chunk.rows);
  }

  // Flushes and closes. A full disk shows here at the latest.
  void close() {
    open_.clear();
    hdf5::require(H5Fflush(file_.get(), H5F_SCOPE_GLOBAL),
                  "cannot write the results: is the disk full?");
    if (!file_.reset()) {
      throw ResultsError("cannot write the results: is the disk full?");
    }
  }

 private:
  struct Run {
    hdf5::Handle group;
    hdf5::Table<TaskRow> tasks;
    hdf5::Table<NodeSample> nodes;
  };

  Run& run(const RunKey& key) {
    const auto [at, is_new] = open_.try_emplace(key.path());
    if (is_new) {
      at->second.group = hdf5::create_group(file_.get(), key.path());
      at->second.tasks = {at->second.group.get(), "tasks", task_columns()};
      at->second.nodes = {at->second.group.get(), "nodes", node_columns()};
    }
    return at->second;
  }

  hdf5::Handle file_;
  std::map<std::string, Run> open_;  // runs under way; closed before the file
};

}  // namespace

// The queue, the thread, and the temporary and final names.
class Writer::Output {
 public:
  Output(const fs::path& path, const Scenario& scenario, const Origin& origin, bool overwrite)
      : path_(path), partial_(path.string() + ".partial-" + std::to_string(getpid())) {
    refuse_existing(overwrite);
    overwrite_ = overwrite;
    if (path_.has_parent_path() && !fs::is_directory(path_.parent_path())) {
      throw ResultsError("cannot write " + path_.string() + ": there is no folder " +
                         path_.parent_path().string());
    }
    fs::remove(partial_);  // left by a killed process with the same id
    try {
      file_.emplace(partial_, scenario, origin);
    } catch (...) {
      remove_partial();
      throw;
    }
    thread_ = std::thread([this] { work(); });
  }

  ~Output() {
    stop(false);
    file_.reset();
    if (!committed_) {
      remove_partial();
    }
  }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  void push(Message message) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return queue_.size() < kQueueLength || error_; });
    rethrow();
    queue_.push_back(std::move(message));
    changed_.notify_all();
  }

  void commit() {
    stop(true);
    rethrow();
    file_->close();
    refuse_existing(overwrite_);
    std::error_code error;
    fs::rename(partial_, path_, error);
    if (error) {
      throw ResultsError("cannot rename " + partial_.string() + " to " + path_.string() + ": " +
                         error.message());
    }
    committed_ = true;
  }

 private:
  void refuse_existing(bool overwrite) const {
    std::error_code ignored;
    const fs::file_status status = fs::symlink_status(path_, ignored);
    if (!fs::exists(status)) {
      return;
    }
    if (!fs::is_regular_file(status)) {
      throw ResultsError(path_.string() + " exists and is not a regular file");
    }
    if (!overwrite) {
      throw ResultsError(path_.string() + " already exists");
    }
  }
  void remove_partial() const {
    std::error_code ignored;
    fs::remove(partial_, ignored);
  }
  void rethrow() const {
    if (error_) {
      std::rethrow_exception(error_);
    }
  }

  // Ends the thread: once the queue is empty if `drain`, else at once.
  void stop(bool drain) {
    {
      const std::scoped_lock lock(mutex_);
      stopping_ = true;
      if (!drain) {
        queue_.clear();
      }
      changed_.notify_all();
    }
    if (thread_.joinable()) {
      thread_.join();
    }
  }

  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) {
        return;
      }
      const Message message = std::move(queue_.front());
      queue_.pop_front();
      changed_.notify_all();
      lock.unlock();
      std::exception_ptr error;
      try {
        std::visit(*file_, message);
      } catch (...) {
        error = std::current_exception();
      }
      lock.lock();
      if (error) {
        error_ = error;
        queue_.clear();
        changed_.notify_all();
        return;
      }
    }
  }

  const fs::path path_, partial_;
  bool overwrite_ = false, committed_ = false;
  std::optional<ResultsFile> file_;  // used by the thread only while it runs
  std::mutex mutex_;                 // guards the members below
  std::condition_variable changed_;
  std::deque<Message> queue_;
  bool stopping_ = false;
  std::exception_ptr error_;
  std::thread thread_;
};

Writer::Writer(const fs::path& path, const Scenario& scenario, const Origin& origin, bool overwrite)
    : output_(std::make_unique<Output>(path, scenario, origin, overwrite)) {}

Writer::~Writer() = default;

void Writer::add_tasks(const RunKey& key, std::vector<TaskRow> rows) {
  output_->push(TaskChunk{key, std::move(rows)});
}
void Writer::add_nodes(const RunKey& key, std::vector<NodeSample> rows) {
  output_->push(NodeChunk{key, std::move(rows)});
}
void Writer::end_run(const RunKey& key, RunRecord record) {
  output_->push(RunEnd{key, std::move(record)});
}
void Writer::add_summary(std::vector<ComparisonRow> rows) {
  output_->push(SummaryChunk{std::move(rows)});
}
void Writer::commit() { output_->commit(); }

TaskRecorder::TaskRecorder(Writer& writer, RunKey key) : writer_(&writer), key_(std::move(key)) {
  rows_.reserve(hdf5::kChunkRows);
}

void TaskRecorder::flush() {
  std::vector<TaskRow> full;
  full.reserve(rows_.capacity());
  full.swap(rows_);
  writer_->add_tasks(key_, std::move(full));
}

}  // namespace yardmaster
