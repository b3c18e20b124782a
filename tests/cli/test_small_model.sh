#!/usr/bin/env bash
# test_small_model.sh - the committed small CLIP, end to end, on images the test draws: size, zero-shot, learning, prediction, same bytes.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/lib.sh"
model=$source_dir/models/small

check "the weights are above 8 MiB" test "$(stat -c %s "$model/model.safetensors")" -le $((8 << 20))
check "no model card" test -s "$model/README.md"
"$make_fixture" data shapes 8 16 8 || exit 1

number() { sed -nE "s/.*accuracy +([0-9.]+).*/\1/p" out.txt | head -n 1; }
above() { awk -v a="$2" -v b="$3" 'BEGIN { exit !(a > b) }' || fail "$1: $2 is not above $3"; }

expect 0 'zeroshot' "$gopro" zeroshot --model "$model" --data shapes 'template=a drawing of a {}.'
zero=$(number)
checks=$((checks + 1))
above "zero-shot against chance (12.5 %)" "${zero:-0}" 12.5

train() { # OUT THREADS
  "$gopro" train --model "$model" --data shapes --out "$1" --config "$source_dir/embedded/methods.yaml" threads="$2" optim.epochs=6 --quiet
}
expect 0 '' train one 1
expect 0 '' train two 2
expect 0 '' train four 4
for f in prompt.safetensors result.json; do
  same one/$f two/$f
  same one/$f four/$f
done
expect 0 'accuracy' "$gopro" eval one
learnt=$(number)
checks=$((checks + 1))
above "learnt prompts against zero-shot" "${learnt:-0}" "$zero"

image=$(find shapes/test -name '*.png' | sort | head -n 1)
expect 0 '%' "$gopro" predict one "$image"
expect 0 'hexagon|blue circle' "$gopro" predict one "$image" --classes 'blue circle,hexagon' --top 2
expect 0 'cat' "$gopro" predict --zeroshot --model "$model" --classes cat,dog "$image"
finish
