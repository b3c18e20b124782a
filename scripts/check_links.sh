#!/usr/bin/env bash
# Every local link of the Markdown files leads to a file of the repository.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
cd "$(dirname "$0")/.."

failed=0
while IFS= read -r file; do
  while IFS= read -r link; do
    target=${link%%#*}
    target=${target%% *}
    case $target in
      '' | *://* | mailto:*) continue ;;
      /*) path=.$target ;;
      *) path=$(dirname "$file")/$target ;;
    esac
    if [ -z "$(git ls-files -- "$path" | head -n 1)" ]; then
      echo "$file: the link '$link' leads nowhere"
      failed=1
    fi
  done < <(awk '/^ *```/ { code = !code } !code' "$file" | grep -oE '\]\([^)]+\)' | sed 's/^](//; s/)$//; s/^<//; s/>$//')
done < <(git ls-files '*.md')
exit $failed
