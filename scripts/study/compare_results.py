#!/usr/bin/env python3
"""What an option does to accuracy: two base-to-new results over the datasets and methods that both have.
SPDX-License-Identifier: Apache-2.0

  scripts/study/compare_results.py A/result.json B/result.json

Prints, for each method, the mean base and new accuracy over the datasets in A and B and the harmonic mean of the two, the mean difference B - A of a
dataset with its standard error (the paired error over datasets), and the largest difference of one dataset (each the mean of its seeds)."""
import json
import math
import sys


def read(path):
    with open(path) as f:
        r = json.load(f)
    if r.get("protocol") != "b2n":
        raise SystemExit(f"compare_results.py: {path}: protocol {r.get('protocol')!r}, expected a result.json of `gopro protocol b2n`")
    return r


def main():
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    a, b = read(sys.argv[1]), read(sys.argv[2])
    titles = {e["key"]: e["title"] for e in a["entries"]}
    data = [d for d in a["datasets"] if d in b["datasets"]]
    if not data:
        raise SystemExit("compare_results.py: the two results have no dataset in common")
    print(f"{len(data)} datasets: {', '.join(data)}\n")
    print("| | base | new | HM | | base | new | HM | d base | d new | largest |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for key, title in titles.items():
        rows = [(a["datasets"][d].get(key), b["datasets"][d].get(key)) for d in data]
        if not all(x and y for x, y in rows):
            continue
        cell, differences, largest = [], [], 0.0
        for which in (0, 1):
            base, new = (sum(r[which][half]["mean"] for r in rows) / len(rows) for half in ("base", "new"))
            cell += [f"{base:.2f}", f"{new:.2f}", f"{2 * base * new / (base + new):.2f}", ""][: 4 if which == 0 else 3]
        for half in ("base", "new"):
            d = [y[half]["mean"] - x[half]["mean"] for x, y in rows]
            mean = sum(d) / len(d)
            error = math.sqrt(sum((v - mean) ** 2 for v in d) / max(len(d) - 1, 1) / len(d))
            differences.append(f"{mean:+.2f} ±{error:.2f}")
            largest = max(largest, *(abs(v) for v in d))
        print(f"| {title} | {' | '.join(cell)} | {' | '.join(differences)} | {largest:.2f} |")


main()
