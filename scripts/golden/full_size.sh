#!/usr/bin/env bash
# full_size.sh - writes ViT-B/16 and ViT-L/14 with random weights in every format, one at a time, and compares what is read from each,
# with the time and memory it takes.
# SPDX-License-Identifier: Apache-2.0
#
#   scripts/golden/full_size.sh GOPRO MAKE_FIXTURE MERGES FOLDER [CONFIG...]
#
# MERGES is CLIP's merges file (bpe_simple_vocab_16e6.txt.gz); FOLDER needs about 6 GB at a time.  Needs python3-torch.
#
# The weights are exact in 16 bits of either kind, so formats differ in nothing but storage and in how the file says it is read.  There are
# three models: read with QuickGELU, with exact GELU (open_clip's without quick_gelu), and SLIP's, which has other tensors.  Of each, every
# format must give the same features to the last bit, directly and imported, stored as f16 and bf16 too; the first one's are compared with
# PyTorch's in double precision (1e-4 of the largest), and the three must differ.  Content hashes must be equal too, except that the
# open_clip_config.json written here asks for another mean and deviation, which are part of the hash and not of these features.
# Anything else is told as FAILED, and the exit status is 1.  `trial` is a small CONFIG to try this script with.
set -euo pipefail
gopro=$(realpath "$1") fixture=$(realpath "$2") merges=$(realpath "$3") out=$4
shift 4
[ $# -gt 0 ] || set -- vit_b16 vit_l14
python=${PYTHON:-/usr/bin/python3}
here=$(cd "$(dirname "$0")" && pwd)
export OMP_NUM_THREADS=1
mkdir -p "$out" && cd "$out"

failures=0 checkpoints=0
formats=${FORMATS:-hf hf_sharded hf_bin hf_bin_sharded hf_f16 hf_bf16 openai_jit openai_state openai_legacy open_clip_quick
    hf_gelu open_clip open_clip_bin open_clip_training slip}

fail() {
  failures=$((failures + 1))
  printf 'FAILED: %s\n' "$*"
}

model_of() {
  case $1 in
  hf_gelu | open_clip | open_clip_bin | open_clip_training) echo gelu ;;
  slip) echo slip ;;
  *) echo quick_gelu ;;
  esac
}

# The formats with the same content hash.
content_of() {
  case $1 in
  open_clip | open_clip_quick | open_clip_bin) echo "$(model_of $1).open_clip" ;;
  *) model_of $1 ;;
  esac
}

# measure COMMAND...: its time and memory; what it printed is in measured.out.
measure() {
  "$python" "$here/measure.py" measured.out "$@"
}

# read_as WHAT MODEL PATH: its features must be those of the model's first format.
read_as() {
  "$fixture" features "$3" auto >now.features || fail "$1: no features"
  cmp -s now.features "$2.features" || fail "$1: its features are not those of $(cat "$2.first")"
}

one() {
  local config=$1 f=$2 model content hash line kind
  model=$(model_of $f) content=$(content_of $f)
  rm -rf $f imported half
  "$python" "$here/checkpoints.py" full $config $f . >/dev/null
  rm -f $f/merges.txt $f/vocab.json $f/tokenizer.json
  cp "$merges" $f/
  line=$(measure "$gopro" import $f imported 2>import.err) || { fail "$config $f: import: $(cat import.err)"; return; }
  hash=$(sed -n 's/^content hash *//p' measured.out)
  printf '%s %s: import %s; %s;' $config $f "$line" "$(sed -n 's/^parameters *//p' measured.out)"
  line=$(measure "$fixture" load imported) || fail "$config $f: the imported folder does not load"
  printf ' load %s,' "$line"
  line=$(measure "$fixture" load $f) || fail "$config $f: does not load"
  printf ' direct %s;' "$line"
  if [ ! -e $model.first ]; then
    echo "$config $f" >$model.first
    "$fixture" features $f auto >$model.features || fail "$config $f: no features"
    "$python" "$here/checkpoints.py" reference $config $model >reference.txt
    "$fixture" compare reference.txt $model <$model.features || fail "$config $f: not the features PyTorch computes"
    printf ' as PyTorch,'
  else
    read_as "$config $f" $model $f
  fi
  read_as "$config $f, imported" $model imported
  [ -e $content.hash ] || echo "$hash $config $f" >$content.hash
  [ ${#hash} = 64 ] && [ "$hash" = "$(cut -d ' ' -f 1 $content.hash)" ] || fail "$config $f: its content hash is not that of $(cat $content.hash)"
  printf ' %s features %s, content %.12s\n' $model "$(sha256sum <now.features | cut -c 1-12)" "$hash"
  checkpoints=$((checkpoints + 1))
  [ $f = hf ] || return 0
  for kind in f16 bf16; do
    rm -rf half
    line=$(measure "$gopro" import $f half --dtype $kind) || fail "$config $f: import --dtype $kind"
    printf '%s %s --dtype %s: import %s;' $config $f $kind "$line"
    line=$(measure "$fixture" load half) || fail "$config $f: imported as $kind, it does not load"
    printf ' load %s\n' "$line"
    read_as "$config $f, imported as $kind" $model half
  done
}

for config in "$@"; do
  rm -f ./*.first ./*.hash ./*.features
  for f in $formats; do
    one $config $f
    rm -rf $f imported half
  done
  same=$(cat ./*.hash | cut -d ' ' -f 1 | sort | uniq -d)
  [ -z "$same" ] || fail "$config: two models have the content hash $same"
  [ -z "$(sha256sum ./{quick_gelu,gelu,slip}.features 2>/dev/null | cut -c 1-64 | sort | uniq -d)" ] || fail "$config: features of two models are equal"
done
printf '%d checkpoints, %d failures\n' $checkpoints $failures
[ $failures = 0 ]
