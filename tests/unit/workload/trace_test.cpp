// Reading traces: formats, order, and faults with their lines.
#include "env/workload/trace.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace yardmaster {
namespace {

using Lines = std::vector<std::string>;
const std::string kHeader = "TIMESTAMP,ContextTokens,GeneratedTokens\n";

class TraceFile : public testing::Test {
 protected:
  void SetUp() override {
    path_ = testing::TempDir() + "yardmaster_trace_test_" +
            testing::UnitTest::GetInstance()->current_test_info()->name();
  }
  void TearDown() override { std::filesystem::remove(path_); }

  std::vector<TraceRow> read(const std::string& text) {
    std::ofstream(path_, std::ios::binary) << text;
    return read_trace(path_, faults_);
  }
  Lines faults_of(const std::string& text) {
    EXPECT_TRUE(read(text).empty());
    return faults_.lines();
  }

  std::string path_;
  yaml::Faults faults_;
};

TEST_F(TraceFile, AzureRowsReadToThePicosecond) {
  const auto rows =
      read(kHeader + "2023-11-16 23:59:59.6805900,374,44\r\n2023-11-17 00:00:01.0000001,396,109");
  EXPECT_EQ(faults_.lines(), Lines{});
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].arrival.ps, 0);
  EXPECT_EQ(rows[1].arrival.ps, 1'319'410'100'000);
  EXPECT_EQ(rows[0].prompt_tokens, 374);
  EXPECT_EQ(rows[1].output_tokens, 109);
}

TEST_F(TraceFile, LeapDaysAndTimeZonesOfZeroAreUnderstood) {
  const auto rows = read(kHeader + "2024-02-28T12:00:00Z,1,1\n2024-03-01 12:00:00+00:00,1,1\n");
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[1].arrival, Duration{2LL * 86400 * kPsPerSecond});
}

TEST_F(TraceFile, SecondsAreTimesToo) {
  const auto rows = read(kHeader + "10,1,2\n12.25,3,4\n\n");
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[1].arrival.ps, 2'250'000'000'000);
}

TEST_F(TraceFile, RowsAreSortedAndTheFirstIsAtZero) {
  const auto rows = read(kHeader + "5,50,1\n3,30,1\n5,51,1\n4,40,1\n");
  ASSERT_EQ(rows.size(), 4U);
  EXPECT_EQ(rows[0].arrival, Duration::zero());
  EXPECT_EQ(rows[0].prompt_tokens, 30);
  EXPECT_EQ(rows[2].prompt_tokens, 50);  // equal times keep the order of the file
  EXPECT_EQ(rows[3].prompt_tokens, 51);
}

TEST_F(TraceFile, GzippedFilesReadAlike) {
  const std::string text = kHeader + "1,10,2\n2,20,3\n";
  const gzFile out = gzopen(path_.c_str(), "wb");
  gzwrite(out, text.data(), static_cast<unsigned>(text.size()));
  gzclose(out);
  const auto rows = read_trace(path_, faults_);
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[1].prompt_tokens, 20);
}

TEST_F(TraceFile, CutOffGzipIsAFault) {
  std::string text = kHeader;
  for (int i = 0; i < 5000; ++i) {
    text += std::to_string(i) + "," + std::to_string(1 + i * 7919 % 5000) + ",2\n";
  }
  const gzFile out = gzopen(path_.c_str(), "wb");
  gzwrite(out, text.data(), static_cast<unsigned>(text.size()));
  gzclose(out);
  std::filesystem::resize_file(path_, std::filesystem::file_size(path_) / 2);
  EXPECT_TRUE(read_trace(path_, faults_).empty());
  EXPECT_EQ(faults_.lines(), Lines{path_ + ": cannot be read: the gzip file is cut off"});
}

TEST_F(TraceFile, FaultsHaveTheirLines) {
  EXPECT_EQ(
      faults_of(kHeader + "1,10,2\nnoon,10,2\n2,ten,2\n3,10,0\n4,10\n2023-13-01 00:00:00,1,1\n"),
      (Lines{
          path_ + ":3:1: \"noon\" is no time (expected 2023-11-16 18:15:46.6805900, or seconds)",
          path_ + ":4:1: \"ten\" is no number of tokens (ContextTokens, at least 1)",
          path_ + ":5:1: \"0\" is no number of tokens (GeneratedTokens, at least 1)",
          path_ + ":6:1: expected three columns, TIMESTAMP,ContextTokens,GeneratedTokens",
          path_ + ":7:1: \"2023-13-01 00:00:00\" is no time (expected 2023-11-16 18:15:46.6805900, "
                  "or seconds)",
      }));
}

TEST_F(TraceFile, WrongFilesAreToldOnce) {
  EXPECT_EQ(
      faults_of("a,b,c\n1,2,3\n"),
      Lines{path_ +
            ":1:1: not a trace: expected the header TIMESTAMP,ContextTokens,GeneratedTokens"});
}

TEST_F(TraceFile, OneRequestIsNoTrace) {
  EXPECT_EQ(faults_of(kHeader + "1,2,3\n"), Lines{path_ + ": a trace needs two requests or more"});
}

TEST_F(TraceFile, TimesMoreThanFiftyDaysApartAreRefused) {
  EXPECT_EQ(faults_of(kHeader + "0,2,3\n4320000,2,3\n"),
            Lines{path_ + ": the trace is longer than 50 days"});
}

TEST_F(TraceFile, MissingFileIsAFault) {
  EXPECT_TRUE(read_trace("no/such.csv", faults_).empty());
  EXPECT_EQ(faults_.lines(), Lines{"no/such.csv: cannot be read: No such file or directory"});
}

TEST(AzureTrace, HourOfConversationsReadsWhole) {
  const char* data = std::getenv("YARDMASTER_DATA");
  const std::string folder =
      data != nullptr ? data : std::string(YARDMASTER_SOURCE_DIR) + "/../shared/data";
  const std::string path = folder + "/traces/azure_llm_2023_conv.csv.gz";
  if (!std::filesystem::exists(path)) {
    GTEST_SKIP() << "no " << path;
  }
  yaml::Faults faults;
  const auto rows = read_trace(path, faults);
  EXPECT_EQ(faults.lines(), Lines{});
  ASSERT_EQ(rows.size(), 19'366U);
  std::int64_t prompts = 0, outputs = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    prompts += rows[i].prompt_tokens;
    outputs += rows[i].output_tokens;
    EXPECT_GE(rows[i].arrival.ps, i == 0 ? 0 : rows[i - 1].arrival.ps);
  }
  EXPECT_EQ(prompts, 22'361'870);  // summed with awk
  EXPECT_EQ(outputs, 4'088'665);
  EXPECT_NEAR(rows.back().arrival.seconds(), 3501.72, 0.01);  // 18:15:46.68 to 19:14:08.40
}

}  // namespace
}  // namespace yardmaster
