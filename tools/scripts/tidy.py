#!/usr/bin/env python3
"""Checks of the source tree that no compiler makes. A test of ctest; also run by hand.

    tools/scripts/tidy.py [--compile-commands FILE] [--command PATH]    all checks, a line per fault
    tools/scripts/tidy.py --self-test      plants each fault and looks for it

--compile-commands names the build's list of compiled files, for the check that every source has a
target; --command names the built program, for the check that docs/scenario.md is what it prints.
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile

# Who may include whom: a room may include those listed, and itself.
BASE = ["env/base"]
CONFIG = BASE + ["env/config"]
HARDWARE = CONFIG + ["env/hardware"]
NODE = HARDWARE + ["env/workload", "env/node"]
SCENARIO = NODE + ["env/scenario"]
VIEW = SCENARIO + ["env/view"]
SIMULATION = VIEW + ["env/simulation"]
AGENTS = SIMULATION + ["env/rl", "policies", "agents"]
MAY_INCLUDE = {
    "env/base": BASE,
    "env/config": CONFIG,
    "env/hardware": HARDWARE,
    "env/workload": CONFIG + ["env/workload"],
    "env/node": NODE,
    "env/scenario": SCENARIO,
    "env/view": VIEW,
    "env/simulation": SIMULATION,
    "env/rl": SIMULATION + ["env/rl"],
    "policies": SIMULATION + ["policies"],
    "agents": AGENTS,
    "results": SIMULATION + ["results"],
    "tools": AGENTS + ["results", "tools"],
    "tests": AGENTS + ["results", "tools", "tests"],
}

# Libraries with one owner: what an include of one looks like, and whose paths may have it.
OWNED_LIBRARIES = [
    ("yaml-cpp", re.compile(r"<yaml-cpp/"), re.compile(r"env/config/document\.cpp")),
    ("HDF5", re.compile(r"<(hdf5|H5)"), re.compile(r"results/.*")),
    ("LibTorch", re.compile(r"<(torch|ATen|c10)/"), re.compile(r"agents/torch/.*")),
]

LIBM = "log|log2|log10|log1p|exp|exp2|expm1|pow|sin|cos|tan|tanh|atan2?|erfc?|[tl]gamma|cbrt|hypot"
WORLD = ("env/", "policies/")
NO_CLOCK = ("env/", "policies/", "agents/")
CODE = ("env/", "policies/", "agents/", "results/", "tools/", "tests/")
PRODUCT = ("env/", "policies/", "agents/", "results/", "tools/")

# Words that code must not have: where, pattern, what to do instead.
BANS = [
    (PRODUCT, r"\bstd::\w+_distribution\b", "differs between libraries; use env/base/random.h"),
    (PRODUCT, r"\b(random_device|mt19937\w*|default_random_engine|s?rand\s*\()",
     "not addressed; use env/base/random.h"),
    (PRODUCT, r"\bstd::(random_)?shuffle\b", "differs between libraries; use env/base/random.h"),
    (PRODUCT, r"\bstd::hash\b", "differs between libraries; use mix64 of env/base/random.h"),
    (WORLD, rf"\bstd::({LIBM})[fl]?\b|(?<![\w:.>])({LIBM})\(",
     "libm's last bits differ between processors; use env/base/math.h"),
    (NO_CLOCK, r"\b(system|steady|high_resolution)_clock\b|\bgettimeofday\b|\bclock_gettime\b"
               r"|(?<![\w.>])(std::)?(time|clock)\(\s*(nullptr|NULL|0)?\s*\)",
     "no wall clock here: time is simulated"),
    (CODE, r"\busing\s+namespace\b", "say which names"),
]
# math.cpp and math.h are where log and exp come from.
BAN_EXCEPTIONS = {"env/base/math.cpp", "env/base/math.h"}

UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX)\b")  # split, or this file would hold them
LOOKUP_ONLY = "// tidy: lookup-only"
LINE_LIMIT = 100
FUNCTION_LIMIT = 70
SOURCE_SUFFIXES = {".h", ".cpp", ".py", ".sh", ".cmake"}
TEXT_SUFFIXES = SOURCE_SUFFIXES | {".md", ".yaml", ".json", ".txt"}
SKIPPED_FOLDERS = {".git", "build", "runs", "__pycache__"}


class Tree:
    """The files of a source tree, read once."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.text = {}
        for path in sorted(self.root.rglob("*")):
            relative = path.relative_to(self.root)
            if SKIPPED_FOLDERS & set(relative.parts) or not path.is_file():
                continue
            if path.suffix in TEXT_SUFFIXES:
                self.text[relative.as_posix()] = path.read_text(encoding="utf-8")
        self.code = {name: without_comments(text) for name, text in self.text.items()
                     if name.endswith((".h", ".cpp"))}

    def lines(self, table, prefixes=("",)):
        """(name, line number, line) of all files in `table` below one of the prefixes."""
        for name, text in table.items():
            if name.startswith(tuple(prefixes)):
                for number, line in enumerate(text.split("\n"), 1):
                    yield name, number, line


