#include "results/writer.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "results/reader.h"
#include "tests/unit/results/rows.h"

namespace yardmaster {
namespace {

namespace fs = std::filesystem;
using testing::finished_row;
using testing::rejected_row;
using testing::two_node_scenario;

/// Each test has its own folder.
class Results : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() /
              ("yardmaster-" + std::to_string(getpid()) + "-" +
               ::testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::create_directories(folder_);
    path_ = folder_ / "out.h5";
  }
  void TearDown() override { fs::remove_all(folder_); }

  [[nodiscard]] std::size_t files() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_), {}));
  }
  [[nodiscard]] Writer writer(bool overwrite = false) const {
    return {path_, scenario_, {"9.9.9", "yardmaster evaluate x.yaml"}, overwrite};
  }
  /// Writes a file of one run with `tasks` finished tasks and one rejected, in chunks.
  void write_one_run(std::uint32_t tasks) const {
    Writer w(path_, scenario_, {"9.9.9", "yardmaster evaluate x.yaml"});
    const RunKey key{"marginal_cost", 1000};
    TaskRecorder recorder(w, key);
    MetricsCollector collector(scenario_);
    for (std::uint32_t i = 0; i < tasks; ++i) {
      const TaskRow row = finished_row(0, i, 10 + 0.01 * i, 0.25, 1.25, 11);
      recorder.on_task(row);
      collector.on_task(row);
    }
    recorder.on_task(rejected_row(1, 0, 11, Outcome::rejected_too_long));
    recorder.flush();
    NodeSample sample;
    sample.time = testing::at_s(3);
    sample.node = node_id(1);
    sample.state.running = 5;
    sample.since_last.compute = 0.5;
    w.add_nodes(key, {sample});
    RunRecord record;
    record.digest = 0x0123456789abcdefULL;
    record.ordering = "first_come_first_served";
    record.metrics =
        collector.finish({}, 0, testing::at_s(99), NodeSampler(scenario_, scenario_.duration));
    w.end_run(key, record);
    w.add_summary(compare({{"marginal_cost", true, {record.metrics}}}).rows);
    w.commit();
  }

  const Scenario scenario_ = two_node_scenario();
  fs::path folder_, path_;
};

TEST_F(Results, AreReadAsTheyWereWritten) {
  constexpr std::uint32_t kTasks = 20'000;  // more than two chunks
  write_one_run(kTasks);
  const Reader reader(path_);
  const std::string tasks = "/runs/marginal_cost/1000/tasks/";
  const std::vector<double> e2e = reader.real_column(tasks + "e2e_s");
  ASSERT_EQ(e2e.size(), kTasks + 1);
  EXPECT_NEAR(e2e[kTasks - 1], 1.25, 1e-9);
  EXPECT_TRUE(std::isnan(e2e[kTasks]));
  EXPECT_NEAR(reader.real_column(tasks + "tpot_s")[0], 0.1, 1e-9);
  EXPECT_NEAR(reader.real_column(tasks + "own_prefill_s")[0], 0.25, 1e-9);
  const std::vector<std::int64_t> workflow = reader.whole_column(tasks + "workflow");
  for (std::uint32_t i = 0; i < kTasks; ++i) {
    ASSERT_EQ(workflow[i], i);
  }
  EXPECT_EQ(reader.whole_column(tasks + "outcome")[kTasks],
            static_cast<std::int64_t>(Outcome::rejected_too_long));
  EXPECT_EQ(reader.whole_column(tasks + "node")[kTasks], -1);
  EXPECT_EQ(reader.whole_column("/runs/marginal_cost/1000/nodes/running").at(0), 5);
  EXPECT_EQ(reader.real_column("/runs/marginal_cost/1000/nodes/compute_utilisation").at(0), 0.5);
}

TEST_F(Results, StateTheirOrigin) {
  write_one_run(10);
  const Reader reader(path_);
  EXPECT_EQ(reader.text_attribute("/", "program_version"), "9.9.9");
  EXPECT_EQ(reader.text_attribute("/", "scenario"), scenario_.resolved);
  EXPECT_EQ(reader.text_attribute("/", "scenario_name"), "by hand");
  EXPECT_EQ(reader.whole_attribute("/", "schema_version"), kSchemaVersion);
  const std::string run = "/runs/marginal_cost/1000";
  EXPECT_EQ(reader.text_attribute(run, "digest"), "0123456789abcdef");
  EXPECT_EQ(reader.whole_attribute(run, "seed"), 1000);
  EXPECT_EQ(reader.text_attribute(run + "/tasks/ttft_s", "unit"), "s");
  ASSERT_EQ(reader.runs().size(), 1U);
  EXPECT_EQ(reader.runs()[0].policy, "marginal_cost");
  EXPECT_EQ(reader.text_column("/fleet/gpu"), (std::vector<std::string>{"gpu", "gpu"}));
}

TEST_F(Results, HoldEveryMetricByName) {
  write_one_run(10);
  const Reader reader(path_);
  const auto names = reader.text_column("/runs/marginal_cost/1000/metrics/name");
  const auto values = reader.real_column("/runs/marginal_cost/1000/metrics/value");
  const std::vector<NamedMetric> expected = named_metrics(Metrics{});
  ASSERT_EQ(names.size(), expected.size());
  for (std::size_t i = 0; i < names.size(); ++i) {
    EXPECT_EQ(names[i], expected[i].name);
    if (names[i] == "e2e_s_mean") {
      EXPECT_NEAR(values[i], 1.25, 1e-9);
    }
  }
  EXPECT_EQ(reader.text_column("/summary/policy").size(), expected.size());
}

