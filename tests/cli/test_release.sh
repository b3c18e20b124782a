# test_release.sh - GOPro's released variant beside the paper's: every flag both ways, the choice of the epoch, new classes.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/lib.sh"

"$make_fixture" model m && "$make_fixture" data d 6 8 6 || exit 1
release="method=gopro_release shots=4 optim.epochs=3"

train() { # NAME OPTIONS...: a run of the released variant in folder NAME
    local name=$1
    shift
    expect 0 'HM' "$gopro" train --model m --data d --out "$name" --subset base $release "$@"
}

# The same bytes with any number of threads of either kind.
train one threads=1
train threads3 threads=3 loader.threads=3
same one/prompt.safetensors threads3/prompt.safetensors
same one/result.json threads3/result.json
check "the recorded method and terms" python3 - <<'PY'
import json
r, m = json.load(open("one/result.json")), [json.loads(l) for l in open("one/metrics.jsonl")]
assert r["method"] == "gopro_release" and r["model_selection"] == "last epoch" and "selection" not in r, r
assert list(m[0]["terms"]) == ["ce", "sem_moco", "sem_augmix", "con"] and m[0]["shift_spread"] > 0, m[0]
PY

# Each flag in its other position gives another prompt (R1 to R8); the given position is the default.
for flag in pv_in_ce=1 train_q=0 sem=l2_label views=crop views=image moco_norm=clip augmix_index=own lambda_con=1; do
    train "${flag%=*}-${flag#*=}" gopro_release.$flag
    differ one "${flag%=*}-${flag#*=}"
done
differ views-crop views-image
train same gopro_release.pv_in_ce=0 gopro_release.train_q=1 gopro_release.sem=mse_all gopro_release.views=wrapped \
    gopro_release.moco_norm=imagenet gopro_release.augmix_index=first gopro_release.lambda_con=0.1
same one/prompt.safetensors same/prompt.safetensors
# The losses one by one (R18); a loss of weight 0 is not computed.
for only in ce sem1 sem2 con; do
    options=
    for l in ce sem1 sem2 con; do [ $l = $only ] || options="$options gopro_release.lambda_$l=0"; done
    train "only-$only" $options
done
check "losses that were switched off were computed" python3 - <<'PY'
import json
for name, term in (("ce", "ce"), ("sem1", "sem_moco"), ("sem2", "sem_augmix"), ("con", "con")):
    assert list(json.loads(open(f"only-{name}/metrics.jsonl").readline())["terms"]) == [term], name
PY
expect 2 'optim.batch of at least 2' "$gopro" train --model m --data d --out bad --subset base $release optim.batch=1
expect 2 "gopro_release.views 'wrap' is not one of|gopro_release.views" "$gopro" train --model m --data d --out bad --subset base $release gopro_release.views=wrap
check "a refused run left a folder" test ! -e bad/DONE

# M counts (R10): without words of its own the default start gives way, with them they must agree.
train m2 M=2
check "M=2 keeps the words" grep -q "^ctx_init: *['\"]\{0,2\}\$" m2/config.yaml
expect 2 "'a photo of a' has 4 tokens but M is 2" "$gopro" train --model m --data d --out bad --subset base $release M=2 'ctx_init=a photo of a'

# New classes are classified by their own names (R13): other names of the same number, other probabilities.
image='d/test/blue circle/000.png'
expect 0 'elephant' "$gopro" predict one "$image" --classes 'elephant,red panda,raccoon' --json
cp out.txt names1.txt
expect 0 'rocket' "$gopro" predict one "$image" --classes 'rocket,blue circle,tea' --json
check "other class names gave the same probabilities" python3 - <<'PY'
import re
p = [re.findall(r'"probability": ?([0-9.eE+-]+)', open(f).read()) for f in ("names1.txt", "out.txt")]
assert len(p[0]) == len(p[1]) == 3 and sorted(p[0]) != sorted(p[1]), p
PY