def without_comments(text):
    """C++ with comments and the insides of literals blanked; lines and columns stay."""
    token = re.compile(r'R"(?P<mark>\w*)\(.*?\)(?P=mark)"|//[^\n]*|/\*.*?\*/'
                       r'|"(?:\\.|[^"\\\n])*"|(?<![0-9A-Fa-f])\'(?:\\.|[^\'\\\n])+\'', re.S)

    def blank(match):
        found = match.group(0)
        before = text.rfind("\n", 0, match.start()) + 1
        if found.startswith('"') and text[before:match.start()].lstrip().startswith("#include"):
            return found
        keep = found[0] + found[-1] if found[0] in "\"'" else ""
        inner = re.sub(r"[^\n]", " ", found)
        return keep[:1] + inner[1:-1] + keep[1:] if keep else inner

    return token.sub(blank, text)


def room_of(name):
    """The room that a file lies in; None outside all of them."""
    parts = name.split("/")
    if parts[0] == "env":
        return "/".join(parts[:2])
    return parts[0] if parts[0] in MAY_INCLUDE else None


def includes(tree):
    """(name, line number, what is included with its quotes) of all C++ files."""
    for name, number, line in tree.lines(tree.code):
        match = re.match(r'\s*#\s*include\s*(["<][^">]+[">])', line)
        if match:
            yield name, number, match.group(1)


def check_include_direction(tree):
    for name, number, target in includes(tree):
        room = room_of(name)
        if not target.startswith('"') or room is None:
            continue
        to = room_of(target[1:-1])
        if to is None:
            yield f"{name}:{number}: include {target} does not start at the repository's root"
        elif room not in MAY_INCLUDE:
            yield f"{name}:{number}: room {room} is unknown to tools/scripts/tidy.py"
        elif to not in MAY_INCLUDE[room]:
            yield f"{name}:{number}: {room} must not include {target}: includes point one way"


def check_single_owners(tree):
    for name, number, target in includes(tree):
        for library, pattern, owner in OWNED_LIBRARIES:
            if pattern.match(target) and not owner.fullmatch(name):
                yield f"{name}:{number}: only {owner.pattern} may include {library}"


def check_bans(tree):
    for prefixes, pattern, advice in BANS:
        ban = re.compile(pattern)
        for name, number, line in tree.lines(tree.code, prefixes):
            match = ban.search(line)
            if match and name not in BAN_EXCEPTIONS:
                yield f"{name}:{number}: `{match.group(0).strip()}`: {advice}"


def check_unordered(tree):
    code = list(tree.lines(tree.code, PRODUCT))
    text = list(tree.lines({name: tree.text[name] for name in tree.code}, PRODUCT))
    for (name, number, line), (_, _, whole) in zip(code, text):
        if "std::unordered_" in line and LOOKUP_ONLY not in whole:
            yield (f"{name}:{number}: the order of an unordered container is not fixed; sort, or "
                   f"write `{LOOKUP_ONLY}`")


def check_unfinished(tree):
    for name, number, line in tree.lines(tree.text):
        match = UNFINISHED.search(line)
        if match:
            yield f"{name}:{number}: {match.group(0)}: finish it or file an issue"


def check_line_length(tree):
    for name, number, line in tree.lines(tree.text):
        if pathlib.Path(name).suffix in SOURCE_SUFFIXES and len(line) > LINE_LIMIT:
            yield f"{name}:{number}: {len(line)} columns, more than {LINE_LIMIT}"


def check_pragma_once(tree):
    for name in tree.code:
        if name.endswith(".h") and "#pragma once" not in tree.code[name]:
            yield f"{name}:1: header without #pragma once"


def functions(code):
    """(line of the opening brace's statement, lines) of every function body in `code`."""
    aligned = r"(\s*alignas\([^()]*\))?"
    container = re.compile(
        r"\b(namespace|class|struct|union|enum|extern)\b" + aligned + "[^()=]*$")
    stack, statement = [], 0
    for match in re.finditer(r"[{};]|^\s*#.*$", code, re.M):
        char = match.group(0)
        if char == "{":
            head = code[statement:match.start()].strip()
            inside = "function" in [kind for kind, _ in stack]
            if container.search(head):
                kind = "container"
            elif not inside and ")" in head and not head.endswith(("=", ",", "return")):
                kind = "function"
            else:
                kind = "block"
            start = match.start() - len(code[statement:match.start()].lstrip())
            stack.append((kind, start))
        elif char == "}" and stack:
            kind, start = stack.pop()
            if kind == "function":
                yield code.count("\n", 0, start) + 1, code.count("\n", start, match.start()) + 1
        statement = match.end()


