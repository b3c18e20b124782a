# test_protocol.sh - the three protocols over methods, datasets and seeds: tables, shared and skipped runs, failures of single runs,
# interruption, several processes, reports without computing.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/lib.sh"

"$make_fixture" model m && "$make_fixture" data one 6 8 4 && "$make_fixture" data two 4 8 4 && "$make_fixture" data sub 3 2 5 &&
    "$make_fixture" data more 8 2 3 || exit 1
options="shots=4 optim.epochs=4"
b2n() { "$gopro" protocol b2n --model m --out p $options "$@"; }

expect 0 'average +CLIP' b2n --data one,two --seeds 1-2
check "no estimate before the runs" grep -Eq '^6 runs to do; training will take about .*MiB' err.txt
check "no time left is told" grep -Eq '[1-5] of 6 runs done, about .* left' err.txt
check "the caption does not name the backbone" grep -q 'Backbone: m, weights [0-9a-f]\{12\}' out.txt
check "the caption does not say which epoch" sh -c 'tr "\n" " " <out.txt | grep -q "Model selection: the last epoch"'
check "photographs are called drawings" sh -c '! grep -q "embedded drawings" out.txt'
for f in plan.json report.txt report.md report.tex report.csv per_class.csv cost.csv result.json; do check "p/b2n/$f is missing" test -s "p/b2n/$f"; done
same out.txt p/b2n/report.txt
# The numbers of the report are those of the runs; HM of the averages; zero-shot has one run for all seeds.
check "result.json and the runs disagree" python3 - <<'PY'
import csv, json, os
r = json.load(open("p/b2n/result.json"))
hm = lambda b, n: 2 * b * n / (b + n) if b + n else 0
for m in ("zeroshot", "gopro"):
    bs, ns = [], []
    for d in ("one", "two"):
        seeds = (1, 2) if m == "gopro" else (0, 0)
        t = [json.load(open(f"p/runs/{d}/base/{m}/seed{s}/result.json"))["test"] for s in seeds]
        b = sum(x["base"]["accuracy"] for x in t) / 2
        n = sum(x["new"]["accuracy"] for x in t) / 2
        c = r["datasets"][d][m]
        assert abs(c["base"]["mean"] - b) < 1e-9 and abs(c["new"]["mean"] - n) < 1e-9, (d, m, c)
        assert abs(c["hm"] - hm(b, n)) < 1e-9
        bs.append(b)
        ns.append(n)
    a = r["average"][m]
    assert abs(a["hm"] - hm(sum(bs) / 2, sum(ns) / 2)) < 1e-9, a
    assert a["rival"]["pairs"] == "datasets" and a["rival"]["n"] == 2
assert sorted(os.listdir("p/runs/one/base/zeroshot")) == ["seed0"]
rows = list(csv.DictReader(open("p/b2n/per_class.csv")))
assert len(rows) == (6 + 4) * 2 * 2, len(rows)
hit = sum(float(x["accuracy"]) * int(x["images"]) / 100 for x in rows if (x["dataset"], x["method"], x["seed"], x["classes"]) == ("one", "gopro", "1", "base"))
t = json.load(open("p/runs/one/base/gopro/seed1/result.json"))["test"]["base"]
assert abs(hit - t["correct"]) < 1e-6 and {x["class"] for x in rows if x["classes"] == "new" and x["dataset"] == "two"} == {"red circle", "yellow circle"}
cost = json.load(open("p/runs/one/base/gopro/seed1/cost.json"))
assert cost["train_seconds"] > 0 and cost["peak_rss_mib"] > 0 and cost["parameters"] > 1000
assert len(list(csv.DictReader(open("p/b2n/cost.csv")))) == 8
PY

# Again: nothing is run, the same table; also in the other formats, and from the folders alone.
cp p/b2n/report.txt before.txt
cp p/b2n/report.csv before.csv
expect 0 'already done' b2n --data one --data two --seeds 1-2
same before.txt out.txt
check "something was run again" sh -c '! grep -q zero-shot err.txt'
expect 0 '^\| dataset \| method' b2n --data one,two --seeds 1-2 --format md --quiet
expect 0 '^average,gopro,mean,' b2n --data one,two --seeds 1-2 --format csv --quiet
expect 0 'begin\{tabular\}' b2n --data one,two --seeds 1-2 --format tex --quiet
expect 0 '"protocol": "b2n"' b2n --data one,two --seeds 1-2 --json --quiet
expect 0 'nothing to do: all 6 runs are done' b2n --data one,two --seeds 1-2 --jobs 2
same before.txt out.txt
mv m elsewhere
expect 0 'average' "$gopro" report p
mv elsewhere m
same before.txt out.txt
# One more seed and dataset: only what is new is run.
expect 0 '^1 run to do' b2n --data one --seeds 1-3 --methods gopro,zeroshot
expect 2 "shots is '4' there, '5' here" b2n --data one,two --seeds 1-2 shots=5
expect 2 "shots is '4' there, '5' here" b2n --data one,two --seeds 1-2 --jobs 2 shots=5

