#!/usr/bin/env bash
# scaling.sh - how the time and memory of a step grow with classes, images, context tokens and threads, at ViT-B/16 with random weights.
# SPDX-License-Identifier: Apache-2.0
#
#   bench/scaling.sh [OUT]     OUT.jsonl (a line for each point) and OUT.md (also on standard output) [build/scaling]
#
# GOPRO: the program [build/release/gopro]; THREADS [all]; REPEATS [3]; PRECISION [f32].  About ten minutes on two idle cores.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
gopro=${GOPRO:-$root/build/release/gopro} threads=${THREADS:-$(nproc)} precision=${PRECISION:-f32}
out=${1:-$root/build/scaling}
[ -x "$gopro" ] || { echo "scaling.sh: $gopro is not there; build it or set GOPRO" >&2; exit 2; }
mkdir -p "$(dirname "$out")"
draft=$out.jsonl.tmp.$$
trap 'rm -f "$draft"' EXIT

point() { # SERIES X OPTIONS...
  local series=$1 x=$2
  shift 2
  echo "$series $x" >&2
  "$gopro" bench step --quiet --json --repeats "${REPEATS:-3}" precision="$precision" threads="$threads" "$@" |
    python3 -c 'import json, sys; r = json.load(sys.stdin); print(json.dumps({"series": sys.argv[1], "x": int(sys.argv[2]), **r}))' "$series" "$x" >>"$draft"
}

for k in 10 50 100 500 1000; do point "classes, CoCoOp, batch 1" $k method=cocoop --batch 1 --classes $k; done
for k in 10 50 100 500; do point "classes, GOPro, batch 4" $k method=gopro --batch 4 --classes $k; done
for b in 1 4 16 64; do point "images, CoOp, 50 classes" $b method=coop M=16 --batch $b; done
for b in 2 4 16; do point "images, GOPro, 50 classes" $b method=gopro --batch $b; done
for m in 1 4 16; do point "context tokens, CoCoOp, batch 1, 50 classes" $m method=cocoop M=$m --batch 1; done
for t in $(seq 1 "$threads"); do point "threads, GOPro, batch 4, 50 classes" "$t" method=gopro --batch 4 threads="$t"; done

mv "$draft" "$out.jsonl"
python3 - "$out.jsonl" <<'PY' | tee "$out.md"
import json, sys

rows = [json.loads(line) for line in open(sys.argv[1])]
print("| series | | s per step | GFLOP | GFLOP/s | share of the peak | MiB |\n| --- | --- | --- | --- | --- | --- | --- |")
last = None
for r in rows:
    name = "" if r["series"] == last else r["series"]
    last = r["series"]
    print(f"| {name} | {r['x']} | {r['step_s']:.3f} ({r['step_min_s']:.3f} to {r['step_max_s']:.3f}) | {r['gflop']:.0f} | {r['gflops']:.0f} | "
          f"{100 * r['fraction']:.0f} % | {r['rss_mib']:.0f} |")
PY
