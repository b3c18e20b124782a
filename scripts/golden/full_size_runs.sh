#!/usr/bin/env bash
# full_size_runs.sh - what a user does with a checkpoint, at ViT-B/16 and ViT-L/14 with random weights: import, zero-shot, training GOPro,
# testing the run, prediction; in f32 and bf16, from the imported folder and from OpenAI's file itself; with the time and memory of each.
# SPDX-License-Identifier: Apache-2.0
#
#   scripts/golden/full_size_runs.sh GOPRO MAKE_FIXTURE MERGES FOLDER [CONFIG...]
#
# MERGES is CLIP's merges file (bpe_simple_vocab_16e6.txt.gz); FOLDER needs about 4 GB.  Needs python3-torch.  METHODS and EPOCHS say what is
# trained and how long.  Random weights know no classes, so accuracy means nothing here.  Checked is that everything works; that the file
# itself and the imported folder give the same bytes; that losses are finite and do not grow; that the test says the same as prediction; that
# bf16 moves no probability of one prompt by more than 5 points, and those of a prompt also learnt in bf16 by no more than 5 on average.
# A failure is told, and the exit status is 1.  `trial` is a small CONFIG to try this script with.
set -euo pipefail
gopro=$(realpath "$1") fixture=$(realpath "$2") merges=$(realpath "$3") out=$4
shift 4
[ $# -gt 0 ] || set -- vit_b16 vit_l14
python=${PYTHON:-/usr/bin/python3}
here=$(cd "$(dirname "$0")" && pwd)
methods=${METHODS:-gopro}
export OMP_NUM_THREADS=1 GOPRO_MODEL=
mkdir -p "$out" && cd "$out"

# say WHAT COMMAND...: time and memory; its output is in said.out.
say() {
  local what=$1 line
  shift
  line=$("$python" "$here/measure.py" said.out "$@" 2>said.err) || { printf 'FAILED: %s: %s\n' "$what" "$(cat said.err)"; exit 1; }
  printf '%s: %s\n' "$what" "$line"
}

same() {
  cmp "$2" "$3" || { printf 'FAILED: %s: %s and %s differ\n' "$1" "$2" "$3"; exit 1; }
}

# sane CONFIG METHOD: the runs f32 and bf16, and the predictions f32.json, mixed.json (f32's prompt in bf16) and bf16.json.
sane() {
  "$python" - "$@" <<'PY'
import json, math, sys
config, method = sys.argv[1:]
lines = lambda f: [json.loads(l) for l in open(f)]
said = {}
for p in ("f32", "bf16"):
    loss = [m["loss"] for m in lines(p + "/metrics.jsonl")]
    ok = all(map(math.isfinite, loss)) and loss[-1] <= loss[0]
    print(f"{config} {method} {p}: loss of the epochs", *(f"{x:.4f}" for x in loss))
    if not ok:
        sys.exit(f"FAILED: {config} {method} {p}: the loss is not finite or grew")
for p in ("f32", "mixed", "bf16"):
    rows = lines(p + ".json")
    said[p] = [{c["class"]: c["probability"] for c in r["top"]} for r in rows]
    for r, q in zip(rows, said[p]):
        if len(q) != 5 or not abs(sum(q.values()) - 1) < 1e-5:
            sys.exit(f"FAILED: {config} {method} {p}: probabilities of {r['image']}: {q}")
    if p != "mixed":
        right = sum(r["top"][0]["class"] == r["image"].split("/")[-2] for r in rows)
        test = json.load(open(p + "/result.json"))["test"]["all"]
        if (right, len(rows)) != (test["correct"], test["images"]):
            sys.exit(f"FAILED: {config} {method} {p}: prediction has {right} of {len(rows)} right, the test {test['correct']} of {test['images']}")
for p in ("mixed", "bf16"):
    d = [abs(a[k] - b[k]) for a, b in zip(said["f32"], said[p]) for k in a]
    most, mean = max(d), sum(d) / len(d)
    spread = max(max(a.values()) for a in said["f32"]) - min(min(a.values()) for a in said["f32"])
    how = "predicted" if p == "mixed" else "trained and predicted"
    print(f"{config} {method}: {how} in bf16, probabilities are off by {mean:.4f} on average, {most:.4f} at most; they spread over {spread:.4f}")
    if not (most if p == "mixed" else mean) < 0.05:
        sys.exit(f"FAILED: {config} {method}: bf16 is too far from f32")
PY
}

for config in "$@"; do
  rm -rf openai_jit clip data f32 bf16
  "$python" "$here/checkpoints.py" full $config openai_jit . >/dev/null
  rm -f openai_jit/merges.txt openai_jit/vocab.json
  cp "$merges" openai_jit/
  "$fixture" data data 5 4 4
  say "$config import" "$gopro" import openai_jit/ViT.pt clip
  for p in f32 bf16; do
    say "$config zero-shot, 20 images, $p" "$gopro" zeroshot --model clip --data data --json precision=$p
    mv said.out zeroshot.$p
    say "$config zero-shot, 20 images, $p, from the file itself" "$gopro" zeroshot --model openai_jit/ViT.pt --data data --json precision=$p
    same "$config zero-shot $p" zeroshot.$p said.out
  done
  for method in $methods; do
    rm -rf f32 bf16
    for p in f32 bf16; do
      say "$config $method, training ${EPOCHS:-3} epochs of 5 steps of 4 images and the test, $p" "$gopro" train --model clip --data data --out $p \
        method=$method shots=4 precision=$p optim.batch=4 optim.epochs=${EPOCHS:-3}
      say "$config $method, the test again, $p" "$gopro" eval $p --json precision=$p
      say "$config $method, prediction, 20 images, $p" "$gopro" predict $p data/test/*/*.png --json precision=$p
      mv said.out $p.json
    done
    say "$config $method, prediction, one image, f32" "$gopro" predict f32 "data/test/blue circle/000.png" --json
    same "$config $method, one image" <(head -1 f32.json) said.out
    say "$config $method, prediction, 20 images, f32, with the file itself" "$gopro" predict f32 data/test/*/*.png --json --model openai_jit/ViT.pt
    same "$config $method, prediction" f32.json said.out
    say "$config $method, prediction, 20 images, f32's prompt in bf16" "$gopro" predict f32 data/test/*/*.png --json precision=bf16
    mv said.out mixed.json
    sane $config $method
  done
  rm -rf openai_jit clip data f32 bf16
done
echo "all as expected"
