#!/usr/bin/env bash
# Repeats the whole recipe of the small CLIP: fetches the drawings, makes the pretraining pairs, pretrains, and writes the model folder.
# usage: embedded/pretrain.sh [MODEL_FOLDER]  (default build/small-clip; an interrupted run goes on; half an hour to two hours on two cores)
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-build/small-clip}

scripts/install_deps.sh build embedded pretrain
cmake -S . -B build/demo -G Ninja -DCMAKE_BUILD_TYPE=Release -DGOPRO_TESTS=OFF -DGOPRO_EMBEDDED=ON >/dev/null
cmake --build build/demo >/dev/null
GOPRO_BUILD=$PWD/build/demo embedded/prepare.sh --pretrain embedded-data
build/demo/gopro pretrain --config embedded/pretrain.yaml --pairs embedded-data/pretrain/pairs.tsv --val embedded-data/pretrain/pairs_val.tsv \
  --out "$out"
