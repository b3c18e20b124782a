#!/usr/bin/env python3
# fuzz_seeds.py - small files of PyTorch, small configurations and pickled draws as seeds of the fuzz targets.  Needs python3-torch.
# SPDX-License-Identifier: Apache-2.0
#
#   scripts/golden/fuzz_seeds.py fuzz/corpus
import argparse
import io
import json
import os
import pickle
import sys
import types
import zipfile
from collections import OrderedDict

import torch

out = sys.argv[1]


def put(target, name, data):
    os.makedirs(os.path.join(out, target), exist_ok=True)
    with open(os.path.join(out, target, name), "wb") as f:
        f.write(data if isinstance(data, bytes) else json.dumps(data).encode())


def saved(o, **kw):
    b = io.BytesIO()
    torch.save(o, b, **kw)
    return b.getvalue()


t = torch.arange(12.0)
openai = OrderedDict([("visual.conv1.weight", torch.zeros(2, 3, 1, 1).half()), ("visual.proj", t[:6].reshape(2, 3)),
                      ("visual.transformer.resblocks.0.attn.in_proj_weight", t.reshape(6, 2)), ("input_resolution", torch.tensor(1))])
slip = {"epoch": 1, "args": argparse.Namespace(model="SLIP_VITB16", lr=0.1),
        "state_dict": OrderedDict([("module.visual.cls_token", torch.zeros(1, 1, 2)), ("module.visual.blocks.0.attn.qkv.weight", t.reshape(6, 2)),
                                   ("module.image_projection", t.reshape(4, 3).T)])}
files = {"openai": saved(openai), "slip": saved(slip), "legacy": saved(openai, _use_new_zipfile_serialization=False),
         "bf16": saved({"text_model.a": torch.ones(2, 2).bfloat16(), "b": torch.nn.Parameter(torch.ones(1))}),
         "resnet": saved({"visual.layer1.0.conv1.weight": torch.zeros(1)}), "view": saved({"visual.proj": t[2:8].reshape(3, 2).T})}


class Node(torch.nn.Module):
    def forward(self, x):
        return x


root = Node()
root.visual = Node()
root.visual.register_parameter("proj", torch.nn.Parameter(t.reshape(4, 3), requires_grad=False))
b = io.BytesIO()
torch.jit.save(torch.jit.script(root), b)
files["script"] = b.getvalue()
for name, data in files.items():
    put("torch", name, data)
    if name == "legacy":
        put("pickle", name, b"\0" + data[: len(data) // 2])
        continue
    put("zip", name, data)
    with zipfile.ZipFile(io.BytesIO(data)) as z:
        inner = next(n for n in z.namelist() if n.endswith("/data.pkl"))
        put("pickle", name, (b"\1" if name == "script" else b"\0") + z.read(inner))
b = io.BytesIO()
with zipfile.ZipFile(b, "w", zipfile.ZIP_DEFLATED) as z:
    z.writestr("m/data.pkl", b"N" * 100 + b".")
    with z.open("m/data/0", "w", force_zip64=True) as f:
        f.write(b"x" * 40)
put("zip", "deflated_zip64", b.getvalue())
put("torch", "deflated", b.getvalue())
for p in (2, 3, 4, 5):
    put("pickle", f"protocol{p}", b"\0" + pickle.dumps({"a": [1, -2, 2**70, 1.5, None, True, b"x", ("y", {"z"})], "b": OrderedDict(c=1)}, protocol=p))
put("pickle", "protocol0", b"\0" + pickle.dumps({"a": [1, 2]}, protocol=0))
put("pickle", "system", b"\0\x80\x02cos\nsystem\nX\x02\0\0\0hi\x85R.")

hf = {"model_type": "clip", "projection_dim": 16,
      "vision_config": {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "hidden_act": "gelu", "layer_norm_eps": 1e-6,
                        "image_size": 8, "patch_size": 4}, "text_config": {"vocab_size": 980, "eos_token_id": 979, "bos_token_id": 978}}
oc = {"model_cfg": {"embed_dim": 16, "quick_gelu": True, "vision_cfg": {"image_size": 8, "layers": 2, "width": 64, "patch_size": 4, "head_width": 32},
                    "text_cfg": {"heads": 2, "width": 64, "layers": 1}},
      "preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "std": [1, 1, 1], "interpolation": "bilinear", "resize_mode": "shortest"}}
pre = {"size": {"shortest_edge": 9}, "crop_size": {"height": 8, "width": 8}, "resample": 2, "image_mean": [0, 0, 0], "image_std": [1, 1, 1]}
for i, (name, o) in enumerate((("hf", hf), ("open_clip", oc), ("preprocessor", pre))):
    put("clip_config", name, bytes([i]) + json.dumps(o).encode())
put("clip_config", "heads", b"\0" + json.dumps({"vision_config": {"num_attention_heads": 3}}).encode())
put("clip_config", "resnet", b"\1" + json.dumps({"vision_cfg": {"layers": [3, 4, 6, 3]}, "text_cfg": {}}).encode())
put("clip_config", "bare_open_clip", b"\1" + json.dumps(oc["model_cfg"]).encode())
put("clip_config", "deep", b"\0" + b"[" * 3000)
put("shards", "two", {"metadata": {}, "weight_map": {"a": "x-1.safetensors", "b": "x-2.safetensors", "c": "x-1.safetensors"}})
put("shards", "upwards", {"weight_map": {"a": "../x"}})
put("shards", "absolute", {"weight_map": {"a": "/etc/passwd"}})
put("shards", "number", {"weight_map": {"a": 1}})
put("shards", "empty", {"weight_map": {}})
put("tokenizer_json", "old", {"model": {"type": "BPE", "merges": ["a b", "ab c</w>"]}})
put("tokenizer_json", "new", {"model": {"type": "BPE", "merges": [["a", "b"], ["c", "a</w>"]]}})
put("tokenizer_json", "wordpiece", {"model": {"type": "WordPiece", "vocab": {}}})
put("tokenizer_json", "vocab", {"model": {"merges": [], "vocab": {"a": 0}}})


# Draws as the projects built on CoOp keep them; the lists are those of fuzz/draw.c.
class Datum:
    __module__ = "dassl.data.datasets.base_dataset"

    def __init__(self, path, label, name):
        self._impath, self._label, self._domain, self._classname = "/d/" + path, label, 0, name


def draw(protocol, *val):
    return pickle.dumps({"train": [Datum("a/1.jpg", 0, "cat"), Datum("b/2.jpg", 1, "big dog")], "val": list(val)}, protocol=protocol)


at = ""
for part in Datum.__module__.split("."):
    at += "." * bool(at) + part
    sys.modules[at] = types.ModuleType(at)
sys.modules[at].Datum = Datum
for p in (2, 4, 5):
    put("draw", f"datum{p}.pkl", draw(p, Datum("b/3.jpg", 1, "big dog")))
put("draw", "dictionary.pkl", draw(4, {"impath": "a/3.jpg", "label": 0, "classname": "cat"}))
put("draw", "system.pkl", b"\x80\x02cos\nsystem\nX\x02\0\0\0hi\x85R.")