# Which epoch is kept (R12).  best_test is a leak and says so everywhere; best_val needs validation images.
"$make_fixture" data v 6 8 6 && for c in v/train/*; do mkdir -p "v/val/${c##*/}" && cp "$c"/00[0-3].png "v/val/${c##*/}/"; done
for s in last best_val best_test; do
    expect 0 'HM' "$gopro" train --model m --data v --out "s-$s" --subset base $release optim.lr=0.05 optim.epochs=8 select=$s
    cp out.txt "s-$s.txt"
    cp err.txt "s-$s.err"
done
check "the leak is not told" grep -q 'ON THE TEST IMAGES' s-best_test.txt
check "the leak is not warned of" grep -q 'measures that leak' s-best_test.err
check "the last epoch needs no remark" sh -c '! grep -q kept: s-last.txt'
check "how the epoch was chosen" python3 - <<'PY'
import json
r = {s: json.load(open(f"s-{s}/result.json")) for s in ("last", "best_val", "best_test")}
logs = {s: [json.loads(l) for l in open(f"s-{s}/metrics.jsonl")] for s in r}
assert "selection" not in r["last"] and "selection_accuracy" not in logs["last"][0]
assert r["best_val"]["model_selection"] == "best epoch on validation images", r["best_val"]
assert "TEST" in r["best_test"]["model_selection"]
for s in ("best_val", "best_test"):
    sel, acc = r[s]["selection"], [m["selection_accuracy"] for m in logs[s]]
    assert sel["rule"] == s and sel["on_test_images"] == (s == "best_test")
    assert len(acc) == 8 and abs(sel["accuracy"] - max(acc)) < 1e-3 and sel["epoch"] == 1 + acc.index(max(acc)), (sel, acc)
    assert abs(sel["last_epoch_accuracy"] - acc[-1]) < 1e-3
# the kept prompt is the one that was scored best: its base accuracy is the best, and at least the last epoch's
t = {s: r[s]["test"]["base"]["accuracy"] for s in r}
assert abs(t["best_test"] - r["best_test"]["selection"]["accuracy"]) < 1e-9, t
assert abs(t["last"] - r["best_test"]["selection"]["last_epoch_accuracy"]) < 1e-9 and t["best_test"] >= t["last"], t
PY
expect 0 'ON THE TEST IMAGES' "$gopro" eval s-best_test --subset base
expect 3 'needs validation images' "$gopro" train --model m --data d --out bad2 --subset base $release select=best_val

# A method with an image tower of its own is scored with the features it has then.
expect 0 'HM' "$gopro" train --model m --data v --out maple --subset base method=maple shots=4 optim.lr=0.05 optim.epochs=4 select=best_test
check "the kept epoch is not the one that was scored" python3 -c 'import json; r = json.load(open("maple/result.json")); assert abs(r["test"]["base"]["accuracy"] - r["selection"]["accuracy"]) < 1e-9, r'

# Interrupted while epochs are scored: the same bytes as without.
long="$release shots=8 optim.lr=0.05 optim.epochs=80 checkpoint.every=0 select=best_test"
expect 0 'HM' "$gopro" train --model m --data v --out full --subset base $long
interrupted part 80 "INT TERM" "$gopro" train --model m --data v --out part --subset base $long
expect 0 'HM' "$gopro" train --model m --data v --out part --subset base $long
same full/prompt.safetensors part/prompt.safetensors
same full/result.json part/result.json

# Both variants as rows of one table, and the mark of a selected epoch in it.
expect 0 'GOPro release' "$gopro" protocol b2n --model m --data d --methods zeroshot,gopro,gopro_release --seeds 1 --out p shots=2 optim.epochs=2
check "a row is missing" python3 -c 'import json; assert set(json.load(open("p/b2n/result.json"))["average"]) == {"zeroshot", "gopro", "gopro_release"}'
expect 0 'last epoch' cat p/b2n/report.txt
expect 0 'ON THE TEST IMAGES' "$gopro" protocol b2n --model m --data d --methods gopro_release --seeds 1 --out leak shots=2 optim.epochs=2 select=best_test
for f in report.txt report.md result.json; do check "leak/$f does not tell the leak" grep -q 'ON THE TEST IMAGES' leak/b2n/$f; done
no_leftovers .
finish
