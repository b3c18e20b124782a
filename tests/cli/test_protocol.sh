# test_protocol.sh - base-to-new over methods, datasets and seeds: tables, skipping, failures of single runs, several processes.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/lib.sh"

"$make_fixture" model m && "$make_fixture" data one 6 8 4 && "$make_fixture" data two 4 8 4 || exit 1
options="shots=4 optim.epochs=4"

expect 0 'average +CLIP' "$gopro" protocol b2n --model m --data one,two --seeds 1-2 --out p $options
check "no estimate before the runs" grep -Eq '6 runs to do; training will take about .*MiB' err.txt
check "the caption does not name the backbone" grep -q 'Backbone: m, weights [0-9a-f]\{12\}' out.txt
check "photographs are called drawings" sh -c '! grep -q "embedded drawings" out.txt'
for f in report.txt report.md report.csv result.json; do check "p/$f is missing" test -s "p/$f"; done
same out.txt p/report.txt
# The numbers of the report are those of the runs; HM of the averages.
check "result.json and the runs disagree" python3 - <<'PY'
import json
r = json.load(open("p/result.json"))
hm = lambda b, n: 2 * b * n / (b + n) if b + n else 0
avg = {}
for m in ("zeroshot", "gopro"):
    bs, ns = [], []
    for d in ("one", "two"):
        seeds = (1, 2) if m == "gopro" else (1, 1)
        t = [json.load(open(f"p/{d}/{m}/seed{s}/result.json"))["test"] for s in seeds]
        b = sum(x["base"]["accuracy"] for x in t) / 2
        n = sum(x["new"]["accuracy"] for x in t) / 2
        c = r["datasets"][d][m]
        assert abs(c["base"]["mean"] - b) < 1e-9 and abs(c["new"]["mean"] - n) < 1e-9, (d, m, c)
        assert abs(c["hm"] - hm(b, n)) < 1e-9
        bs.append(b)
        ns.append(n)
    a = r["average"][m]
    assert abs(a["hm"] - hm(sum(bs) / 2, sum(ns) / 2)) < 1e-9, a
PY

# Again: nothing is run, the same table; also in the other formats.
cp p/report.txt before.txt
expect 0 'already done' "$gopro" protocol b2n --model m --data one --data two --seeds 1-2 --out p $options
same before.txt out.txt
check "something was run again" sh -c '! grep -q zero-shot err.txt'
expect 0 '^\| dataset \| method' "$gopro" protocol b2n --model m --data one,two --seeds 1-2 --out p $options --format md --quiet
expect 0 '^average,gopro,mean,' "$gopro" protocol b2n --model m --data one,two --seeds 1-2 --out p $options --format csv --quiet
expect 0 '"protocol": "base-to-new"' "$gopro" protocol b2n --model m --data one,two --seeds 1-2 --out p $options --json --quiet

# A dataset that cannot be read fails its own runs only, and is reported at the end.
mkdir -p bad/train/a bad/train/b && echo x >bad/train/a/1.png && cp 'one/train/blue circle/000.png' bad/train/b/
expect 3 'one +CLIP' "$gopro" protocol b2n --model m --data one,bad --seeds 1 --out q $options
check "the failure is not in the report" grep -q '2 runs failed' q/report.txt
check "the failure does not name the run" grep -Eq 'bad gopro seed 1: .*bad' q/report.txt
check "the average counts an unfinished dataset" grep -q '1 of 2 datasets' q/report.txt

# Interrupted: goes on, and ends with the same bytes.
long="shots=4 optim.epochs=300"
expect 0 'average' "$gopro" protocol b2n --model m --data one,two --seeds 1 --out full $long
"$gopro" protocol b2n --model m --data one,two --seeds 1 --out part $long >out.txt 2>err.txt &
pid=$!
for i in $(seq 300); do
    [ -s part/one/gopro/seed1/metrics.jsonl ] && break
    sleep 0.02
done
kill -INT $pid
wait $pid
check "the status after SIGINT is not 130" test $? = 130
check "a report of an interrupted protocol" test ! -e part/report.txt
expect 0 'average' "$gopro" protocol b2n --model m --data one,two --seeds 1 --out part $long
same full/report.csv part/report.csv
same full/two/gopro/seed1/prompt.safetensors part/two/gopro/seed1/prompt.safetensors
same full/one/gopro/seed1/prompt.safetensors part/one/gopro/seed1/prompt.safetensors

# Several processes: the same report.
expect 0 'average' "$gopro" protocol b2n --model m --data one,two --seeds 1-2 --out jobs --jobs 3 $options
same p/report.csv jobs/report.csv

# Drawings are called drawings.
mkdir emb && cp -r one emb/one && : >emb/index.tsv
expect 0 'embedded drawings' "$gopro" protocol b2n --model m --data emb/one --seeds 1 --out e --methods zeroshot
no_leftovers .
finish
