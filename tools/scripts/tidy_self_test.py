#!/usr/bin/env python3
"""Self-test of tidy.py: a tree without a fault, then with one planted fault at a time."""

import json
import pathlib
import sys
import tempfile

import tidy

# Twenty private data members, among what only looks like some.
TWENTY_MEMBERS = """#pragma once
namespace a {
class Twenty final : public B {
 public:
  explicit Twenty(int x) : a_(x), b_{x} { c_ = x; }
  [[nodiscard]] int a() const { return a_; }
  void f(int x_, std::function<void(int y_)> z_);

 private:
  struct Row {
    int own_ = 0;
  };
  using Map = std::map<int, int>;
  static constexpr int kMost_ = 3;
  int a_ = 0, b_{1};
  std::vector<std::pair<int, int>> c_;
  std::array<int, 3> d_{}, e_ = {1, 2, 3};
""" + "".join(f"  int m{i}_;\n" for i in range(15)) + "};\n}  // namespace a\n"
MANY_MEMBERS = TWENTY_MEMBERS.replace("class Twenty", "struct Empty {};\nclass Full").replace(
    "int m0_;", "int m0_, more_;")

CLEAN = {
    "env/base/units.h": '#pragma once\n// std::exp and "std::rand" in comments are fine\n',
    "env/config/document.cpp": '#include <yaml-cpp/yaml.h>\n\n#include "env/base/units.h"\n',
    "env/base/math.cpp": "double log(double x) { return x; }\n"
                         "double f(double x) { return log(x); }\n",
    "policies/rule.cpp": '#include "env/base/units.h"\n'
                         'const char* kText = "std::rand() using namespace";\n'
                         "double g(double x) { return math::log(x) + own.exp(x); }\n"
                         "std::unordered_map<int, int> index;  // tidy: lookup-only\n",
    "scenarios/catalogue/gpus.yaml": "# GPUs\ngpu-a:\n  source: \"data sheet of 2024\"\n  link:\n"
                                     "    source: measured in May\n    bandwidth: 1 GB/s\n",
    "docs/scenario.md": "as printed\n",
    "docs/wide.md": f"```\n{'x' * 120}\n```\n| {'x' * 150} |\n[text]({'x' * 100})\n",
    "tools/long.cpp": "// More than 500 lines: one table\n" + "int x;\n" * 501,
    "agents/twenty.h": TWENTY_MEMBERS,
    "agents/user.cpp": '#include "agents/twenty.h"\n#include "agents/full.h"\n',
}

LONG_FUNCTION = "namespace a {\nint f(int x) {\n" + "  ++x;\n" * 70 + "  return x;\n}\n}\n"

# (file to add or replace, its text, what the fault's line must contain)
PLANTED = [
    ("env/base/up.cpp", '#include "policies/policy.h"\n', "env/base must not include"),
    ("env/workload/up.cpp", '#include "env/hardware/hardware.h"\n', "must not include"),
    ("policies/up.cpp", '#include "env/rl/environment.h"\n', "must not include"),
    ("env/node/near.cpp", '#include "near.h"\n', "does not start at the repository's root"),
    ("env/garage/new.cpp", '#include "env/base/units.h"\n', "room env/garage is unknown"),
    ("env/workload/read.cpp", "#include <yaml-cpp/yaml.h>\n", "may include yaml-cpp"),
    ("tools/dump.cpp", "#include <hdf5.h>\n", "may include HDF5"),
    ("agents/net.cpp", "#include <torch/torch.h>\n", "may include LibTorch"),
    ("env/base/a.cpp", "std::normal_distribution<double> d;\n", "normal_distribution"),
    ("agents/a.cpp", "std::random_device device;\n", "random_device"),
    ("results/a.cpp", "int x = rand();\n", "rand("),
    ("agents/b.cpp", "std::shuffle(a, b, c);\n", "std::shuffle"),
    ("env/base/b.cpp", "std::hash<int> h;\n", "std::hash"),
    ("env/node/a.cpp", "double x = std::exp(1.0);\n", "std::exp"),
    ("policies/a.cpp", "double x = pow(2.0, 3.0);\n", "pow("),
    ("env/view/a.cpp", "auto t = std::chrono::steady_clock::now();\n", "steady_clock"),
    ("agents/c.cpp", "auto t = time(nullptr);\n", "time(nullptr)"),
    ("tests/unit/a_test.cpp", "using namespace std;\n", "using namespace"),
    ("tools/b.cpp", "std::unordered_set<int> s;\n", "unordered container"),
    ("docs/a.md", "TO" "DO: write\n", "finish it"),
    ("env/base/c.cpp", "// FIX" "ME\n", "finish it"),
    ("env/base/d.cpp", "//" + "x" * 99 + "\n", "101 columns"),
    ("env/base/e.h", "// no guard\n", "without #pragma once"),
    ("env/base/f.cpp", LONG_FUNCTION, "env/base/f.cpp:2: function of 73 lines"),
    ("env/base/g.h", "#pragma once\n", "no file includes"),
    ("tests/unit/b_test.cpp", "// ../sha" "red/data\n", "outside the clone"),
    ("agents/long.cpp", "int x;\n" * 501, "agents/long.cpp:1: 501 lines"),
    ("agents/late.cpp", "int x;\n" * 501 + "// More than 500 lines: too late\n", "502 lines"),
    ("agents/full.h", MANY_MEMBERS, "agents/full.h:4: Full has 21 private data members"),
    ("scenarios/a.yaml", "#" + "x" * 100 + "\n", "101 columns"),
    ("tests/CMakeLists.txt", "#" + "x" * 100 + "\n", "101 columns"),
    ("docs/b.md", "x" * 101 + "\n", "101 columns, more than 100"),
    ("docs/c.md", "| " + "x" * 199 + "\n", "201 columns, more than 200"),
    ("docs/d.md", "```\ncode\n```\n" + "x" * 101 + "\n", "docs/d.md:4: 101 columns"),
    ("scenarios/catalogue/gpus.yaml", "gpu-a:\n  memory: 1 GiB\n", "gpu-a has no source"),
    ("scenarios/catalogue/models.yaml",
     "m:\n  source: the model's card\n  fp8:\n    flops: 1\n", "fp8 has no source"),
    ("env/base/h.cpp", "int x;\n", "no target compiles"),
    ("docs/scenario.md", "out of date\n", "stale"),
]


def faults_of(files):
    """Faults of a tree with these files, of which all but env/base/h.cpp have a target."""
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, text in files.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, encoding="utf-8")
        (root / "build").mkdir()
        commands = root / "build" / "compile_commands.json"
        commands.write_text(json.dumps([{"directory": folder, "file": name} for name in files
                                        if name.endswith(".cpp") and name != "env/base/h.cpp"]))
        program = root / "build" / "yardmaster"
        program.write_text("#!/bin/sh\necho as printed\n")
        program.chmod(0o755)
        return tidy.run_checks(root, commands, str(program), tidy.CHECKS + tidy.WARNINGS)


def self_test():
    """Exit code of the self-test: every planted fault must be found, the clean tree has none."""
    failures = [f"fault in the clean tree: {fault}" for fault in faults_of(CLEAN)]
    for name, text, expected in PLANTED:
        faults = faults_of({**CLEAN, name: text})
        if not any(fault.startswith(name) and expected in fault for fault in faults):
            failures.append(f"{name}: planted `{expected}`, found {faults}")
    print("\n".join(failures) or f"tidy finds all of {len(PLANTED)} planted faults")
    return 1 if failures else 0



if __name__ == "__main__":
    sys.exit(self_test())
