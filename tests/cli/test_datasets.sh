# test_datasets.sh - the field's fifteen layouts and everybody's own forms: checked, drawn, tested and trained on by the program.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/lib.sh"

"$make_fixture" data pool 4 6 4 || exit 1
pictures=$(find pool -name '*.png' | sort | tr ' ' '?')
python3 "$source_dir/tests/cli/layouts.py" root $pictures || exit 1
small="--model $source_dir/models/small"
few="shots=2 optim.epochs=1 optim.batch=4"

# What is known, and what is under the root.
mkdir root/mine
expect 0 '^oxford_pets +oxford_pets +37 +2944 +736 +3669 +there +a photo of a \{\}, a type of pet\.$' "$gopro" data list --root root
check "15 datasets" test "$(grep -c ' there ' out.txt)" = 15
check "other folders" grep -q '^other folders: mine$' out.txt
expect 0 '"state": "there"' "$gopro" data list root --json
expect 0 'gopro|--root FOLDER' "$gopro" data list
expect 3 "say with --root where the datasets lie" "$gopro" data check dtd
expect 3 "root/nothing.*|does not exist" "$gopro" data check nothing --root root

# Every layout, by name and by folder: complete, readable, with its own template and classes, and trainable or testable.
has() { # NAME FOLDER CLASSES TRAIN VAL TEST TEMPLATE
    expect 3 "^$1: $3 classes, $4 train, $5 val, $6 test images; template '$7'" "$gopro" data check "$1" --root root --decode
    check "$1: images" grep -Eq "^ok +all $(($4 + $5 + $6)) images are there" out.txt
    check "$1: decoding" grep -Eq "^ok +$(($4 + $5 + $6)) of $(($4 + $5 + $6)) images decoded" out.txt
    check "$1: the made-up tree passes for the published one" grep -Eq "^FAULT +$3 classes, expected" out.txt
    check "$1: its class names pass for the published ones" grep -Eq "^FAULT +class-name hash [0-9a-f]{16}, expected [0-9a-f]{16}: " out.txt
    mv out.txt named.txt
    "$gopro" data check "root/$2" --decode >out.txt 2>err.txt
    same named.txt out.txt
    if [ "$4" = 0 ]; then
        expect 3 "no training images to draw from" "$gopro" data draw "$1" --root root
    else
        expect 0 '"order"' "$gopro" data draw "root/$2" --shots 2 --seed 3
    fi
    expect 0 "all +accuracy .*$6 images, $3 classes" "$gopro" zeroshot --quiet $small --data "$1" --root root
}
photo='a photo of a \{\}\.'
has imagenet imagenet 12 36 0 24 "$photo"
has caltech101 caltech-101 4 16 8 8 "$photo"
has oxford_pets oxford_pets 5 20 10 10 'a photo of a \{\}, a type of pet\.'
has stanford_cars stanford_cars 4 16 8 8 "$photo"
has oxford_flowers oxford_flowers 4 16 8 8 'a photo of a \{\}, a type of flower\.'
has food101 food-101 4 16 8 8 'a photo of \{\}, a type of food\.'
has fgvc_aircraft fgvc_aircraft 4 16 8 8 'a photo of a \{\}, a type of aircraft\.'
has sun397 sun397 4 16 8 8 "$photo"
has dtd dtd 4 16 8 8 '\{\} texture\.'
has eurosat eurosat 4 16 8 8 'a centered satellite photo of \{\}\.'
has ucf101 ucf101 4 16 8 8 'a photo of a person doing \{\}\.'
has imagenetv2 imagenetv2 12 0 0 18 "$photo"
has imagenet_sketch imagenet-sketch 12 0 0 24 "$photo"
has imagenet_a imagenet-adversarial 6 0 0 6 "$photo"
has imagenet_r imagenet-rendition 6 0 0 6 "$photo"

# The ensemble of 7 goes with the dataset's own template, but on ImageNet without it; one that is asked for is always there.
nll() { "$gopro" zeroshot --quiet $small --data "$1" --root root --json ensemble=7 ${2+"$2"} | sed -n 's/.*"nll": \([^,]*\).*/\1/p'; }
check "the template of EuroSAT is not in the ensemble" test "$(nll eurosat)" = "$(nll eurosat 'template=a centered satellite photo of {}.')"
check "the template of ImageNet-A is not in the ensemble" test "$(nll imagenet_a)" = "$(nll imagenet_a 'template=a photo of a {}.')"
check "no numbers" test -n "$(nll imagenet)"
check "ImageNet's template is in the ensemble" test "$(nll imagenet)" != "$(nll imagenet 'template=a photo of a {}.')"

# Class lists and their order.
names() { "$gopro" data check "$1" --root root --sample 0 --per-class 2>/dev/null | awk '/ class$/ {on=1; next} on && /^ *[0-9]/ {sub(/^ *[0-9]+ +[0-9]+ +[0-9]+  /, ""); printf "%s;", $0}'; }
check "ImageNet" test "$(names imagenet | cut -d";" -f1-7)" = "tench;goldfish;crane bird;construction crane;missile;missile;name 0"
check "ImageNet-A" test "$(names imagenet_a)" = "goldfish;construction crane;missile;name 1;name 3;name 5;"
check "ImageNet-R" test "$(names imagenet_r)" = "tench;crane bird;missile;name 0;name 2;name 4;"
check "V2: folders are numbers" test "$(names imagenetv2 | cut -d';' -f1-3,11-12)" = "tench;goldfish;crane bird;name 4;name 5"
check "FGVC" test "$(names fgvc_aircraft)" = "707-320;Cessna 525;Cessna 560;F/A-18;"

