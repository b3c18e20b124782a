# test_tools.sh - help, version, tokenize, data, step, doctor.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/lib.sh"

"$make_fixture" model m && "$make_fixture" data d 4 6 3 || exit 1

expect 0 '^gopro [0-9]+\.[0-9]+\.[0-9]+$' "$gopro" --version
expect 0 'usage: gopro COMMAND' "$gopro" --help
for c in zeroshot train eval protocol ablate report predict import data tokenize step pretrain bench doctor; do
    expect 0 "usage: gopro $c" "$gopro" $c --help
    expect 0 "usage: gopro $c" "$gopro" help $c
done
# Help is made from the option table: every option of the recorded configuration is in it.
"$gopro" train --help >help.txt
check "an option has no help" sh -c 'for o in optim.lr gopro.alpha M logit_scale data.skip_bad; do grep -q "^  $o " help.txt || exit 1; done'
"$gopro" pretrain --help >help.txt
check "an option of pretraining has no help" sh -c \
  'for o in pretrain.objective pretrain.ssl_mlp_dim pretrain.lr precision seed; do grep -q "^  $o " help.txt || exit 1; done'
expect 2 "pretrain.objective" "$gopro" pretrain --pairs none --out p pretrain.objective=simclr
expect 3 "none" "$gopro" pretrain --pairs none --out p pretrain.objective=slip
expect 2 "unknown command" "$gopro" help nothing

expect 2 "which benchmark" "$gopro" bench nothing
# The step and the prediction of a parity case: the first step's loss is the case's; known views leave the image tower out.
golden=$source_dir/tests/golden/step
for case in coop release; do
    expect 0 '"step_s"' "$gopro" bench step --quiet --json --repeats 2 --case "$golden/$case.safetensors" --weights "$golden/weights.safetensors"
    cp out.txt step.json
    check "bench step $case: another loss, or figures that contradict each other" python3 -c '
import json, struct, sys
r = json.load(open("step.json"))
b = open(sys.argv[1], "rb").read()
n = struct.unpack("<Q", b[:8])[0]
at = json.loads(b[8:8 + n])["out.loss"]
loss = struct.unpack("<d" if at["dtype"] == "F64" else "<f", b[8 + n + at["data_offsets"][0]:8 + n + at["data_offsets"][1]])[0]
assert abs(r["loss"] / loss - 1) < 1e-4, (r["loss"], loss)
assert 0 < r["step_min_s"] <= r["step_s"] <= r["step_max_s"] and 0 < r["step_images_s"] <= r["step_max_s"] and r["gflop"] > 0 and r["peak_gflops"] > 1' \
        "$golden/$case.safetensors"
done
expect 0 '"step_images_s": 0.0' "$gopro" bench step --quiet --json --repeats 2 --known-views --case "$golden/release.safetensors" --weights "$golden/weights.safetensors"
check "known views do not make less work" python3 -c '
import json
assert 0 < json.load(open("out.txt"))["gflop"] < json.load(open("step.json"))["gflop"]'
expect 0 'GOPro prediction' "$gopro" bench predict --quiet --repeats 2 --case "$golden/gopro.safetensors" --weights "$golden/weights.safetensors" precision=f32
expect 2 "learns in the image tower" "$gopro" bench step --quiet --known-views --case "$golden/maple.safetensors" --weights "$golden/weights.safetensors"
expect 2 "trains nothing" "$gopro" bench step --quiet --case "$golden/zeroshot.safetensors" --weights "$golden/weights.safetensors"
expect 2 "belong together" "$gopro" bench step --case "$golden/coop.safetensors"
expect 2 "those of the case" "$gopro" bench step --batch 2 --case "$golden/coop.safetensors" --weights "$golden/weights.safetensors"
expect 2 "needs --data" "$gopro" bench load
expect 0 '"views": \[' "$gopro" bench load --data d --size 32 --repeats 2 threads=2 method=slip --json
check "the loader's figures are not JSON with a row for each number of threads" python3 -c '
import json
r = json.load(open("out.txt"))
rows = r["images_per_second"]
assert [x["threads"] for x in rows] == [1, 2] and r["views"] == ["crop", "ssl_a", "ssl_b"] and r["images"] == 24 and r["bytes"] > 0
assert all(abs(x["s_per_image"] * x["loader"]["median"] - 1) < 1e-9 and x["decode"]["min"] > 0 for x in rows)'
expect 0 'seconds|s per training image' "$gopro" bench load --data d --size 32 --repeats 2 --images 5 threads=1
expect 3 "nowhere" "$gopro" bench load --data nowhere
expect 0 '"decode_jpeg"' "$gopro" bench augment --picture 60x50 --size 32 --repeats 2 --json
check "not nine operations of AugMix" python3 -c '
import json
r = json.load(open("out.txt"))
assert len(r["augmix_operations"]) == 9 and (r["width"], r["height"]) == (60, 50)
assert all(0 < x["min_us"] <= x["median_us"] <= x["max_us"] for x in r["operations"])'
expect 2 "WIDTHxHEIGHT" "$gopro" bench augment --picture 60
expect 0 'layer norm into bf16' "$gopro" bench kernels --repeats 1
expect 0 '"kernel": "QuickGELU backward"' "$gopro" bench kernels --repeats 1 --json
check "kernels: a figure is missing, or an attention does other work in bf16" python3 -c '
import json
r = json.load(open("out.txt"))
k = {x["kernel"]: x for x in r["items"] if not x["kernel"].startswith("product")}
assert len(k) >= 18 and r["peak_f32_gflops"] > 1 and r["copy_gbs"] > 0.1
assert all(x["us"] > 0 and x["gflop"] > 0 and x["gbyte"] > 0 and x["plain_us"] > 0 for x in k.values())
assert k["attention of an image"]["gflop"] == k["attention of an image, bf16"]["gflop"]
assert k["attention of an image"]["gbyte"] == 2 * k["attention of an image, bf16"]["gbyte"]'
expect 2 "from 1 to 1000" "$gopro" bench kernels --repeats 0

