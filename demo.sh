#!/usr/bin/env bash
# The main job on the embedded data: learns GOPro prompts on the small CLIP from 16 images per class and compares them with zero-shot CLIP on base
# and on new classes, over seven datasets and three seeds.  usage: demo.sh [RESULT_FOLDER]  (default runs/demo; a finished part is not repeated)
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
cd "$(dirname "$0")"
out=${1:-runs/demo}
start=$SECONDS
say() { printf '\n== %s (%d s)\n' "$1" $((SECONDS - start)) >&2; }

say "installing what is missing"
scripts/install_deps.sh build embedded

say "building"
cmake -S . -B build/demo -G Ninja -DCMAKE_BUILD_TYPE=Release -DGOPRO_TESTS=OFF -DGOPRO_EMBEDDED=ON >/dev/null
cmake --build build/demo >/dev/null

say "preparing the embedded datasets"
GOPRO_BUILD=$PWD/build/demo embedded/prepare.sh embedded-data

say "learning prompts: GOPro against zero-shot CLIP"
data=$(sed "s|^|embedded-data/|" embedded/demo_datasets.txt | paste -sd,)
build/demo/gopro protocol b2n --config embedded/methods.yaml --model models/small --data "$data" --methods zeroshot,gopro --seeds 1-3 \
  --jobs "$(nproc)" --out "$out"
say "done; the tables are in $out/b2n, the run folders in $out/runs"