# The 100 variants of FGVC, in the order of the archive's variants.txt.
mkdir -p variants/fgvc_aircraft/images
(
    cd variants/fgvc_aircraft || exit 1
    tr ';' '\n' <<'V' >variants.txt
707-320;727-200;737-200;737-300;737-400;737-500;737-600;737-700;737-800;737-900;747-100;747-200;747-300;747-400;757-200;757-300;767-200;767-300;767-400
777-200;777-300;A300B4;A310;A318;A319;A320;A321;A330-200;A330-300;A340-200;A340-300;A340-500;A340-600;A380;ATR-42;ATR-72;An-12;BAE 146-200;BAE 146-300
BAE-125;Beechcraft 1900;Boeing 717;C-130;C-47;CRJ-200;CRJ-700;CRJ-900;Cessna 172;Cessna 208;Cessna 525;Cessna 560;Challenger 600;DC-10;DC-3;DC-6;DC-8
DC-9-30;DH-82;DHC-1;DHC-6;DHC-8-100;DHC-8-300;DR-400;Dornier 328;E-170;E-190;E-195;EMB-120;ERJ 135;ERJ 145;Embraer Legacy 600;Eurofighter Typhoon
F-16A/B;F/A-18;Falcon 2000;Falcon 900;Fokker 100;Fokker 50;Fokker 70;Global Express;Gulfstream IV;Gulfstream V;Hawk T1;Il-76;L-1011;MD-11;MD-80;MD-87
MD-90;Metroliner;Model B200;PA-28;SR-20;Saab 2000;Saab 340;Spitfire;Tornado;Tu-134;Tu-154;Yak-42
V
    for p in train val test; do awk -v at=$((at += 100)) '{ printf "%07d %s\n", at + NR, $0 }' variants.txt >images_variant_$p.txt; done
)
expect 3 'ok +class-name hash [0-9a-f]{16} is the published one' "$gopro" data check fgvc_aircraft --root variants
check "FGVC's border" test -z "$(grep 'base classes end' both.txt)"
sed -i 's/Saab 340/Saab340/' variants/fgvc_aircraft/*.txt
expect 3 'FAULT +class-name hash .*: take variants.txt from the archive as it is' "$gopro" data check fgvc_aircraft --root variants

check "Caltech" test "$(names caltech101)" = "face;leopard;ibis;yin_yang;"
check "a name that is not ASCII" test "$(names food101)" = "apple_pie;ramen;sushi;crème_brûlée;"
"$gopro" data draw imagenet --root root --shots 1 --seed 1 >draw.txt 2>/dev/null
check "the order of the draw is said" grep -q '"order": "file names sorted bytewise' draw.txt
check "ImageNet draws no validation images" grep -q '"val": \[\]' draw.txt

# Trained: two of the layouts, and base-to-new.
expect 0 "accuracy" "$gopro" train --quiet $small --data eurosat --root root --out r_eurosat $few
check "where the data was" grep -q '"data_path": "/.*/root/eurosat"' r_eurosat/run.json
expect 0 "8 images" "$gopro" eval --quiet r_eurosat
expect 0 "average" "$gopro" protocol b2n $small --data oxford_pets,fgvc_aircraft,dtd --root root --seeds 1 --out b2n $few
expect 0 "average" env GOPRO_ROOT=root "$gopro" protocol b2n --quiet $small --data oxford_pets,fgvc_aircraft,dtd --seeds 1 --out b2n $few
expect 0 "average" "$gopro" protocol xd $small --source imagenet --root root --out xd --seeds 1 --quiet $few \
    --data caltech101,oxford_pets,stanford_cars,oxford_flowers,food101,fgvc_aircraft,sun397,dtd,eurosat,ucf101
expect 0 "average" "$gopro" protocol dg $small --source imagenet --data imagenetv2,imagenet_sketch,imagenet_a,imagenet_r --root root --out dg \
    --seeds 1 --quiet $few
check "a target is not tested with its own classes" grep -q imagenet_a out.txt

