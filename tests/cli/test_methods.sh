# test_methods.sh - every method from images to predictions: defaults, settings of one method, class-specific contexts, resuming.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/lib.sh"

"$make_fixture" model m && "$make_fixture" data d 6 10 6 || exit 1
short="shots=4 optim.epochs=2 slip.mlp_dim=16"
expect 0 'coop +CoOp +optim.epochs=200 \(50\) optim.batch=32' "$gopro" train --help
expect 0 'for.METHOD.OPTION=value' "$gopro" train --help
methods=$("$gopro" train --help | sed -n 's/^  method .*(\(.*\)) .*/\1/p' | tr '|' ' ')
check "the help lists no methods" test -n "$methods"

for m in $methods; do
    [ "$m" = zeroshot ] || [ "$m" = linear_probe ] && continue
    expect 0 'HM' "$gopro" train --model m --data d --out "$m" --subset base method=$m $short
    expect 0 'HM' "$gopro" train --model m --data d --out "$m.3" --subset base method=$m $short threads=3 loader.threads=2
    same "$m/prompt.safetensors" "$m.3/prompt.safetensors"
    same "$m/result.json" "$m.3/result.json"
    expect 0 'HM' "$gopro" train --model m --data d --out "$m.again" --subset base --config "$m/config.yaml"
    same "$m/prompt.safetensors" "$m.again/prompt.safetensors"
    # what the run measured, measured again from the folder
    expect 0 'accuracy' "$gopro" eval "$m" --subset new --json
    check "$m: eval disagrees with the run" python3 - "$m/result.json" <<'PY'
import json, sys
run, again = json.load(open(sys.argv[1])), json.load(open("out.txt"))
assert run["test"]["new"]["accuracy"] == again["test"]["new"]["accuracy"], (run["test"]["new"], again["test"])
assert run["train"]["parameters"] > 0 or run["method"] == "tip_adapter"
PY
    image=$(find d -name '*.png' | sort | head -1)
    expect 0 '' "$gopro" predict "$m" "$image"
    expect 0 'another thing' "$gopro" predict "$m" "$image" --classes "another thing,a third"
done
# A classifier of the trained classes only.
expect 0 'class by class says nothing about new classes' "$gopro" train --model m --data d --out linear_probe --subset base method=linear_probe $short
expect 0 'base' "$gopro" train --model m --data d --out linear_probe.3 --subset base method=linear_probe $short threads=3 loader.threads=2
same linear_probe/prompt.safetensors linear_probe.3/prompt.safetensors
expect 0 '' "$gopro" predict linear_probe "$image"
expect 2 'is none of the 3 trained on' "$gopro" predict linear_probe "$image" --classes "another thing,a third"
# Tip-Adapter: nothing to train but a cache; its keys can be learnt.
check "the cache has learnable numbers" grep -q '"parameters": 0' tip_adapter/result.json
expect 0 'HM' "$gopro" train --model m --data d --out tip_s --subset base method=tip_adapter select=best_test $short
check "an epoch was chosen where there is none" sh -c 'grep -q "\"model_selection\": \"last epoch\"" tip_s/result.json && ! grep -q "TEST" tip_s/result.json both.txt'
expect 0 'HM' "$gopro" train --model m --data d --out tip_f --subset base method=tip_adapter tip.finetune=1 optim.lr=0.1 $short
differ tip_adapter tip_f
check "SLIP's head is kept with the prompt" sh -c '! grep -aq "head.layer1" slip/prompt.safetensors'

