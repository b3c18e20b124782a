# store.py - safetensors files: reader and writer for the few types that cases and weights have.
# SPDX-License-Identifier: Apache-2.0
import json
import os
import struct

import torch

TYPES = {"F32": torch.float32, "F16": torch.float16, "I32": torch.int32}
NAMES = {v: k for k, v in TYPES.items()}


def write(path, tensors, meta):
    """Written under another name first, so that an interrupted run leaves no half file behind."""
    header, at = {"__metadata__": {k: str(v) for k, v in meta.items()}}, 0
    for name, t in tensors.items():
        size = t.numel() * t.element_size()
        header[name] = {"dtype": NAMES[t.dtype], "shape": list(t.shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    draft = f"{path}.tmp.{os.getpid()}"
    with open(draft, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for t in tensors.values():
            f.write(memoryview(t.detach().contiguous().reshape(-1).numpy()))
    os.replace(draft, path)


def read(path):
    """-> (tensors, metadata); tensor by tensor, so that memory holds every number once."""
    tensors = {}
    with open(path, "rb") as f:
        start = struct.unpack("<Q", f.read(8))[0]
        header = json.loads(f.read(start))
        meta = header.pop("__metadata__", {})
        for name, entry in header.items():
            t = torch.empty(entry["shape"], dtype=TYPES[entry["dtype"]])
            f.seek(8 + start + entry["data_offsets"][0])
            if t.numel():
                f.readinto(memoryview(t.reshape(-1).numpy()).cast("B"))
            tensors[name] = t
    return tensors, meta
