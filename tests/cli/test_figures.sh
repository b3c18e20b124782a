# test_figures.sh - tsne and explain: files, numbers checked against a computation in Python, determinism, errors; the feature folder's limit.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/lib.sh"

"$make_fixture" model m && "$make_fixture" data d 6 8 12 || exit 1
for split in train test; do mv "d/$split/blue circle" "d/$split/a<b & \"c\""; done
options="shots=4 optim.epochs=3 --quiet"
export GOPRO_CPU=$(half_cpu) # of all runs: one is in bf16, and numbers are compared
expect 0 'HM' "$gopro" train --model m --data d --out one --subset base $options
expect 0 'HM' "$gopro" train --model m --data d --out two --subset base seed=2 $options

# ---- tsne ----
expect 0 'GOPro . one +[0-9.-]+ +[0-9.-]+ +[0-9.]+' "$gopro" tsne one two --zeroshot --data d --out fig --cache cache threads=1
check "CLIP is not among the panels" grep -q '^CLIP ' out.txt
for f in tsne.svg tsne.csv tsne.json; do check "fig/$f is missing" test -s "fig/$f"; done
check "the figure is wrong" python3 - <<'PY'
import csv, json, math
import xml.etree.ElementTree as ET
svg = ET.parse("fig/tsne.svg").getroot()
ns = "{http://www.w3.org/2000/svg}"
text = [t.text for t in svg.iter(ns + "text")]
assert 'a<b & "c"' in text, text
assert sum("silhouette 0" in t or "silhouette -0" in t for t in text) == 3, text
rows = list(csv.DictReader(open("fig/tsne.csv")))
result = json.load(open("fig/tsne.json"))
assert result["images"] == 72 and result["classes"] == 6 and result["schema"] == 1, result
assert len(rows) == 3 * 72, len(rows)
assert {r["class"] for r in rows} >= {'a<b & "c"'}, rows[0]
for i, run in enumerate(result["runs"]):
    part = rows[72 * i : 72 * (i + 1)]
    assert {r["run"] for r in part} == {run["run"]} and {r["method"] for r in part} == {run["method"]}
    assert [r["image"] for r in part] == [r["image"] for r in rows[:72]], "other images in another panel"
    p = [(float(r["x"]), float(r["y"])) for r in part]
    label = [int(r["label"]) for r in part]
    total = 0.0
    for a in range(72):
        mean = {}
        for k in set(label):
            members = [b for b in range(72) if label[b] == k and b != a]
            mean[k] = sum(math.dist(p[a], p[b]) for b in members) / len(members)
        near, far = mean[label[a]], min(v for k, v in mean.items() if k != label[a])
        total += (far - near) / max(far, near)
    assert abs(total / 72 - run["silhouette_plane"]) < 1e-6, (total / 72, run)
PY
expect 0 '"silhouette_plane"' "$gopro" tsne one two --zeroshot --data d --out again --cache cache --json threads=3
for f in tsne.svg tsne.csv tsne.json; do same "fig/$f" "again/$f"; done
same out.txt again/tsne.json
expect 0 '20 of 36 test images, 3 classes \(base\)' "$gopro" tsne one --subset base --points 20 --perplexity 5 --iterations 100 --out few
cp few/tsne.csv few.csv
expect 0 '20 of 36' "$gopro" tsne one --subset base --points 20 --perplexity 5 --iterations 100 --out few seed=2
check "another seed drew the same images" sh -c '! cmp -s few.csv few/tsne.csv'
# Runs that read one model in two ways: each is drawn as it was trained, zero-shot CLIP as the first.
expect 0 'HM' "$gopro" train --model m --data d --out half --subset base precision=bf16 model.activation=gelu $options
expect 0 'all' "$gopro" tsne half --data d --out alone
expect 0 'GOPro . half' "$gopro" tsne one half two --data d --zeroshot --out three
expect 0 'GOPro . half' "$gopro" tsne half one --data d --zeroshot --out swapped --cache cache
check "a run is drawn in another run's way" python3 - <<'PY'
import json
runs = lambda f: {r["run"]: (r["silhouette"], r["silhouette_plane"]) for r in json.load(open(f + "/tsne.json"))["runs"]}
alone, first, three, swapped = runs("alone"), runs("fig"), runs("three"), runs("swapped")
assert three["half"] == alone["half"] == swapped["half"]
assert three["one"] == first["one"] == swapped["one"] and three["two"] == first["two"] and three[""] == first[""]
assert swapped[""] != first[""]
PY
expect 2 'run folders are missing' "$gopro" tsne --out x
expect 2 '--out is missing' "$gopro" tsne one
expect 2 "points 'many'" "$gopro" tsne one --out x --points many
expect 2 "subset" "$gopro" tsne one --out x --subset some
expect 4 "not a run folder" "$gopro" tsne d --out x
expect 3 'nowhere' "$gopro" tsne one --data nowhere --out x
check "a refused figure left a folder" test ! -e x
mkdir part && cp one/run.json part
expect 4 'not a finished run' "$gopro" tsne part --out x

