#!/usr/bin/env bash
# Fails on an #include against the direction of the layers (CONTRIBUTING.md), and on a dependency's header outside its layers.
# SPDX-License-Identifier: Apache-2.0
set -euo pipefail
cd "$(dirname "$0")/.."

awk '
BEGIN {
    n = split("base kernels weights,text,image data,encoders features grad optim prompts,losses methods train eval bench report api cli", level, " ")
    for (i = 1; i <= n; i++) {
        m = split(level[i], folder, ",")
        for (j = 1; j <= m; j++) rank[folder[j]] = i
    }
    owner["oneapi/"] = "kernels"; owner["omp.h"] = "kernels"; owner["yaml.h"] = "base"; owner["utf8proc.h"] = "text"
    owner["zlib.h"] = "weights text"; owner["turbojpeg.h"] = "image"; owner["spng.h"] = "image"; owner["webp/"] = "image"
    owner["jansson.h"] = "base weights text data train eval report api cli"
}
/^[ \t]*#[ \t]*include/ {
    split(FILENAME, part, "/")
    from = part[1] == "src" ? part[2] : part[1]
    target = $0
    sub(/^[^<"]*[<"]/, "", target)
    sub(/[>"].*$/, "", target)
    to = target
    sub(/\/.*$/, "", to)
    if (from == "include") {
        if (target !~ /^gopro\// && $0 ~ /"/) bad("a public header may include only public headers")
        next
    }
    if (!(from in rank)) bad("unknown folder " from)
    if (to in rank && target ~ /\// && to != from && rank[to] >= rank[from]) bad(from " may not include " target)
    for (header in owner)
        if (index(target, header) == 1 && !index(" " owner[header] " ", " " from " ")) bad(header " belongs to " owner[header])
}
function bad(why) {
    printf "%s:%d: %s\n", FILENAME, FNR, why
    failed = 1
}
END { exit failed }
' $(git ls-files 'src/*.[ch]' 'include/*.h' 'cli/*.[ch]')