# What goes wrong, and what to do about it.
copy() { rm -rf w && mkdir w && cp -rl "root/$1" "w/$1"; }
copy dtd && rm w/dtd/images/banded/banded_000[45].jpg w/dtd/images/matted/*_0008.jpg
expect 3 'missing \(train\): w/dtd/images/banded/banded_0004.jpg' "$gopro" data check dtd --root w
check "three are missing" grep -q 'FAULT 3 of 32 images are missing: fetch them again' out.txt
expect 3 'FAULT 3 of 32' "$gopro" data check dtd --root w --limit 1
check "one is named" test "$(grep -c missing.*: out.txt)" = 2
copy dtd && rm w/dtd/split_zhou_DescribableTextures.json
expect 3 "split 50/20/30 .*do not compare with published" "$gopro" data check dtd --root w
check "a shuffle passes for the published split" grep -q "^FAULT the split file 'split_zhou_DescribableTextures.json' is missing" out.txt
copy stanford_cars && rm -r w/stanford_cars/cars_*
expect 0 '^stanford_cars .* no images ' "$gopro" data list --root w
copy eurosat && rm w/eurosat/split_zhou_EuroSAT.json
expect 3 "Annual Crop Land" "$gopro" data check eurosat --root w --per-class
copy caltech-101 && rm w/caltech-101/split*.json && cp -r w/caltech-101/101_ObjectCategories/ibis w/caltech-101/101_ObjectCategories/BACKGROUND_Google
expect 3 "caltech101: 4 classes" "$gopro" data check caltech101 --root w --per-class
check "ignored and renamed" test "$(names caltech101)" = "face;leopard;ibis;yin_yang;"
copy oxford_pets && rm w/oxford_pets/split*.json
expect 3 "split_zhou_OxfordPets.json' is missing; put the published split file there" "$gopro" data check oxford_pets --root w
copy imagenet && rm w/imagenet/classnames.txt && sed 's/crane bird/crane/' root/imagenet/classnames.txt >w/imagenet/classnames.txt
expect 3 "names n02012849 'crane'.*notebook" "$gopro" data check imagenet --root w
copy imagenet && rm w/imagenet/classnames.txt
expect 3 "classnames.txt' is missing; it has 1000 lines" "$gopro" data check imagenet --root w
copy imagenet && mkdir -p w/imagenet/images/train/n99999999 && cp -l w/imagenet/images/train/n01440764/* w/imagenet/images/train/n99999999
expect 3 "the folder 'n99999999' in .* is no wnid of classnames.txt; move it away" "$gopro" data check imagenet --root w
copy imagenet && rm -r w/imagenet/images/*/n01443537
expect 3 "FAULT 1 of the 12 folders that classnames.txt lists are missing in '.*/train', the first is 'n01443537'" "$gopro" data check imagenet --root w
copy imagenet && mv w/imagenet/images/val w/imagenet/images/flat
expect 3 "images/val' is missing; the validation images must be sorted into wnid folders" "$gopro" data check imagenet --root w
copy fgvc_aircraft && rm w/fgvc_aircraft/images_variant_val.txt
expect 3 "images_variant_val.txt' is missing; take variants.txt" "$gopro" data check fgvc_aircraft --root w
copy fgvc_aircraft && rm w/fgvc_aircraft/variants.txt && printf '707-320\nCessna 525\nCessna 560\n' >w/fgvc_aircraft/variants.txt
expect 3 "line 13: the variant 'F/A-18' is not in variants.txt" "$gopro" data check fgvc_aircraft --root w
copy eurosat && mv w/eurosat/2750 w/eurosat/EuroSAT_RGB
expect 3 "none of the 32 images is there: put or link the images at 'w/eurosat/2750'" "$gopro" data check eurosat --root w

# Draws travel: exported, imported, the same run.
expect 0 "fingerprints [0-9a-f]{16}" "$gopro" data draw dtd --root root --shots 2 --seed 5 --export five.json
expect 0 "" "$gopro" train --quiet $small --data dtd --root root --out drawn $few seed=5
expect 0 "" "$gopro" train --quiet $small --data dtd --root root --out imported $few seed=5 data.draw=five.json
same drawn/prompt.safetensors imported/prompt.safetensors
check "the record says where the draw came from" grep -q '"imported":"five.json"' imported/draw.json
expect 0 "" "$gopro" train --quiet $small --data dtd --root root --out drawn $few seed=5 data.draw=five.json
check "the same draw makes another run" cmp -s drawn/draw.json <("$gopro" data draw dtd --root root --shots 2 --seed 5 | python3 -c 'import json,sys; print(json.dumps(json.load(sys.stdin),separators=(",",":")),end="")')
python3 - <<'P'
import json
d = json.load(open("five.json"))
open("plain.txt", "w").write("# path label\n" + "".join("/data/dtd/images/%s %d\n" % (p, k) for p, k, n in d["train"]))
open("lines.jsonl", "w").write("".join(json.dumps({"_impath": "dtd/images/" + p, "_label": k, "_domain": 0, "_classname": n}) + "\n" for p, k, n in d["train"]))
o = lambda v: {"data": [{"impath": p, "label": k, "classname": n} for p, k, n in v], "indices": list(range(len(v)))}
json.dump({"train": o(d["train"]), "val": o(d["val"])}, open("index.json", "w"))

# split_fewshot/shot_K-seed_S.pkl of the reference: objects of a class of its own, with absolute paths.
import os, pickle, sys, types
class Datum:
    __module__ = "dassl.data.datasets.base_dataset"
where = ""
for part in Datum.__module__.split("."):
    where += "." * bool(where) + part
    sys.modules[where] = types.ModuleType(where)
sys.modules[where].Datum = Datum
def datum(p, k, n):
    x = Datum()
    x._impath, x._label, x._domain, x._classname = "/home/me/DATA/dtd/images/" + p, k, 0, n
    return x
kept = {s: [datum(*e) for e in d[s]] for s in ("train", "val")}
for protocol in (2, 3, 4, 5):
    pickle.dump(kept, open("kept%d.pkl" % protocol, "wb"), protocol=protocol)
class Evil:
    def __reduce__(self):
        return os.system, ("touch was_run",)
kept["train"].append(Evil())
pickle.dump(kept, open("evil.pkl", "wb"), protocol=4)
pickle.dump({"val": []}, open("empty.pkl", "wb"), protocol=4)
pickle.dump({"train": [1]}, open("number.pkl", "wb"), protocol=4)
pickle.dump({"train": {"a": 1}}, open("dict.pkl", "wb"), protocol=4)
open("table.csv", "w").write("path,label,split\n" + "".join('"%s",%s,%s\n' % (p, n, s) for s in ("train", "val") for p, k, n in d[s]))
P
hash=$(sed -n 's/.*"hash": "\(.*\)",/\1/p' five.json)
for f in plain.txt lines.jsonl index.json table.csv five.json kept2.pkl kept3.pkl kept4.pkl kept5.pkl; do
    expect 0 "\"hash\": \"$hash\"" "$gopro" data draw dtd --root root --import $f
