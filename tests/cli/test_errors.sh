# test_errors.sh - every mistake a user can make is answered with its exit status and a message that names the culprit.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/lib.sh"

"$make_fixture" model m && "$make_fixture" data d 4 6 3 || exit 1
train() { "$gopro" train --quiet "$@" shots=2 optim.epochs=2; }

# Usage: 2, with the nearest name.
expect 2 "unknown command 'trian'; did you mean 'train'" "$gopro" trian
expect 2 "unknown option '--modle'; did you mean '--model'" "$gopro" zeroshot --modle m
expect 2 "did you mean .?optim.lr" "$gopro" train --model m --data d --out r optm.lr=1
expect 2 "optim.epochs" "$gopro" train --model m --data d --out r optim.epochs=0
expect 2 "optim.lr" "$gopro" train --model m --data d --out r optim.lr=nan
expect 2 "method.*(zeroshot|gopro)" "$gopro" train --model m --data d --out r method=goporo
expect 2 "'--model' needs a value" "$gopro" zeroshot --model
expect 2 "--out is missing" "$gopro" train --model m --data d
expect 2 "--subset is" "$gopro" train --model m --data d --out r --subset new
expect 2 "usage: gopro COMMAND" "$gopro"
expect 2 "ctx_init 'a photo of a' has [0-9]+ tokens but M is 7" "$gopro" train --model m --data d --out r M=7 'ctx_init=a photo of a'
expect 2 "scale_min .*scale_max" "$gopro" train --model m --data d --out r views.scale_min=0.9 views.scale_max=0.5
expect 2 "logit_scale" "$gopro" train --model m --data d --out r logit_scale=-3
expect 2 "template 'a photo' has no \{\}" "$gopro" zeroshot --model m --data d 'template=a photo'
printf 'optim:\n  lr: 0.1\n  epocs: 3\n' >bad.yaml
expect 2 "bad.yaml:3.*optim.epocs.*optim.epochs" "$gopro" train --model m --data d --out r --config bad.yaml
check "a refused command made the run folder" test ! -e r
expect 2 "which protocol" "$gopro" protocol xx --data d --out p
expect 2 "seeds" "$gopro" protocol b2n --model m --data d --out p --seeds 3-1
expect 2 "method 'copp' is unknown" "$gopro" protocol b2n --model m --data d --out p --methods zeroshot,copp
expect 2 "two datasets are called 'd'" "$gopro" protocol b2n --model m --data d,./d --out p
expect 2 "no image" "$gopro" predict r

# Weights: 4.
copy() { rm -rf "$2" && cp -r "$1" "$2"; }
expect 4 "no model at 'nowhere'" "$gopro" zeroshot --model nowhere --data d
copy m w && rm w/model.safetensors
expect 4 "model.safetensors" "$gopro" zeroshot --model w --data d
copy m w && head -c 5000 m/model.safetensors >w/model.safetensors
expect 4 "w/model.safetensors" "$gopro" zeroshot --model w --data d
copy m w && printf 'more bytes' >>w/model.safetensors
expect 4 "w/model.safetensors" "$gopro" zeroshot --model w --data d
copy m w && : >w/model.safetensors
expect 4 "w/model.safetensors" "$gopro" zeroshot --model w --data d
copy m w && head -c 3000 /dev/zero >w/model.safetensors
expect 4 "w/model.safetensors" "$gopro" zeroshot --model w --data d
# Edits the header: $1 new file, $2 Python on the dictionary h.
edit() {
    copy m w
    python3 - "$1" "$2" <<'PY'
import json, struct, sys
b = open("m/model.safetensors", "rb").read()
n = struct.unpack("<Q", b[:8])[0]
h = json.loads(b[8:8 + n])
body = bytearray(b[8 + n:])
exec(sys.argv[2])
j = json.dumps(h).encode()
open(sys.argv[1], "wb").write(struct.pack("<Q", len(j)) + j + bytes(body))
PY
}
proj='text_projection.weight'
edit w/model.safetensors "h['renamed'] = h.pop('$proj')"
expect 4 "text_projection.weight|renamed" "$gopro" zeroshot --model w --data d
edit w/model.safetensors "h['$proj']['shape'] = h['$proj']['shape'][:1] + [1] + h['$proj']['shape'][1:]"
expect 4 "text_projection.weight" "$gopro" zeroshot --model w --data d
edit w/model.safetensors "h['$proj']['shape'] = [64, 16]"
expect 4 "text_projection.weight" "$gopro" zeroshot --model w --data d
edit w/model.safetensors "h['$proj']['dtype'] = 'I32'"
expect 4 "text_projection.weight" "$gopro" zeroshot --model w --data d
edit w/model.safetensors "h['$proj']['data_offsets'][1] += 4"
expect 4 "text_projection.weight|offset" "$gopro" zeroshot --model w --data d
copy m w && rm w/merges.txt
expect 4 "merges.txt" "$gopro" zeroshot --model w --data d
copy m w && head -n 20 m/merges.txt >w/merges.txt && rm -f w/vocab.json
expect 4 "merges" "$gopro" zeroshot --model w --data d
copy m w && sed -i 's/"patch_size": *8/"patch_size": 7/' w/config.json
expect 4 "patch" "$gopro" zeroshot --model w --data d
copy m w && echo '{' >w/config.json
expect 4 "config.json" "$gopro" zeroshot --model w --data d

