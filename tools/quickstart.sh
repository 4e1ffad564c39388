#!/usr/bin/env bash
# From a bare Debian 12 to the main task in at most 10 minutes on 2 cores: installs, builds,
# compares the baselines, trains a DQN, and compares all on seeds that training did not use.
set -euo pipefail
cd "$(dirname "$0")/.."

scenario=scenarios/quickstart.yaml
checkpoint=results/runs/residual_dqn.ckpt.json
plain=results/runs/plain_dqn.ckpt.json
output=results/runs/quickstart.h5
baselines=round_robin,join_shortest_queue,shortest_expected_delay,marginal_cost
held_out=1000..1019

step() { printf '\n== %s\n' "$*"; }

step "Installing what is missing"
./tools/scripts/setup.sh

step "Building build/release/yardmaster"
cmake --preset release >/dev/null
cmake --build --preset release --target yardmaster yardmaster_torch
mkdir -p results/runs

step "Rules on held-out seeds $held_out"
build/release/yardmaster evaluate "$scenario" --policies "$baselines" --seeds "$held_out" \
  -o results/runs/quickstart_baselines.h5 --force

step "Training a residual DQN on other seeds"
build/release/yardmaster train "$scenario" -o "$checkpoint" --force

step "Training a plain DQN, which starts without a rule, for comparison"
build/release/yardmaster train "$scenario" --algorithm dqn -o "$plain" --force

step "Rules and DQNs on held-out seeds $held_out"
build/release/yardmaster evaluate "$scenario" --policies "$baselines,$checkpoint,$plain" \
  --seeds "$held_out" -o "$output" --force

printf '\nWrote %s; h5dump and h5py read it, results/README.md explains it.\n' "$output"