done
expect 3 "not in the lists of dataset 'eurosat', for example" "$gopro" data draw eurosat --root root --import plain.txt
sed 's/, *0, *"banded"/, 1, "banded"/; s/^   0,$/   3,/' five.json >wrong.json
expect 3 "asks for 'posix.system', which no draw needs; it was refused and nothing was executed" "$gopro" data draw dtd --root root --import evil.pkl
check "a pickle was executed" test ! -e was_run
expect 3 "empty.pkl': expected the draw under .train." "$gopro" data draw dtd --root root --import empty.pkl
expect 3 "number.pkl': train entry 0 has no _impath" "$gopro" data draw dtd --root root --import number.pkl
expect 3 "dict.pkl': .train. must be a list" "$gopro" data draw dtd --root root --import dict.pkl
head -c 300 kept4.pkl >short.pkl
expect 3 "short.pkl: pickle, byte [0-9]+: .*is the file cut off" "$gopro" data draw dtd --root root --import short.pkl
expect 0 "" "$gopro" train --quiet $small --data dtd --root root --out pickled $few seed=5 data.draw=kept4.pkl
same pickled/prompt.safetensors drawn/prompt.safetensors
expect 3 "has the label 3 there and 0" "$gopro" data draw dtd --root root --import wrong.json

# Own data: a table, with domains, quotes and names that are not ASCII.
mkdir -p own/p own/s
python3 - $pictures <<'P'
import os, shutil, sys
rows = ["\ufeffpath;label;split;domain\r\n"]
pics = sys.argv[1:]
for d in "ps":
    for k, name in enumerate(["猫", 'dog; "big"', "γάτα"]):
        for i in range(6):
            os.link(pics[(k * 7 + i) % len(pics)], "own/%s/%d_%d é.png" % (d, k, i))
            rows.append('%s/%d_%d é.png;"%s";%s;%s\r\n' % (d, k, i, name.replace('"', '""'), "train" if i < 4 else "test", {"p": "photo", "s": "sketch"}[d]))
open("own/list.csv", "w", encoding="utf-8", newline="").write("".join(rows))
P
expect 0 "list: 3 classes, 24 train, 0 val, 12 test" "$gopro" data check own/list.csv --decode
check "a quoted name" grep -q '  dog; "big"$' out.txt
expect 0 "list#sketch: 3 classes, 12 train, 0 val, 6 test" "$gopro" data check 'own/list.csv#sketch'
expect 0 "list#photo\+sketch: 3 classes, 24 train" "$gopro" data check 'own/list.csv#photo+sketch'
expect 3 "has no domain 'oil'; it has photo, sketch" "$gopro" data check 'own/list.csv#oil'
expect 0 "" "$gopro" train --quiet $small --data 'own/list.csv#photo' --out r_photo $few
expect 0 "6 images, 3 classes" "$gopro" eval --quiet r_photo --data 'own/list.csv#sketch'
expect 0 "6 images, 3 classes" "$gopro" eval --quiet r_photo
printf '猫\tcat\nγάτα\tkitten\ndog; "big"\tdog\nunused\tx\n' >names.tsv
expect 0 "8 .*kitten" "$gopro" data check own/list.csv --class-names names.tsv
expect 3 "names.tsv' has no name for the class" sh -c "sed -i 1d names.tsv; '$gopro' data check own/list.csv --class-names names.tsv"

# Folders with domains; the class that one domain lacks is not among its classes.
mkdir -p pacs/art/dog pacs/art/cat pacs/photo/dog pacs/photo/cat pacs/photo/horse
n=0
for c in art/dog art/cat photo/dog photo/cat photo/horse; do for i in 1 2 3 4 5; do ln "$(ls -d pool/train/*/00$i.png | sed -n "$((n % 4 + 1))p")" pacs/$c/$i.png; done; n=$((n + 1)); done
expect 0 "pacs: 3 classes, 10 train, 5 val, 10 test" "$gopro" data check pacs
check "nothing says that a shuffle made the split" grep -q '^note .*split 50/20/30 by a shuffle' out.txt
# An image is on the same side of the split, whichever domains are chosen.
"$gopro" data draw pacs --shots 100 --export all.json >/dev/null && "$gopro" data draw 'pacs#art' --shots 100 --export art.json >/dev/null
check "a domain is split in another way than the whole" python3 -c '
import json
every, art = ({e[0] for e in json.load(open(f))["train"]} for f in ("all.json", "art.json"))
assert art and art == {p for p in every if p.startswith("art/")}, (art, every)'
expect 0 "pacs#art: 2 classes, 4 train, 2 val, 4 test" "$gopro" data check 'pacs#art'
expect 0 "" "$gopro" train --quiet $small --data 'pacs#photo' --out r_pacs $few
expect 0 "2 classes" "$gopro" eval --quiet r_pacs --data 'pacs#art'
ln -s ../.. pacs/art/dog/loop
expect 3 "loop' is a folder inside a class folder" "$gopro" data check pacs
rm pacs/art/dog/loop && ln -s loop pacs/art/dog/loop
expect 3 "loop' is not an image" "$gopro" data check pacs
rm pacs/art/dog/loop && ln -s gone.png pacs/art/dog/gone.png
expect 3 "missing .*art/dog/gone.png" "$gopro" data check pacs
rm pacs/art/dog/gone.png

