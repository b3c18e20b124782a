#!/usr/bin/env bash
# scaling.sh - how the time and memory of a step grow with classes, images, context tokens and threads, at ViT-B/16 with random weights, and
# what follows for the time of the paper's tables.
# SPDX-License-Identifier: Apache-2.0
#
#   bench/scaling.sh [OUT]     OUT.jsonl (a line for each point), OUT.md (tables and predictions, also on standard output), OUT.svg (curves)
#                              [build/scaling]
#
# GOPRO: the program [build/release/gopro]; THREADS [all]; REPEATS [2]; PRECISIONS [f32 bf16]; PASSES [2]: the faster of so many measurements
# counts, since what else a machine does comes and goes; ONLY: a pattern of the points to measure; ADD=1 adds to OUT.jsonl, of the
# same build, instead of starting anew.
# About a quarter of an hour for each pass on two idle cores.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
gopro=${GOPRO:-$root/build/release/gopro} threads=${THREADS:-$(nproc)}
out=${1:-$root/build/scaling}
[ -x "$gopro" ] || { echo "scaling.sh: $gopro is not there; build it or set GOPRO" >&2; exit 2; }
mkdir -p "$(dirname "$out")"
draft=$out.jsonl.tmp.$$
trap 'rm -f "$draft"' EXIT
[ -z "${ADD:-}" ] || [ ! -f "$out.jsonl" ] || cp "$out.jsonl" "$draft"

point() { # SERIES X WHAT OPTIONS...
  local series=$1 x=$2 what=$3
  shift 3
  [[ "$precision, $series: $x" =~ ${ONLY:-.} ]] || return 0
  echo "$precision, $series: $x" >&2
  "$gopro" bench "$what" --quiet --json --repeats "${REPEATS:-2}" precision="$precision" threads="$threads" "$@" |
    python3 -c 'import json, sys; r = json.load(sys.stdin); print(json.dumps({"series": sys.argv[1], "x": int(sys.argv[2]), **r}))' "$series" "$x" >>"$draft"
}

for pass in $(seq "${PASSES:-2}"); do for precision in ${PRECISIONS:-f32 bf16}; do
  for k in 10 50 100 500 1000; do point "classes, CoCoOp, batch 1" $k step method=cocoop --batch 1 --classes $k; done
  for k in 10 50 100 500; do point "classes, GOPro, batch 4" $k step method=gopro --batch 4 --classes $k; done
  for k in 10 100; do
    point "classes, CoOp, batch 32" $k step method=coop --batch 32 --classes $k
    point "classes, MaPLe, batch 4" $k step method=maple --batch 4 --classes $k
    point "classes, StyLIP, batch 4" $k step method=stylip --batch 4 --classes $k
    point "classes, SLIP, batch 32" $k step method=slip --batch 32 --classes $k
  done
  for b in 1 4 16 64; do point "images, CoOp, 50 classes" $b step method=coop --batch $b; done
  for b in 2 4 16; do point "images, GOPro, 50 classes" $b step method=gopro --batch $b; done
  for m in 1 4 16; do point "context tokens, CoCoOp, batch 1, 50 classes" $m step method=cocoop M=$m --batch 1; done
  point "prediction, CLIP" 50 predict method=zeroshot
  for k in 50 500; do
    point "prediction, CoCoOp" $k predict method=cocoop --classes $k
    point "prediction, StyLIP" $k predict method=stylip --classes $k
    point "prediction, GOPro" $k predict method=gopro --classes $k
  done
  for t in $(seq 1 "$threads"); do point "threads, GOPro, batch 4, 50 classes" "$t" step method=gopro --batch 4 threads="$t"; done
  for t in $(seq 1 "$threads"); do point "threads, CoCoOp, batch 1, 50 classes" "$t" step method=cocoop --batch 1 threads="$t"; done
done; done

mv "$draft" "$out.jsonl"
python3 "$root/bench/scaling.py" "$out.jsonl" "$out.svg" | tee "$out.md"
