# test_changing_files.sh - weights that are cut off, rewritten or replaced while a run uses them.
# SPDX-License-Identifier: Apache-2.0
. "$(dirname "$0")/lib.sh"

"$make_fixture" model m && "$make_fixture" data d 6 10 6 && cp -rp m whole || exit 1
options="shots=8 optim.epochs=300 checkpoint.every=5 threads=2"
expect 0 'HM' "$gopro" train --model m --data d --out full --subset base $options

# meddle RUN FILE COMMAND...: does it to the weights once the run has that file; the run's exit status is in $status.
meddle() {
    local run=$1 file=$2 pid i
    shift 2
    "$gopro" train --model m --data d --out "$run" --subset base $options >out.txt 2>err.txt </dev/null &
    pid=$!
    for i in $(seq 400); do
        [ -f "$run/$file" ] && break
        sleep 0.02
    done
    check "$run/$file did not appear" test -f "$run/$file"
    "$@"
    wait $pid
    status=$?
}

# What has been done before stays good: the run goes on from it with the weights it began with.
goes_on() {
    check "$1 has a result" test ! -e "$1/DONE"
    check "the trained run's checkpoint is gone" test -f "$1/checkpoint.safetensors"
    cp -p whole/model.safetensors m/model.safetensors
    expect 0 'resumed at epoch' "$gopro" train --model m --data d --out "$1" --subset base $options
    same full/prompt.safetensors "$1/prompt.safetensors"
    same full/result.json "$1/result.json"
}

# Found at the next step, as a fault of the mapping, or before a checkpoint, whichever comes first.
meddle cut checkpoint.safetensors truncate -s 0 m/model.safetensors
check "status $status after the weights were cut off" test $status = 4
check "it is not said that the weights were cut off: $(cat err.txt)" \
    grep -Eq "m/model.safetensors' (cannot be read any more|was changed while it was in use)" err.txt
goes_on cut

# Without checkpoints it is always a step that finds it.
options="$options optim.epochs=100000 checkpoint.every=0" meddle fault metrics.jsonl truncate -s 0 m/model.safetensors
check "status $status after the weights were cut off before a step" test $status = 4
check "the mapping's fault is not reported: $(cat err.txt)" grep -q "/m/model.safetensors' cannot be read any more" err.txt
cp -p whole/model.safetensors m/model.safetensors

size=$(stat -c %s m/model.safetensors)
meddle rewritten checkpoint.safetensors dd if=/dev/zero of=m/model.safetensors bs=1 count=400 seek=$((size - 400)) conv=notrunc status=none
check "status $status after the weights were rewritten" test $status = 4
check "it is not said that the weights were rewritten: $(cat err.txt)" grep -q "m/model.safetensors' was changed while it was in use" err.txt
goes_on rewritten

# Another file under the name is no matter: the run keeps what it opened.
meddle replaced checkpoint.safetensors sh -c 'head -c 1000 whole/model.safetensors >m/new && mv m/new m/model.safetensors'
check "status $status after the weights were replaced: $(cat err.txt)" test $status = 0
same full/prompt.safetensors replaced/prompt.safetensors
same full/result.json replaced/result.json
cp -p whole/model.safetensors m/model.safetensors

no_leftovers .
finish
