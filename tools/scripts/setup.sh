#!/usr/bin/env bash
# Installs with apt the packages that the build and the checks need. For Debian 12 and its
# relatives. Where no package is missing it does nothing and needs no rights.
set -euo pipefail

packages=(
  g++ cmake ninja-build ccache mold pkg-config
  libtorch-dev libopenblas0-pthread libeigen3-dev libyaml-cpp-dev libhdf5-dev libfmt-dev
  libcli11-dev nlohmann-json3-dev zlib1g-dev libbenchmark-dev libgtest-dev
  clang-format clang-tidy python3 hdf5-tools python3-h5py
)

if ! command -v dpkg-query >/dev/null; then
  echo "setup: no dpkg here; install by other means: ${packages[*]}" >&2
  exit 1
fi

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null || true)
  [[ $status == installed ]] || missing+=("$package")
done
if ((${#missing[@]} == 0)); then
  exit 0
fi

as_root=()
if ((EUID != 0)); then
  if ! command -v sudo >/dev/null; then
    echo "setup: run as root, or install sudo; missing: ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi

echo "setup: installing ${missing[*]}"
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
