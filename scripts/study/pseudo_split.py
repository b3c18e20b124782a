#!/usr/bin/env python3
"""Splits the base classes of a dataset again into pseudo-base and pseudo-new, for choosing settings without the new classes or any test image.

usage: pseudo_split.py DATASET_FOLDER OUT_FOLDER SEED

Keeps the first half of the labels (the base classes), shuffles them with the seed, and writes a dataset whose test images are the validation
images.  `gopro protocol b2n` on it then trains on a random half of the base classes and tests on both halves.
SPDX-License-Identifier: Apache-2.0"""
import json
import os
import random
import sys

source, out, seed = sys.argv[1], sys.argv[2], int(sys.argv[3])
split = json.load(open(os.path.join(source, "split.json")))
info = json.load(open(os.path.join(source, "dataset.json")))
labels = sorted({label for _, label, _ in split["train"]})
base = labels[: (len(labels) + 1) // 2]
order = base[:]
random.Random(seed).shuffle(order)
new = {label: i for i, label in enumerate(order)}


def keep(part):
    return [[path, new[label], name] for path, label, name in split[part] if label in new]


os.makedirs(out, exist_ok=True)
images = os.path.join(out, "images")
if not os.path.islink(images):
    os.symlink(os.path.abspath(os.path.join(source, "images")), images)
train = sorted(keep("train"), key=lambda item: item[1])
json.dump({"train": train, "val": [], "test": sorted(keep("val"), key=lambda item: item[1])}, open(os.path.join(out, "split.json"), "w"))
json.dump({"name": f"{info['name']}-pseudo{seed}", "template": info["template"]}, open(os.path.join(out, "dataset.json"), "w"))