# Cross-dataset and domain generalisation share the source's run; its test results on targets are kept.
xd() { "$gopro" protocol "$1" --model m --source one --data "$2" --seeds 1-2 --out p $options "${@:3}"; }
expect 0 'source one' xd xd two,more
stamp=$(stat -c %Y.%i p/runs/one/all/gopro/seed1/result.json p/runs/one/all/gopro/seed1/tests/two.json)
expect 0 'source one .*two.*sub' xd dg two,sub
check "the source was trained again" test "$stamp" = "$(stat -c %Y.%i p/runs/one/all/gopro/seed1/result.json p/runs/one/all/gopro/seed1/tests/two.json)"
check "the tables of a transfer and its tests disagree" python3 - <<'PY'
import json
r = json.load(open("p/dg/result.json"))
t = lambda s, d: json.load(open(f"p/runs/one/all/gopro/seed{s}/" + (f"tests/{d}.json" if d != "one" else "result.json")))["test"]["all"]
for d, k in (("one", 6), ("two", 4), ("sub", 3)):
    c = r["datasets"][d]["gopro"]
    assert abs(c["accuracy"]["mean"] - (t(1, d)["accuracy"] + t(2, d)["accuracy"]) / 2) < 1e-9
    assert t(1, d)["classes"] == k and len(t(1, d)["class_names"]) == k
a = r["average"]["gopro"]["accuracy"]["mean"]
assert r["source"] == "one" and abs(a - sum(r["datasets"][d]["gopro"]["accuracy"]["mean"] for d in ("two", "sub")) / 2) < 1e-9
PY
# The stored result is that of testing the run.
expect 0 '"accuracy"' "$gopro" eval p/runs/one/all/gopro/seed1 --data two --json
check "the kept test and eval disagree" python3 -c 'import json; a = json.load(open("out.txt"))["test"]["all"]; b = json.load(open("p/runs/one/all/gopro/seed1/tests/two.json"))["test"]["all"]; assert a["accuracy"] == b["accuracy"] and a["nll"] == b["nll"]'
# A target with other classes is for xd; it fails alone, and the rest stands.
expect 3 "class '.* cross' of 'more' is none of the source's" xd dg two,more
check "FAILED is not in the table" grep -Eq '^GOPro .*FAILED' p/dg/report.txt
check "the failed target is in the average" grep -q 'over the 1 of 2 datasets' p/dg/report.txt
# A target whose images changed is tested again.
cp 'two/test/red circle/000.png' 'two/test/red circle/zzz.png'
expect 0 'tested again' xd xd two,more
check "the changed target keeps its old result" python3 -c 'import json; assert json.load(open("p/runs/one/all/gopro/seed1/tests/two.json"))["test"]["all"]["images"] == 17'
rm 'two/test/red circle/zzz.png'
expect 0 'Title|Cross-dataset' "$gopro" report p xd
check "report of all is not a list" sh -c '"$0" report p --json | python3 -c "import json, sys; assert [r[\"protocol\"] for r in json.load(sys.stdin)] == [\"b2n\", \"dg\", \"xd\"]"' "$gopro"

# A dataset that cannot be read fails its own runs only, and is reported at the end; once it can be read, the same command does the rest.
mkdir -p bad/train/a bad/train/b bad/test/a bad/test/b && echo x >bad/train/a/1.png && cp 'one/train/blue circle/000.png' bad/train/b/
for k in a b; do cp 'one/test/blue circle/000.png' bad/test/$k/; done
q() { "$gopro" protocol b2n --model m --seeds 1 --out "$1" --data one,bad $options "${@:2}"; }
expect 3 'one +CLIP' q q
check "the failure is not in the report" grep -q '1 run failed' q/b2n/report.txt
check "the failure does not name the run" grep -Eq 'bad GOPro seed 1: .*bad' q/b2n/report.txt
check "the cell does not say FAILED" grep -Eq '^ +GOPro +FAILED' q/b2n/report.txt
check "the failed run has no line in the CSV file" python3 - <<'PY'
import csv
rows = list(csv.DictReader(open("q/b2n/report.csv")))
assert all(None not in x and None not in x.values() for x in rows)  # as many fields as the head
at = {(x["dataset"], x["method"], x["seed"]): x for x in rows}
assert len(rows) == 2 * 2 * 2 + 2
assert at["bad", "gopro", "1"]["state"] == at["bad", "gopro", "mean"]["state"] == "failed" and at["bad", "gopro", "1"]["base"] == ""
assert at["one", "gopro", "1"]["state"] == at["one", "gopro", "mean"]["state"] == "done"
assert at["one", "gopro", "1"]["base_nll"] == at["one", "gopro", "mean"]["base_nll"] != ""
assert at["one", "gopro", "mean"]["rival"] == "zeroshot"
assert abs(float(at["one", "gopro", "mean"]["d_hm"]) + float(at["one", "zeroshot", "mean"]["d_hm"])) < 1e-8
PY
check "the average counts an unfinished dataset" sh -c 'tr "\n" " " <q/b2n/report.txt | grep -q "1 of 2 datasets"'
expect 0 '1 run failed' "$gopro" report q
cp -r q q2
expect 3 'runs failed' q q2 --jobs 2
same q/b2n/report.csv q2/b2n/report.csv
cp 'one/train/blue circle/001.png' bad/train/a/1.png
expect 0 'bad +CLIP' q q --quiet
check "a failure is remembered too long" sh -c '! grep -q FAILED q/b2n/report.txt'

