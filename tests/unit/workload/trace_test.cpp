// Reading traces: formats, order, and faults with their lines.
#include "env/workload/trace.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "env/node/kv_block.h"
#include "tests/support/data.h"

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
    trace_ = read_trace(path_, kBlockTokens, faults_);
    return trace_.rows;
  }
  Lines faults_of(const std::string& text) {
    EXPECT_TRUE(read(text).empty());
    return faults_.lines();
  }

  std::string path_;
  Trace trace_;
  yaml::Faults faults_;
};

TEST_F(TraceFile, AzureRowsAreReadToThePicosecond) {
  const auto rows =
      read(kHeader + "2023-11-16 23:59:59.6805900,374,44\r\n2023-11-17 00:00:01.0000001,396,109");
  EXPECT_EQ(faults_.lines(), Lines{});
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].arrival.ps, 0);
  EXPECT_EQ(rows[1].arrival.ps, 1'319'410'100'000);
  EXPECT_EQ(rows[0].prompt_tokens, 374);
  EXPECT_EQ(rows[1].output_tokens, 109);
}

TEST_F(TraceFile, LeapDaysAndZeroTimeZonesAreRead) {
  const auto rows = read(kHeader + "2024-02-28T12:00:00Z,1,1\n2024-03-01 12:00:00+00:00,1,1\n");
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[1].arrival, Duration{2LL * 86400 * kPsPerSecond});
}

TEST_F(TraceFile, TimesMayBeSeconds) {
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

TEST_F(TraceFile, GzippedFilesAreReadAlike) {
  const std::string text = kHeader + "1,10,2\n2,20,3\n";
  const gzFile out = gzopen(path_.c_str(), "wb");
  gzwrite(out, text.data(), static_cast<unsigned>(text.size()));
  gzclose(out);
  const auto rows = read_trace(path_, kBlockTokens, faults_).rows;
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[1].prompt_tokens, 20);
}

TEST_F(TraceFile, ATruncatedGzipFileIsAFault) {
  std::string text = kHeader;
  for (int i = 0; i < 5000; ++i) {
    text += std::to_string(i) + "," + std::to_string(1 + i * 7919 % 5000) + ",2\n";
  }
  const gzFile out = gzopen(path_.c_str(), "wb");
  gzwrite(out, text.data(), static_cast<unsigned>(text.size()));
  gzclose(out);
  std::filesystem::resize_file(path_, std::filesystem::file_size(path_) / 2);
  EXPECT_TRUE(read_trace(path_, kBlockTokens, faults_).rows.empty());
  EXPECT_EQ(faults_.lines(), Lines{path_ + ": cannot be read: the gzip file is cut off"});
}

TEST_F(TraceFile, FaultsAreReportedWithTheirLines) {
  EXPECT_EQ(
      faults_of(kHeader + "1,10,2\nnoon,10,2\n2,ten,2\n3,10,0\n4,10\n2023-13-01 00:00:00,1,1\n"),
      (Lines{
          path_ + ":3:1: \"noon\" is not a time (expected 2023-11-16 18:15:46.6805900, or seconds)",
          path_ + ":4:1: \"ten\" is not a number of tokens (ContextTokens, at least 1)",
          path_ + ":5:1: \"0\" is not a number of tokens (GeneratedTokens, at least 1)",
          path_ + ":6:1: expected three columns, TIMESTAMP,ContextTokens,GeneratedTokens",
          path_ +
              ":7:1: \"2023-13-01 00:00:00\" is not a time (expected 2023-11-16 18:15:46.6805900, "
              "or seconds)",
      }));
}

TEST_F(TraceFile, AFileThatIsNoTraceIsOneFault) {
  EXPECT_EQ(
      faults_of("a,b,c\n1,2,3\n"),
      Lines{path_ +
            ":1:1: not a trace: expected the header TIMESTAMP,ContextTokens,GeneratedTokens, or a "
            "JSON object per line"});
}

TEST_F(TraceFile, OneRequestIsNoTrace) {
  EXPECT_EQ(faults_of(kHeader + "1,2,3\n"), Lines{path_ + ": a trace needs at least two requests"});
}

TEST_F(TraceFile, TimesMoreThanFiftyDaysApartAreRefused) {
  EXPECT_EQ(faults_of(kHeader + "0,2,3\n4320000,2,3\n"),
            Lines{path_ + ": the trace is longer than 50 days"});
}

