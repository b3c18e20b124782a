#!/usr/bin/env bash
# full_size.sh - writes ViT-B/16 and ViT-L/14 with random weights in every format, one at a time, and compares what is read from each: the
# same features to the last bit from all of them (SLIP's model is another one), and the time and memory it takes.
# SPDX-License-Identifier: Apache-2.0
#
#   scripts/golden/full_size.sh GOPRO MAKE_FIXTURE MERGES FOLDER [CONFIG...]
#
# MERGES is CLIP's merges file (bpe_simple_vocab_16e6.txt.gz); FOLDER needs about 6 GB at a time.  Needs python3-torch.
set -euo pipefail
gopro=$(realpath "$1") fixture=$(realpath "$2") merges=$(realpath "$3") out=$4
shift 4
[ $# -gt 0 ] || set -- vit_b16 vit_l14
python=${PYTHON:-/usr/bin/python3}
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$out" && cd "$out"

# seconds on the clock and of computing, and MiB, of a command
measure() {
  "$python" - "$@" <<'PY'
import os, resource, subprocess, sys, time
t = time.perf_counter()
p = subprocess.run(sys.argv[1:], stdout=open("measured.out", "w"))
s = time.perf_counter() - t
u = resource.getrusage(resource.RUSAGE_CHILDREN)
print(f"{s:.2f} s ({u.ru_utime + u.ru_stime:.2f} s computing), {u.ru_maxrss / 1024:.0f} MiB")
raise SystemExit(p.returncode)
PY
}

formats=${FORMATS:-hf hf_sharded hf_bin hf_f16 hf_bf16 openai_jit openai_state openai_legacy open_clip_quick open_clip_bin slip}
for config in "$@"; do
  for f in $formats; do
    rm -rf $f imported
    OMP_NUM_THREADS=1 "$python" "$here/checkpoints.py" full $config $f . >/dev/null
    rm -f $f/merges.txt $f/vocab.json $f/tokenizer.json
    cp "$merges" $f/
    printf '%s %s: ' $config $f
    printf 'import %s; ' "$(measure "$gopro" import $f imported)"
    sed -n 's/^parameters *//p' measured.out | tr '\n' ';'
    printf ' load %s' "$(measure "$fixture" load imported)"
    printf ', direct %s;' "$(measure "$fixture" load $f)"
    "$fixture" features $f >direct.features
    "$fixture" features imported >imported.features
    cmp direct.features imported.features
    printf ' features %s\n' "$(sha256sum <direct.features | cut -c 1-12)"
    rm -rf $f imported
  done
done
