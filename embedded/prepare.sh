#!/usr/bin/env bash
# Fetches the drawing sets, renders the embedded benchmark (and with --pretrain the pretraining pairs) and checks the result.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

usage() {
  cat <<'TXT'
usage: embedded/prepare.sh [--pretrain] [--sheets] [DEST]
  DEST        folder for the data; default: embedded-data in the repository
  --pretrain  also the drawings with names and keywords that the small CLIP is pretrained on
  --sheets    also DEST/sheets: pictures of what is in every class
Packages are kept in ${XDG_CACHE_HOME:-~/.cache}/gopro and verified by SHA-256.  GOPRO_BUILD names the build folder.
TXT
}

root=$(cd "$(dirname "$0")/.." && pwd)
tables=$root/embedded/tables
options=()
pretrain=
dest=
for a in "$@"; do
  case $a in
  --pretrain) pretrain=1 options+=("$a") ;;
  --sheets) options+=("$a") ;;
  -h | --help) usage && exit 0 ;;
  -*) usage >&2 && exit 2 ;;
  *)
    [ -z "$dest" ] || { usage >&2 && exit 2; }
    dest=$a
    ;;
  esac
done
dest=${dest:-$root/embedded-data}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/gopro
build=${GOPRO_BUILD:-$root/build/embedded}

# What the data is made from; the stamp in DEST is written last.
stamp=$(cat "$root"/embedded/*.[ch] "$tables"/* | sha256sum | cut -c1-64)" benchmark${pretrain:+ pretrain}"
if [ ${#options[@]} = ${pretrain:-0} ] && grep -qsxF -e "$stamp" -e "$stamp pretrain" "$dest/.made-from"; then
  echo "$dest is up to date"
  exit 0
fi

need() {
  command -v "$1" >/dev/null || { echo "prepare.sh: $1 not found; install $2" >&2 && exit 1; }
}
need npm npm
need cmake cmake
need sha256sum coreutils
missing=
while IFS=$'\t' read -r package _ _ _ files; do
  [ -f "/usr/share/fonts/${files%%|*}" ] || missing+=" $package"
done < <(tail -n +2 "$tables/fonts.tsv")
[ -f /usr/share/unicode/emoji/emoji-test.txt ] || missing+=" unicode-data"
[ -f /usr/share/unicode/cldr/common/annotations/en.xml ] || missing+=" unicode-cldr-core"
[ -z "$pretrain" ] || [ -d /usr/share/openclipart/svg ] || missing+=" openclipart-svg"
if [ -n "$missing" ]; then
  echo "prepare.sh: first: apt-get install$(tr ' ' '\n' <<<"$missing" | sort -u | tr '\n' ' ')" >&2
  exit 1
fi

# A package is fetched once, in the pinned version, and used only if its bytes are the recorded ones.
mkdir -p "$cache" "$dest"
rm -f "$dest/.made-from"
sets=$(mktemp -d)
trap 'rm -rf "$sets"' EXIT
while IFS=$'\t' read -r use name version _; do
  [ "$use" = benchmark ] || { [ "$use" = pretraining ] && [ -n "$pretrain" ]; } || continue
  file=iconify-json-$name-$version.tgz
  if [ ! -f "$cache/$file" ]; then
    echo "fetching @iconify-json/$name@$version"
    (cd "$cache" && npm pack --loglevel=error "@iconify-json/$name@$version" >/dev/null) || {
      echo "prepare.sh: npm could not fetch @iconify-json/$name@$version; is its registry reachable from here?" >&2
      exit 1
    }
  fi
  grep -F "  $file" "$tables/packages.sha256" >"$sets/sum" || { echo "prepare.sh: $file is not in packages.sha256" >&2 && exit 1; }
  (cd "$cache" && sha256sum --check --quiet --strict "$sets/sum") || {
    echo "prepare.sh: $cache/$file is not the package that was recorded; remove it and try again" >&2
    exit 1
  }
  mkdir "$sets/$name"
  tar -xzf "$cache/$file" -C "$sets/$name" --strip-components=1 package/icons.json package/info.json package/metadata.json
done < <(tail -n +2 "$tables/sets.tsv")

cmake -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=Release -DGOPRO_EMBEDDED=ON -DGOPRO_TESTS=OFF >/dev/null
cmake --build "$build" --target gopro-embedded -j2 >/dev/null
program=$build/embedded/gopro-embedded
"$program" make --tables "$tables" --cache "$sets" ${options[@]+"${options[@]}"} "$dest"
"$program" check --tables "$tables" "$dest"
printf '%s\n' "$stamp" >"$dest/.made-from"
