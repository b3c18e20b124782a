#!/usr/bin/env bash
# All systems in the three protocols, two ablations and a figure on the embedded data with the small CLIP.
# usage: embedded/results.sh [OUT [PART ...]]   OUT: run folders and reports (default runs/results); what is there is not repeated.
# PART: b2n bf16 (b2n again in bf16) xd dg losses tokens tsne (default: all).  At the end docs/results is written anew.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-runs/results}
[ $# -eq 0 ] || shift
parts=${*:-b2n bf16 xd dg losses tokens tsne}
for p in $parts; do
  case $p in b2n | bf16 | xd | dg | losses | tokens | tsne) ;; *) echo "results.sh: there is no part '$p', expected b2n bf16 xd dg losses tokens tsne" >&2 && exit 2 ;; esac
done

scripts/install_deps.sh build embedded
cmake -S . -B build/demo -G Ninja -DCMAKE_BUILD_TYPE=Release -DGOPRO_TESTS=OFF -DGOPRO_EMBEDDED=ON >/dev/null
cmake --build build/demo >/dev/null
data=${GOPRO_EMBEDDED_DATA:-embedded-data}
[ -n "${GOPRO_EMBEDDED_DATA:-}" ] || GOPRO_BUILD=$PWD/build/demo embedded/prepare.sh "$data"

systems=zeroshot,slip,coop,cocoop,maple,stylip,gopro
list() { printf "$data/%s," "$@" | sed 's/,$//'; }
things="food vehicles places nature animals jobs activities"
all="objects $things groups faces letters"
few="food vehicles places" # twelve prompts each: on all seven it takes three quarters of an hour more
to=$out
gopro() {
  build/demo/gopro "$@" --config embedded/methods.yaml --model models/small --out "$to" --jobs "$(nproc)" --seeds 1-3 >/dev/null
}

for p in $parts; do
  printf '\n== %s (%d s)\n' "$p" $SECONDS >&2
  case $p in
  b2n) gopro protocol b2n --methods $systems --data "$(list $all)" ;;
  bf16) to=$out/bf16 gopro protocol b2n --methods $systems --data "$(list $all)" precision=bf16 ;;
  xd) gopro protocol xd --methods $systems --source "$data/objects" --data "$(list $things groups faces letters)" ;;
  dg) gopro protocol dg --methods $systems --source "$data/style-colour" --data "$(list style-outlined style-solid style-line)" ;;
  losses) gopro ablate losses --data "$(list $things)" ;;
  tokens) gopro ablate tokens --data "$(list $few)" ;;
  tsne)
    r=$out/runs/groups/base
    build/demo/gopro tsne "$r/slip/seed1" "$r/cocoop/seed1" "$r/gopro/seed1" --zeroshot --subset base --out "$out/tsne" >/dev/null
    ;;
  esac
done

# Without the columns that depend on the machine (s: seconds, MiB), the same bytes on every run.
without_cost() {
  awk -F'|' '
    !/^\|/ { table = 0; print; next }
    !table { table = 1; split("", drop); for (i = 2; i < NF; i++) { h = $i; gsub(/ /, "", h); drop[i] = h == "s" || h == "MiB" } }
    { line = ""; for (i = 2; i < NF; i++) if (!drop[i]) line = line "|" $i; print line "|" }' | sed 's/ s: seconds of training of one run, MiB: its peak memory,//'
}
mkdir -p docs/results
for from in b2n bf16/b2n xd dg ablate-losses ablate-tokens; do
  [ -f "$out/$from/result.json" ] || continue
  name=$(basename "$from")
  [ "$from" != bf16/b2n ] || name=b2n-bf16
  without_cost <"$out/$from/report.md" >"docs/results/$name.md"
  cp "$out/$from/report.csv" "docs/results/$name.csv"
  cp "$out/$from/result.json" "docs/results/$name.json"
  [ ! -f "$out/$from/chart.svg" ] || cp "$out/$from/chart.svg" "docs/results/$name.svg"
done
for f in "$out"/tsne/tsne.svg "$out"/tsne/tsne.json; do [ ! -f "$f" ] || cp "$f" docs/results/; done
printf '\n== done (%d s): tables and machine-readable results are in docs/results\n' $SECONDS >&2