# Images in a tar: by folder, and with companions; shards; the same results as unpacked.
(cd pool && tar cf ../pool.tar --sort=name train test)
expect 0 "pool: 4 classes, 24 train, 0 val, 16 test" "$gopro" data check pool.tar --decode
check "all are decoded" grep -q "40 of 40 images decoded" out.txt
"$gopro" zeroshot --quiet $small --data pool --json >a.json
"$gopro" zeroshot --quiet $small --data pool.tar --json >b.json
check "a tar gives other results" python3 -c 'import json; a, b = json.load(open("a.json")), json.load(open("b.json")); assert a["test"] == b["test"]' 
expect 0 "" "$gopro" train --quiet $small --data pool.tar --out r_tar $few
expect 0 "" "$gopro" train --quiet $small --data pool --out r_dir $few
check "training from a tar" python3 -c 'import json; a, b = (json.load(open(r + "/result.json")) for r in ("r_tar", "r_dir")); assert a["test"] == b["test"] and a["train"]["loss"] == b["train"]["loss"]'
python3 - $pictures <<'P'
import io, json, os, sys, tarfile
pics = sys.argv[1:]
def add(t, name, data):
    i = tarfile.TarInfo(name)
    i.size = len(data)
    t.addfile(i, io.BytesIO(data))
os.mkdir("shards")
for part in ("train", "test"):
    for shard in range(2):
        with tarfile.open("shards/%s-%06d.tar" % (part, shard), "w", format=tarfile.PAX_FORMAT if shard else tarfile.GNU_FORMAT) as t:
            for i in range(6):
                long = "x" * (120 if i == 1 else 3)
                key = "%s%d%d" % (long, shard, i)
                data = open(pics[(shard * 6 + i) % len(pics)], "rb").read()
                if i % 2: add(t, key + ".cls", b"%d\n" % (i % 3))
                add(t, key + ".jpg", data)
                if not i % 2: add(t, key + ".json", json.dumps({"label": i % 3, "caption": "…"}).encode())
open("shards/classes.txt", "w").write("red square\nblue circle\ngreen cross\n")
P
expect 0 "shards: 3 classes, 12 train, 0 val, 12 test" "$gopro" data check shards --decode
check "names of numbered labels" grep -q '  blue circle$' out.txt
head -c 20000 pool.tar >torn.tar
expect 3 "torn.tar.*(a member is larger than the archive|ends in)" "$gopro" data check torn.tar
python3 - <<'P'
import io, tarfile
for name, member in (("up.tar", "a/../../../etc/x.png"), ("abs.tar", "/etc/a/x.png")):
    with tarfile.open(name, "w") as t:
        i = tarfile.TarInfo(member)
        i.size = 3
        t.addfile(i, io.BytesIO(b"abc"))
P
expect 3 "up.tar': the path 'a/../../../etc/x.png' is not allowed" "$gopro" data check up.tar
expect 3 "abs.tar': the path '/etc/a/x.png' is not allowed" "$gopro" data check abs.tar
gzip -k pool.tar
expect 3 "pool.tar.gz' is compressed" "$gopro" data check pool.tar.gz

# A named pipe is no list, whatever it is called, and nobody waits for what may come through it.
mkdir pipes
for f in list.csv list.tar split.json list; do
    mkfifo pipes/$f
    expect 3 "could not open 'pipes/$f': not a regular file" timeout -s KILL 20 "$gopro" data check pipes/$f
done
expect 3 "could not open 'pipes/list': not a regular file" timeout -s KILL 20 "$gopro" data draw dtd --root root --import pipes/list
mkdir tars && mv pipes/list.tar tars/1.tar
expect 3 "could not open 'tars/1.tar': not a regular file" timeout -s KILL 20 "$gopro" data check tars

# Images that were set apart for testing never go into training: levels of any case, and none beside something else.
first=$(echo "$pictures" | head -1 | tr '?' ' ')
images() { # FOLDER...: four copies in each
    local f i
    for f in "$@"; do
        mkdir -p "$f"
        for i in 1 2 3 4; do cp "$first" "$f/$i.png"; done
    done
}
images cap/Train/cat cap/Train/dog cap/TEST/cat cap/TEST/dog
expect 0 "cap: 2 classes, 8 train, 0 val, 8 test" "$gopro" data check cap
images mac/train/cat mac/train/dog mac/test/cat mac/test/dog && mkdir -p mac/__MACOSX/train
expect 0 "mac: 2 classes, 8 train, 0 val, 8 test" "$gopro" data check mac
images mixed/train/cat mixed/train/dog mixed/test/cat mixed/extra/dog
expect 3 "'mixed/?' holds 't[a-z]+' beside 'extra': expected train, val and test alone" "$gopro" data check mixed
# Classes that would be one to the tokenizer; a file under two names.
images folds/cat 'folds/ cat' folds/dog
expect 3 "the classes '.?cat' and '.?cat' are duplicates" "$gopro" data check folds
printf 'path,label\nfolds/dog/1.png,red  panda\nfolds/dog/2.png,red panda\n' >blank.csv
expect 3 "are duplicates" "$gopro" data check blank.csv
printf 'path,label\nfolds/dog/1.png,cat\n./folds//dog/./1.png,dog\n' >twice.csv
expect 3 "the image 'folds/dog/1.png' is listed under two classes, 'cat' and 'dog'" "$gopro" data check twice.csv

