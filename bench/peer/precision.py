#!/usr/bin/env python3
# precision.py - what bf16 in the frozen towers does to one step's numbers: `gopro step` in f32 and in bf16 on the same case.
# SPDX-License-Identifier: Apache-2.0
#
#   precision.py [--weights FOLDER] [--config vit_b16|tiny] [--gopro PROGRAM] [--work FOLDER] [--batch N] [--classes N]
#
# FOLDER: a CLIP in Hugging Face's form with one model.safetensors, for example models/small; without it random weights of a geometry.
# Prints a Markdown table: the cosine of image and text features (smallest), the largest difference of a logit beside the range of the logits,
# the loss, and of all gradients together the relative error and the cosine.
import argparse
import json
import os
import subprocess
import sys
from argparse import Namespace

import torch

import cases
import store
from clip import Config

METHODS = ("coop", "cocoop", "maple", "gopro", "gopro_release")


def checkpoint(folder):
    """-> (geometry, weights in f32) of a folder in Hugging Face's form"""
    with open(os.path.join(folder, "config.json")) as f:
        c = json.load(f)
    v, t = c["vision_config"], c["text_config"]
    config = Config(v["image_size"], v["patch_size"], v["hidden_size"], v["num_hidden_layers"], v["num_attention_heads"], t["hidden_size"],
                    t["num_hidden_layers"], t["num_attention_heads"], t["max_position_embeddings"], t["vocab_size"], c["projection_dim"])
    tensors = store.read(os.path.join(folder, "model.safetensors"))[0]
    return config, {k: x.float() if x.is_floating_point() else x for k, x in tensors.items()}


def step(a, weights, case, precision):
    out = os.path.join(a.work, f"{precision}.safetensors")
    p = subprocess.run([a.gopro, "step", "--weights", weights, "--case", case, "--out", out, "--precision", precision, "--quiet"],
                       stderr=subprocess.PIPE, text=True)
    if p.returncode:
        sys.exit(f"precision.py: gopro step, exit status {p.returncode}: {p.stderr.strip()}")
    values = store.read(out)[0]
    os.remove(out)
    return values


def cosine(a, b):
    if a is None:
        return "-"  # the method's case does not show it
    return f"{torch.nn.functional.cosine_similarity(a.double(), b.double(), dim=-1).min().item():.6f}"


def named(values, end):
    return next((v for k, v in values.items() if k.endswith(end) and k.startswith("out.")), None)


def row(method, x, y):
    image, text, logits = ((named(x, e), named(y, e)) for e in ("image_features", "text_features", "logits"))
    grads = [k for k in x if k.startswith("grad.")]
    g, h = (torch.cat([v[k].double().flatten() for k in grads]) for v in (x, y))
    loss = x["out.loss"].item(), y["out.loss"].item()
    return (f"| {method} | {cosine(*image)} | {cosine(*text)} | {(logits[0] - logits[1]).abs().max().item():.4f} of "
            f"{(logits[0].max() - logits[0].min()).item():.2f} | {loss[0]:.5f} | {loss[1] - loss[0]:+.5f} | {((g - h).norm() / g.norm()).item():.4f} | "
            f"{cosine(g, h)} |")


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    ap = argparse.ArgumentParser(description="f32 against bf16 on the same step")
    ap.add_argument("--weights")
    ap.add_argument("--config", default="vit_b16")
    ap.add_argument("--gopro", default=os.path.join(here, "../../build/release/gopro"))
    ap.add_argument("--work", default=os.path.join(here, "../../build/peer"))
    ap.add_argument("--batch", type=int, default=4)
    ap.add_argument("--classes", type=int, default=20)
    a = ap.parse_args()
    os.makedirs(a.work, exist_ok=True)
    if a.weights:
        config, tensors = checkpoint(a.weights)
        weights, source = a.weights, os.path.join(a.work, "checkpoint.safetensors")
        store.write(source, tensors, {"v_heads": config.v_heads, "t_heads": config.t_heads})
        text = ",".join(map(str, config))
    else:
        text = a.config
        weights = source = cases.weights_file(a.work, cases.parse_config(text), 1)
    print("| | image features, cosine | text features, cosine | logits, largest difference | loss | in bf16 | gradient, relative error | its cosine |\n"
          "| --- | --- | --- | --- | --- | --- | --- | --- |")
    for method in METHODS:
        o = cases.settle(Namespace(method=method, batch=a.batch, classes=a.classes, n_ctx=0, config=text, seed=1))
        case = cases.case_file(a.work, source, o)
        print(row(method, step(a, weights, case, "f32"), step(a, weights, case, "bf16")), flush=True)
        os.remove(case)
    if a.weights:
        os.remove(source)


if __name__ == "__main__":
    main()
