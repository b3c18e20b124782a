#!/usr/bin/env bash
# Installs the Debian packages that are missing.  usage: scripts/install_deps.sh [--list] [build] [check] [embedded] [pretrain]; default: build check.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail

build="gcc libc6-dev cmake ninja-build pkg-config zlib1g-dev libjansson-dev libyaml-dev libutf8proc-dev libturbojpeg0-dev libspng-dev
  libwebp-dev libdnnl-dev"
check="libcmocka-dev binutils clang clang-format git python3 xz-utils"
embedded="librsvg2-dev libcairo2-dev libfreetype-dev npm unicode-cldr-core unicode-data
  $(cut -f 1 "$(dirname "$0")/../embedded/tables/fonts.tsv" 2>/dev/null | grep '^fonts-' | sort -u || true)"

pretrain="openclipart-svg python3"

list=0
if [ "${1:-}" = --list ]; then
  list=1
  shift
fi
[ $# -gt 0 ] || set -- build check
missing=()
for group in "$@"; do
  case $group in
    build | check | embedded | pretrain) packages=${!group} ;;
    *)
      echo "install_deps.sh: there is no group '$group', expected build, check, embedded or pretrain" >&2
      exit 2
      ;;
  esac
  for p in $packages; do
    if [ $list = 1 ]; then
      echo "$p"
    elif [ "$p" = npm ] && command -v npm >/dev/null; then
      : # Node's own packages bring npm along and refuse Debian's
    elif [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null)" != installed ]; then
      missing+=("$p")
    fi
  done
done
[ ${#missing[@]} -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null; then
  echo "install_deps.sh: no apt-get here; install what corresponds to: ${missing[*]}" >&2
  exit 1
fi
root=()
[ "$(id -u)" = 0 ] || root=(sudo)
echo "installing ${missing[*]}"
install() {
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null >/dev/null
}
install 2>/dev/null || {
  "${root[@]}" apt-get update -qq </dev/null >/dev/null
  install
}