# Another process has the run: told, but no record of a failure that would stay beside its result.
python3 - "$gopro" two <<'PY' || fail "a run in use"
import fcntl, os, subprocess, sys
run = "busy/runs/two/base/gopro/seed1"
os.makedirs(run)
lock = open(run + "/.lock", "w")
fcntl.flock(lock, fcntl.LOCK_EX)
def go(*more):
    return subprocess.run([sys.argv[1], "protocol", "b2n", "--model", "m", "--data", "two", "--methods", "gopro", "--seeds", "1", "--out", "busy",
                           "shots=2", "optim.epochs=2", *more], capture_output=True, text=True)
for more in ((), ("--jobs", "2")):
    p = go(*more)
    assert "folder in use" in p.stderr and not os.path.exists(run + "/failed.json") and "FAILED" not in p.stdout, (more, p)
lock.close()
p = go()
assert p.returncode == 0 and "HM" in p.stderr and not os.path.exists(run + "/failed.json"), p
PY

# Interrupted: goes on, and ends with the same bytes; with several processes the signal reaches each of them.
long="shots=4 optim.epochs=100"
expect 0 'average' "$gopro" protocol b2n --model m --data one,two --seeds 1 --out full $long
for jobs in 1 2; do
    "$gopro" protocol b2n --model m --data one,two --seeds 1 --out part$jobs --jobs $jobs $long >out.txt 2>err.txt &
    pid=$!
    for i in $(seq 300); do
        [ -s part$jobs/runs/one/base/gopro/seed1/metrics.jsonl ] && break
        sleep 0.02
    done
    kill -INT $pid
    wait $pid
    check "the status after SIGINT is not 130 (jobs $jobs)" test $? = 130
    check "a report of an interrupted protocol (jobs $jobs)" test ! -e part$jobs/b2n/report.txt
    check "an interrupted run is called failed (jobs $jobs)" sh -c '! find "$0" -name "*failed.json" | grep -q .' part$jobs
    expect 0 '\| one +\| CLIP' "$gopro" report part$jobs --format md
    expect 0 'average' "$gopro" protocol b2n --model m --data one,two --seeds 1 --out part$jobs --jobs $jobs $long
    same full/b2n/report.csv part$jobs/b2n/report.csv
    same full/b2n/result.json part$jobs/b2n/result.json
    for d in one two; do same full/runs/$d/base/gopro/seed1/prompt.safetensors part$jobs/runs/$d/base/gopro/seed1/prompt.safetensors; done
done

# Several processes: the same report; a memory limit below one run makes them go one by one.
expect 0 '6 runs to do; about .* with 3 at a time' "$gopro" protocol b2n --model m --data one,two --seeds 1-2 --out jobs --jobs 3 $options
check "not every run is told" test "$(grep -c ': base .*HM' err.txt)" = 6
same jobs/b2n/report.csv before.csv
expect 0 'more than the 1 MiB allowed; it runs alone' "$gopro" protocol b2n --model m --data two --seeds 1-2 --out tight --jobs 3 --memory 1 $options

# Drawings are called drawings.
mkdir emb && cp -r one emb/one && : >emb/index.tsv
expect 0 'embedded drawings' "$gopro" protocol b2n --model m --data emb/one --seeds 1 --out e --methods zeroshot

# Mistakes.
expect 2 "which protocol" "$gopro" protocol --data one --out x
expect 2 "not xyz" "$gopro" protocol xyz --data one --out x
expect 2 "source is missing" "$gopro" protocol xd --data one --out x
expect 2 "source is for xd and dg" "$gopro" protocol b2n --source one --data one --out x
expect 2 "two datasets are called 'one'" "$gopro" protocol xd --model m --source one --data emb/one --out x
expect 2 "did you mean 'gopro'" "$gopro" protocol b2n --model m --data one --out x --methods gopr
expect 2 "is given twice" "$gopro" protocol b2n --model m --data one --out x --methods gopro,gopro
expect 2 "seed 1 is given twice" "$gopro" protocol b2n --model m --data one --out x --seeds 1,1
expect 2 "seed 1 is given twice" "$gopro" protocol b2n --model m --data one --out x --seeds 1,1 --jobs 2
expect 2 "memory 'much'" "$gopro" protocol b2n --model m --data one --out x --memory much
expect 2 "holds no report" "$gopro" report one
expect 2 "no protocol was run" "$gopro" report p nothing
check "a refused protocol left a folder" test ! -e x
no_leftovers .
finish
