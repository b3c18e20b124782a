#!/usr/bin/env bash
# table.sh - the whole table of steps and predictions: gopro in f32 and bf16 against plain PyTorch, in one run on one machine.
# SPDX-License-Identifier: Apache-2.0
#
#   bench/peer/table.sh [OUT]     OUT.md (the table, also on standard output) and OUT.jsonl (a line for each row) [build/peer/table]
#
# GOPRO: the program [build/release/gopro]; PYTHON: one with PyTorch [/usr/bin/python3]; THREADS [2]; REPEATS [3]; CONFIG [vit_b16];
# CLASSES [50]; TEXT_CLASSES [1000]; PRECISION [f32,bf16; f32 where the processor has no product in bf16].  About half an hour on two cores;
# the largest row needs what it says, at most 24 GiB.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
python=${PYTHON:-/usr/bin/python3} gopro=${GOPRO:-$root/build/release/gopro} threads=${THREADS:-2} config=${CONFIG:-vit_b16}
classes=${CLASSES:-50} work=${WORK:-$root/build/peer}
out=${1:-$root/build/peer/table}

"$python" -c 'import torch' 2>/dev/null || { echo "table.sh: $python has no PyTorch; apt-get install python3-torch" >&2; exit 2; }
[ -x "$gopro" ] || { echo "table.sh: $gopro is not there; build it or set GOPRO" >&2; exit 2; }
if [ -z "${PRECISION:-}" ]; then
  PRECISION=f32,bf16
  "$gopro" doctor --json | "$python" -c 'import json, sys; sys.exit(json.load(sys.stdin)["bf16_gflops"] == 0)' || {
    echo "table.sh: this processor has no matrix product in bf16: f32 only" >&2
    PRECISION=f32
  }
fi
mkdir -p "$(dirname "$out")"
draft=$out.jsonl.tmp.$$
trap 'rm -f "$draft"' EXIT
: >"$draft"
failed=0

row() { # WHAT OPTIONS...
  "$python" "$here/peer.py" "$@" --gopro "$gopro" --work "$work" --threads "$threads" --repeats "${REPEATS:-3}" --config "$config" \
    --precision "$PRECISION" --json "$draft" >&2 || { echo "table.sh: this row failed: $*" >&2; failed=1; }
}

{
  sed -n 's/^model name[[:space:]]*: */CPU: /p' /proc/cpuinfo | head -n 1
  echo "$(nproc) processors, $threads threads used, $(awk '/MemAvailable/ { printf "%.1f", $2 / 1048576 }' /proc/meminfo) GiB free, load $(cut -d ' ' -f 1-3 /proc/loadavg)"
} | tee "$out.machine" >&2

row step --method gopro_release --batch 1 --classes "$classes"
row step --method gopro --batch 4 --classes "$classes"
row step --method gopro --batch 4 --classes "$classes" --all-classes
row step --method gopro_release --batch 4 --classes "$classes"
row step --method cocoop --batch 1 --classes "$classes"
row step --method maple --batch 4 --classes "$classes"
row step --method coop --batch 32 --n-ctx 16 --classes "$classes"
row step --method coop --batch 32 --n-ctx 16 --classes "$classes" --known-views
row predict --method zeroshot --classes "$classes"
row predict --method cocoop --classes "$classes"
row predict --method gopro --classes "$classes"
row text --classes "${TEXT_CLASSES:-1000}"

mv "$draft" "$out.jsonl"
{
  cat "$out.machine"
  echo
  "$python" "$here/peer.py" table "$out.jsonl"
} >"$out.md.tmp.$$"
mv "$out.md.tmp.$$" "$out.md"
rm -f "$out.machine"
cat "$out.md"
exit $failed
