#!/usr/bin/env bash
# Fuzzes each target until it has had SECONDS of processor time, in slices, one after the other; a second call goes on where the first ended.
# usage: fuzz/hours.sh BUILD FOLDER SECONDS TARGET...
#   BUILD   a build made with the preset `fuzz`
#   FOLDER  what was found so far, per target, and hours.tsv: target, processor seconds, runs, exit status (0: nothing found)
# Ends at the first finding of a target and goes on with the next; its input lies in FOLDER/TARGET-crash-...
# Two cores: call it twice with other targets and the same FOLDER.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

[ $# -ge 4 ] || {
  sed -n '2,8s/^# //p' "$0" >&2
  exit 2
}
corpus=$(cd "$(dirname "$0")" && pwd)/corpus
mkdir -p "$2"
build=$(cd "$1" && pwd) folder=$(cd "$2" && pwd) quota=$3 slice=${SLICE:-600}
shift 3
TIMEFORMAT='%U %S'

spent() {
  awk -F '\t' -v t="$1" '$1 == t { s += $2 } END { printf "%d", s }' "$folder/hours.tsv"
}

# The time of the whole process tree is read with `time`, which says nothing of how busy the machine was.
fuzz() {
  local target=$1 seconds=$2 log=$folder/$1.log status=0 cpu
  mkdir -p "$folder/$target"
  {
    time "$build/fuzz/fuzz_$target" -max_total_time="$seconds" -timeout=1200 -rss_limit_mb=3072 -print_final_stats=1 -verbosity=1 \
      -artifact_prefix="$folder/$target-" "$folder/$target" "$corpus/$target" >"$log" 2>&1 || status=$?
  } 2>"$folder/$target.time"
  cpu=$(awk '{ printf "%.1f", $1 + $2 }' "$folder/$target.time")
  printf '%s\t%s\t%s\t%s\n' "$target" "$cpu" "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" "$status" >>"$folder/hours.tsv"
  return "$status"
}

touch "$folder/hours.tsv"
for target in "$@"; do
  [ -x "$build/fuzz/fuzz_$target" ] || {
    echo "hours.sh: there is no $build/fuzz/fuzz_$target; build it with: cmake --build --preset fuzz" >&2
    exit 2
  }
  while left=$((quota - $(spent "$target"))) && [ "$left" -gt 0 ]; do
    fuzz "$target" $((left >= slice ? slice : left > 60 ? left : 60)) || {
      echo "$target: a finding, see $folder/$target.log" >&2
      break
    }
  done
done
