// Tables are read as intended, and malformed ones are refused with the line.
#include "tools/validation/csv.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "tools/command.h"

namespace yardmaster {
namespace {

class Csv : public testing::Test {
 protected:
  void TearDown() override {
    std::remove(path_.c_str());
    std::remove((path_ + ".gz").c_str());
  }
  [[nodiscard]] CsvTable read(const std::string& text) const {
    std::ofstream(path_, std::ios::binary) << text;
    return CsvTable(path_);
  }
  [[nodiscard]] std::string fault_of(const std::string& text) const {
    try {
      [[maybe_unused]] const CsvTable table = read(text);
      return "";
    } catch (const BadInput& fault) {
      return fault.what();
    }
  }

  const std::string path_ = testing::TempDir() + "yardmaster_csv_test_" +
                            testing::UnitTest::GetInstance()->current_test_info()->name();
};

TEST_F(Csv, ByteOrderMarkSpacesAndQuotesAreNotPartOfACell) {
  const CsvTable table =
      read("\xEF\xBB\xBF a ,\"b, c\",d\r\n 1 , \"x, \"\"y\"\"\" ,\t2\r\n,\"\",\n");
  ASSERT_EQ(table.size(), 2U);
  EXPECT_EQ(table.number(0, "a"), 1);
  EXPECT_EQ(table.text(0, "b, c"), "x, \"y\"");
  EXPECT_EQ(table.number(0, "d"), 2);
  EXPECT_EQ(table.text(1, "a") + table.text(1, "b, c") + table.text(1, "d"), "");
}

TEST_F(Csv, EmptyLinesAreSkippedAndLinesCountedAsInTheFile) {
  const CsvTable table = read("\na,b\n\n1,2\n  \n3,4\n\n");
  ASSERT_EQ(table.size(), 2U);
  EXPECT_EQ(table.where(0), path_ + ":4");
  EXPECT_EQ(table.where(1), path_ + ":6");
  EXPECT_EQ(fault_of("a,b\n\n1\n"), path_ + ":3: 1 cells (expected 2, as the header has)");
}

TEST_F(Csv, FaultsNameTheLineAndWhatWasExpected) {
  EXPECT_EQ(fault_of("a,b,a\n"), path_ + ":1: two columns are called \"a\"");
  EXPECT_EQ(fault_of("a,b\n1,\"2\n"),
            path_ + ":2: an opening quote has no closing quote on its line");
  EXPECT_EQ(fault_of("a,b\n\"1\"2,3\n"),
            path_ + ":2: text after a closing quote (expected a comma)");
  EXPECT_EQ(fault_of("\n \n"), path_ + ": empty (expected a header)");
}

TEST_F(Csv, MissingColumnIsReportedWithThoseThatExist) {
  const CsvTable table = read("\na,b\n1,0\n");
  try {
    [[maybe_unused]] const double value = table.number(0, "c");
    FAIL() << value;
  } catch (const BadInput& fault) {
    EXPECT_EQ(fault.what(), path_ + ":2: no column c (columns: a, b)");
  }
  try {
    [[maybe_unused]] const double value = table.positive(0, "b");
    FAIL() << value;
  } catch (const BadInput& fault) {
    EXPECT_EQ(fault.what(), path_ + ":3: b is 0 (expected a number above 0)");
  }
}

/// A table whose last cell is 23456, as gzip writes it.
constexpr std::array<unsigned char, 52> kCompressed = {
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xcb, 0x4b, 0xcc,
    0x4d, 0xd5, 0x29, 0x4b, 0xcc, 0x29, 0x4d, 0xe5, 0x4a, 0xcb, 0x2c, 0x2a, 0x2e,
    0xd1, 0x31, 0xe4, 0x2a, 0x4e, 0x4d, 0xce, 0xcf, 0x4b, 0xd1, 0x31, 0x32, 0x36,
    0x31, 0x35, 0xe3, 0x02, 0x00, 0x08, 0x6a, 0xfe, 0xf7, 0x20, 0x00, 0x00, 0x00};

TEST_F(Csv, CompressedTableIsReadWholeAndRefusedWhenItWasCut) {
  const auto write = [&](std::size_t bytes) {
    std::ofstream(path_ + ".gz", std::ios::binary)
        .write(reinterpret_cast<const char*>(kCompressed.data()),
               static_cast<std::streamsize>(bytes));
  };
  write(kCompressed.size());
  EXPECT_EQ(CsvTable(path_).number(1, "value"), 23456);
  for (std::size_t bytes = kCompressed.size() - 12; bytes < kCompressed.size(); ++bytes) {
    write(bytes);
    try {
      [[maybe_unused]] const CsvTable table(path_);
      ADD_FAILURE() << bytes << " bytes";
    } catch (const BadInput& fault) {
      EXPECT_EQ(fault.what(), path_ + ".gz: truncated gzip");
    }
  }
}

}  // namespace
}  // namespace yardmaster