printf '{"text": "a photo of a blue circle."}\n\n{"text":"  A  PHOTO &amp;amp; x"}\n' >texts.jsonl
tokenize() { "$gopro" tokenize --vocab "$1" <texts.jsonl; }
expect 0 '^\{"ids": \[[0-9, ]+\]\}$' tokenize m
check "not one line per text" test "$(wc -l <out.txt)" = 2
expect 0 'ids' tokenize m/merges.txt
expect 4 'nowhere' tokenize nowhere
bad_line() { echo '{"txt": 1}' | "$gopro" tokenize --vocab m; }
expect 3 "standard input:1: no string 'text'" bad_line
bad_json() { printf '{"text": "a"}\n{"text":\n' | "$gopro" tokenize --vocab m; }
expect 3 "standard input:2" bad_json

nul() { echo '{"text": "a\u0000"}' | "$gopro" tokenize --vocab m; }
expect 3 'standard input:1:[0-9]+: holds \\u0000, which no text may contain' nul
# A program that sends a line and waits gets its answer.
coproc T { "$gopro" tokenize --vocab m; }
echo '{"text": "a"}' >&"${T[1]}"
check "no answer before the input ends" read -r -t 60 -u "${T[0]}" _
eval "exec ${T[1]}>&-"
wait "$T_PID"

expect 2 "unexpected argument 'extra'" "$gopro" tokenize --vocab m extra
# Interrupted while it waits for input: as every command.  (A shell's background jobs ignore SIGINT; Python's children need not.)
check "an interrupted tokenize does not end with 130" python3 -c '
import signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
p = subprocess.Popen([sys.argv[1], "tokenize", "--vocab", "m"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
p.stdin.write(b"{\"text\": \"a\"}\n")
p.stdin.flush()
for i in range(1000):
    with open("/proc/%d/status" % p.pid) as f:
        caught = next(int(line.split()[1], 16) for line in f if line.startswith("SigCgt"))
    if caught & 1 << signal.SIGINT - 1:
        break
    time.sleep(0.02)
time.sleep(0.2)
p.send_signal(signal.SIGINT)
p.wait(20)
assert p.returncode == 130, (p.returncode, p.stderr.read())' "$gopro"

expect 0 '4 classes, 24 train, 0 val, 12 test' "$gopro" data check d --decode
expect 0 '"classes": 4' "$gopro" data check d --json
expect 0 '"hash"' "$gopro" data draw d --shots 2 --seed 3
cp out.txt draw3.txt
expect 0 '"hash"' "$gopro" data draw d --shots 2 --seed 3
same draw3.txt out.txt
expect 0 '"hash"' "$gopro" data draw d --shots 2 --seed 4
check "another seed gave the same draw" sh -c '! cmp -s draw3.txt out.txt'
expect 2 "shots" "$gopro" data draw d --shots none
expect 3 "cannot be read" sh -c "echo x >'d/test/red circle/000.png'; '$gopro' data check d --decode"

golden=$source_dir/tests/golden/step
expect 0 '' "$gopro" step --weights "$golden/weights.safetensors" --case "$golden/gopro.safetensors" --out out.safetensors --precision f32
check "the step wrote nothing" test -s out.safetensors
expect 3 "in\.|case|metadata" "$gopro" step --weights "$golden/weights.safetensors" --case "$golden/weights.safetensors" --out none
check "a refused case left a file" test ! -e none
expect 2 "precision" "$gopro" step --weights a --case b --out c --precision f16
expect 4 "nothing" "$gopro" step --weights nothing --case m/model.safetensors --out c
expect 2 "case is missing" "$gopro" step --weights a
expect 0 'GFLOP/s' "$gopro" doctor
expect 0 '"kernels": "ref"' env GOPRO_CPU=ref "$gopro" doctor --json
expect 0 'GFLOP/s' env GOPRO_MODEL=m "$gopro" doctor
expect 0 'all +accuracy' sh -c "rm -rf 'd/test/red circle/000.png'; GOPRO_MODEL=m '$gopro' zeroshot --data d"

# Every public header compiles alone, as C99 and as C++.
for h in "$source_dir"/include/gopro/*.h; do
    check "$h is not C99" "${CC:-cc}" -std=c99 -Wall -Wextra -pedantic -Werror -fsyntax-only -I "$source_dir/include" -x c "$h"
    if command -v c++ >/dev/null; then
        check "$h is not C++" c++ -std=c++17 -Wall -Wextra -pedantic -Werror -fsyntax-only -I "$source_dir/include" -x c++ "$h"
    fi
done
no_leftovers .
finish