// Three turns of a conversation, and another prompt with the same system prompt of 512 tokens.
const std::string kConversation =
    R"({"timestamp": 500, "input_length": 1100, "output_length": 7, "hash_ids": [0, 1, 2]}
{"timestamp": 1500, "input_length": 1500, "output_length": 8, "hash_ids": [0, 1, 3]}
{"timestamp": 1000, "input_length": 700, "output_length": 9, "hash_ids": [0, 4]}

{"hash_ids": [0, 1, 3, 5, 6], "timestamp": 2750, "input_length": 2049, "output_length": 9, "x": []}
)";

TEST_F(TraceFile, MooncakeRowsGiveSharedPrefixes) {
  const auto rows = read(kConversation);
  EXPECT_EQ(faults_.lines(), Lines{});
  ASSERT_EQ(rows.size(), 4U);
  EXPECT_EQ(rows[1].arrival.ps, kPsPerSecond / 2);
  EXPECT_EQ(rows[1].prompt_tokens, 700);
  EXPECT_EQ(rows[3].output_tokens, 9);
  using Spans = std::vector<PathSpan>;
  const auto shared = [&](std::size_t row) {
    const auto spans = trace_.paths.shared(rows[row].path);
    return Spans(spans.begin(), spans.end());
  };
  // Ids 0, 1 and 3 are one run of 96 blocks; 2 and 4 to 6 are not shared. The second turn ends
  // within id 3, after 93 full blocks.
  EXPECT_EQ(trace_.paths.runs(), 1U);
  EXPECT_EQ(shared(0), (Spans{{shared_run(0), 64}}));
  EXPECT_EQ(shared(1), (Spans{{shared_run(0), 32}}));
  EXPECT_EQ(shared(2), (Spans{{shared_run(0), 93}}));
  EXPECT_EQ(shared(3), (Spans{{shared_run(0), 96}}));
}

TEST_F(TraceFile, AColumnOfLimitsDeclaresMaxTokens) {
  const std::string header = "TIMESTAMP,ContextTokens,GeneratedTokens,MaxTokens\n";
  const auto rows = read(header + "0,374,44,44\n1,396,109,500\n");
  EXPECT_EQ(faults_.lines(), Lines{});
  EXPECT_TRUE(trace_.declares_max_tokens);
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[1].max_tokens, 500);
  read(kHeader + "0,374,44\n1,396,109\n");
  EXPECT_FALSE(trace_.declares_max_tokens);
  EXPECT_EQ(trace_.rows[1].max_tokens, 0);
  EXPECT_EQ(faults_of(header + "0,374,44,43\n1,396,109\n"),
            (Lines{path_ + ":2:1: \"43\" is not a limit of the output (MaxTokens, at least "
                           "GeneratedTokens)",
                   path_ + ":3:1: expected four columns, TIMESTAMP,ContextTokens,GeneratedTokens,"
                           "MaxTokens"}));
}

TEST_F(TraceFile, MooncakeRowsMayDeclareMaxTokens) {
  const std::string row = R"("input_length": 600, "output_length": 5, "hash_ids": [1, 2])";
  read("{\"timestamp\": 0, \"max_tokens\": 9, " + row +
       "}\n{\"timestamp\": 1000, \"max_tokens\": 5, " + row + "}\n");
  EXPECT_EQ(faults_.lines(), Lines{});
  EXPECT_TRUE(trace_.declares_max_tokens);
  EXPECT_EQ(trace_.rows[0].max_tokens, 9);
  EXPECT_EQ(faults_of("{\"timestamp\": 0, \"max_tokens\": 4, " + row + "}\n"),
            Lines{path_ + ":1:1: max_tokens: 4 is not a whole number from 5 to 100000000"});
}