# Archives from which something would be lost, or get another class.
(cd cap && tar cf ../plain.tar Train)
expect 0 "2 classes, 8 train" "$gopro" data check plain.tar
mkdir lt && images lt/cat lt/dog && ln lt/dog/1.png lt/dog/5.png && ln -s 1.png lt/dog/6.png
tar cf hard.tar -C lt --exclude=6.png cat dog
expect 3 "hard.tar': '[a-z/0-9.]+' is a link; pack the files again with tar --dereference" "$gopro" data check hard.tar
tar cf soft.tar -C lt --hard-dereference cat dog
expect 3 "soft.tar': 'dog/6.png' is a link" "$gopro" data check soft.tar
tar cf deref.tar -C lt --dereference --hard-dereference cat dog
expect 0 "all 10 images are there" "$gopro" data check deref.tar
cat plain.tar plain.tar >joined.tar
expect 3 "the archive ends here, but more follows" "$gopro" data check joined.tar
cp "$first" sparse.png && truncate -s 300K sparse.png && mkdir -p sp/cat sp/dog && cp --sparse=always sparse.png sp/cat && cp "$first" sp/dog/1.png
tar --sparse --format=pax -cf sparse.tar -C sp cat dog
expect 3 "a sparse member" "$gopro" data check sparse.tar
mkdir samples && for i in 0 1 2 3; do cp "$first" samples/$i.png && echo cat >samples/$i.cls; done && echo dog >samples/1.cls
pack() { tar cf apart.tar -C samples "$@"; }
pack 0.png 0.cls 1.png 1.cls 2.cls 2.png 3.png 3.cls
expect 0 "apart: 2 classes" "$gopro" data check apart.tar
mkdir dd && mv samples dd/samples
tar cf apart.tar -C dd samples/0.png samples/0.cls samples/1.png samples/1.cls samples/2.png samples/3.png samples/3.cls samples/2.cls
expect 3 "the files of sample 'samples/2' do not follow each other; pack them again" "$gopro" data check apart.tar
tar cf apart.tar -C dd samples/0.png samples/0.cls samples/1.png samples/1.cls samples/2.cls
expect 3 "'samples/2.cls' has no image beside it" "$gopro" data check apart.tar
cp "$first" dd/samples/1.jpg
tar cf apart.tar -C dd samples/0.png samples/0.cls samples/1.jpg samples/1.png samples/1.cls
expect 3 "sample 'samples/1' has several images, one of them 'apart.tar/samples/1.png'" "$gopro" data check apart.tar
ln -s 0.png dd/samples/.0.png
echo '{"label": 3.0}' >dd/samples/1.json && tar cf apart.tar -C dd samples/.0.png samples/0.png samples/0.cls samples/1.json samples/1.png samples/1.cls
expect 0 "apart: 2 classes" "$gopro" data check apart.tar
echo '{"label": 3.0}' >dd/samples/0.json && tar cf apart.tar -C dd samples/0.png samples/0.json samples/1.png samples/1.cls
expect 3 "samples/0.json': expected a JSON object in which class, split and domain are text or whole numbers" "$gopro" data check apart.tar

# Draws: time that grows with the file, labels that are labels, names with blanks.
python3 -c 'open("deep.txt", "w").write("a/" * 150000 + "x\t0\n")'
expect 3 "a path of 300001 bytes, expected at most 4096" timeout -s KILL 20 "$gopro" data draw dtd --root root --import deep.txt
python3 -c 'open("deep.txt", "w").write(("a/" * 2000 + "x\t0\n") * 5000)'
expect 3 "5000 images are not in the lists" timeout -s KILL 20 "$gopro" data draw dtd --root root --import deep.txt
for l in 99.0 '"0"' true -1; do
    echo "[{\"_impath\": \"folds/dog/1.png\", \"_label\": $l}]" >label.json
    expect 3 "label.json': the label of 'folds/dog/1.png' is no whole number" "$gopro" data draw dtd --root root --import label.json
done
"$make_fixture" data fx 4 3 2
printf 'train/blue circle/002.png blue circle\ntrain/red circle/001.png red circle\n' >blanks.txt
expect 0 "2 train and 0 val images drawn" "$gopro" data draw fx --import blanks.txt --export x.json
cp -r fx fy && mv fy/train/"red circle" fy/train/"red 2" && mv fy/test/"red circle" fy/test/"red 2"
printf 'train/red 2/001.png red 2\n./train//red 2/./002.png 2\n' >blanks2.txt
expect 0 "2 train and 0 val images drawn" "$gopro" data draw fy --import blanks2.txt --export x.json
echo '[{"path": "./train/red 2//001.png", "label": "red 2"}, {"path": "train/red 2/002.png", "label": 2}]' >word.json
expect 0 "2 train and 0 val images drawn" "$gopro" data draw fy --import word.json --export x.json
echo '[{"path": "train/red 2/001.png", "label": "green circle"}]' >word.json
expect 3 "is of class 'green circle' there and 'red 2'" "$gopro" data draw fy --import word.json
expect 0 "8 train and" "$gopro" data draw fx shots=2 seed=3 --export x.json
"$gopro" data draw fx --shots 2 --seed 3 --export y.json >/dev/null && same x.json y.json
expect 0 "2 train and" "$gopro" data draw fx data.draw=blanks.txt --export x.json
expect 2 "seed '99999999999999999999' is not a number" "$gopro" data draw fx --seed 99999999999999999999
mkfifo x.pipe && expect 1 "could not create '.*x.pipe': a device or pipe" timeout -s KILL 20 "$gopro" data draw fx --export x.pipe
ln -s x.json x.link && expect 0 "" "$gopro" data draw fx --shots 1 --export x.link
check "a link was replaced by a file" test -L x.link

