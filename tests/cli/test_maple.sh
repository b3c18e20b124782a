# test_maple.sh - a method with an image tower of its own: trained, tested and used for prediction through that tower, never from the cache.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/lib.sh"

"$make_fixture" model m && "$make_fixture" data d 6 10 6 || exit 1
options="method=maple shots=4 optim.epochs=8 optim.lr=0.05"

expect 0 'maple on d' "$gopro" train --model m --data d --out one --subset base $options threads=1
check "defaults of the method are not recorded" grep -Eq '^M: 2$' one/config.yaml
check "the words behind the context are not kept" grep -q 'ctx_init: *"a photo of a"' one/config.yaml
for n in 2 4; do
    expect 0 'HM' "$gopro" train --model m --data d --out "threads$n" --subset base $options threads=$n loader.threads=$n
    same one/prompt.safetensors "threads$n/prompt.safetensors"
    same one/result.json "threads$n/result.json"
done
check "the loss did not fall" python3 -c 'import json; v = [json.loads(l)["loss"] for l in open("one/metrics.jsonl")]; assert v[-1] < v[1], v'

# What predict says of every test image is what the run counted, so it goes through the learnt tower too.
"$gopro" predict one d/test/*/*.png --json >said.json || fail "predict failed"
check "predict and the run disagree" python3 - <<'PY'
import json
r = json.load(open("one/result.json"))["test"]["base"]
text = open("said.json").read()
rows = json.loads(text) if text.lstrip().startswith("[") else [json.loads(l) for l in text.splitlines()]
names = sorted({c["class"] for row in rows for c in row["top"]})
right = sum(row["top"][0]["class"] == row["image"].split("/")[2] for row in rows)
assert len(names) == r["classes"] and right == r["correct"], (names, right, r)
PY
base=$(python3 -c 'import json; print("%.2f" % json.load(open("one/result.json"))["test"]["base"]["accuracy"])')
expect 0 "accuracy *$base" "$gopro" eval one --subset base
expect 0 'elephant' "$gopro" predict one 'd/test/blue circle/000.png' --classes 'red circle,elephant'

# Features of the learnt tower are not those of the model: the cache is neither read nor written.
expect 0 'accuracy' "$gopro" zeroshot --model m --data d --cache cache
find cache -type f -exec stat -c '%n %s %Y' {} + | sort >before.txt
check "zero-shot left nothing in the cache" test -s before.txt
expect 0 'HM' "$gopro" train --model m --data d --out cached --subset base --cache cache $options
same one/result.json cached/result.json
find cache -type f -exec stat -c '%n %s %Y' {} + | sort >after.txt
same before.txt after.txt

# Interrupted and resumed: the same bytes.
long="method=maple shots=8 optim.epochs=200 checkpoint.every=0"
expect 0 'HM' "$gopro" train --model m --data d --out full --subset base $long
interrupted part 200 INT "$gopro" train --model m --data d --out part --subset base $long
expect 0 'resumed at epoch' "$gopro" train --model m --data d --out part --subset base $long
same full/prompt.safetensors part/prompt.safetensors
same full/result.json part/result.json

# An image that cannot be read is left out, named and counted, here as elsewhere.
cp -r d torn && echo "no image" >"torn/test/blue circle/000.png"
expect 3 '000.png' "$gopro" train --model m --data torn --out torn1 --subset base $options
expect 0 'skipped' "$gopro" train --model m --data torn --out torn2 --subset base $options data.skip_bad=1

# Settings: depth is cut to the towers, fewer and more tokens, contradictions.
expect 0 'HM' "$gopro" train --model m --data d --out deep --subset base $options maple.depth=128
expect 0 'HM' "$gopro" train --model m --data d --out shallow --subset base $options maple.depth=1
check "the depth has no effect" python3 -c 'import json; a, b = (json.load(open(f"{d}/result.json"))["test"]["base"]["nll"] for d in ("deep", "shallow")); assert a != b, a'
check "prompts beyond the depth are kept" sh -c '! grep -aq compound_prompts shallow/prompt.safetensors'
expect 0 'HM' "$gopro" train --model m --data d --out m1 --subset base $options M=1
expect 0 'HM' "$gopro" train --model m --data d --out m6 --subset base $options M=6
check "M=6 keeps four words" grep -q "^ctx_init: *['\"]\{0,2\}\$" m6/config.yaml
expect 2 'ctx_init' "$gopro" train --model m --data d --out m0 --subset base $options M=6 'ctx_init=a photo of a'
expect 2 'maple.depth' "$gopro" train --model m --data d --out m0 --subset base $options maple.depth=0
half=$(half_cpu)
for n in 1 3; do
    expect 0 'HM' env GOPRO_CPU=$half "$gopro" train --model m --data d --out "bf16.$n" --subset base $options precision=bf16 threads=$n
done
same bf16.1/prompt.safetensors bf16.3/prompt.safetensors
expect 0 'HM' env GOPRO_CPU=$half "$gopro" train --model m --data d --out f32 --subset base $options threads=1
check "the precision has no effect" sh -c '! cmp -s f32/prompt.safetensors bf16.1/prompt.safetensors'
check "a refused run left a folder" test ! -e m0
no_leftovers .
finish
