#!/usr/bin/env bash
# Installs, builds and runs every test and check.
#
#   tools/test.sh          format, lint, sanitizers, then the release build and all its tests
#   tools/test.sh --fast   the release build and all its tests
#
# Stops at the first failure. The release tests come last, so that ctest's closing line is the end;
# the lines before it say how many tests were skipped and why.
#
# While editing, build less: cmake --preset dev && cmake --build --preset dev && ctest --preset dev
set -euo pipefail
cd "$(dirname "$0")/.."

fast=false
case "${1:-}" in
  '') ;;
  --fast) fast=true ;;
  *) sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac

jobs=$(nproc)
junit=$(mktemp)
trap 'rm -f "$junit"' EXIT
step() { printf '\n== %s (%d s)\n' "$*" "$SECONDS"; }
sources() { find "$@" \( -name '*.h' -o -name '*.cpp' \) -print0; }
build() {  # PRESET [OPTION...]
  cmake --preset "$1" >/dev/null
  cmake --build --preset "$@" --parallel "$jobs"
}
check() {  # PRESET [OPTION...]
  ctest --preset "$@" --parallel "$jobs" --no-label-summary --progress --output-junit "$junit" |
    ./tools/scripts/report_skipped.py "$junit"
}

step "Installing what is missing"
./tools/scripts/setup.sh

if ! $fast; then
  step "Format"
  sources env policies agents results tools tests | xargs -0 clang-format --dry-run --Werror
fi

step "Building: release"
build release

if ! $fast; then
  step "Lint"
  # Not agents/torch: clang 14 cannot read LibTorch 1.13 in C++20.
  sources env policies agents/*.cpp results tools | grep -z '\.cpp$' |
    xargs -0 -n 1 -P "$jobs" clang-tidy -p build/release --quiet \
      --extra-arg-before=-include --extra-arg-before=cmake/source_location_for_clang.h \
      --extra-arg=-Wno-ignored-optimization-argument  # -ffat-lto-objects is GCC's
  step "Building: asan"
  build asan
  step "Tests: asan"
  check asan
  # Threads are in training, in the writer of results and in the command: unit tests reach them all.
  step "Building: tsan"
  build tsan --target unit_tests yardmaster
  step "Tests: tsan"
  check tsan -L unit
  if [[ $(uname -m) == x86_64 ]] && grep -qw avx2 /proc/cpuinfo; then
    step "Building: x86-64-v3"
    build v3 --target golden_tests
    step "Tests: x86-64-v3"
    check v3 -L golden
  fi
fi

step "Tests: release"
check release
