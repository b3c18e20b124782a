#!/usr/bin/env bash
# Every global symbol of the static libraries in a build folder begins with gp_, gpk_ or gopro_.  usage: check_symbols.sh BUILD
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

build=${1:?usage: check_symbols.sh BUILD}
libraries=("$build"/libgp_*.a "$build"/libgopro*.a)
found=0
failed=0
for lib in "${libraries[@]}"; do
  [ -f "$lib" ] || continue
  symbols=$(nm -g --defined-only "$lib" 2>/dev/null | awk 'NF == 3 { print $3 }')
  found=$((found + $(grep -c . <<<"$symbols" || true)))
  bad=$(grep -vE '^(gp_|gpk_|gopro_|$)' <<<"$symbols" || true)
  if [ -n "$bad" ]; then
    echo "$lib: global symbols without gp_, gpk_ or gopro_:" $bad
    failed=1
  fi
done
if [ $found -lt 100 ]; then
  echo "$build: only $found symbols found, the libraries are missing"
  failed=1
fi
exit $failed