# ---- curves, reliability ----
expect 0 'one/curves.svg' "$gopro" curves one
expect 0 '' "$gopro" curves one two --out both.svg --quiet
expect 0 '"accuracy"' "$gopro" eval one --subset base --reliability rel.svg --json
expect 0 'all +accuracy' "$gopro" zeroshot --model m --data d --reliability rel0.svg
check "a figure is wrong" python3 - <<'PY'
import xml.etree.ElementTree as ET
ns = "{http://www.w3.org/2000/svg}"
def read(path):
    svg = ET.parse(path).getroot()
    return [t.text for t in svg.iter(ns + "text")], [p.get("d") for p in svg.iter(ns + "path") if p.get("stroke-linejoin")], svg
text, lines, _ = read("one/curves.svg")
assert {"loss", "ce", "con", "training loss", "training accuracy, %", "epoch"} <= set(text), text
assert all(d.count("L") == 2 for d in lines), lines  # three epochs
text, lines, _ = read("both.svg")
assert {"one", "two"} <= set(text) and "ce" not in text and len(lines) == 4, (text, lines)
text, _, svg = read("rel.svg")
assert any(t.startswith("36 images") for t in text), text
shares = sum(float(r.get("height")) for r in list(svg.iter(ns + "rect")) if r.get("fill-opacity"))
assert shares > 0
PY
expect 2 'out is needed' "$gopro" curves one two
expect 3 'no metrics.jsonl' "$gopro" curves d
mkdir bad && printf '{"epoch":1,"loss":2}\n{"epoch":2,\n' >bad/metrics.jsonl
expect 3 'bad/metrics.jsonl:2' "$gopro" curves bad
check "a refused figure was left" test ! -e bad/curves.svg

# ---- explain ----
expect 0 "token 4: length" "$gopro" explain one
expect 0 '"most_similar"' "$gopro" explain one --json --top 7
check "the nearest words are others" python3 - <<'PY'
import json, math, struct
def tensor(path, name):
    data = open(path, "rb").read()
    n = struct.unpack("<Q", data[:8])[0]
    t = json.loads(data[8 : 8 + n])[name]
    a, b = t["data_offsets"]
    v = struct.unpack("<%df" % ((b - a) // 4), data[8 + n + a : 8 + n + b])
    w = t["shape"][-1]
    return [v[i : i + w] for i in range(0, len(v), w)]
table = tensor("m/model.safetensors", "text_model.embeddings.token_embedding.weight")
ctx = tensor("one/prompt.safetensors", "ctx")
got = json.load(open("out.txt"))
assert got["context_tokens"] == len(ctx) == len(got["tokens"]) and got["per_image"], got
norm = lambda v: math.sqrt(sum(x * x for x in v))
for c, t in zip(ctx, got["tokens"]):
    assert abs(norm(c) - t["norm"]) < 1e-5
    d = [math.dist(c, w) for w in table]
    s = [sum(x * y for x, y in zip(c, w)) / (norm(c) * norm(w) or 1) for w in table]
    near = sorted(range(len(table)), key=lambda i: d[i])[:7]
    like = sorted(range(len(table)), key=lambda i: -s[i])[:7]
    assert [w["id"] for w in t["nearest"]] == near, (t["nearest"], near)
    assert [w["id"] for w in t["most_similar"]] == like, (t["most_similar"], like)
    assert all(abs(w["distance"] - d[w["id"]]) < 1e-5 and abs(w["cosine"] - s[w["id"]]) < 1e-5 for w in t["nearest"])
PY
expect 0 'HM' "$gopro" train --model m --data d --out random --subset base M=2 ctx_init= $options
expect 0 'a random start' "$gopro" explain random
expect 0 'all +accuracy' "$gopro" train --model m --data d --out zs method=zeroshot --quiet
expect 2 'CLIP learns no context' "$gopro" explain zs
expect 2 'the same for all classes' "$gopro" explain one --class 'red circle'
expect 0 'HM' "$gopro" train --model m --data d --out own --subset base method=maple $options
expect 0 '"title": "MaPLe"' "$gopro" tsne own one --subset base --out figown --json --iterations 50
expect 0 'accuracy' "$gopro" train --model m --data d --out csc --subset base method=coop coop.csc=1 $options
expect 0 'class green circle' "$gopro" explain csc
check "not four tokens for each of three classes" test "$(grep -c '^token' out.txt)" = 12
expect 0 'class green circle' "$gopro" explain csc --class 'green circle'
check "another class was explained" test "$(grep -c '^token' out.txt)" = 4
expect 2 "class 'nothing'" "$gopro" explain csc --class nothing
expect 2 "top '0'" "$gopro" explain one --top 0
expect 4 'not a run folder' "$gopro" explain d
expect 2 'run folder is missing' "$gopro" explain

# ---- the folder of image features ----
expect 0 'accuracy' "$gopro" zeroshot --model m --data d --cache limited
cp out.txt first.txt
files=$(ls limited)
mv d moved
expect 0 'accuracy' "$gopro" zeroshot --model m --data moved --cache limited --subset new
check "the same images under another path were computed again" test "$(ls limited)" = "$files"
mv moved d
expect 0 'accuracy' "$gopro" zeroshot --model m --data d --cache limited test.cache_mib=0
same first.txt out.txt
check "a limit of 0 left something" test -z "$(ls limited)"
no_leftovers .
finish
