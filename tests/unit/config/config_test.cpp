// The reader: every kind of fault with its place and verbatim message, overrides, and what it
// writes.
#include "env/config/document.h"
#include "env/config/section.h"
#include "env/config/suggestion.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace yardmaster::yaml {
namespace {

using Lines = std::vector<std::string>;

/// Faults of parsing `text` and reading its root with `visit`.
template <class Visit>
Lines faults_of(const std::string& text, const Visit& visit) {
  Faults faults;
  const Node root = parse(text, "f.yaml", faults);
  Section section(root, faults);
  visit(section);
  section.finish();
  return faults.lines();
}

Lines parse_faults(const std::string& text) {
  Faults faults;
  parse(text, "f.yaml", faults);
  return faults.lines();
}

template <class T>
Lines one(const std::string& value, const Field<T>& field = {.key = "x", .doc = "What it is."}) {
  return faults_of("x: " + value + "\n", [&](Section& s) { s.get<T>(field); });
}

template <class T>
T value_of(const std::string& text) {
  T value{};
  EXPECT_EQ(faults_of("x: " + text + "\n",
                      [&](Section& s) { value = s.get<T>({.key = "x", .doc = "What it is."}); }),
            Lines{});
  return value;
}

TEST(Yaml, DuplicateKeyNamesBothPlaces) {
  EXPECT_EQ(parse_faults("a:\n  b: 1\n  c: 2\n  b: 3\n"),
            Lines{"f.yaml:4:3: a.b: duplicate key; first used at line 2"});
}

TEST(Yaml, DuplicateKeyInsideListNamesTheItem) {
  EXPECT_EQ(parse_faults("a:\n  - b: 1\n  - b: 1\n    b: 2\n"),
            Lines{"f.yaml:4:5: a[1].b: duplicate key; first used at line 3"});
}

TEST(Yaml, UnknownKeySuggestsTheNearest) {
  const auto read = [](Section& s) {
    s.section("dispatch", "", [](Section& d) {
      d.get<std::int32_t>({.key = "window", .doc = "", .fallback = 1});
      d.get<std::int32_t>({.key = "ordering", .doc = "", .fallback = 1});
    });
  };
  EXPECT_EQ(faults_of("dispatch:\n  windw: 4\n", read),
            Lines{"f.yaml:2:3: dispatch.windw: unknown key; did you mean \"window\"? (known: "
                  "window, ordering)"});
  EXPECT_EQ(faults_of("dispatch:\n  zzzz: 4\n", read),
            Lines{"f.yaml:2:3: dispatch.zzzz: unknown key; known: window, ordering"});
}

TEST(Yaml, BareNumberListsTheUnits) {
  EXPECT_EQ(one<Duration>("30"),
            Lines{"f.yaml:1:4: x: \"30\" has no unit; write one of ps, ns, us, ms, s, min, h, d"});
  EXPECT_EQ(
      one<Bytes>("64"),
      Lines{
          "f.yaml:1:4: x: \"64\" has no unit; write one of B, KB, KiB, MB, MiB, GB, GiB, TB, TiB"});
  EXPECT_EQ(one<PerSecond>("7"),
            Lines{"f.yaml:1:4: x: \"7\" has no unit; write one of /s, /min, /h"});
}

TEST(Yaml, UnknownUnitAndMissingNumberAreFaults) {
  EXPECT_EQ(one<Duration>("30 sec"),
            Lines{"f.yaml:1:4: x: \"30 sec\" has an unknown unit \"sec\"; write one of "
                  "ps, ns, us, ms, s, min, h, d"});
  EXPECT_EQ(one<Duration>("soon"),
            Lines{"f.yaml:1:4: x: \"soon\" is not a duration; write a number and one of "
                  "ps, ns, us, ms, s, min, h, d"});
  EXPECT_EQ(one<Watts>("inf W"),
            Lines{"f.yaml:1:4: x: \"inf W\" is not a power; write a number and one of W, kW"});
}

TEST(Yaml, WrongTypesAreFaults) {
  EXPECT_EQ(one<std::int32_t>("many"),
            Lines{"f.yaml:1:4: x: expected a whole number, found \"many\""});
  EXPECT_EQ(one<std::int32_t>("\"3\""),
            Lines{"f.yaml:1:4: x: expected a whole number, found \"3\""});
  EXPECT_EQ(one<std::int32_t>("2.5"), Lines{"f.yaml:1:4: x: 2.5 is not a whole number"});
  EXPECT_EQ(one<std::int32_t>("3000000000"), Lines{"f.yaml:1:4: x: 3000000000 is too large"});
  EXPECT_EQ(one<double>("nan"), Lines{"f.yaml:1:4: x: expected a number, found \"nan\""});
  EXPECT_EQ(one<bool>("yes"), Lines{"f.yaml:1:4: x: expected true or false, found \"yes\""});
  EXPECT_EQ(one<double>("[1, 2]"), Lines{"f.yaml:1:4: x: expected a number, found a list"});
  EXPECT_EQ(one<Bytes>("{a: 1}"),
            Lines{"f.yaml:1:4: x: expected an amount of memory, found a section"});
  EXPECT_EQ(one<double>(""), Lines{"f.yaml:1:1: x: expected a number, found nothing"});
}

TEST(Yaml, ValuesOutOfRangeNameTheRange) {
  EXPECT_EQ(one<double>("1.5", {.key = "x", .doc = "", .min = 0.0, .max = 1.0}),
            Lines{"f.yaml:1:4: x: 1.5 is out of range (expected 0 to 1)"});
  EXPECT_EQ(one<std::int32_t>("0", {.key = "x", .doc = "", .min = 1}),
            Lines{"f.yaml:1:4: x: 0 is out of range (expected at least 1)"});
  EXPECT_EQ(one<Duration>("-1 s"),
            Lines{"f.yaml:1:4: x: -1 s is out of range (expected 0 s to 50 d)"});
  EXPECT_EQ(one<Duration>("51 d"),
            Lines{"f.yaml:1:4: x: 51 d is out of range (expected 0 s to 50 d)"});
  EXPECT_EQ(one<std::int32_t>(
                "none", {.key = "x", .doc = "", .min = 1, .word = "unlimited", .word_value = 9}),
            Lines{"f.yaml:1:4: x: expected a whole number, found \"none\", or unlimited"});
}

TEST(Yaml, MissingKeyIsReportedAtItsParent) {
  EXPECT_EQ(faults_of("a:\n  - {}\n  -\n    y: 1\n",
                      [](Section& s) {
                        s.list("a", "", "", [](Section& item, std::size_t) {
                          item.get<double>({.key = "x", .doc = "The length."});
                          item.get<double>({.key = "y", .doc = "", .fallback = 0.0});
                        });
                      }),
            (Lines{"f.yaml:2:5: a[0]: missing key \"x\": The length.",
                   "f.yaml:4:5: a[1]: missing key \"x\": The length."}));
}

TEST(Yaml, UnknownWordSuggestsTheNearest) {
  EXPECT_EQ(
      faults_of(
          "x: ful\n",
          [](Section& s) {
            s.choice<int>({.key = "x", .doc = "", .fallback = "vllm"}, {{"vllm", 0}, {"full", 1}});
          }),
      Lines{"f.yaml:1:4: x: unknown value \"ful\"; did you mean \"full\"? (known: vllm, full)"});
}

TEST(Yaml, KeyThatDoesNotApplyIsAFault) {
  EXPECT_EQ(
      one<double>("1", {.key = "x", .doc = "", .fallback = 0.0, .only = {false, "with `kind: b`"}}),
      Lines{"f.yaml:1:4: x: applies only with `kind: b`"});
}

TEST(Yaml, AllFaultsAreReportedTogetherInOrderOfPlace) {
  const Lines lines = faults_of("z: 1\na: many\nb: 5\na: 2\n", [](Section& s) {
    s.get<Duration>({.key = "b", .doc = ""});
    s.get<std::int32_t>({.key = "a", .doc = ""});
  });
  ASSERT_EQ(lines.size(), 4U);
  EXPECT_TRUE(lines[0].starts_with("f.yaml:1:1: z: unknown key")) << lines[0];
  EXPECT_TRUE(lines[1].starts_with("f.yaml:2:4: a: expected a whole number")) << lines[1];
  EXPECT_TRUE(lines[2].starts_with("f.yaml:3:4: b: \"5\" has no unit")) << lines[2];
  EXPECT_TRUE(lines[3].starts_with("f.yaml:4:1: a: duplicate key")) << lines[3];
}

TEST(Yaml, SyntaxErrorIsReportedWithItsPlace) {
  EXPECT_EQ(parse_faults("a: 1\nb: [1, 2\n"),
            Lines{"f.yaml:3:1: not YAML: end of sequence flow not found"});
}

TEST(Yaml, MergeKeysAndSecondDocumentsAreRefused) {
  EXPECT_EQ(parse_faults("a: &a {x: 1}\nb:\n  <<: *a\n"),
            Lines{"f.yaml:3:3: b: merge keys (<<) are not supported; write the keys out"});
  EXPECT_EQ(parse_faults("a: 1\n---\nb: 1\n"),
            Lines{"f.yaml:3:1: a second document; expected one per file"});
}

TEST(Yaml, AnAliasIsAValueOfItsOwn) {
  Faults faults;
  const Node root = parse("a: &a [1, 2]\nb: *a\n", "f.yaml", faults);
  EXPECT_TRUE(faults.empty());
  ASSERT_NE(find(root, "b"), nullptr);
  EXPECT_EQ(find(root, "b")->items.size(), 2U);
  EXPECT_EQ(find(root, "b")->place.line, 1);  // where it was written
}

TEST(Yaml, AliasBombIsBounded) {
  std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string alias = "*a" + std::to_string(i - 1);
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 10; ++j) {
      text += (j == 0 ? "" : ", ") + alias;
    }
    text += "]\n";
  }
  EXPECT_EQ(parse_faults(text),
            Lines{"f.yaml:5:45: more than 100000 values after expanding aliases"});
}

