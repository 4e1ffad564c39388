#!/usr/bin/env python3
"""Copies the output of ctest, and adds how many tests were skipped and why.

    ctest --output-junit FILE ... | tools/scripts/report_skipped.py FILE
    tools/scripts/report_skipped.py --self-test

The line `100% tests passed, ...` comes last; ctest prints its list of skipped tests after it.
"""

import collections
import re
import sys
import tempfile
import xml.etree.ElementTree

CLOSING = re.compile(r"\d+% tests passed")
# What GoogleTest prints: FILE:LINE: Skipped, then the reason.
REASON = re.compile(r": Skipped\n(.+)")


def skipped_by_reason(junit):
    """{reason: number of tests} of a JUnit file; no file counts as no test."""
    reasons = collections.Counter()
    try:
        root = xml.etree.ElementTree.parse(junit).getroot()
    except (OSError, xml.etree.ElementTree.ParseError):
        return reasons
    for case in root.iter("testcase"):
        skipped = case.find("skipped")
        if skipped is not None:
            found = REASON.search(case.findtext("system-out") or "")
            reasons[found.group(1) if found else skipped.get("message") or "no reason"] += 1
    return reasons


def report(reasons):
    """Lines that say how many tests were skipped and why."""
    if not reasons:
        return ["No test was skipped."]
    total = sum(reasons.values())
    lines = [f"{total} {'test was' if total == 1 else 'tests were'} skipped:"]
    return lines + [f"  {number:4d}  {why}" for why, number in reasons.most_common()]


def copy(source, sink, junit):
    closing = None
    for line in source:
        if CLOSING.match(line):
            closing = line
        else:
            sink.write(line)
            sink.flush()
    sink.write("\n" + "\n".join(report(skipped_by_reason(junit))) + "\n\n")
    if closing is not None:
        sink.write(closing)


def self_test():
    class Sink(list):
        write = list.append

        def flush(self):
            pass

    skipped = ("<testcase><skipped message='m'/><system-out>a.cpp:1: Skipped\n%s\n"
               "</system-out></testcase>")
    with tempfile.NamedTemporaryFile("w", suffix=".xml") as junit:
        junit.write("<testsuite><testcase/>" + skipped % "no data" + skipped % "no data"
                    + skipped % "no GPU" + "</testsuite>")
        junit.flush()
        sink = Sink()
        copy(["1/4 Test\n", "100% tests passed, 0 tests failed out of 4\n", "Total\n"], sink,
             junit.name)
    text = "".join(sink)
    expected = ("1/4 Test\nTotal\n\n3 tests were skipped:\n     2  no data\n     1  no GPU\n\n"
                "100% tests passed, 0 tests failed out of 4\n")
    if text != expected:
        print(f"expected:\n{expected}\nfound:\n{text}")
        return 1
    return 0


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    copy(sys.stdin, sys.stdout, sys.argv[1])
    return 0


if __name__ == "__main__":
    sys.exit(main())
