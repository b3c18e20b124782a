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

# After all that the run and the report are as they were.
expect 0 'accuracy' "$gopro" eval run
expect 0 'average' "$gopro" report p b2n
no_leftovers .
finish