# Defaults of the method, settings of one method, and what is recorded.
expect 0 '' "$gopro" train --model m --data d --out defaults --subset base method=coop shots=1 optim.warmup_epochs=0
check "CoOp's defaults are not recorded" sh -c 'grep -q "epochs: 200" defaults/config.yaml && grep -q "batch: 32" defaults/config.yaml'
expect 0 '' "$gopro" train --model m --data d --out all --subset all method=coop shots=1
check "CoOp's default for all classes is not recorded" grep -q 'epochs: 50' all/config.yaml
expect 0 '' "$gopro" train --model m --data d --out for --subset base method=coop $short for.coop.optim.epochs=2 for.cocoop.M=9 for.coop.optim.lr=0.01
check "the most specific setting does not hold" sh -c 'grep -q "epochs: 2$" for/config.yaml && grep -q "lr: 0.01" for/config.yaml'
check "settings of methods are recorded as such" sh -c '! grep -q "^for" for/config.yaml'
printf 'for:\n  coop:\n    optim: {epochs: 2, lr: 0.01}\n' >for.yaml
expect 0 '' "$gopro" train --model m --data d --out file --subset base --config for.yaml method=coop $short
same for/prompt.safetensors file/prompt.safetensors
expect 2 "no method 'cop'.*did you mean coop" "$gopro" train --model m --data d --out x method=coop for.cop.M=2
expect 2 'seed cannot be set for one method only' "$gopro" train --model m --data d --out x for.coop.seed=2
expect 2 'needs optim.batch of at least 2' "$gopro" train --model m --data d --out x --subset base method=slip shots=4 optim.batch=1

# Class-specific contexts: rows by name, nothing about new classes.
expect 0 'class by class says nothing about new classes' "$gopro" train --model m --data d --out csc --subset base method=coop coop.csc=1 coop.position=middle $short
check "there is an accuracy on new classes" sh -c '! grep -q "\"new\"" csc/result.json'
check "there is a harmonic mean" sh -c '! grep -q "\"hm\"" csc/result.json'
expect 2 'is none of the 3 trained on' "$gopro" eval csc --subset new
expect 2 'is none of the 3 trained on' "$gopro" predict csc "$image" --classes "no such class,nor this"
"$gopro" predict csc "$image" --json >p1.json
check "the classes of the prompt are not listed" test -s p1.json
check "contexts do not follow their names" python3 - "$gopro" "$image" <<'PY'
import json, subprocess, sys
def predict(*more):
    out = subprocess.run([sys.argv[1], "predict", "csc", sys.argv[2], "--json", "--top", "3", *more], capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
    def pairs(x):
        if isinstance(x, dict):
            if "class" in x and "probability" in x:
                yield x["class"], x["probability"]
            for v in x.values():
                yield from pairs(v)
        elif isinstance(x, list):
            for v in x:
                yield from pairs(v)
    return dict(pairs(json.loads(out.stdout)))
a = predict()
assert len(a) == 3, a
b = predict("--classes", ",".join(reversed(sorted(a))))
assert all(abs(a[k] - b[k]) < 1e-5 for k in a), (a, b)
PY
# In a table such a method has its base accuracy, no new and no HM; said once, whatever the number of runs.
expect 0 'Linear probe +[0-9.]+ ±[0-9.]+\*? +- +-' "$gopro" protocol b2n --model m --data d --methods zeroshot,linear_probe,coop --seeds 1,2 --out b2n coop.csc=1 $short
check "not one warning for each of the two" test "$(grep -c 'has no accuracy on new classes' err.txt)" = 2
check "a run without new classes is called failed" sh -c '! grep -q FAILED b2n/b2n/report.txt && ! find b2n -name failed.json | grep -q .'
check "the ranking by HM has rows without HM" python3 - <<'PY'
import csv, json
r = json.load(open("b2n/b2n/result.json"))
d = r["datasets"]["d"]
for m in ("linear_probe", "coop"):
    c = d[m]
    assert c["base"]["mean"] > 0 and c["new"] is None and c["hm"] is None and c["rival"] is None, c
    assert all(s["state"] == "done" and s["new"] is None and s["base"]["accuracy"] >= 0 for s in c["seeds"])
assert d["zeroshot"]["hm"] > 0 and d["zeroshot"]["rival"] is None
rows = [x for x in csv.DictReader(open("b2n/b2n/report.csv")) if x["method"] == "linear_probe"]
assert len(rows) >= 3 and all(x["base"] and not x["new"] and not x["hm"] and not x["new_nll"] for x in rows), rows
PY
expect 0 'already done' "$gopro" protocol b2n --model m --data d --methods zeroshot,linear_probe,coop --seeds 1,2 --out b2n coop.csc=1 $short
check "what is done is warned of again" sh -c '! grep -q "has no accuracy on new classes" err.txt'
no_leftovers .
finish