TEST(Yaml, CyclicAliasAndDeepNestingAreFaults) {
  EXPECT_EQ(parse_faults("a: &a [1, *a]\n"),
            Lines{"f.yaml:1:11: an alias refers to the value that contains it"});
  const Lines deep = parse_faults(std::string(5000, '['));
  ASSERT_EQ(deep.size(), 1U);
  EXPECT_TRUE(deep[0].find("not YAML") != std::string::npos) << deep[0];
}

TEST(Yaml, MissingFileIsAFault) {
  Faults faults;
  parse_file("no/such/file.yaml", faults);
  EXPECT_EQ(faults.lines(), Lines{"no/such/file.yaml: cannot be read: No such file or directory"});
}

TEST(Yaml, QuantitiesAreReadInSiUnits) {
  EXPECT_EQ(value_of<Duration>("1.5 ms"), Duration{1'500'000'000});
  EXPECT_EQ(value_of<Duration>("0.83 ns"), Duration{830});
  EXPECT_EQ(value_of<Duration>("2 d"), Duration{2LL * 86400 * kPsPerSecond});
  EXPECT_EQ(value_of<Bytes>("1 GB").value, 1e9);
  EXPECT_EQ(value_of<Bytes>("1 GiB").value, 1073741824.0);
  EXPECT_EQ(value_of<PerSecond>("90/min").value, 1.5);
  EXPECT_EQ(value_of<BytesPerSecond>("10 Gbit/s").value, 1.25e9);
  EXPECT_EQ(value_of<FlopPerSecond>("989 TFLOP/s").value, 989e12);
  EXPECT_EQ(value_of<Watts>("0.7 kW").value, 700);
  EXPECT_EQ(value_of<UsdPerHour>("2.5 USD/h").value, 2.5);
  EXPECT_EQ(value_of<std::int64_t>("1e6"), 1'000'000);
}

TEST(Yaml, WrittenDurationsReadBackToTheSamePicoseconds) {
  for (const std::int64_t ps :
       {0LL, 1LL, 999LL, 14'500'000LL, 123'456'789'012'345LL, 60LL * kPsPerSecond,
        5400LL * kPsPerSecond, 4'319'999'999'999'999'999LL}) {
    EXPECT_EQ(value_of<Duration>(format(Duration{ps})), Duration{ps}) << format(Duration{ps});
  }
  EXPECT_EQ(format(Duration{14'500'000}), "14.5 us");
  EXPECT_EQ(format(Duration{60 * kPsPerSecond}), "60 s");
  EXPECT_EQ(format(Duration{300 * kPsPerSecond}), "5 min");
}

TEST(Yaml, WrittenQuantitiesReadBackToTheSameBits) {
  for (const double value : {0.0, 1.0, 1.0 / 3, 85520809984.0, 1e9, 123456.789}) {
    EXPECT_EQ(value_of<Bytes>(format(Bytes{value})).value, value) << format(Bytes{value});
    EXPECT_EQ(value_of<PerSecond>(format(PerSecond{value})).value, value)
        << format(PerSecond{value});
    EXPECT_EQ(value_of<double>(format(value)), value) << format(value);
  }
}

TEST(Yaml, RangesOfWholeNumbersExpandAndAreWrittenBack) {
  std::vector<std::int64_t> seeds;
  EXPECT_EQ(faults_of("x: [1, 5..8, 20]\n",
                      [&](Section& s) {
                        seeds = s.list_of<std::int64_t>({.key = "x", .doc = ""}, {});
                        EXPECT_EQ(emit(s.resolved()), "x: [1, 5..8, 20]\n");
                      }),
            Lines{});
  EXPECT_EQ(seeds, (std::vector<std::int64_t>{1, 5, 6, 7, 8, 20}));
  EXPECT_EQ(faults_of("x: 8..5\n",
                      [&](Section& s) { s.list_of<std::int64_t>({.key = "x", .doc = ""}, {}); }),
            Lines{"f.yaml:1:4: x: expected a whole number, found \"8..5\""});
}

TEST(Override, SetsValuesByKeyAndIndexAndCreatesSections) {
  Faults faults;
  Node root = parse("nodes:\n  - count: 1\n  - count: 2\n", "f.yaml", faults);
  override_value(root, "nodes.1.count", "7", faults);
  override_value(root, "nodes[0].engine.max_num_seqs", "8", faults);
  override_value(root, "workload.trace", "/a path/t.csv.gz", faults);
  override_value(root, "compare.policies", "[a, b]", faults);
  EXPECT_TRUE(faults.empty());
  EXPECT_EQ(emit(root),
            "nodes:\n  - count: 1\n    engine:\n      max_num_seqs: 8\n  - count: 7\n"
            "workload:\n  trace: /a path/t.csv.gz\ncompare:\n  policies: [a, b]\n");
}

TEST(Override, FaultsNameTheSetting) {
  Faults faults;
  Node root = parse("nodes:\n  - count: 1\n", "f.yaml", faults);
  override_value(root, "nodes.3.count", "7", faults);
  override_value(root, "nodes.0.count.x", "7", faults);
  override_value(root, "nodes..count", "7", faults);
  override_value(root, "nodes", "[1", faults);
  EXPECT_EQ(
      faults.lines(),
      (Lines{"--set nodes..count=7: nodes..count: the path has an empty part",
             "--set nodes.0.count.x=7: nodes.0.count.x: \"1\" is a value and has no key \"x\"",
             "--set nodes.3.count=7: nodes.3.count: \"3\" is not an index of a list of 1 (counted "
             "from 0)",
             "--set nodes=[1: nodes: the value is not YAML"}));
}

TEST(Override, UnknownKeyIsReportedWithItsSetting) {
  Faults faults;
  Node root = parse("a: 1\n", "f.yaml", faults);
  override_value(root, "aa", "2", faults);
  Section section(root, faults);
  section.get<std::int32_t>({.key = "a", .doc = ""});
  section.finish();
  EXPECT_EQ(faults.lines(), Lines{"--set aa=2: aa: unknown key; did you mean \"a\"? (known: a)"});
}

}  // namespace
}  // namespace yardmaster::yaml
