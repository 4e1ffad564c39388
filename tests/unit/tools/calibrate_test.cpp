// The calibrators recover the parameters that produced the measurements.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "env/scenario/load.h"
#include "tests/unit/hardware/specimens.h"
#include "tools/command.h"
#include "tools/validation/csv.h"
#include "tools/validation/host_fit.h"
#include "tools/validation/measured_run.h"
#include "tools/validation/profile_fit.h"

namespace yardmaster {
namespace {

namespace fs = std::filesystem;

/// Each test has its own folder.
class Calibration : public testing::Test {
 protected:
  void SetUp() override {
    folder_ =
        fs::temp_directory_path() / (std::string("yardmaster_") +
                                     testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  [[nodiscard]] std::string path(const std::string& name) const {
    return (folder_ / name).string();
  }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name)) << text;
  }

  fs::path folder_;
};

constexpr double kLayers = 2;

ModelSpec two_layers() {
  ModelSpec model = specimens::model();
  model.layers = static_cast<std::int32_t>(kLayers);
  return model;
}

/// Attention time of one layer in the synthetic profile, in microseconds.
double attention(double chunk, double history, double n, double context) {
  return 10 + chunk * (history + chunk / 2) / 1000 + n * context / (chunk > 0 ? 50 : 100);
}

std::string attention_rows() {
  std::string text = "prefill_chunk,kv_prefill,n_decode,kv_decode,time_us\n";
  const auto row = [&](int chunk, int history, int n, int context) {
    text += std::to_string(chunk) + "," + std::to_string(history) + "," + std::to_string(n) + "," +
            std::to_string(context) + "," + std::to_string(attention(chunk, history, n, context)) +
            "\n";
  };
  for (const int n : {0, 1, 8, 64, 128, 256}) {
    for (const int context : {16, 1024, 16384}) {
      if (n > 0) {
        row(0, 0, n, context);
      }
      for (const int chunk : {16, 256, 2048}) {
        for (const int history : {0, 4096, 16384}) {
          // A gap as in real profiles: no long history beside many decodes.
          if (n < 256 && !(n == 64 && history == 4096)) {
            row(chunk, history, n, n > 0 ? context : 0);
          }
        }
      }
    }
  }
  return text;
}

TEST_F(Calibration, ProfileOfStraightLinesIsRecoveredWithoutError) {
  write("dense.csv",
        "layer,tokens,time_us\nembedding,1,3\nembedding,64,5\nlayernorm,1,2\nlayernorm,64,4\n"
        "qkv_proj,1,50\nqkv_proj,64,70\n");
  write("per_sequence.csv",
        "layer,sequences,time_us\nlm_head,1,100\nlm_head,8,120\nsampler,1,10\nsampler,8,30\n");
  write("attention.csv", attention_rows());
  const FittedProfile fitted =
      fit_profile(folder_.string(), folder_.string(), specimens::gpu(), two_layers(), 1);
  const StepProfile& p = fitted.profile;
  EXPECT_EQ(p.tokens, (std::vector<double>{1, 64}));
  EXPECT_EQ(p.dense_us, (std::vector<double>{3 + kLayers * (2 * 2 + 50), 5 + kLayers * 78}));
  EXPECT_EQ(p.head_us, (std::vector<double>{110, 150}));
  EXPECT_EQ(fitted.decode.cells, 15U);
  EXPECT_LT(fitted.decode.worst, 1e-3);
  EXPECT_LT(fitted.mixed.mean, 0.25);  // chunks are thinly profiled here, and time is quadratic
  EXPECT_EQ(fitted.skew.cells, 0U);
  EXPECT_NEAR(p.other_pair_us, kLayers / 2000, kLayers / 20000);
}

TEST_F(Calibration, SkewIsFoundAmongBatchesWithUpToHalfLongContexts) {
  write("dense.csv", "layer,tokens,time_us\nlayernorm,1,2\nlayernorm,64,4\n");
  write("per_sequence.csv",
        "layer,sequences,time_us\nlm_head,1,100\nlm_head,8,120\nsampler,1,10\nsampler,8,30\n");
  write("attention.csv", attention_rows());
  std::string skew = "regime,n,nb,kv_big,kv_mean,t_mean_us,t_skew_us\n";
  for (const double longest : {1000.0, 4000.0, 16000.0}) {
    for (const int big : {1, 8, 64}) {
      const double mean = longest / 4 + longest * 0.75 * big / 128;
      const double even = 50 + 0.9 * mean;
      const double uneven = std::max(even + 0.012 * (longest - mean), 0.06 * longest);
      skew += "pure,128," + std::to_string(big) + "," + std::to_string(longest) + "," +
              std::to_string(mean) + "," + std::to_string(3 * even) + "," +
              std::to_string(3 * uneven) + "\n";
    }
  }
  write("skew.csv", skew);
  GpuSpec gpu = specimens::gpu();
  gpu.multiprocessors = 188;
  const FittedProfile fitted =
      fit_profile(folder_.string(), folder_.string(), gpu, two_layers(), 1);
  EXPECT_EQ(fitted.profile.unsplit_decodes, 33);
  EXPECT_EQ(fitted.skew.cells, 9U);
  EXPECT_NEAR(fitted.profile.skew_us, kLayers * 0.012, kLayers * 0.0005);
}

TEST_F(Calibration, MissingAndMalformedFilesAreNamedWithTheirLine) {
  EXPECT_THROW(fit_profile(folder_.string(), folder_.string(), specimens::gpu(), two_layers(), 1),
               BadInput);
  write("dense.csv", "layer,tokens,time_us\nlayernorm,1,fast\n");
  try {
    fit_profile(folder_.string(), folder_.string(), specimens::gpu(), two_layers(), 1);
    FAIL() << "accepted";
  } catch (const BadInput& fault) {
    EXPECT_EQ(std::string(fault.what()),
              path("dense.csv") + ":2: time_us is \"fast\" (expected a number)");
  }
}

/// The fault of reading the folder as a profile; empty when there is none.
std::string fault_of_profile(const std::string& folder) {
  try {
    fit_profile(folder, folder, specimens::gpu(), two_layers(), 1);
    return "";
  } catch (const BadInput& fault) {
    return fault.what();
  }
}

TEST_F(Calibration, AttentionWithoutDecodesAloneOrWithoutChunksIsRefused) {
  write("dense.csv", "layer,tokens,time_us\nlayernorm,1,2\nlayernorm,64,4\n");
  write("per_sequence.csv",
        "layer,sequences,time_us\nlm_head,1,100\nlm_head,8,120\nsampler,1,10\nsampler,8,30\n");
  const std::string header = "prefill_chunk,kv_prefill,n_decode,kv_decode,time_us\n";
  write("attention.csv", header + "16,0,0,0,20\n16,0,1,16,30\n");
  EXPECT_EQ(
      fault_of_profile(folder_.string()),
      path("attention.csv") + ": no rows of decodes alone (expected some with prefill_chunk 0)");
  write("attention.csv", header + "0,0,1,16,20\n");
  EXPECT_EQ(
      fault_of_profile(folder_.string()),
      path("attention.csv") + ": no rows with a chunk (expected some with prefill_chunk above 0)");
  write("attention.csv", header + "16,0,0,0,20\n0,0,0,0,20\n");
  EXPECT_EQ(fault_of_profile(folder_.string()),
            path("attention.csv") + ":3: neither a chunk nor a decode");
  write("attention.csv", header + "16,0,0,0,20\n0,0,1,16,0\n");
  EXPECT_EQ(fault_of_profile(folder_.string()),
            path("attention.csv") + ":3: time_us is 0 (expected a number above 0)");
}

constexpr const char* kServer =
    "duration: 10 s\nnodes:\n  - {gpu: h100-sxm, model: llama-3.1-8b, engine: vllm-0.19}\n"
    "network: {frontend: 0 s, latency: 0 s}\nworkload: {load: 0.5}\n";

Scenario server(const std::vector<Override>& overrides = {}) {
  return load_scenario_text(kServer, YARDMASTER_SOURCE_DIR "/scenarios/server.yaml", overrides);
}

/// Requests so frequent that steps hold many, with prompts beyond the captured graphs.
std::vector<Served> requests() {
  std::vector<Served> run;
  for (int i = 0; i < 160; ++i) {
    Served r;
    r.prompt_tokens = 200 + (i * 733) % 1900;
    r.output_tokens = 40 + (i * 271) % 300;
    r.arrival_s = 0.08 * i;
    run.push_back(r);
  }
  return run;
}

TEST_F(Calibration, HostTimesOfARunAreRecovered) {
  const Scenario machine =
      server({{"nodes.0.machine.step", "0.5 ms"}, {"nodes.0.machine.uncaptured_step", "4 ms"}});
  const std::vector<Served> measured = replay_scenario(requests(), machine);
  const HostFit fit = fit_host(measured, server(), 0, 159);
  EXPECT_NEAR(fit.step.value, 0.5e-3, 0.02e-3);
  EXPECT_NEAR(fit.uncaptured_step.value, 4e-3, 0.2e-3);
  EXPECT_LE(fit.step.low, fit.step.value);
  EXPECT_GE(fit.step.high, fit.step.value);
}

TEST_F(Calibration, HostTimesBeyondTheFirstGridAreRecovered) {
  const Scenario machine =
      server({{"nodes.0.machine.step", "2.2 ms"}, {"nodes.0.machine.uncaptured_step", "20 ms"}});
  const HostFit fit = fit_host(replay_scenario(requests(), machine), server(), 0, 159);
  EXPECT_NEAR(fit.step.value, 2.2e-3, 0.08e-3);
  EXPECT_NEAR(fit.uncaptured_step.value, 20e-3, 0.8e-3);
}

TEST_F(Calibration, SolutionThatDoesNotExplainTheRunIsRefused) {
  // Such a machine is overloaded from the start, and some replays near 250 ms resemble it.
  const Scenario machine =
      server({{"nodes.0.machine.step", "10 ms"}, {"nodes.0.machine.uncaptured_step", "100 ms"}});
  EXPECT_THROW(fit_host(replay_scenario(requests(), machine), server(), 0, 159), BadInput);
}

TEST_F(Calibration, RunsThatDoNotDetermineHostTimesAreRefused) {
  std::vector<Served> run = replay_scenario(requests(), server());
  const auto fault = [&](std::size_t last) -> std::string {
    try {
      fit_host(run, server(), 0, last);
      return "";
    } catch (const BadInput& e) {
      return e.what();
    }
  };
  EXPECT_NE(fault(19).find("20 requests (expected more than 20"), std::string::npos) << fault(19);
  for (Served& r : run) {
    r.last_token_s = r.first_token_s;
  }
  EXPECT_NE(fault(159).find("between its first and last token"), std::string::npos) << fault(159);
}

TEST_F(Calibration, PrefixBlockIdsAreReadAndTheirFaultsNameTheLine) {
  const auto read = [&](const std::string& ids) {
    write("run.csv",
          "arrival_s,input_tokens,output_tokens,scheduled_s,first_token_s,last_token_s,"
          "prefix_block_ids\n1,40,2,1,1.5,2," +
              ids + "\n2,20,1,2,2.5,2.5,7\n");
    return read_measured_run(path("run.csv"));
  };
  EXPECT_EQ(read("7 8")[0].blocks, (std::vector<std::uint64_t>{7, 8}));
  for (const char* const wrong : {"7x8", "seven", "1 2 3"}) {
    try {
      read(wrong);
      ADD_FAILURE() << wrong;
    } catch (const BadInput& fault) {
      EXPECT_NE(std::string(fault.what()).find("run.csv:2"), std::string::npos) << fault.what();
    }
  }
}

TEST_F(Calibration, MeasuredRunIsReadInOrderOfArrivalAndComparedWithItselfIsExact) {
  write("run.csv",
        "arrival_s,input_tokens,output_tokens,scheduled_s,first_token_s,last_token_s\n"
        "2,10,5,2.1,2.2,2.6\n1,20,1,1,1.5,1.5\n");
  const std::vector<Served> run = read_measured_run(path("run.csv"));
  EXPECT_EQ(run[0].prompt_tokens, 20);
  const ServedTable table = statistics_of(run);
  EXPECT_NEAR(table[0][0], 0.35, 1e-9);  // TTFT 0.2 and 0.5
  EXPECT_NEAR(table[1][0], 0.1, 1e-9);   // TPOT of the one with more than one token
  EXPECT_NEAR(table[0][1], 0.35, 1e-9);  // the median lies between
  const auto [mean, worst] = mean_and_worst_error(table, table);
  EXPECT_EQ(mean, 0);
  EXPECT_EQ(worst, 0);
  write("run.csv",
        "arrival_s,input_tokens,output_tokens,scheduled_s,first_token_s,last_token_s\n"
        "2,10,5,1,2.2,2.6\n1,20,1,1,1.5,1.5\n");
  EXPECT_THROW(read_measured_run(path("run.csv")), BadInput);
  EXPECT_THROW(parse_requests("5..2", 10), BadInput);
  EXPECT_THROW(parse_requests("0..10", 10), BadInput);
  EXPECT_THROW(parse_requests("..5", 10), BadInput);
  EXPECT_THROW(parse_requests("5..", 10), BadInput);
  EXPECT_EQ(parse_requests("3..9", 10), (std::pair<std::size_t, std::size_t>{3, 9}));
}

constexpr const char* kRunHeader =
    "arrival_s,input_tokens,output_tokens,scheduled_s,first_token_s,last_token_s\n";

TEST_F(Calibration, CalendarTimesCountFromTheFirstArrival) {
  write("run.csv", std::string(kRunHeader) +
                       "1700000001,10,5,1700000001.25,1700000001.5,1700000002\n"
                       "1700000000,20,1,1700000000,1700000000.5,1700000000.5\n");
  const std::vector<Served> run = read_measured_run(path("run.csv"));
  EXPECT_EQ(run[0].arrival_s, 0);
  EXPECT_EQ(run[1].scheduled_s, 1.25);
  EXPECT_EQ(run[1].last_token_s, 2);
}

TEST_F(Calibration, FaultsOfARequestNameFileLineAndValue) {
  const auto fault = [&](const std::string& row) -> std::string {
    write("run.csv", kRunHeader + std::string("\n2,10,5,2.1,2.2,2.6\n") + row + "\n");
    try {
      replay_scenario(read_measured_run(path("run.csv")), server());
      return "";
    } catch (const BadInput& e) {
      return e.what();
    }
  };
  const auto begins = [&](const std::string& row, const std::string& message) {
    EXPECT_EQ(fault(row).rfind(path("run.csv") + ":4: " + message, 0), 0U) << fault(row);
  };
  begins("3,10,5,2.5,3,4", "scheduled_s is 2.5 (expected 3 or later");
  begins("-1,10,5,2.5,3,4", "arrival_s is -1 (expected 0 or later");
  begins("3,10,5,3,4,3000000", "last_token_s is 2999998 s after the first arrival");
  begins("1,10,900000,1,2,3", "900010 tokens of prompt and output (expected at most ");
}

TEST_F(Calibration, StatisticsWithoutARealValueDoNotCountInTheError) {
  write("run.csv",
        "arrival_s,input_tokens,output_tokens,first_token_s,last_token_s\n"
        "1,20,1,1.5,1.5\n2,10,1,2.2,2.2\n");
  EXPECT_THROW(read_measured_run(path("run.csv")), BadInput);
  const ServedTable real =
      statistics_of(read_measured_run(path("run.csv"), Columns::all_but_scheduled));
  EXPECT_TRUE(std::isnan(real[1][0]));  // no request has a second token
  EXPECT_TRUE(std::isnan(real[3][0]));  // nor a time of scheduling
  EXPECT_EQ(comparable_statistics(real), 10U);
  ServedTable simulated = real;
  for (std::array<double, 5>& measure : simulated) {
    for (double& value : measure) {
      value *= 1.5;
    }
  }
  const auto [mean, worst] = mean_and_worst_error(real, simulated);
  EXPECT_NEAR(mean, 0.5, 1e-9);
  EXPECT_NEAR(worst, 0.5, 1e-9);
  EXPECT_TRUE(std::isnan(mean_and_worst_error(ServedTable{}, simulated).first));
}

}  // namespace
}  // namespace yardmaster