# A list of JSON and a long text that belong to no image are no obstacle; an empty image is one that may be left out.
mkdir dd/extra && echo '[1, 2]' >dd/extra/meta.json && head -c 2000000 /dev/zero | tr '\0' x >dd/extra/captions.txt
tar cf extra.tar -C dd extra samples/0.png samples/0.cls samples/1.png samples/1.cls
expect 0 "extra: 2 classes" "$gopro" data check extra.tar
: >dd/samples/4.png && echo cat >dd/samples/4.cls && tar cf empty.tar -C dd samples/0.png samples/0.cls samples/1.png samples/1.cls samples/4.cls samples/4.png
expect 3 "the image 'samples/4.png' has 0 bytes; expected 1 to [0-9]+ .data.skip_bad=1 leaves it out" "$gopro" data check empty.tar
expect 0 "'samples/4.png' has 0 bytes: skipped" "$gopro" data check empty.tar data.skip_bad=1
xz -k extra.tar && printf 'BZh91AY&SY' >extra.tar.bz2 # its first bytes decide; bzip2 itself may not be there
expect 3 "extra.tar.xz' is compressed; unpack it with unxz first" "$gopro" data check extra.tar.xz
expect 3 "extra.tar.bz2' is compressed; unpack it with bunzip2 first" "$gopro" data check extra.tar.bz2

# Shards say their part anywhere in their names, once.
mkdir parts && cp plain.tar parts/wds_pets-train-000.tar && cp plain.tar parts/wds_pets-validation-0.tar && cp plain.tar parts/wds_pets_test.tar
expect 0 "parts: 2 classes, 8 train, 8 val, 8 test" "$gopro" data check parts
mv parts/wds_pets_test.tar parts/train_and_test.tar
expect 3 "'parts/train_and_test.tar' is named after train and test; rename it" "$gopro" data check parts

# Split files: synonyms are known, a list under another name is not lost in silence.
sub='[["plain/cat/1.png", 0, "cat"], ["plain/dog/1.png", 1, "dog"]]'
mkdir -p plain/cat plain/dog && cp "$first" plain/cat/1.png && cp "$first" plain/dog/1.png
echo "{\"info\": {\"by\": \"hand\"}, \"Train\": $sub, \"validation\": $sub, \"testing\": $sub}" >syn.json
expect 0 "syn.json: 2 classes, 2 train, 2 val, 2 test|syn: 2 classes, 2 train, 2 val, 2 test|2 classes, 2 train, 2 val, 2 test" "$gopro" data check syn.json
echo "{\"train\": $sub, \"holdout\": $sub}" >odd.json
expect 3 "'odd.json': the list \"holdout\" is none of train, val and test; rename or remove it" "$gopro" data check odd.json

