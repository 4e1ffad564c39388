#!/usr/bin/env python3
"""Checks of the source tree that no compiler makes. A test of ctest; also run by hand.

    tools/scripts/tidy.py [--compile-commands FILE] [--command PATH]    all checks, a line per fault

--compile-commands names the build's list of compiled files, for the check that every source has a
target; --command names the built program, for the check that docs/scenario.md is what it prints.
tidy_self_test.py plants each fault and checks that it is found.
"""

import argparse
import json
import pathlib
import re
import subprocess
import sys

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
TABLE_ROW_LIMIT = 200
FUNCTION_LIMIT = 70
FILE_LIMIT = 500
MEMBER_LIMIT = 20
# A longer file says so, and why, in its first lines: `// More than 500 lines: ...`.
LONG_FILE = re.compile(rf"More than {FILE_LIMIT} lines: \S+")
FIRST_LINES = 12
# Folders outside the clone, which nothing may rely on; split, or this file would hold the name.
OUTSIDE = re.compile(r"\.\./sha" r"red\b")
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
    """The room of a file; None where it lies in none."""
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


def check_outside(tree):
    for name, number, line in tree.lines(tree.text):
        match = OUTSIDE.search(line)
        if match:
            yield f"{name}:{number}: {match.group(0)} lies outside the clone; see tests/data"


def check_line_length(tree):
    for name, number, line in tree.lines(tree.text):
        if pathlib.PurePosixPath(name).suffix in SOURCE_SUFFIXES and len(line) > LINE_LIMIT:
            yield f"{name}:{number}: {len(line)} columns, more than {LINE_LIMIT}"


def check_comment_width(tree):
    """Comments in files whose other lines may be longer."""
    for name, number, line in tree.lines(tree.text):
        if len(line) > LINE_LIMIT and "#" in line and name.endswith((".yaml", "CMakeLists.txt")):
            yield f"{name}:{number}: {len(line)} columns, more than {LINE_LIMIT}"


def check_markdown_width(tree):
    """Prose within LINE_LIMIT and rows of tables within TABLE_ROW_LIMIT; not code blocks."""
    for name, text in tree.text.items():
        if not name.endswith(".md"):
            continue
        in_code = False
        for number, line in enumerate(text.split("\n"), 1):
            if re.match(r"\s*(```|~~~)", line):
                in_code = not in_code
            limit = TABLE_ROW_LIMIT if line.lstrip().startswith("|") else LINE_LIMIT
            # A link cannot be broken: the line may be as much longer as its address is.
            width = len(re.sub(r"\]\([^)\s]*\)|<?https?://[^\s)>|]+>?", "", line))
            if not in_code and width > limit:
                yield f"{name}:{number}: {len(line)} columns, more than {limit}"


def check_file_length(tree):
    for name, text in tree.text.items():
        lines = text.split("\n")
        suffix = pathlib.PurePosixPath(name).suffix
        if not name.startswith(PRODUCT) or suffix not in SOURCE_SUFFIXES:
            continue
        length = len(lines) - (1 if lines[-1] == "" else 0)
        if length > FILE_LIMIT and not any(map(LONG_FILE.search, lines[:FIRST_LINES])):
            yield (f"{name}:1: {length} lines, more than {FILE_LIMIT}; split it, or say why in its "
                   f"first lines: // More than {FILE_LIMIT} lines: ...")


def members(code):
    """(line, name, private data members) of every class or struct in `code`.

    Relies on the rule that names of private data members, and only those, end in an underscore.
    """
    depth, stack = 0, []  # of open classes: (depth of the body, line, name, members)
    statement = 0
    for match in re.finditer(r"[{};]|^\s*#.*$|\b(?:public|private|protected)\s*:", code, re.M):
        char, head = match.group(0), code[statement:match.start()]
        inside = bool(stack) and depth == stack[-1][0]
        if char in "{;" and inside:
            stack[-1][3].extend(declared_members(head))
        if char == "{":
            found = re.search(r"\b(?:class|struct)\s+(?:alignas\([^)]*\)\s*)?([\w:]+)"
                              r"(?:\s+final)?\s*(?::[^:].*)?$", head.strip(), re.S)
            depth += 1
            if found and "enum" not in head.split():
                line = code.count("\n", 0, match.start()) + 1
                stack.append((depth, line, found.group(1), []))
        elif char == "}":
            if inside:
                _, line, name, names = stack.pop()
                yield line, name, names
            depth -= 1
        # An initialiser in braces ends no declaration: `int a_{1}, b_{2};`.
        if not (char == "}" and re.match(r"\s*[,;]", code[match.end():])):
            statement = match.end()


def declared_members(statement):
    """Names of the data members that a statement in a class declares."""
    if re.match(r"\s*(using|typedef|friend|static|return|template)\b", statement):
        return []
    flat = statement
    while re.search(r"<[^<>]*>|\[[^\[\]]*\]|\([^()]*\)", flat):  # arguments, bounds
        if re.search(r"\w\s*\([^()]*\)", flat):
            return []  # a function
        flat = re.sub(r"<[^<>]*>|\[[^\[\]]*\]|\([^()]*\)", " ", flat)
    return re.findall(r"\b([A-Za-z]\w*_)\s*(?=[,=]|$)", flat)


def check_member_count(tree):
    for name, code in tree.code.items():
        if not name.startswith(PRODUCT):
            continue
        for line, owner, names in members(code):
            if len(names) > MEMBER_LIMIT:
                yield (f"{name}:{line}: {owner} has {len(names)} private data members, more than "
                       f"{MEMBER_LIMIT}")


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
            yield f"{name}:1: no file includes this header"


def check_catalogue_sources(tree):
    """In scenarios/catalogue every entry and every group in it states the source of its figures."""
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
          check_unfinished, check_outside, check_line_length, check_pragma_once,
          check_function_length, check_file_length, check_member_count, check_headers_are_used,
          check_catalogue_sources]
# Printed, but no fault yet: the tree does not pass them. Move each to CHECKS once it does.
WARNINGS = [check_comment_width, check_markdown_width]


def run_checks(root, compile_commands=None, command=None, checks=CHECKS):
    """All faults of the tree, as lines `path:line: what`."""
    tree = Tree(root)
    faults = [fault for check in checks for fault in check(tree)]
    if compile_commands:
        faults += check_targets(tree, compile_commands)
    if command:
        faults += check_scenario_reference(tree, command)
    return faults


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compile-commands", metavar="FILE")
    parser.add_argument("--command", metavar="PATH")
    arguments = parser.parse_args()
    root = pathlib.Path(__file__).resolve().parent.parent.parent
    for warning in run_checks(root, checks=WARNINGS):
        print(f"warning: {warning}")
    faults = run_checks(root, arguments.compile_commands, arguments.command)
    print("\n".join(faults) or "tidy: no faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
