#!/usr/bin/env bash
# Everything that must hold before a change lands: style, layers, builds with gcc and clang, all tests, sanitizers, fuzz corpora.
# usage: check.sh [STAGE ...]; without arguments all stages.  Builds go to build/check-*, logs beside them.
# SPDX-License-Identifier: Apache-2.0
set -uo pipefail
cd "$(dirname "$0")"

jobs=$(nproc)
passed=0
failed=0
logs=build/check-logs
mkdir -p $logs

# run NAME COMMAND...: one stage; counts its tests, or itself as one test if it runs none.
run() {
  local name=$1 log=$logs/$1.log start=$SECONDS status=0 tests lost line
  shift
  "$@" >"$log" 2>&1 </dev/null || status=$?
  line=$(grep -aE 'tests passed, [0-9]+ tests failed out of [0-9]+' "$log" | tail -n 1)
  if [ -n "$line" ]; then
    lost=$(sed -E 's/.* ([0-9]+) tests failed.*/\1/' <<<"$line")
    tests=$(sed -E 's/.* out of ([0-9]+).*/\1/' <<<"$line")
    [ $status = 0 ] || [ "$lost" -gt 0 ] || lost=1
  else
    tests=1
    lost=$((status != 0))
  fi
  passed=$((passed + tests - lost))
  failed=$((failed + lost))
  printf '%-10s %4d s  %3d passed, %d failed\n' "$name" $((SECONDS - start)) $((tests - lost)) "$lost"
  if [ "$lost" -gt 0 ]; then
    grep -anE 'error:|warning:|FAILED|\*\*\*Failed|ERROR|runtime error' "$log" | head -n 40
    tail -n 25 "$log"
  fi
}

deps() {
  scripts/install_deps.sh build check
}

format() {
  local tool
  tool=$(command -v clang-format-14 || command -v clang-format) || return 1
  git ls-files '*.c' '*.h' | xargs "$tool" --dry-run --Werror
}

links() {
  scripts/check_links.sh
}

notice() {
  scripts/make_notice.sh --check
}

layers() {
  scripts/check_layers.sh
}

# configure FOLDER TYPE SETTINGS...
configure() {
  local folder=build/check-$1 type=$2 launcher=()
  shift 2
  command -v ccache >/dev/null && launcher=(-DCMAKE_C_COMPILER_LAUNCHER=ccache)
  cmake -S . -B "$folder" -G Ninja -DCMAKE_BUILD_TYPE="$type" -DGOPRO_WERROR=ON "${launcher[@]}" "$@"
}

# build FOLDER [TARGET...]: goes on after a mistake, to show them all
build() {
  local folder=build/check-$1
  shift
  cmake --build "$folder" -j "$jobs" ${1:+--target "$@"} -- -k 0
}

test_in() {
  ctest --test-dir build/check-"$1" -j "$jobs" --output-on-failure --no-tests=error "${@:2}"
}

release() {
  configure release Release && build release && test_in release
}

symbols() {
  scripts/check_symbols.sh build/check-release
}

asan() {
  configure asan RelWithDebInfo -DGOPRO_SANITIZE=address,undefined && build asan && test_in asan
}

# The pieces with threads of their own; what a thread sanitizer cannot see through (oneDNN, OpenMP) stays out.
tsan() {
  local targets
  configure tsan RelWithDebInfo -DGOPRO_SANITIZE=thread || return 1
  targets=$(cd tests/unit && ls base/test_pool.c data/test_loader*.c data/test_store*.c 2>/dev/null |
    sed -E 's|(.*)/test_(.*)\.c|unit_\1_\2|')
  build tsan $targets &&
    test_in tsan -R "^($(tr '\n' '|' <<<"$targets" | sed 's/|$//'))\$"
}

# The second compiler: everything builds, the unit tests and fuzz corpora run; the program itself is tested by the release and asan stages.
clang() {
  configure clang Release -DCMAKE_C_COMPILER=clang && build clang && test_in clang -LE 'gradcheck|cli'
}

all="deps format layers links notice release symbols asan tsan clang"
[ $# -gt 0 ] || set -- $all
for stage in "$@"; do
  case " $all " in
    *" $stage "*) run "$stage" "$stage" ;;
    *)
      echo "check.sh: there is no stage '$stage', expected one of $all" >&2
      exit 2
      ;;
  esac
done
echo "$SECONDS s in all"
echo "$passed passed, $failed failed"
[ $failed = 0 ]