def check_function_length(tree):
    for name, code in tree.code.items():
        for line, length in functions(code):
            if length > FUNCTION_LIMIT:
                yield f"{name}:{line}: function of {length} lines, more than {FUNCTION_LIMIT}"


def check_headers_are_used(tree):
    used = {target[1:-1] for _, _, target in includes(tree)}
    for name in tree.code:
        if name.endswith(".h") and room_of(name) and name not in used:
            yield f"{name}:1: nobody includes this header"


def check_catalogue_sources(tree):
    """In scenarios/catalogue every entry and every group in it says where its figures are from."""
    for name, text in tree.text.items():
        if not (name.startswith("scenarios/catalogue/") and name.endswith(".yaml")):
            continue
        lines = [line.rstrip() for line in text.split("\n")]
        for number, line in enumerate(lines, 1):
            opener = re.fullmatch(r"( *)([\w.-]+):(?: +#.*)?", line)
            if not opener:
                continue
            indent, key = len(opener.group(1)), opener.group(2)
            if indent == 0 and key == "profiles":
                continue  # the section that its entries stand in, each with a source
            if not has_source(lines[number:], indent):
                yield f"{name}:{number}: {key} has no source"


def has_source(lines, indent):
    """Whether the YAML block that starts at `lines` below `indent` has a source of its own."""
    inner = None
    for line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        depth = len(line) - len(line.lstrip())
        if depth <= indent:
            break
        inner = depth if inner is None else inner
        if depth == inner and re.match(r" *source: *[\"'>|]?.{8,}", line):
            return True
    return False


def check_targets(tree, compile_commands):
    """Every source is compiled by the build whose compile_commands.json this is."""
    entries = json.loads(pathlib.Path(compile_commands).read_text(encoding="utf-8"))
    root = tree.root.resolve()
    compiled = set()
    for entry in entries:
        path = (pathlib.Path(entry["directory"]) / entry["file"]).resolve()
        if root in path.parents:
            compiled.add(path.relative_to(root).as_posix())
    torch = any(name.startswith("agents/torch/") for name in compiled)
    for name in tree.code:
        if not name.endswith(".cpp") or name in compiled:
            continue
        if torch or not name.startswith("agents/torch/"):
            yield f"{name}:1: no target compiles this file"


def check_scenario_reference(tree, command):
    """docs/scenario.md is what the program prints of its reader's declarations."""
    printed = subprocess.run([command, "list", "--scenario-reference"], capture_output=True,
                             text=True, check=True).stdout
    if tree.text.get("docs/scenario.md") != printed:
        yield ("docs/scenario.md:1: stale; write it anew: "
               "yardmaster list --scenario-reference > docs/scenario.md")


CHECKS = [check_include_direction, check_single_owners, check_bans, check_unordered,
          check_unfinished, check_line_length, check_pragma_once, check_function_length,
          check_headers_are_used, check_catalogue_sources]


def run_checks(root, compile_commands=None, command=None):
    """All faults of the tree, as lines `path:line: what`."""
    tree = Tree(root)
    faults = [fault for check in CHECKS for fault in check(tree)]
    if compile_commands:
        faults += check_targets(tree, compile_commands)
    if command:
        faults += check_scenario_reference(tree, command)
    return faults


# --- self-test: a tree without fault, then one planted fault at a time ---

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
    ("env/base/g.h", "#pragma once\n", "nobody includes"),
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
        return run_checks(root, commands, str(program))


def self_test():
    """Exit code of the self-test: every planted fault must be found, the clean tree has none."""
    failures = [f"fault in the clean tree: {fault}" for fault in faults_of(CLEAN)]
    for name, text, expected in PLANTED:
        faults = faults_of({**CLEAN, name: text})
        if not any(fault.startswith(name) and expected in fault for fault in faults):
            failures.append(f"{name}: planted `{expected}`, found {faults}")
    print("\n".join(failures) or f"tidy finds all of {len(PLANTED)} planted faults")
    return 1 if failures else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("--compile-commands", metavar="FILE")
    parser.add_argument("--command", metavar="PATH")
    arguments = parser.parse_args()
    if arguments.self_test:
        return self_test()
    root = pathlib.Path(__file__).resolve().parent.parent.parent
    faults = run_checks(root, arguments.compile_commands, arguments.command)
    print("\n".join(faults) or "tidy: no faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
