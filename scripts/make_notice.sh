#!/usr/bin/env bash
# Writes NOTICE: ours, then every work that the embedded data are made from (embedded/tables).  --check: fails if NOTICE is out of date.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
cd "$(dirname "$0")/.."

notice() {
  cat <<'TXT'
gopro
Copyright the gopro authors

Licensed under the Apache License, Version 2.0; see LICENSE.

The table of named character references in src/text/entities.c holds the names and values of
the HTML Living Standard (WHATWG).

DATA AND MODEL

The embedded benchmark and the small CLIP pretrained for it are made from the works below.
None of them is in this repository: embedded/prepare.sh fetches them in the versions given,
and renders them at a small size. Renderings and everything learnt from them stay under the
licence of each work. The icon sets are taken from the npm scope @iconify-json.

TXT
  for use in benchmark pretraining; do
    if [ $use = benchmark ]; then echo "Drawings of the benchmark"; else echo "Drawings for pretraining"; fi
    echo
    awk -F '\t' -v use=$use '$1 == use { printf "  %-28s %-9s %-13s %s\n", $2, $3, $5, $7 }' embedded/tables/sets.tsv
    echo
  done
  cat <<'TXT'
  openclipart-svg (Debian)               public domain (CC0-1.0), Open Clip Art Library; for pretraining

Names of emoji

  unicode-cldr-core, unicode-data (Debian)   Unicode-DFS-2016, Unicode, Inc.

Letters drawn from fonts (Debian packages, licences in their copyright files; most SIL OFL 1.1)

TXT
  awk -F '\t' 'NR > 1 && !seen[$1]++ { printf "  %s\n", $1 }' embedded/tables/fonts.tsv
  cat <<'TXT'

Licence texts: MIT, ISC and Apache-2.0 as in each package; CC BY 3.0 and 4.0 at
https://creativecommons.org/licenses/by/4.0/ (3.0: .../by/3.0/), CC0 at
https://creativecommons.org/publicdomain/zero/1.0/. Changes made: single drawings selected by
name, rendered to 64 x 64 pixels on white, recoloured and transformed as augmentation.
TXT
}

if [ "${1:-}" = --check ]; then
  notice | diff NOTICE - || {
    echo "NOTICE differs from embedded/tables; run scripts/make_notice.sh"
    exit 1
  }
else
  notice >NOTICE
fi
