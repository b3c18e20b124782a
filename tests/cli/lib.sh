# lib.sh - what the command-line tests share: a scratch folder, fixtures, and checks that name what differs.
# SPDX-License-Identifier: Apache-2.0
gopro=$1
source_dir=$2
make_fixture=$3
export GOPRO_MODEL= NO_COLOR=1 LC_ALL=C.UTF-8
scratch=$(mktemp -d "${TMPDIR:-/tmp}/gopro-test.XXXXXX")
trap 'chmod -R u+w "$scratch"; rm -rf "$scratch"' EXIT
cd "$scratch" || exit 1
failures=0
checks=0

fail() {
    failures=$((failures + 1))
    printf 'FAILED: %s\n' "$*"
}

# expect STATUS PATTERN COMMAND...: exit status, and an extended regular expression that standard output and error together must match.
expect() {
    local status=$1 pattern=$2 got
    shift 2
    checks=$((checks + 1))
    "$@" >out.txt 2>err.txt </dev/null
    got=$?
    [ "$got" = "$status" ] || fail "exit status $got instead of $status: $* [$(head -c 300 err.txt)]"
    cat out.txt err.txt >both.txt
    [ -z "$pattern" ] || grep -Eq -- "$pattern" both.txt || fail "no '$pattern' in the output of: $* [$(head -c 400 both.txt)]"
}

# check DESCRIPTION COMMAND...: the command must succeed.
check() {
    local what=$1
    shift
    checks=$((checks + 1))
    "$@" || fail "$what"
}

same() {
    check "$1 and $2 differ" cmp -s "$1" "$2"
}

# half_cpu: what GOPRO_CPU has to be for precision=bf16: nothing where this processor multiplies in bf16, else "ref", whose plain loops round
# as it would.
half_cpu() {
    env -u GOPRO_CPU "$gopro" doctor --json | python3 -c 'import json, sys; print("" if json.load(sys.stdin)["bf16_gflops"] else "ref")'
}

# tensors RUN: a hash of what was learnt, without the settings that a prompt file also records.
tensors() {
    python3 -c 'import hashlib, struct, sys; b = open(sys.argv[1] + "/prompt.safetensors", "rb").read(); print(hashlib.sha256(b[8 + struct.unpack("<Q", b[:8])[0]:]).hexdigest())' "$1"
}

# differ RUN...: every run learnt something else.
differ() {
    local run
    checks=$((checks + 1))
    [ "$(for run in "$@"; do tensors "$run"; done | sort -u | grep -c .)" = $# ] || fail "two of these learnt the same: $*"
}

# interrupted RUN EPOCHS SIGNALS COMMAND...: the command trains RUN; each signal stops it once more lines of metrics are there, with status
# 130 and no result, before EPOCHS are done.  What is left is to resume it.
interrupted() {
    local run=$1 epochs=$2 signals=$3 signal pid i lines=0
    shift 3
    for signal in $signals; do
        "$@" >out.txt 2>err.txt </dev/null &
        pid=$!
        for i in $(seq 400); do
            [ -f "$run/metrics.jsonl" ] && [ "$(wc -l <"$run/metrics.jsonl")" -gt "$lines" ] && break
            sleep 0.02
        done
        kill -"$signal" $pid
        wait $pid
        check "status after SIG$signal is not 130: $*" test $? = 130
        check "no checkpoint after SIG$signal: $*" test -f "$run/checkpoint.safetensors"
        check "an interrupted run has a result: $run" test ! -e "$run/DONE"
        lines=$(wc -l <"$run/metrics.jsonl")
    done
    check "$run was not interrupted in the middle" test "$lines" -lt "$epochs"
}

no_leftovers() {
    checks=$((checks + 1))
    [ -z "$(find "$1" -name '*.tmp.*')" ] || fail "half-written files are left in $1: $(find "$1" -name '*.tmp.*')"
}

finish() {
    printf '%d checks, %d failed\n' "$checks" "$failures"
    [ "$failures" = 0 ]
    exit
}
