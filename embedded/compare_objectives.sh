#!/usr/bin/env bash
# Pretrains the small CLIP with CLIP's objective and with SLIP's on the same pairs in the same order, the same number of steps each, and prints a
# table: drawings by artists kept out of training, validation images of the base classes, the scales that fit, the time.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

usage() {
  cat <<'TXT'
usage: embedded/compare_objectives.sh [--steps N] [--data FOLDER] [OUT] [key=value ...]
  --steps N      steps of each pretraining [1000]
  --data FOLDER  what embedded/prepare.sh --pretrain makes, made if it is missing [embedded-data in the repository]
  OUT            results: OUT/clip and OUT/slip are model folders with their logs, OUT/table.md the table [build/objectives]
  key=value      options of both pretrainings, for example pretrain.ssl_mlp_dim=4096
An interrupted run goes on where it stopped.  GOPRO_BUILD names the build folder [build/demo].
TXT
}

root=$(cd "$(dirname "$0")/.." && pwd)
steps=1000 data=$root/embedded-data out= options=()
while [ $# -gt 0 ]; do
  case $1 in
  --steps | --data)
    [ $# -gt 1 ] || { usage >&2 && exit 2; }
    [ "$1" = --steps ] && steps=$2 || data=$2
    shift
    ;;
  -h | --help) usage && exit 0 ;;
  -*) usage >&2 && exit 2 ;;
  *=*) options+=("$1") ;;
  *)
    [ -z "$out" ] || { usage >&2 && exit 2; }
    out=$1
    ;;
  esac
  shift
done
[[ $steps =~ ^[1-9][0-9]{0,8}$ ]] || { echo "compare_objectives.sh: --steps $steps: expected a whole number above 0" >&2 && exit 2; }
out=${out:-$root/build/objectives}
build=${GOPRO_BUILD:-$root/build/demo}

cmake -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=Release -DGOPRO_TESTS=OFF -DGOPRO_EMBEDDED=ON >/dev/null
cmake --build "$build" --target gopro -j2 >/dev/null
GOPRO_BUILD=$build "$root/embedded/prepare.sh" --pretrain "$data" >&2
gopro=$build/gopro
mkdir -p "$out"

# A finished model is not made again, so OUT belongs to one set of settings.
settings="steps=$steps ${options[*]-} $(sha256sum <"$root/embedded/pretrain.yaml" | cut -c1-16) $(sha256sum <"$data/.made-from" | cut -c1-16)"
if [ -f "$out/settings" ] && [ "$settings" != "$(cat "$out/settings")" ]; then
  echo "compare_objectives.sh: $out was made with other settings; give another OUT or remove it" >&2
  exit 2
fi
printf '%s\n' "$settings" >"$out/settings"

for objective in clip slip; do
  folder=$out/$objective
  [ -f "$folder/model.safetensors" ] && continue
  start=$SECONDS before=$(cat "$folder.seconds" 2>/dev/null || echo 0)
  trap 'echo $((before + SECONDS - start)) >"$folder.seconds"' EXIT
  "$gopro" pretrain --config "$root/embedded/pretrain.yaml" --pairs "$data/pretrain/pairs.tsv" --val "$data/pretrain/pairs_val.tsv" \
    --out "$folder" pretrain.objective="$objective" pretrain.steps="$steps" ${options[@]+"${options[@]}"}
  trap - EXIT
  echo $((before + SECONDS - start)) >"$folder.seconds"
done

# Zero-shot on validation images of the base classes: neither new classes nor test images take part.
sets=()
while read -r set; do
  sets+=("$set")
  python3 "$root/scripts/study/pseudo_split.py" "$data/$set" "$out/base/$set" 1
  for objective in clip slip; do
    "$gopro" zeroshot --quiet --json --model "$out/$objective" --data "$out/base/$set" >"$out/base/$set.$objective.json"
  done
done <"$root/embedded/demo_datasets.txt"

python3 - "$out" "$steps" "${sets[@]}" <<'PY' | tee "$out/table.md"
import json, os, sys

out, steps, sets = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
both = ("clip", "slip")


def log(objective):
    lines = [json.loads(line) for line in open(os.path.join(out, objective, "pretrain.jsonl"))]
    train = [x for x in lines if "loss" in x][-1]
    return {**train, **[x for x in lines if "val_loss" in x][-1]}


def zero_shot(objective, name):
    test = json.load(open(os.path.join(out, "base", f"{name}.{objective}.json")))["test"]
    return next(iter(test.values()))


def row(title, form, values):
    print(f"| {title} | " + " | ".join("-" if v is None else format(v, form) for v in values) + " |")


logs = [log(o) for o in both]
print(f"| {steps} steps each | CLIP | SLIP |\n| --- | --- | --- |")
row("seconds per step, with loading and validation", ".2f", [int(open(os.path.join(out, o + ".seconds")).read()) / steps for o in both])
for key, title in (("loss", "CLIP's loss at the end"), ("acc", "its accuracy, %"), ("ssl_loss", "SimCLR's loss"), ("ssl_acc", "its accuracy, %")):
    row(title, ".2f", [x.get(key) for x in logs])
for key, title in (("val", "artists kept out"), ("view", "the same in training views")):
    row(f"{title}, 24 names: accuracy, %", ".1f", [x[key + "_acc"] for x in logs])
    row("cross-entropy at the best-fitting scale (ln 24 = 3.18)", ".3f", [x[key + "_loss"] for x in logs])
    row("best-fitting scale", ".1f", [x[key + "_scale"] for x in logs])
row("learnt scale", ".1f", [x["scale"] for x in logs])
results = [[zero_shot(o, s) for s in sets] for o in both]
for i, s in enumerate(sets):
    row(f"{s}, base classes, validation images: zero-shot, %", ".1f", [r[i]["accuracy"] for r in results])
row("mean of the datasets, %", ".2f", [sum(x["accuracy"] for x in r) / len(sets) for r in results])
row("mean cross-entropy", ".3f", [sum(x["nll"] for x in r) / len(sets) for r in results])
PY
