#!/usr/bin/env python3
"""Token ids of strings by a second, slow implementation of CLIP's tokenizer: the oracle of tests/golden/text.

usage: token_vectors.py MERGES [VOCAB | --hash] < strings (one JSON string per line) > vectors.jsonl
--hash: lines "CRC COUNT STRING" instead, CRC-32 of the ids as little-endian 32-bit numbers (many.gz).
Needs python3-regex.  SPDX-License-Identifier: Apache-2.0
"""
import gzip
import html
import json
import struct
import sys
import zlib

import regex

PATTERN = regex.compile(
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+", regex.IGNORECASE)


def alphabet():
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [b for b in range(256) if b not in shown]
    return {b: chr(b) for b in shown} | {b: chr(256 + i) for i, b in enumerate(hidden)}


def load(path, vocab):
    data = open(path, "rb").read()
    text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode()
    lines = text.split("\n")
    if "#version:" in lines[0]:
        lines = lines[1:]
    merges = [tuple(line.split()) for line in lines if line.strip()]
    if vocab:
        merges = merges[:vocab - 514]
    base = list(alphabet().values())
    tokens = base + [c + "</w>" for c in base] + ["".join(m) for m in merges] + ["<|startoftext|>", "<|endoftext|>"]
    assert len(set(tokens)) == len(tokens)
    return {t: i for i, t in enumerate(tokens)}, {m: i for i, m in enumerate(merges)}


def merge(symbols, ranks):
    while True:
        pairs = [p for p in zip(symbols, symbols[1:]) if p in ranks]
        if not pairs:
            return symbols
        best, out, i = min(pairs, key=ranks.get), [], 0
        while i < len(symbols):
            if tuple(symbols[i:i + 2]) == best:
                out.append("".join(best))
                i += 2
            else:
                out.append(symbols[i])
                i += 1
        symbols = out


def encode(text, ids, ranks, letters):
    text = html.unescape(html.unescape(text)).strip()
    text = regex.sub(r"\s+", " ", text).strip().lower()
    out = []
    for chunk in PATTERN.findall(text):
        if chunk in ("<|startoftext|>", "<|endoftext|>"):
            out.append(ids[chunk])
            continue
        symbols = [letters[b] for b in chunk.encode()]
        symbols[-1] += "</w>"
        out += [ids[s] for s in merge(symbols, ranks)]
    return out


def main():
    short = sys.argv[2:] == ["--hash"]
    ids, ranks = load(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 and not short else 0)
    letters = alphabet()
    for line in sys.stdin:
        text = json.loads(line)
        out = encode(text, ids, ranks, letters)
        if short:
            print("%08x %d %s" % (zlib.crc32(struct.pack("<%dI" % len(out), *out)), len(out), line.rstrip("\n")))
        else:
            print(json.dumps({"text": text, "ids": out}))


main()