# Data: 3.
newdata() { rm -rf x && cp -r d x; }
expect 3 "nowhere" "$gopro" zeroshot --model m --data nowhere
newdata && rm -f 'x/train/blue circle/'*
expect 3 "blue circle" train --model m --data x --out r1
newdata && : >'x/train/blue circle/000.png' && : >'x/train/blue circle/001.png' && : >'x/train/blue circle/002.png' && for i in 3 4 5; do : >"x/train/blue circle/00$i.png"; done
expect 3 "blue circle/00.\.png" train --model m --data x --out r1
newdata && for i in 0 1 2 3 4 5; do echo text >"x/train/blue circle/00$i.png"; done
expect 3 "blue circle/00.\.png" train --model m --data x --out r2
newdata && echo text >'x/test/blue circle/000.png'
expect 3 "blue circle/000.png" "$gopro" zeroshot --model m --data x
expect 0 "blue circle/000.png.*" "$gopro" zeroshot --model m --data x data.skip_bad=1
check "the bad image counts" grep -q "11 images" out.txt
newdata && head -c 100 'd/test/blue circle/000.png' >'x/test/blue circle/000.png'
expect 3 "blue circle/000.png" "$gopro" zeroshot --model m --data x
newdata && echo notes >'x/train/blue circle/notes.txt'
expect 3 "notes.txt" "$gopro" data check x
expect 0 "4 classes" "$gopro" data check x data.skip_bad=1
newdata && rm -rf 'x/train/green'* x/train/red* x/train/yellow* 'x/test/green'* x/test/red* x/test/yellow*
expect 3 "one class|class" "$gopro" data check x
newdata && cat >x/split.json <<'J'
{"train":[["train/blue circle/000.png",0,"a"],["train/red circle/000.png",1,"a"]],"val":[],"test":[["test/blue circle/000.png",0,"a"]]}
J
expect 0 "warning: .*split.json.*two classes are both named 'a'" "$gopro" data check x
newdata && echo '{"train":[' >x/split.json
expect 3 "split.json" "$gopro" data check x
newdata && echo '{"train":[["../../etc/passwd",0,"a"],["b.png",1,"b"]],"val":[],"test":[]}' >x/split.json
expect 3 "split.json|\.\." "$gopro" data check x
long=$(printf 'green %.0s' $(seq 30))
newdata && mv 'x/train/green circle' "x/train/$long" && mv 'x/test/green circle' "x/test/$long"
expect 3 "green green.*(tokens|24)" "$gopro" zeroshot --model m --data x
expect 3 "green green.*(tokens|24)" train --model m --data x --out r3
expect 0 "base" "$gopro" train --model m --data d --out few --subset base shots=100 optim.epochs=1
check "nobody said that the classes have fewer images" grep -q "circle" err.txt
expect 3 "nothere.png" "$gopro" predict few nothere.png
echo text >text.png
expect 3 "text.png" "$gopro" predict few text.png

# A prompt that was learnt on other weights, or is not one.
"$make_fixture" model other 2 || exit 1
expect 4 "learnt on weights" "$gopro" predict few 'd/test/blue circle/000.png' --model other
expect 4 "not a run folder" "$gopro" predict d 'd/test/blue circle/000.png'
cp -r few broken && head -c 2000 few/prompt.safetensors >broken/prompt.safetensors
expect 4 "broken/prompt.safetensors" "$gopro" predict broken 'd/test/blue circle/000.png'

# Diverged: 5, naming epoch, step and what was not finite; nothing half-written.
expect 5 "epoch [0-9]+, step [0-9]+.*not finite" "$gopro" train --quiet --model m --data d --out div shots=2 optim.epochs=100 optim.lr=10 optim.warmup_lr=10 optim.weight_decay=1
check "a diverged run is marked done" test ! -e div/DONE -a ! -e div/result.json -a ! -e div/prompt.safetensors
"$make_fixture" nan nan || exit 1
expect 4 "visual_projection.weight.*not a finite" train --model nan --data d --out nanrun

# Folders: in use, not ours, not writable, full.
mkdir held
exec 9>held/.lock
flock -n 9 || exit 1
expect 2 "in use" train --model m --data d --out held
exec 9>&-
expect 0 "" train --model m --data d --out held
mkdir foreign && echo mine >foreign/thesis.tex
expect 2 "foreign.*thesis.tex" train --model m --data d --out foreign
expect 1 "text.png" train --model m --data d --out text.png/run
if [ "$(id -u)" != 0 ]; then
    mkdir shut && chmod 500 shut
    expect 1 "shut" train --model m --data d --out shut/run
fi
"$gopro" zeroshot --quiet --model m --data d >/dev/full 2>err.txt
check "a full standard output is not a failure" test $? = 1
check "a full standard output is not named" grep -q "standard output" err.txt
# A file system of 64 KiB, in a name space of its own (where that is allowed).
mkdir tiny
if unshare -rm true 2>/dev/null && unshare -rm mount -t tmpfs -o size=64k none tiny 2>/dev/null; then
    cat >full.sh <<'S'
mount -t tmpfs -o size=64k none tiny || exit 77
"$1" train --quiet --model m --data d --out tiny/run shots=2 optim.epochs=200 checkpoint.every=1
status=$?
find tiny -name '*.tmp.*' | grep . && exit 78
test -e tiny/run/DONE && exit 79
exit $status
S
    expect 1 "No space left" unshare -rm bash full.sh "$gopro"
fi
no_leftovers .
finish