TEST_F(TraceFile, MooncakeFaultsAreReportedWithTheirLines) {
  EXPECT_EQ(
      faults_of(R"({"timestamp": 0, "input_length": 600, "output_length": 1, "hash_ids": [1, 2]}
{"timestamp": 0, "input_length": 600, "output_length": 1, "hash_ids": [1]}
{"timestamp": 0, "input_length": 600, "output_length": 1, "hash_ids": [2, 1]}
{"timestamp": -1, "input_length": 600, "output_length": 1, "hash_ids": [1, 2]}
{"timestamp": 0, "input_length": 600, "output_length": 1.5, "hash_ids": [1, 2]}
{"timestamp": 0, "input_length": 600, "hash_ids": [1, 2]}
{"timestamp": 0, "input_length": 600, "output_length": 1, "hash_ids": [7, 7]}
{"timestamp": 0, "input_length": 600, "output_length": 1, "hash_ids": [7, "8"]}
{"timestamp": 0, "input_le
{"timestamp": 0, "input_length": 600, "output_length": 1, "hash_ids": [7, 8]}
)"),
      (Lines{
          path_ + ":2:1: 1 hash_ids for 600 tokens (expected 2, one per 512)",
          path_ +
              ":3:1: hash_ids: an id has another prefix than before (expected equal ids for equal "
              "prefixes only)",
          path_ + ":4:1: timestamp: -1 is not a whole number from 0 to 4000000000000000",
          path_ + ":5:1: output_length: 1.5 is not a whole number from 1 to 100000000",
          path_ + ":6:1: output_length is missing",
          path_ +
              ":7:1: hash_ids: an id has another prefix than before (expected equal ids for equal "
              "prefixes only)",
          path_ + ":8:1: hash_ids: \"8\" is not a whole number of at least 0",
          path_ + R"(:9:1: expected {"timestamp": ms, "input_length": n, "output_length": n, )" +
              R"("hash_ids": [...]})"}));
}

TEST_F(TraceFile, MissingFileIsAFault) {
  EXPECT_TRUE(read_trace("no/such.csv", kBlockTokens, faults_).rows.empty());
  EXPECT_EQ(faults_.lines(), Lines{"no/such.csv: cannot be read: No such file or directory"});
}

/// Facts of a trace, counted independently of this program.
struct Counted {
  std::size_t rows;
  std::int64_t prompt_tokens;
  std::int64_t output_tokens;
  double last_arrival_s;
};

void expect_azure(const std::string& path, const Counted& counted) {
  yaml::Faults faults;
  const auto rows = read_trace(path, kBlockTokens, faults).rows;
  EXPECT_EQ(faults.lines(), Lines{});
  ASSERT_EQ(rows.size(), counted.rows);
  std::int64_t prompts = 0, outputs = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    prompts += rows[i].prompt_tokens;
    outputs += rows[i].output_tokens;
    EXPECT_GE(rows[i].arrival.ps, i == 0 ? 0 : rows[i - 1].arrival.ps);
  }
  EXPECT_EQ(prompts, counted.prompt_tokens);
  EXPECT_EQ(outputs, counted.output_tokens);
  EXPECT_NEAR(rows.back().arrival.seconds(), counted.last_arrival_s, 0.01);
}

// Sums by awk. 18:15:46.68 to 19:13:12.12, and to 19:14:08.40.
TEST(AzureTrace, EveryFourHundredthRequestOfAnHourIsRead) {
  expect_azure(shipped_data("traces/azure_llm_2023_conv.csv"), {49, 56'931, 10'806, 3445.44});
}

TEST(AzureTrace, HourOfConversationsIsReadWhole) {
  const LargeDataFile file("traces/azure_llm_2023_conv.csv.gz");
  if (!file.exists()) {
    GTEST_SKIP() << file.why_absent();
  }
  expect_azure(file.path(), {19'366, 22'361'870, 4'088'665, 3501.72});
}

/// Prefixes of a trace, counted by a script that is independent of this program: runs of texts that
/// two requests or more have, how often requests begin with them, and blocks in them.
struct CountedPrefixes {
  std::size_t rows;
  std::uint32_t runs;
  std::size_t spans;
  std::int64_t shared_blocks;
};

void expect_mooncake(const std::string& path, const CountedPrefixes& counted) {
  yaml::Faults faults;
  const Trace trace = read_trace(path, kBlockTokens, faults);
  EXPECT_EQ(faults.lines(), Lines{});
  ASSERT_EQ(trace.rows.size(), counted.rows);
  EXPECT_EQ(trace.paths.runs(), counted.runs);
  EXPECT_EQ(trace.paths.spans(), counted.spans);
  std::int64_t shared = 0;
  for (const TraceRow& row : trace.rows) {
    const auto spans = trace.paths.shared(row.path);
    shared += spans.empty() ? 0 : spans.back().end;
  }
  EXPECT_EQ(shared, counted.shared_blocks);
}

TEST(MooncakeTrace, SharedPrefixesOfSevenConversationsAreFound) {
  expect_mooncake(shipped_data("traces/mooncake_conversation.jsonl"), {24, 7, 46, 5'986});
}

TEST(MooncakeTrace, SharedPrefixesOfAnHourAreFound) {
  const LargeDataFile file("traces/mooncake_conversation.jsonl.gz");
  if (!file.exists()) {
    GTEST_SKIP() << file.why_absent();
  }
  expect_mooncake(file.path(), {12'031, 2'339, 19'283, 4'792'446});
}

}  // namespace
}  // namespace yardmaster
