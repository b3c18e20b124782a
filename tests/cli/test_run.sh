# test_run.sh - a run from images to predictions: files, determinism over threads, skipping, interrupting and resuming.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/lib.sh"

"$make_fixture" model m && "$make_fixture" data d 6 10 6 || exit 1
options="shots=4 optim.epochs=6"

expect 0 'all +accuracy .*36 images, 6 classes' "$gopro" zeroshot --model m --data d
expect 0 'new +accuracy .*18 images, 3 classes' "$gopro" zeroshot --model m --data d --subset new ensemble=7
expect 0 '"accuracy"' "$gopro" zeroshot --model m --data d --json 'template=itap of a {}.'
check "the JSON of zeroshot is not one object" python3 -c 'import json; json.load(open("out.txt"))'

expect 0 'HM' "$gopro" train --model m --data d --out one --subset base $options threads=1
for f in run.json config.yaml draw.json metrics.jsonl prompt.safetensors result.json DONE; do
    check "one/$f is missing" test -f "one/$f"
done
check "the checkpoint stays after the run" test ! -e one/checkpoint.safetensors
check "not one line of metrics per epoch" test "$(wc -l <one/metrics.jsonl)" = 6
check "metrics lines lack a number" python3 - <<'PY'
import json
for line in open("one/metrics.jsonl"):
    m = json.loads(line)
    assert {"epoch", "loss", "terms", "accuracy", "lr", "images_per_s", "loader_wait", "shift_spread", "context_drift"} <= set(m), m
    assert {"ce", "con"} <= set(m["terms"]) and 0 <= m["loader_wait"] <= 1, m
PY
check "the draw names absolute paths" python3 - <<'PY'
import json
d = json.load(open("one/draw.json"))
assert len(d["train"]) == 24 and not any(p[0].startswith("/") for p in d["train"]), d
PY

# The same bytes with any number of threads.
for n in 2 4; do
    expect 0 'HM' "$gopro" train --model m --data d --out "threads$n" --subset base $options threads=$n loader.threads=$n
    same one/prompt.safetensors "threads$n/prompt.safetensors"
    same one/result.json "threads$n/result.json"
done
# Another seed gives other bytes: the comparison can fail.
expect 0 'HM' "$gopro" train --model m --data d --out seed2 --subset base $options seed=2
differ one seed2

# Finished: skipped without touching; another configuration: refused, and the difference is named.
stamp=$(stat -c %Y.%i one/prompt.safetensors one/result.json)
expect 0 'already done' "$gopro" train --model m --data d --out one --subset base $options threads=2
check "a finished run was written again" test "$stamp" = "$(stat -c %Y.%i one/prompt.safetensors one/result.json)"
expect 2 "another configuration.*optim.epochs is '6' there, '7' here" "$gopro" train --model m --data d --out one --subset base shots=4 optim.epochs=7
expect 2 'another configuration.*subset' "$gopro" train --model m --data d --out one --subset all $options
# An option that the folder does not name, because it is younger: it had its default there.
sed -i '/"views.fixed"/d' one/run.json
expect 0 'already done' "$gopro" train --model m --data d --out one --subset base $options
expect 2 "another configuration.*views.fixed is 'absent' there, '2' here" "$gopro" train --model m --data d --out one --subset base $options views.fixed=2
# The recorded configuration repeats the run.
expect 0 'HM' "$gopro" train --model m --data d --out again --subset base --config one/config.yaml
same one/prompt.safetensors again/prompt.safetensors

# Interrupted in the middle, twice, and once by SIGTERM: the same bytes as without.
long="shots=8 optim.epochs=300 checkpoint.every=0"
expect 0 'HM' "$gopro" train --model m --data d --out full --subset base $long
interrupted part 300 "INT TERM INT" "$gopro" train --model m --data d --out part --subset base $long
expect 0 'resumed at epoch' "$gopro" train --model m --data d --out part --subset base $long
same full/prompt.safetensors part/prompt.safetensors
same full/result.json part/result.json
check "metrics of the resumed run" test "$(wc -l <part/metrics.jsonl)" = 300
check "epochs are not in order" python3 -c 'import json; assert [json.loads(l)["epoch"] for l in open("part/metrics.jsonl")] == list(range(1, 301))'

