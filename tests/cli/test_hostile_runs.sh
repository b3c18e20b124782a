# test_hostile_runs.sh - the JSON files of runs and protocols replaced by what is none: refused by name, soon, and within little memory.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/lib.sh"

"$make_fixture" model m && "$make_fixture" data d 4 6 3 || exit 1
few="shots=2 optim.epochs=2"
expect 0 'HM' "$gopro" train --model m --data d --out run --subset base $few
expect 0 'average' "$gopro" protocol b2n --quiet --model m --data d --out p --seeds 1 --methods coop $few
unit=$(dirname "$(find p -name DONE | head -1)")

# hostile FILE STATUS NAME COMMAND...: the command must end soon with the status, naming the file, whatever stands in its place.
hostile() {
    local file=$1 status=$2 name=$3 kind
    shift 3
    mv "$file" kept
    for kind in pipe folder deep cut huge text array; do
        case $kind in
        pipe) mkfifo "$file" ;;
        folder) mkdir "$file" ;;
        deep) python3 -c 'print("[" * 100000)' >"$file" ;;
        cut) head -c $(($(stat -c %s kept) - 3)) kept >"$file" ;;
        huge) truncate -s 100G "$file" ;;
        text) printf '\377\000 nothing' >"$file" ;;
        array) echo '[1, 2]' >"$file" ;;
        esac
        expect "$status" "$name" timeout -s KILL 20 "$@"
        [ $kind != huge ] || check "it is not said that $name is too large" grep -q 'larger than [0-9]* bytes' err.txt
        rm -rf "$file"
    done
    mv kept "$file"
}

hostile run/run.json 1 'run/run.json' "$gopro" train --model m --data d --out run --subset base $few
hostile run/run.json 4 'run/run.json' "$gopro" eval run
hostile run/result.json 1 'run/result.json' "$gopro" train --model m --data d --out run --subset base $few
hostile p/b2n/plan.json 1 'b2n/plan.json' "$gopro" report p b2n
hostile "$unit/result.json" 1 'result.json' "$gopro" report p b2n

# Small values by the million take memory a hundred times the file's.
python3 -c 'print("[" + "[],\n" * 2100000 + "0]")' >many.json
cp -r m w && cp many.json w/vocab.json
expect 4 "w/vocab.json:[0-9]+: holds more than 2000000 values" timeout -s KILL 20 "$gopro" zeroshot --model w --data d
cp m/config.json w/config.json && rm w/vocab.json && head -c 500000 many.json >w/config.json
expect 4 "w/config.json: line [0-9]+, column 0: holds more than 100000 values" timeout -s KILL 20 "$gopro" zeroshot --model w --data d
cat many.json many.json many.json many.json | tr -d '\n' | sed 's/0\]\[/0,/g' >most.json
cp run/run.json kept && cp most.json run/run.json
expect 4 "run/run.json:1: holds more than 8000000 values" timeout -s KILL 20 "$gopro" eval run
mv kept run/run.json
expect 3 "most.json' line 1: holds more than 8000000 values" timeout -s KILL 20 "$gopro" data draw d --import most.json

# A link that leads to itself is a file that is not there.
loop() {
    mv "$1" kept && ln -s "$(basename "$1")" "$1"
    expect "$2" "$3" timeout -s KILL 20 "${@:4}"
    rm "$1" && mv kept "$1"
}
loop run/run.json 2 "'run' is not empty and not a run folder" "$gopro" train --model m --data d --out run --subset base $few
loop run/run.json 4 "'run' is not a run folder" "$gopro" eval run
loop p/b2n/plan.json 2 "plan.json' is not there" "$gopro" report p b2n

# A plan whose folders lead out of it.
cp p/b2n/plan.json kept
for folder in ../../run runs/../../run /tmp "$PWD/run"; do
    python3 -c 'import json, sys; j = json.load(open("kept")); j["runs"][0]["folder"] = sys.argv[1]; json.dump(j, open("p/b2n/plan.json", "w"))' "$folder"
    expect 1 "b2n/plan.json: not a plan of this version" "$gopro" report p b2n
done
mv kept p/b2n/plan.json

# Numbers that no test of ours gives.
cp "$unit/result.json" kept
tamper() { # PYTHON PATTERN: on the dictionary j
    python3 -c 'import json, sys; j = json.load(open("kept")); exec(sys.argv[2]); json.dump(j, open(sys.argv[1], "w"))' "$unit/result.json" "$1"
    expect 1 "result.json: $2; test the run again" "$gopro" report p b2n
}
for v in 1e70 -1e70 1e308 -0.5 100.5 '"x"' None; do tamper "j['test']['base']['accuracy'] = $v" "'accuracy' of the base classes is missing or out of its range"; done
tamper "j['test']['new']['correct'] = 1e6" "'correct' of the new classes is missing or out of its range"
tamper "del j['test']['new']['brier']" "'brier' of the new classes is missing or out of its range"
tamper "j['test']['hm'] = 100.5" "'hm' is out of its range"
tamper "j['test'] = {}" "holds no results under 'test'"
tamper "del j['method']" "'method' is missing or no text"
mv kept "$unit/result.json"
cp run/result.json kept
for j in 'j["method"] = "coop"' 'j["dataset"] = "e\x1b[2J"'; do
    python3 -c 'import json, sys; j = json.load(open("kept")); exec(sys.argv[1]); json.dump(j, open("run/result.json", "w"))' "$j"
    expect 1 "run/result.json: is of method '[a-z]+' on '[][e?2Jd]+', expected 'gopro' on 'd'" "$gopro" train --model m --data d --out run --subset base $few
