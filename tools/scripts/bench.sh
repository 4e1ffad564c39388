#!/usr/bin/env bash
# Speed on one trace: `yardmaster run` compared with the bare loop (tests/benchmark/bare_loop.h),
# which does the least possible work. Prints the best of several alternating runs of each, every run
# in its own process, and their ratio.
#
#   tools/scripts/bench.sh TRACE [RUNS]     TRACE: an Azure CSV, plain or gzipped
#
# Exit code 1 when the ratio is below a third.
set -euo pipefail
if (($# < 1)); then
  sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
if [[ ! -r $1 || ! -f $1 ]]; then
  echo "bench: $1: cannot be read (expected an Azure CSV, plain or gzipped)" >&2
  exit 2
fi
trace=$(realpath "$1")
runs=${2:-25}
cd "$(dirname "$0")/../.."

cmake --preset release >/dev/null
cmake --build --preset release --target yardmaster bare_loop >/dev/null

# The largest value of a numeric key over several JSON documents.
best() { grep -oE "\"$1\": *[0-9.e+]+" | grep -oE '[0-9.e+]+$' | sort -g | tail -n 1; }

bare=() full=()
for ((i = 0; i < runs; ++i)); do
  bare+=("$(build/release/tests/benchmark/bare_loop "$trace")")
  full+=("$(build/release/yardmaster run scenarios/azure_conversation.yaml \
    --set "workload.trace=$trace" --json)")
done
bare=$(printf '%s\n' "${bare[@]}" | best requests_per_s)
full=$(printf '%s\n' "${full[@]}" | best requests_per_wall_s)

awk -v bare="$bare" -v full="$full" 'BEGIN {
  printf "bare loop       %10.0f requests/s\n", bare
  printf "yardmaster run  %10.0f requests/s\n", full
  printf "ratio           %10.2f (bar 0.33)\n", full / bare
  exit full / bare < 1 / 3
}'