# Folders: what would vanish without a word is said.
cp -r fx gone && mv gone/train/"red circle" away && ln -s nowhere gone/train/"red circle"
expect 3 "gone/train/red circle' is a link that leads nowhere" "$gopro" data check gone
mkdir beside && cp -r fx/train/* beside && cp "$first" beside/cover.png
expect 0 "'beside': 1 image lies beside the class folders, which has no class and is not used: 'cover.png'" "$gopro" data check beside
cp -r fx noval && mkdir noval/val
expect 0 "noval: [0-9]+ classes" "$gopro" data check noval
mkdir noval/xml && : >noval/xml/1.xml
expect 3 "'noval' holds '(test|train)' beside 'xml': expected train, val and test alone" "$gopro" data check noval
mkdir -p kaggle && cp -r fx/train kaggle && mkdir kaggle/test && cp "$first" kaggle/test/1.png
expect 3 "'kaggle' has a folder per class in 'train' but images in 'test'; sort those" "$gopro" data check kaggle

# Base and new are halves of the classes that have training images; those that are only listed stay out of both.
mkdir listed && cp -r fx/train/* listed && (cd listed && ls -d */ | tr -d / >classes.txt && sed -i '1i aardvark' classes.txt)
n=$(ls -d listed/*/ | wc -l)
expect 0 "1 of the listed classes have no images .'aardvark'." "$gopro" data check listed
expect 0 "images, $(((n + 1) / 2)) classes" "$gopro" zeroshot --quiet $small --data listed --subset base
check "a class without images is a base class" sh -c '! grep -q aardvark out.txt'
expect 0 "images, $((n / 2)) classes" "$gopro" zeroshot --quiet $small --data listed --subset new

# A path of several lines does not write into the configuration.
ln -s fx $'odd\noptim: [' || exit 1
expect 0 '' "$gopro" train $small --data $'odd\noptim: [' --out r_odd $few
expect 0 '' "$gopro" train $small --data fx --out r_even --config r_odd/config.yaml

# Left out is recorded.
cp -r fx bad && head -c 60 "$first" >bad/train/"red circle"/000.png
expect 3 "training images .'gopro data check' names every one that cannot be read.: image [0-9]+ of [0-9]+: image 'bad/train/red circle/000.png'" \
    "$gopro" train $small --data bad --out r_worse $few shots=100
expect 0 "1 of [0-9]+ training images cannot be read and are left out" "$gopro" train $small --data bad --out r_bad $few shots=100 data.skip_bad=1
check "the record does not say that an image was left out" grep -q '"left_out": 1' r_bad/result.json
expect 0 "" "$gopro" train --quiet $small --data fx --out r_good $few shots=100
check "a record of a complete run speaks of images left out" sh -c '! grep -q left_out r_good/result.json'

# Tables as programs write them.
row() { printf '%b' "$1" >row.csv; }
row 'path;label;"a, b"\nfx/train/red circle/001.png;x;1\nfx/train/red circle/002.png;y;2\n'
expect 0 "2 classes" "$gopro" data check row.csv
row 'path;label;a, b\nfx/train/red circle/001.png;x;1\nfx/train/red circle/002.png;y;2\n;;\n'
expect 0 "2 classes" "$gopro" data check row.csv
row 'file_name,label\nfx/train/red circle/001.png,x\nfx/train/red circle/002.png,y\n,,\n'
expect 0 "2 classes" "$gopro" data check row.csv
row 'path,label\rfx/train/red circle/001.png,x\r'
expect 3 "a carriage return without a line feed; expected lines that end in LF or CR LF" "$gopro" data check row.csv
row 'img,label\nfx/train/red circle/001.png,x\n'
expect 3 "columns path and label.*; its columns are 'img', 'label'" "$gopro" data check row.csv
row 'path,label,split\nfx/train/red circle/001.png,x,holdout\n'
expect 3 "line 2: the split 'holdout' is none of train, val and test" "$gopro" data check row.csv
row 'path,label\n.,x\n'
expect 3 "the path '.' is not allowed: it names no file" "$gopro" data check row.csv

# Names that are no UTF-8 or hold line ends: said in one line each, JSON stays JSON.
cp -r fx $'caf\xe9' && rm $'caf\xe9'/train/*/001.png
expect 2 "the path of the data, 'caf.', is not UTF-8 and cannot be recorded" "$gopro" train --quiet $small --data $'caf\xe9' --out cafe $few
expect 0 '"name": "caf\?"' "$gopro" data check $'caf\xe9' --json
expect 0 '"dataset": "caf\?"' "$gopro" data draw $'caf\xe9' --shots 1
printf 'path,label\n"no\nok    all 2 images are there",cat\nfolds/dog/1.png,dog\n' >line.csv
expect 3 "missing .*no.ok    all 2" "$gopro" data check line.csv
check "a path forged a line" sh -c '! grep -q "^ok    all 2 images are there" both.txt'
python3 -c 'import json; json.dump({"train": [["é" * 1000 + "/1.png", 0, "a"], ["1.png", 1, "b"]], "val": [], "test": []}, open("long.json", "w"))'
"$gopro" data check long.json --json >out.txt 2>/dev/null
check "a long name is missing from JSON" python3 -c 'import json; assert any("é" * 1000 in f["text"] for f in json.load(open("out.txt"))["findings"])'
printf 'path,label,classname\nfolds/dog/1.png,0,dog\n' >two.csv
expect 3 "line 1: the column 'classname' says what another says already \(the class\)" "$gopro" data check two.csv
printf '\357\273\277{"nome": "x"}' >fx/dataset.json
expect 0 "'nome' is not known and has no effect" "$gopro" data check fx
rm fx/dataset.json && : >fx/train/"red circle"/000.png
expect 3 "empty \(train\): fx/train/red circle/000.png" "$gopro" data check fx
cp "$first" fx/train/"red circle"/000.png
python3 -c 'import pickle; [pickle.dump({"train": []}, open("old%d.pkl" % p, "wb"), protocol=p) for p in (0, 1)]'
for p in 0 1; do expect 3 "a pickle of protocol 0 or 1" "$gopro" data draw fx --import old$p.pkl; done
printf 'path,label,split\ntrain/blue circle/000.png,blue circle,train\ntest/blue circle/000.png,blue circle,test\n' >mixsplit.csv
expect 0 "1 test images are left out" "$gopro" data draw fx --import mixsplit.csv --export x.json
sed 's/"dataset": "fx"/"dataset": "imagenet"/' x.json >x2.json
expect 0 "x2.json' was drawn from 'imagenet' and is used for 'fx'" "$gopro" data draw fx --import x2.json

# One that is missing does not hide one that is damaged.
cp -r fx half && rm half/train/*/001.png && ln -s nowhere half/train/"red circle"/009.png && head -c 60 "$first" >half/train/"red circle"/000.png
expect 3 "unreadable: .*000.png" "$gopro" data check half --decode

# Paths that lead out, unless they are allowed.
printf 'path,label\npool/train/red square/000.png,a\n../x/1.png,b\n' >out.csv
expect 3 "out.csv' line 3: the path '../x/1.png' is not allowed: it leads out" "$gopro" data check out.csv
abs="$PWD/pool/test"
printf 'path,label,split\n%s,a,train\n%s,b,train\n' "$abs/red circle/000.png" "$abs/green circle/000.png" >abs.csv
expect 3 "abs.csv' line 2: the path '/" "$gopro" data check abs.csv
expect 0 "2 of 2 images decoded" "$gopro" data check abs.csv data.any_path=1

# The published split files, where they are at hand: counts, borders, hashes and draws, and one tree that is complete.
shared=${GOPRO_SHARED:-$source_dir/../shared}/data/splits
if [ -d "$shared" ]; then
    for p in caltech-101:Caltech101:caltech101 dtd:DescribableTextures:dtd eurosat:EuroSAT:eurosat oxford_flowers:OxfordFlowers:oxford_flowers \
        oxford_pets:OxfordPets:oxford_pets stanford_cars:StanfordCars:stanford_cars ucf101:UCF101:ucf101; do
        IFS=: read -r folder file name <<<"$p"
        mkdir -p "pub/$folder" && gunzip -c "$shared/split_zhou_$file.json.gz" >"pub/$folder/split_zhou_$file.json"
        expect 3 "FAULT none of the [0-9]+ images is there" "$gopro" data check "$name" --root pub --limit 1
        check "$name: not the published lists" test "$(grep -c 'published ones\?$' out.txt)" = 4
    done
    python3 - "$(echo "$pictures" | head -1)" <<'P'
import json, os, sys
for a in json.load(open("pub/dtd/split_zhou_DescribableTextures.json")).values():
    for p, _, _ in a:
        os.makedirs(os.path.dirname("pub/dtd/images/" + p), exist_ok=True)
        os.link(sys.argv[1].replace("?", " "), "pub/dtd/images/" + p)
P
    expect 0 "5640 of 5640 images decoded" "$gopro" data check dtd --root pub --decode
fi
no_leftovers .
finish