TEST_F(Results, KeepAScenarioLongerThanOldAttributesAllow) {
  Scenario scenario = scenario_;
  scenario.resolved = std::string(200'000, 'x');
  Writer w(path_, scenario, {"1", "c"});
  w.commit();
  EXPECT_EQ(Reader(path_).text_attribute("/", "scenario").size(), 200'000U);
}

TEST_F(Results, AreAbsentUntilCommitted) {
  {
    Writer w(path_, scenario_, {"1", "c"});
    w.add_tasks({"p", 1}, {finished_row(0, 0, 20, 0.5, 2, 3)});
    EXPECT_FALSE(fs::exists(path_));
  }
  EXPECT_EQ(files(), 0U);  // neither the file nor the temporary one
}

TEST_F(Results, RefuseToReplaceAFileUnlessAsked) {
  std::ofstream(path_) << "precious";
  EXPECT_THROW(writer(), ResultsError);
  EXPECT_EQ(files(), 1U);
  Writer w(path_, scenario_, {"1", "c"}, true);
  w.commit();
  EXPECT_EQ(Reader(path_).text_attribute("/", "program_version"), "1");
  EXPECT_EQ(files(), 1U);
}

TEST_F(Results, RefuseAFolderThatDoesNotExist) {
  EXPECT_THROW(Writer(folder_ / "nowhere" / "out.h5", scenario_, {"1", "c"}), ResultsError);
}

TEST_F(Results, TakeRunsFromSeveralThreadsAtOnce) {
  Writer w(path_, scenario_, {"1", "c"});
  std::vector<std::thread> threads;
  for (std::uint64_t seed = 0; seed < 4; ++seed) {
    threads.emplace_back([&w, seed] {
      TaskRecorder recorder(w, {"p", seed});
      for (std::uint32_t i = 0; i < 10'000; ++i) {
        recorder.on_task(finished_row(0, i, 20 + static_cast<double>(seed), 0.5, 2, 3));
      }
      recorder.flush();
      w.end_run({"p", seed}, {});
    });
  }
  for (std::thread& t : threads) {
    t.join();
  }
  w.commit();
  const Reader reader(path_);
  for (std::uint64_t seed = 0; seed < 4; ++seed) {
    const auto arrival = reader.real_column(RunKey{"p", seed}.path() + "/tasks/arrival_s");
    const auto workflow = reader.whole_column(RunKey{"p", seed}.path() + "/tasks/workflow");
    ASSERT_EQ(arrival.size(), 10'000U);
    for (std::uint32_t i = 0; i < 10'000; ++i) {
      ASSERT_EQ(arrival[i], 20 + static_cast<double>(seed));
      ASSERT_EQ(workflow[i], i);
    }
  }
}

TEST_F(Results, HoldNoTimeStamps) {
  for (const char* name : {"a.h5", "b.h5"}) {
    path_ = folder_ / name;
    write_one_run(100);
    std::this_thread::sleep_for(std::chrono::milliseconds(1100));  // HDF5 stamps whole seconds
  }
  const auto content = [&](const char* name) {
    std::ifstream in(folder_ / name, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  EXPECT_TRUE(content("a.h5") == content("b.h5"));
}

TEST_F(Results, AreReadByH5dump) {
  if (std::system("h5dump --version > /dev/null 2>&1") != 0) {
    GTEST_SKIP() << "h5dump (hdf5-tools) is not installed";
  }
  write_one_run(100);
  const fs::path listing = folder_ / "listing";
  const std::string command = "h5dump -d /runs/marginal_cost/1000/tasks/outcome " + path_.string() +
                              " > " + listing.string();
  ASSERT_EQ(std::system(command.c_str()), 0);
  std::ifstream in(listing);
  const std::string text(std::istreambuf_iterator<char>(in), {});
  EXPECT_NE(text.find("H5T_ENUM"), std::string::npos);
  EXPECT_NE(text.find("finished, rejected_too_long"), std::string::npos) << text;
}

TEST_F(Results, AreReadByH5py) {
  if (std::system("/usr/bin/python3 -c 'import h5py' > /dev/null 2>&1") != 0) {
    GTEST_SKIP() << "python3-h5py is not installed";
  }
  write_one_run(100);
  const std::string command = std::string("/usr/bin/python3 ") + YARDMASTER_SOURCE_DIR +
                              "/tests/unit/results/read_results.py " + path_.string();
  EXPECT_EQ(std::system(command.c_str()), 0);
}

TEST_F(Results, HaveEveryColumnInTheReadme) {
  std::ifstream in(std::string(YARDMASTER_SOURCE_DIR) + "/results/README.md");
  const std::string text(std::istreambuf_iterator<char>(in), {});
  const auto expect_all = [&](const auto& columns) {
    for (const auto& column : columns) {
      EXPECT_NE(text.find("`" + column.name + "`"), std::string::npos) << column.name;
    }
  };
  expect_all(task_columns());
  expect_all(node_columns());
  expect_all(fleet_columns());
  expect_all(metric_columns());
  expect_all(summary_columns());
}

TEST_F(Results, HaveEveryMetricInTheReadme) {
  std::ifstream in(std::string(YARDMASTER_SOURCE_DIR) + "/results/README.md");
  const std::string text(std::istreambuf_iterator<char>(in), {});
  for (const NamedMetric& metric : named_metrics(Metrics{})) {
    std::string name = metric.name;
    for (const char* suffix : {"_mean", "_p50", "_p90", "_p99", "_tail"}) {
      if (name.ends_with(suffix)) {
        name.resize(name.size() - std::string_view(suffix).size());
      }
    }
    EXPECT_NE(text.find("`" + name + "`"), std::string::npos) << name;
  }
}

}  // namespace
}  // namespace yardmaster