done
mv kept run/result.json
expect 0 "HM" "$gopro" train --model m --data d --out run --subset base $few

# edit FILE META TENSORS: a safetensors file with other metadata (m, a dictionary) and numbers (f: name, list of floats -> list).
edit() {
    python3 - "$@" <<'P'
import json, struct, sys
path, meta, tensors = sys.argv[1:]
data = open(path, "rb").read()
n = struct.unpack("<Q", data[:8])[0]
h, body = json.loads(data[8:8 + n]), bytearray(data[8 + n:])
m = h["__metadata__"]
exec(meta)
for name, t in h.items():
    if name == "__metadata__" or t["dtype"] != "F32":
        continue
    a, b = t["data_offsets"]
    v = list(struct.unpack("<%df" % ((b - a) // 4), body[a:b]))
    exec(tensors)
    body[a:b] = struct.pack("<%df" % len(v), *v)
j = json.dumps(h).encode()
j += b" " * (-len(j) % 8)
open(path, "wb").write(struct.pack("<Q", len(j)) + j + body)
P
}
picture=$(find d/test -name '*.png' | head -1)
prompt() { # META TENSORS PATTERN
    cp run/prompt.safetensors kept && edit run/prompt.safetensors "$1" "$2"
    expect 4 "run/prompt.safetensors: $3" timeout -s KILL 20 "$gopro" predict run "$picture"
    mv kept run/prompt.safetensors
}
for v in nan x -1 0 1e9 4.6junk ''; do prompt "m['logit_scale'] = '$v'" "" "the metadata's logit_scale is '$v', expected a number above 0"; done
prompt "del m['logit_scale']" "" "the metadata's logit_scale is missing"
prompt "" "v[0] = float('nan')" "tensor '[a-z._0-9]+' holds numbers that are not finite"
prompt "m['classes'] = json.dumps(['\\x1b[31mred', 'b'])" "" "class name 0 of the metadata is not plain text"
prompt "t = h['ctx']; t['shape'] = t['shape'][::-1]" "" "tensor 'ctx' has shape \\[32, 4\\], expected \\[4, 32\\]"
expect 0 "" "$gopro" predict run "$picture"
# Many entries are read in time that grows with their number.
cp run/prompt.safetensors kept && edit run/prompt.safetensors "m.update({'k%d' % i: '' for i in range(200000)})" ""
expect 0 "" timeout -s KILL 20 "$gopro" predict run "$picture"
mv kept run/prompt.safetensors

# stop RUN MODEL: leaves a run in the middle, with a checkpoint.
long="shots=2 optim.epochs=100000 checkpoint.every=1"
stop() {
    "$gopro" train --model "$2" --data d --out "$1" --subset base $long >/dev/null 2>&1 </dev/null &
    local pid=$! i
    for i in $(seq 400); do
        [ -f "$1/checkpoint.safetensors" ] && break
        sleep 0.02
    done
    kill -INT $pid
    wait $pid
    check "$1 was not stopped in the middle" test -f "$1/checkpoint.safetensors" -a ! -e "$1/DONE"
}

stop half m
checkpoint() { # META TENSORS PATTERN
    cp half/checkpoint.safetensors kept && edit half/checkpoint.safetensors "$1" "$2"
    expect 1 "half/checkpoint.safetensors: $3; remove the file to start anew" "$gopro" train --model m --data d --out half --subset base $long
    mv kept half/checkpoint.safetensors
}
checkpoint "m['logit_scale'] = '-5'" "" "the metadata's logit_scale '-5' is none"
checkpoint "m['format'] = 'other'" "" "not a checkpoint of a run"
checkpoint "" "v[0] = float('inf') if name.startswith('value') else v[0]" "tensor 'value.[a-z._0-9]+' holds numbers that are not finite"
checkpoint "" "v[0] = float('nan') if name.startswith('momentum') else v[0]" "tensor 'momentum.[a-z._0-9]+' holds numbers that are not finite"
checkpoint "t = h['value.ctx']; t['shape'] = t['shape'][::-1]" "" "tensor 'value.ctx' is missing or has another shape"

# A link among the files of somebody else's folder is replaced, never followed.
echo mine >mine.txt && rm p/b2n/report.txt && ln -s "$PWD/mine.txt" p/b2n/report.txt
expect 0 "" "$gopro" report p b2n
check "a link was followed" test "$(cat mine.txt)" = mine -a ! -L p/b2n/report.txt

# After all that the run and the report are as they were.
expect 0 'accuracy' "$gopro" eval run
expect 0 'average' "$gopro" report p b2n

# The same numbers read in another way are another model, whether they lie as they came or were imported.
cp -r m read && "$gopro" train --quiet --model read --data d --out reading --subset base $few >/dev/null
stop stopped read
grep -q quick_gelu read/config.json || fail "the fixture has another activation"
sed -i 's/quick_gelu/gelu/' read/config.json
expect 4 "reading/prompt.safetensors was learnt on the weights of .* read in another way" "$gopro" predict reading "$picture"
expect 1 "stopped/checkpoint.safetensors: the run began with the weights read in another way" "$gopro" train --model read --data d --out stopped --subset base $long
expect 0 "" "$gopro" import m imported
expect 0 "" "$gopro" predict run "$picture" --model imported
for edit in 's/quick_gelu/gelu/ config.json' 's/0\.5/0.4/ preprocessor_config.json'; do
    rm -rf changed && cp -r imported changed && sed -i "${edit% *}" "changed/${edit#* }"
    cmp -s "imported/${edit#* }" "changed/${edit#* }" && fail "nothing was changed: $edit"
    expect 4 "changed/model.safetensors: config.json or preprocessor_config.json beside it is not what was imported" "$gopro" zeroshot --model changed --data d
done

# A folder whose name is as long as a name may be, of characters of two bytes.
name=$(python3 -c 'print("é" * 127)')
cp -r d "$name"
expect 0 'HM' "$gopro" train --model m --data "$name" --out named --subset base $few
expect 0 'already done' "$gopro" train --model m --data "$name" --out named --subset base $few
expect 0 'average' "$gopro" protocol b2n --quiet --model m --data "$name,d" --out long --seeds 1 --methods coop $few
check "a report is not UTF-8" python3 -c 'import glob; [open(f, encoding="utf-8").read() for f in glob.glob("long/b2n/*")]'
# Links that somebody put where files are about to be made: what they lead to is not touched.
mkdir prey && echo prey >prey/file
expect 0 '' bash -c 'ln -s ../prey/file "run/curves.svg.tmp.$$" && exec "$0" curves run' "$gopro"
expect 0 '' bash -c 'ln -s prey "reborn.tmp.$$" && exec "$0" import m reborn' "$gopro"
check "an import went through a link" test "$(ls prey)" = file -a ! -L reborn -a -s reborn/model.safetensors
check "a file was written through a link" test "$(cat prey/file)" = prey
mkdir linked && ln -s ../prey/lock linked/.lock
expect 1 "could not open 'linked/.lock'" "$gopro" train --model m --data d --out linked --subset base $few
check "a lock was made through a link" test ! -e prey/lock
rm -r linked

# Texts of a plan reach the terminal as plain text.
cp p/b2n/plan.json kept && python3 - <<'PY'
import json
j = json.load(open("kept"))
j["title"] = "\x1b]0;owned\x07 \x9b31m"
json.dump(j, open("p/b2n/plan.json", "w"))
PY
expect 0 'average' "$gopro" report p b2n
check "an escape sequence reached the terminal" python3 -c 'assert not any(c < " " and c != "\n" or "\x7f" <= c < "\xa0" for c in open("both.txt", encoding="utf-8").read())'
mv kept p/b2n/plan.json
mkdir -p root/$'a\033[31mb' && "$gopro" data list root >out.txt
check "a folder's name reached the terminal as it is" sh -c '! grep -q "$(printf "\\033")" out.txt'

# Time and memory that a few bytes would take.
expect 0 'HM' "$gopro" train --model m --data d --out slip --subset base $few method=slip
python3 - <<'PY'
import json, os, struct
os.makedirs("greedy")
for f in os.listdir("slip"):
    if os.path.isfile("slip/" + f): os.link("slip/" + f, "greedy/" + f)
b = open("slip/prompt.safetensors", "rb").read()
n = struct.unpack("<Q", b[:8])[0]
head = json.loads(b[8:8 + n])
head["__metadata__"]["option.slip.mlp_dim"] = "65536"
text = json.dumps(head).encode()
os.remove("greedy/prompt.safetensors")
open("greedy/prompt.safetensors", "wb").write(struct.pack("<Q", len(text)) + text + b[8 + n:])
PY
expect 4 "its options ask for more than [0-9]+ numbers that only training needs" "$gopro" predict greedy d/test/*/000.png
{ for i in $(seq 1000); do echo "%TAG !t$i! tag:x,$i:"; done; echo '---'; echo 'shots: 2'; } >tags.yaml
expect 2 "tags.yaml: more than 16 lines begin with '%'" "$gopro" zeroshot --model m --data d --config tags.yaml
expect 4 "names of its tensors are longer than any list of weights needs" "$gopro" import "$source_dir/fuzz/corpus/torch/names_dag.pt" refused
mkdir -p scans/a scans/b && cp "$source_dir/fuzz/corpus/decode/scans.jpg" scans/a/1.jpg && cp scans/a/1.jpg scans/b/1.jpg
expect 3 "JPEG: [0-9]+ scans of [0-9]+ x [0-9]+ pixels would take too much time or memory" "$gopro" data check scans
no_leftovers .
finish
