# cases.py - random inputs and parameters of one step, as the case files that `gopro step` and `gopro bench --case` read.
# SPDX-License-Identifier: Apache-2.0
import hashlib
import os
import shutil
from argparse import Namespace

import torch

import store
from clip import Clip, parse_config, random_weights
from methods import METHODS

WORDS, STOP = 4, 7  # "a photo of a" and the full stop, as ids that every geometry has
CON = 0.1           # weight of the released code's contrastive term


def settle(a):
    """What a step is made of, from command-line arguments."""
    method, c = METHODS[a.method], parse_config(a.config)
    n_ctx = a.n_ctx or {"maple": 2, "coop": 16}.get(a.method, 4)
    words = max(WORDS if a.method in ("maple", "zeroshot") else 0, n_ctx)
    if words + 5 > c.context:
        raise ValueError(f"{words} words, a name of 2 tokens, a full stop and both ends need a context of {words + 5}, not {c.context}")
    # One image has no other to be told from: its contrastive loss is 0 and so are its gradients, and gopro refuses batch norm of one row.
    con = 0.0 if a.method == "gopro_release" and a.batch == 1 else CON
    return Namespace(method=a.method, case=method.case, batch=a.batch, classes=a.classes, n_ctx=n_ctx, words=words, con=con,
                     all_classes=getattr(a, "all_classes", False),
                     depth=min(9, c.v_layers, c.t_layers), config=c, seed=a.seed)


def weights_file(folder, c, seed):
    """Written once per geometry and seed; half a gigabyte for ViT-B/16."""
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, "weights-" + "-".join(map(str, (*c, seed))) + ".safetensors")
    if not os.path.exists(path):
        need = 4 * (c.vocab * c.t_width + 12 * (c.v_layers * c.v_width ** 2 + c.t_layers * c.t_width ** 2))
        if shutil.disk_usage(folder).free < 2 * need:
            raise ValueError(f"{folder} has no room for random weights of {need >> 20} MiB")
        store.write(path, random_weights(c, seed), {"v_heads": c.v_heads, "t_heads": c.t_heads})
    return path


def prompts(o, g):
    """Start, words, a name of two tokens, full stop, end, padding; no two names alike."""
    c = o.config
    low, high = 30, c.vocab - 2
    if high <= low or o.classes > (high - low) ** 2 // 8:
        raise ValueError(f"a vocabulary of {c.vocab} is too small for {o.classes} names of 2 tokens")
    at = torch.unique(torch.randint((high - low) ** 2, (4 * o.classes,), generator=g))
    at = at[torch.randperm(len(at), generator=g)[:o.classes]]
    tokens = torch.zeros(o.classes, c.context, dtype=torch.int32)
    tokens[:, 0] = c.vocab - 2
    tokens[:, 1:1 + o.words] = torch.arange(1, 1 + o.words)
    n = 1 + o.words
    tokens[:, n], tokens[:, n + 1] = at // (high - low) + low, at % (high - low) + low
    tokens[:, n + 2], tokens[:, n + 3] = STOP, c.vocab - 1
    return tokens


def images(o, names, g):
    """Noise over a tint of its own; a further view is half the first, so that the contrastive loss is neither sure nor lost."""
    def pixels():
        size = o.config.image
        return torch.randn(o.batch, 3, size, size, generator=g) + torch.randn(o.batch, 3, 1, 1, generator=g)
    first = pixels()
    return {names[0]: first, **{n: 0.5 * first + (0.7 + 0.1 * i) * pixels() for i, n in enumerate(names[1:])}}


def case_file(folder, weights, o):
    method, g = METHODS[o.method], torch.Generator().manual_seed(1000 + o.seed)
    x = {"tokens": prompts(o, g), "name_len": torch.full((o.classes,), 2, dtype=torch.int32), **images(o, method.views, g),
         "label": torch.randint(o.classes, (o.batch,), generator=g).int()}
    p = method.init(Clip(o.config, store.read(weights)[0]), o, x, g)
    own = {"depth": o.depth, "lambda_con": o.con}
    meta = {"method": o.case, "n_ctx": o.n_ctx, "batch": o.batch, "classes": o.classes, "seed": o.seed,
            **{k: own[k] if v is None else v for k, v in method.keys.items()},
            **{f"cfg.{k}": v for k, v in o.config._asdict().items()}}
    name = hashlib.sha256(repr(sorted(meta.items())).encode()).hexdigest()[:12]
    path = os.path.join(folder, f"{o.method}-{name}.safetensors")
    store.write(path, {**{f"in.{k}": v for k, v in x.items()}, **{f"param.{k}": v for k, v in p.items()}}, meta)
    return path


def read_case(path):
    """-> (inputs, parameters)"""
    tensors = store.read(path)[0]
    parts = {"in": {}, "param": {}}
    for name, t in tensors.items():
        kind, rest = name.split(".", 1)
        parts[kind][rest] = t.long() if t.dtype == torch.int32 else t
    return parts["in"], parts["param"]