# Training does something: the loss falls.
check "the loss did not fall" python3 -c 'import json; v = [json.loads(l)["terms"]["ce"] for l in open("full/metrics.jsonl")]; assert sum(v[-10:]) < 0.8 * sum(v[:10]), (v[:3], v[-3:])'

# Testing and predicting.
expect 0 'new +accuracy' "$gopro" eval part --subset new --per-class
expect 0 'base +accuracy' "$gopro" eval part --subset base --data d --model m
base=$(python3 -c 'import json; print("%.2f" % json.load(open("part/result.json"))["test"]["base"]["accuracy"])')
check "eval and the run disagree" grep -q "accuracy *$base" out.txt
# A run in bf16 is tested and used in bf16, unless something else is asked for.
half=$(half_cpu)
expect 0 'HM' env GOPRO_CPU=$half "$gopro" train --model m --data d --out half --subset base $options precision=bf16
nll() { python3 -c 'import json; print("NLL %.4f" % json.load(open("half/result.json"))["test"]["base"]["nll"])'; }
expect 0 "$(nll)" env GOPRO_CPU=$half "$gopro" eval half --subset base
expect 0 "$(nll)" env GOPRO_CPU=$half "$gopro" eval half --subset base precision=bf16
env GOPRO_CPU=$half "$gopro" eval half --subset base precision=f32 2>/dev/null >out.txt
check "asked for f32, the test is the one in bf16" sh -c "! grep -q '$(nll)' out.txt"
expect 0 '' env GOPRO_CPU=$half "$gopro" predict half 'd/test/blue circle/000.png' --json
mv out.txt half.json
expect 0 '' env GOPRO_CPU=$half "$gopro" predict half 'd/test/blue circle/000.png' --json precision=bf16
same half.json out.txt
expect 0 '' env GOPRO_CPU=$half "$gopro" predict half 'd/test/blue circle/000.png' --json precision=f32
check "asked for f32, the prediction is the one in bf16" sh -c '! cmp -s half.json out.txt'
# Its own data is read as it was then: the names of its classes, and which images are for the test.
same_test() { # RUN COMMAND...: the test that the command prints is the run's own
    local want
    want=$(python3 -c 'import json, sys; print("NLL %.4f" % json.load(open(sys.argv[1] + "/result.json"))["test"]["all"]["nll"])' "$1")
    shift
    expect 0 "$want" "$@"
}
ls d/train | sed 's/\(.*\) \(.*\)/&\t\2, \1/' >renamed.txt
expect 0 'accuracy' "$gopro" train --model m --data d --out named --class-names renamed.txt $options
same_test named "$gopro" eval named
same_test named "$gopro" eval named --data d
mkdir elsewhere
cd elsewhere || exit 1
same_test ../named "$gopro" eval ../named
cd ..
ls d/train >plain.txt
expect 0 'accuracy' "$gopro" eval named --class-names plain.txt
check "names that are asked for are not used" sh -c '! grep -q "$1" out.txt' - "$(python3 -c 'import json; print("NLL %.4f" % json.load(open("named/result.json"))["test"]["all"]["nll"])')"
expect 0 'accuracy' "$gopro" train --model m --data d/train --out shuffled data.split_seed=7 shots=2 optim.epochs=6
same_test shuffled "$gopro" eval shuffled
expect 0 'accuracy' "$gopro" eval shuffled data.split_seed=8
# And with the activation it was trained with.
expect 0 'HM' "$gopro" train --model m --data d --out gelu --subset base $options model.activation=gelu
expect 0 'accuracy' "$gopro" eval gelu --subset base
expect 4 'was learnt on weights' "$gopro" eval gelu --subset base model.activation=quickgelu
expect 0 '' "$gopro" explain gelu
expect 0 '' "$gopro" tsne gelu --out figure
# Bad images that were passed over, and files outside the folder of a list.
cp -r d broken && printf 'no image' >'broken/test/blue circle/000.png'
expect 0 'accuracy' "$gopro" train --model m --data broken --out over data.skip_bad=1 $options
same_test over "$gopro" eval over
mkdir list
{ echo path,label,split; for s in train test; do for f in "$PWD"/d/$s/*/*; do echo "$f,$(basename "$(dirname "$f")"),$s"; done; done; } >list/all.csv
expect 0 'accuracy' "$gopro" train --model m --data list/all.csv --out outside data.any_path=1 $options
expect 3 "data.any_path=1 allows it" "$gopro" eval outside # a run folder may be somebody else's
same_test outside "$gopro" eval outside data.any_path=1
expect 0 '%  blue c' "$gopro" predict part 'd/test/blue circle/000.png' --top 1
expect 0 'elephant' "$gopro" predict part 'd/test/blue circle/000.png' --classes 'red circle,elephant'
printf 'red circle\nelephant\r\n\n' >names.txt
expect 0 '"class":"elephant"' "$gopro" predict part 'd/test/blue circle/000.png' --classes-file names.txt --json
expect 0 'elephant' "$gopro" predict --zeroshot --model m 'd/test/blue circle/000.png' --classes 'red circle,elephant'
expect 0 'all +accuracy' "$gopro" train --model m --data d --out zs method=zeroshot
expect 0 'blue' "$gopro" predict zs 'd/test/blue circle/000.png'

# What makes GOPro's views: every other value is other images, so another prompt.
short="--subset base shots=2 optim.epochs=2 optim.warmup_epochs=0"
expect 0 'HM' "$gopro" train --model m --data d --out views $short
for o in moco_recipe=2 moco_recipe=random augmix_base=own_crop augmix_severity=2 augmix_severity=10; do
    expect 0 'HM' "$gopro" train --model m --data d --out "views-$o" $short gopro.$o
done
differ views views-*

# Settings on the way: start without words, fitted scale, losses switched off.
expect 0 'HM' "$gopro" train --model m --data d --out m2 --subset base shots=2 optim.epochs=2 M=2
check "M=2 keeps the words" grep -q "^ctx_init: *['\"]\{0,2\}\$" m2/config.yaml
expect 0 'HM' "$gopro" train --model m --data d --out fit --subset base shots=2 optim.epochs=2 logit_scale=fit
check "the fitted scale is not the best one" python3 -c 'import json; t = json.load(open("fit/result.json"))["train"]; assert t["logit_scale"] == t["best_logit_scale"]'
expect 0 'logit_scale=fit needs training shots: CLIP keeps' "$gopro" zeroshot --model m --data d logit_scale=fit
expect 0 'logit_scale=fit needs training shots: CLIP keeps' "$gopro" train --model m --data d --out zfit method=zeroshot logit_scale=fit
expect 0 'HM' "$gopro" train --model m --data d --out ce --subset base shots=2 optim.epochs=2 gopro.lambda_sem1=0 gopro.lambda_sem2=0 gopro.lambda_con=0
check "a loss of weight 0 was computed" python3 -c 'import json; assert list(json.loads(open("ce/metrics.jsonl").readline())["terms"]) == ["ce"]'

# The feature cache: a torn file is computed again.
expect 0 'accuracy' "$gopro" zeroshot --model m --data d --cache cache
cp out.txt first.txt
file=$(ls cache/*.safetensors)
head -c 500 "$file" >torn && cp torn "$file"
expect 0 'accuracy' "$gopro" zeroshot --model m --data d --cache cache
same first.txt out.txt
check "the torn cache file was not replaced" test "$(stat -c %s "$file")" -gt 500
no_leftovers .
finish
