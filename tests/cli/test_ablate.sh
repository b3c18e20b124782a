# test_ablate.sh - ablations: which runs they make, that a setting equal to the default is the default's run, charts, mistakes.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/lib.sh"

"$make_fixture" model m && "$make_fixture" data one 4 8 3 && "$make_fixture" data two 4 8 3 || exit 1
ablate() { "$gopro" ablate "$@" --model m --seeds 1 --out p shots=2 optim.epochs=2; }

expect 0 'average' "$gopro" protocol b2n --model m --data one,two --seeds 1 --out p shots=2 optim.epochs=2
stamp=$(stat -c %Y.%i p/runs/one/base/gopro/seed1/result.json)

expect 0 'average +L_ce ' ablate losses --data one,two
check "the run with all losses is not the protocol's" grep -q '^10 runs to do' err.txt
check "not the six rows" test "$(grep -cE '^(one|average|two)? +(L_ce.*|all) +[0-9]+\.[0-9]{2}' p/ablate-losses/report.txt)" -ge 18
check "a loss that is off was computed" python3 - <<'PY'
import json
terms = lambda s: set(json.loads(open(f"p/runs/one/base/{s}/seed1/metrics.jsonl").readline())["terms"])
assert terms("gopro+gopro.lambda_sem1=0+gopro.lambda_sem2=0+gopro.lambda_con=0") == {"ce"}
assert terms("gopro+gopro.lambda_sem1=0+gopro.lambda_sem2=0") == {"ce", "con"}
r = json.load(open("p/ablate-losses/result.json"))
assert r["datasets"]["one"]["all"]["seeds"][0]["run"] == "runs/one/base/gopro/seed1"
assert [e["title"] for e in r["entries"]][-1] == "all"
PY

# The tiny model has room for 24 tokens: the longest context fails, the others stand.
expect 3 'the first: one M=16 random seed 1: .*the model takes 24' ablate tokens --data one
check "tokens: words or lengths are wrong" python3 - <<'PY'
import csv, re
rows = list(csv.DictReader(open("p/ablate-tokens/chart.csv")))
assert [(r["series"], r["M"]) for r in rows][:5] == [("GOPro words", "4"), ("GOPro random", "1"), ("GOPro random", "2"), ("GOPro random", "4"), ("GOPro random", "8")], rows
conf = lambda s: open(f"p/runs/one/base/{s}/seed1/config.yaml").read()
assert re.search(r"^M: 8$", conf("gopro+M=8+ctx_init="), re.M) and re.search(r"^ctx_init: *(''|\"\")?$", conf("gopro+ctx_init="), re.M)
PY
check "the chart is missing" grep -q '<svg' p/ablate-tokens/chart.svg

expect 0 '16 shots' ablate shots --data one --methods gopro --jobs 2
check "shots: the run with the common number is not shared" test ! -e p/runs/one/base/gopro+shots=2
check "shots were not drawn" python3 -c 'import json; assert len(json.load(open("p/runs/one/base/gopro+shots=1/seed1/draw.json"))["train"]) == 4'

# Any options; the more specific setting of the configuration gives way; zero-shot is run once whatever the grid.
printf 'for.gopro.optim.lr: 0.003\n' >own.yaml
grid() { "$gopro" ablate grid optim.lr=0.01,0.002 gopro.alpha=0.1,0.3 --config own.yaml --model m --data one --seeds 1 --out g shots=2 optim.epochs=2 "$@"; }
expect 0 'optim.lr=0.01 gopro.alpha=0.3' grid
check "a grid's value was not taken" sh -c 'grep -Eq "lr: 0.01$" "$0/gopro+optim.lr=0.01+gopro.alpha=0.3/seed1/config.yaml" && test -d "$0/gopro+optim.lr=0.002"' g/runs/one/base
expect 0 'CLIP optim.lr=0.01' grid --methods zeroshot,gopro
check "zero-shot was run for every setting" test "$(ls g/runs/one/base | grep -c zeroshot)" = 1
expect 0 'source one' "$gopro" ablate grid gopro.alpha=0.1,0.3 --protocol xd --model m --source one --data two --seeds 1 --out g shots=2 optim.epochs=2
check "the ablation of a transfer has no report" test -s g/ablate-grid-gopro.alpha-xd/chart.svg
check "the protocol's run was written again" test "$stamp" = "$(stat -c %Y.%i p/runs/one/base/gopro/seed1/result.json)"
expect 0 'ablate|Which loss' "$gopro" report p --quiet
check "not every report was made again" test "$(grep -c 'Backbone: m' out.txt)" = 4

expect 2 "which ablation" "$gopro" ablate --data one --out x
expect 2 "did you mean 'losses'" "$gopro" ablate loses --model m --data one --out x
expect 2 "there is no option 'optim.lrr'" "$gopro" ablate grid optim.lrr=1,2 --model m --data one --out x
expect 2 "optim.lr" "$gopro" ablate grid optim.lr=1,many --model m --data one --out x
expect 2 "needs an option with values" "$gopro" ablate grid --model m --data one --out x
expect 2 "given twice" "$gopro" ablate grid M=1,2 M=3,4 --model m --data one --out x
expect 2 "that is for 'grid'" "$gopro" ablate shots M=1,2 --model m --data one --out x
expect 2 "use --seeds" "$gopro" ablate grid seed=1,2 --model m --data one --out x
expect 2 "GOPro's" "$gopro" ablate losses --methods zeroshot --model m --data one --out x
check "a refused ablation left a folder" test ! -e x
no_leftovers .
finish
