#!/usr/bin/env python3
# checkpoints.py - one set of random CLIP weights written in every format that is read, and the features PyTorch computes with them.
# SPDX-License-Identifier: Apache-2.0
#
#   scripts/golden/checkpoints.py golden OUT.tar.xz          the tiny ones that the tests unpack (tests/golden/checkpoints.tar.xz)
#   scripts/golden/checkpoints.py full CONFIG FORMAT FOLDER [f16]     one checkpoint of full size with random weights; CONFIG is a name in FULL
#   scripts/golden/checkpoints.py reference CONFIG quick_gelu|gelu|slip    the features PyTorch computes with the same weights
#
# Needs python3-torch.  The numbers of the tiny weights are multiples of 1/64 below 2, so they are exact in 16 bits of either kind and every
# format holds the same ones.
import argparse
import json
import math
import os
import pickle
import shutil
import struct
import subprocess
import sys
import tempfile
import zipfile
from collections import OrderedDict

import torch
import torch.nn.functional as F

HERE = os.path.dirname(os.path.abspath(__file__))
VOCAB = os.path.join(HERE, "../../tests/golden/text/vocab")

TINY = dict(image=8, patch=4, v_width=64, v_layers=2, v_heads=1, t_width=64, t_layers=1, t_heads=1, context=20, vocab=0, embed=16, mlp=1)
FULL = {
    "vit_b16": dict(image=224, patch=16, v_width=768, v_layers=12, v_heads=12, t_width=512, t_layers=12, t_heads=8, context=77,
                    vocab=49408, embed=512, mlp=4),
    "vit_b32": dict(image=224, patch=32, v_width=768, v_layers=12, v_heads=12, t_width=512, t_layers=12, t_heads=8, context=77,
                    vocab=49408, embed=512, mlp=4),
    "vit_l14": dict(image=224, patch=14, v_width=1024, v_layers=24, v_heads=16, t_width=768, t_layers=12, t_heads=12, context=77,
                    vocab=49408, embed=768, mlp=4),
    # Not of full size: a quick trial of the scripts that use this table.
    "trial": dict(image=32, patch=16, v_width=128, v_layers=2, v_heads=2, t_width=128, t_layers=2, t_heads=2, context=77,
                  vocab=49408, embed=64, mlp=4),
}


def tiny_numbers(g, shape, kind):
    if kind == "gain":
        return torch.randint(40, 90, shape, generator=g).float() / 64
    if kind == "bias":
        return torch.randint(-8, 9, shape, generator=g).float() / 64
    return torch.randint(-20, 21, shape, generator=g).float() / 64


def full_numbers(g, shape, kind):
    if kind == "gain":
        return torch.ones(shape)
    x = (torch.randn(shape, generator=g) * (0.01 if kind == "bias" else 0.02)).bfloat16().float()
    x[x.abs() < 2**-14] = 0  # exact in 16 bits of either kind, as the tiny ones
    return x


# Canonical weights: Hugging Face names, [out, in].
def make_weights(c, numbers, seed, ln_pre=True, patch_bias=False):
    g = torch.Generator().manual_seed(seed)
    w = OrderedDict()
    put = lambda name, shape, kind="": w.__setitem__(name, numbers(g, shape, kind))
    n = (c["image"] // c["patch"]) ** 2
    put("logit_scale", ())
    w["logit_scale"] = torch.tensor(4.625)
    e = "text_model.embeddings."
    put(e + "token_embedding.weight", (c["vocab"], c["t_width"]))
    put(e + "position_embedding.weight", (c["context"], c["t_width"]))
    e = "vision_model.embeddings."
    put(e + "class_embedding", (c["v_width"],))
    put(e + "patch_embedding.weight", (c["v_width"], 3, c["patch"], c["patch"]))
    if patch_bias:
        put(e + "patch_embedding.bias", (c["v_width"],), "bias")
    put(e + "position_embedding.weight", (n + 1, c["v_width"]))
    for tower, layers, d in (("text_model", c["t_layers"], c["t_width"]), ("vision_model", c["v_layers"], c["v_width"])):
        for i in range(layers):
            p = f"{tower}.encoder.layers.{i}."
            for x in "kvq":
                put(p + f"self_attn.{x}_proj.weight", (d, d))
                put(p + f"self_attn.{x}_proj.bias", (d,), "bias")
            put(p + "self_attn.out_proj.weight", (d, d))
            put(p + "self_attn.out_proj.bias", (d,), "bias")
            for ln in ("layer_norm1", "layer_norm2"):
                put(p + ln + ".weight", (d,), "gain")
                put(p + ln + ".bias", (d,), "bias")
            put(p + "mlp.fc1.weight", (c["mlp"] * d, d))
            put(p + "mlp.fc1.bias", (c["mlp"] * d,), "bias")
            put(p + "mlp.fc2.weight", (d, c["mlp"] * d))
            put(p + "mlp.fc2.bias", (d,), "bias")
    norms = ["text_model.final_layer_norm", "vision_model.post_layernorm"] + (["vision_model.pre_layrnorm"] if ln_pre else [])
    for ln in norms:
        d = c["t_width"] if ln.startswith("text") else c["v_width"]
        put(ln + ".weight", (d,), "gain")
        put(ln + ".bias", (d,), "bias")
    put("visual_projection.weight", (c["embed"], c["v_width"]))
    put("text_projection.weight", (c["embed"], c["t_width"]))
    return w


# ---- what PyTorch computes ----

def act(x, name):
    return x * torch.sigmoid(1.702 * x) if name == "quick_gelu" else F.gelu(x)


def block(w, p, x, heads, name, eps, causal):
    t, d = x.shape[-2:]
    lin = lambda n, y: F.linear(y, w[p + n + ".weight"], w[p + n + ".bias"])
    norm = lambda n, y: F.layer_norm(y, (d,), w[p + n + ".weight"], w[p + n + ".bias"], eps)
    u = norm("layer_norm1", x)
    q, k, v = (lin(f"self_attn.{n}_proj", u).reshape(*u.shape[:-1], heads, d // heads).transpose(-3, -2) for n in "qkv")
    a = q @ k.transpose(-1, -2) / math.sqrt(d // heads)
    if causal:
        a = a + torch.full((t, t), -math.inf).triu(1)
    o = (a.softmax(-1) @ v).transpose(-3, -2).reshape(u.shape)
    x = x + lin("self_attn.out_proj", o)
    return x + lin("mlp.fc2", act(lin("mlp.fc1", norm("layer_norm2", x)), name))


def image_features(w, c, pixels, name, eps):
    e = "vision_model.embeddings."
    x = F.conv2d(pixels, w[e + "patch_embedding.weight"], w.get(e + "patch_embedding.bias"), stride=c["patch"]).flatten(2).transpose(1, 2)
    x = torch.cat([w[e + "class_embedding"].expand(len(x), 1, -1), x], 1) + w[e + "position_embedding.weight"]
    norm = lambda n, y: F.layer_norm(y, y.shape[-1:], w[n + ".weight"], w[n + ".bias"], eps)
    if "vision_model.pre_layrnorm.weight" in w:
        x = norm("vision_model.pre_layrnorm", x)
    for i in range(c["v_layers"]):
        x = block(w, f"vision_model.encoder.layers.{i}.", x, c["v_heads"], name, eps, False)
    return norm("vision_model.post_layernorm", x[:, 0]) @ w["visual_projection.weight"].T


def text_features(w, c, ids, name):
    e = "text_model.embeddings."
    x = w[e + "token_embedding.weight"][ids] + w[e + "position_embedding.weight"][: len(ids)]
    for i in range(c["t_layers"]):
        x = block(w, f"text_model.encoder.layers.{i}.", x, c["t_heads"], name, 1e-5, True)
    x = F.layer_norm(x[-1], (c["t_width"],), w["text_model.final_layer_norm.weight"], w["text_model.final_layer_norm.bias"], 1e-5)
    return w["text_projection.weight"] @ x


# The inputs that `make_fixture features` uses too.
def pixels_of(c, n=2):
    i = torch.arange(n * 3 * c["image"] ** 2, dtype=torch.float64)
    return ((i * 7919 % 1009) / 504.5 - 1).float().reshape(n, 3, c["image"], c["image"])


def ids_of(c):
    return [c["vocab"] - 2, 5, 300, 17, c["vocab"] - 1]


def reference(w, c, v_act, t_act, v_eps):
    with torch.no_grad():
        w = {k: v.double() for k, v in w.items()}
        v = image_features(w, c, pixels_of(c).double(), v_act, v_eps).flatten()
        t = text_features(w, c, ids_of(c), t_act)
    return torch.cat([v, t]).tolist()


# ---- names ----

BLOCK = {"layer_norm1": "ln_1", "layer_norm2": "ln_2", "self_attn.out_proj": "attn.out_proj", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj"}
TIMM = {"layer_norm1": "norm1", "layer_norm2": "norm2", "self_attn.out_proj": "attn.proj", "mlp.fc1": "mlp.fc1", "mlp.fc2": "mlp.fc2"}


def to_openai(w, c, slip=False):
    o = OrderedDict()
    o["positional_embedding"] = w["text_model.embeddings.position_embedding.weight"]
    o["text_projection"] = w["text_projection.weight"].T.contiguous()
    o["logit_scale"] = w["logit_scale"]
    v = "vision_model.embeddings."
    if slip:
        o["image_projection"] = w["visual_projection.weight"].T.contiguous()
        o["visual.cls_token"] = w[v + "class_embedding"].reshape(1, 1, -1)
        o["visual.pos_embed"] = w[v + "position_embedding.weight"].unsqueeze(0)
        o["visual.patch_embed.proj.weight"] = w[v + "patch_embedding.weight"]
        o["visual.patch_embed.proj.bias"] = w[v + "patch_embedding.bias"]
    else:
        o["visual.class_embedding"] = w[v + "class_embedding"]
        o["visual.positional_embedding"] = w[v + "position_embedding.weight"]
        o["visual.proj"] = w["visual_projection.weight"].T.contiguous()
        o["visual.conv1.weight"] = w[v + "patch_embedding.weight"]
    for tower, to, layers in (("vision_model", "visual.blocks." if slip else "visual.transformer.resblocks.", c["v_layers"]),
                              ("text_model", "transformer.resblocks.", c["t_layers"])):
        timm = slip and tower == "vision_model"
        for i in range(layers):
            p, q = f"{tower}.encoder.layers.{i}.", f"{to}{i}."
            for x in ("weight", "bias"):
                merged = torch.cat([w[p + f"self_attn.{n}_proj.{x}"] for n in "qkv"])
                o[q + (f"attn.qkv.{x}" if timm else f"attn.in_proj_{x}")] = merged
                for a, b in (TIMM if timm else BLOCK).items():
                    o[f"{q}{b}.{x}"] = w[f"{p}{a}.{x}"]
    for x in ("weight", "bias"):
        if not slip:
            o["visual.ln_pre." + x] = w["vision_model.pre_layrnorm." + x]
        o[("visual.norm." if slip else "visual.ln_post.") + x] = w["vision_model.post_layernorm." + x]
        o["ln_final." + x] = w["text_model.final_layer_norm." + x]
    o["token_embedding.weight"] = w["text_model.embeddings.token_embedding.weight"]
    return o


# OpenAI's convert_weights: matrices in half precision, embeddings and norms stay.
def half_like_openai(o):
    keep = ("ln_", "positional_embedding", "token_embedding", "logit_scale", "class_embedding")
    return OrderedDict((k, v if any(s in k for s in keep) else v.half()) for k, v in o.items())


# ---- containers ----

ST = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.int64: "I64"}


def write_safetensors(path, w):
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for k, v in w.items():
        n = v.numel() * v.element_size()
        header[k] = {"dtype": ST[v.dtype], "shape": list(v.shape), "data_offsets": [at, at + n]}
        at += n
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for v in w.values():
            v = v.contiguous()
            v = v.view(torch.int16) if v.dtype in (torch.bfloat16, torch.float16) else v
            f.write(v.numpy().tobytes())


def jit(o, path):
    class Node(torch.nn.Module):
        def forward(self, x):
            return x

    root = Node()
    for name, t in o.items():
        at, parts = root, name.split(".")
        for p in parts[:-1]:
            if not hasattr(at, p):
                at.add_module(p, Node())
            at = getattr(at, p)
        at.register_parameter(parts[-1], torch.nn.Parameter(t, requires_grad=False))
    for name in ("input_resolution", "context_length", "vocab_size"):
        root.register_buffer(name, torch.tensor(7))
    torch.jit.script(root).save(path)  # tracing would drop modules that the forward pass never calls


def hf_config(c, a, eps=1e-5):
    tower = lambda p: {"hidden_size": c[p + "_width"], "num_hidden_layers": c[p + "_layers"], "num_attention_heads": c[p + "_heads"],
                       "intermediate_size": c["mlp"] * c[p + "_width"], "hidden_act": a, "layer_norm_eps": eps}
    return {"architectures": ["CLIPModel"], "model_type": "clip", "projection_dim": c["embed"],
            "vision_config": dict(tower("v"), image_size=c["image"], patch_size=c["patch"]),
            "text_config": dict(tower("t"), vocab_size=c["vocab"], max_position_embeddings=c["context"], eos_token_id=2, bos_token_id=0)}


def hf_preprocessor(c):
    return {"crop_size": c["image"], "do_center_crop": True, "do_normalize": True, "do_resize": True,
            "image_mean": [0.48145466, 0.4578275, 0.40821073], "image_std": [0.26862954, 0.26130258, 0.27577711], "resample": 3,
            "size": c["image"]}


def open_clip_config(c, quick):
    m = {"embed_dim": c["embed"],
         "vision_cfg": {"image_size": c["image"], "layers": c["v_layers"], "width": c["v_width"], "patch_size": c["patch"]},
         "text_cfg": {"context_length": c["context"], "vocab_size": c["vocab"], "width": c["t_width"], "heads": c["t_heads"],
                      "layers": c["t_layers"]}}
    if quick:
        m["quick_gelu"] = True
    return {"model_cfg": m, "preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25], "interpolation": "bicubic",
                                               "resize_mode": "shortest"}}


def dump(path, o):
    with open(path, "w") as f:
        json.dump(o, f, indent=1)


def tokenizer_json(path):
    merges = open(os.path.join(VOCAB, "merges.txt"), encoding="utf-8").read().split("\n")
    merges = [m for m in merges if m and not m.startswith("#version")]
    vocab = json.load(open(os.path.join(VOCAB, "vocab.json"), encoding="utf-8"))
    dump(path, {"version": "1.0", "added_tokens": [], "model": {"type": "BPE", "vocab": vocab, "merges": merges}})


def folder(out, name, tokenizer="merges"):
    p = os.path.join(out, name)
    os.makedirs(p)
    if tokenizer == "merges":
        for f in ("merges.txt", "vocab.json"):
            shutil.copy(os.path.join(VOCAB, f), p)
    elif tokenizer == "json":
        tokenizer_json(os.path.join(p, "tokenizer.json"))
    return p


def shards(p, w, write, stem, ext):
    names = list(w)
    cut = len(names) // 2
    table = {}
    for i, part in enumerate((names[:cut], names[cut:])):
        file = f"{stem}-{i + 1:05d}-of-00002.{ext}"
        write(os.path.join(p, file), OrderedDict((k, w[k]) for k in part))
        table.update({k: file for k in part})
    dump(os.path.join(p, f"{stem}.{ext}.index.json"), {"metadata": {"total_size": 0}, "weight_map": table})


save = lambda path, o: torch.save(o, path)


def namespace(**kw):
    return argparse.Namespace(**kw)


# One checkpoint in the format of that name; returns the activation and eps it must be read with.
def write(fmt, out, w, c, half=False):
    hf = {k: v.half() for k, v in w.items()} if half else w
    o = None if "vision_model.pre_layrnorm.weight" not in w else to_openai(w, c)
    if fmt in ("hf", "hf_gelu", "hf_sharded", "hf_bin", "hf_bin_sharded", "hf_bf16", "hf_f16"):
        p = folder(out, fmt, "json" if fmt in ("hf_sharded", "hf_bf16") else "merges")
        a = "gelu" if fmt == "hf_gelu" else "quick_gelu"
        dump(os.path.join(p, "config.json"), hf_config(c, a))
        dump(os.path.join(p, "preprocessor_config.json"), hf_preprocessor(c))
        ids = OrderedDict(hf)
        ids["text_model.embeddings.position_ids"] = torch.arange(c["context"]).unsqueeze(0)
        if fmt == "hf_sharded":
            shards(p, hf, write_safetensors, "model", "safetensors")
        elif fmt == "hf_bin":
            save(os.path.join(p, "pytorch_model.bin"), ids)
        elif fmt == "hf_bin_sharded":
            shards(p, hf, save, "pytorch_model", "bin")
        else:
            kind = {"hf_bf16": torch.bfloat16, "hf_f16": torch.float16}.get(fmt)
            write_safetensors(os.path.join(p, "model.safetensors"), {k: v.to(kind) if kind else v for k, v in hf.items()})
        return (a, a, 1e-5)
    if fmt == "openai_jit":
        jit(half_like_openai(o), os.path.join(folder(out, fmt), "ViT.pt"))
        return ("quick_gelu", "quick_gelu", 1e-5)
    if fmt in ("openai_state", "openai_legacy"):
        s = half_like_openai(o)
        if fmt == "openai_state":
            s.update(input_resolution=torch.tensor(c["image"]), context_length=torch.tensor(c["context"]), vocab_size=torch.tensor(c["vocab"]))
        p = os.path.join(folder(out, fmt), "ViT.pt")
        torch.save(s, p, _use_new_zipfile_serialization=fmt == "openai_state")
        return ("quick_gelu", "quick_gelu", 1e-5)
    if fmt in ("open_clip", "open_clip_quick", "open_clip_bin"):
        p = folder(out, fmt, "json")
        dump(os.path.join(p, "open_clip_config.json"), open_clip_config(c, fmt == "open_clip_quick"))
        o = {k: v.half() for k, v in o.items()} if half else o
        if fmt == "open_clip_bin":
            save(os.path.join(p, "open_clip_pytorch_model.bin"), o)
        else:
            write_safetensors(os.path.join(p, "open_clip_model.safetensors"), o)
        a = "quick_gelu" if fmt == "open_clip_quick" else "gelu"
        return (a, a, 1e-5)
    if fmt == "open_clip_training":
        p = folder(out, fmt)
        text = ("positional_embedding", "text_projection", "transformer.", "token_embedding", "ln_final")
        s = OrderedDict(("module." + ("text." if k.startswith(text) else "") + k, v) for k, v in o.items())
        opt = {"state": {0: {"step": 7, "exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": 1e-3, "betas": (0.9, 0.98), "params": [0]}]}
        save(os.path.join(p, "epoch_32.pt"), {"epoch": 32, "name": "run", "state_dict": s, "optimizer": opt})
        return ("gelu", "gelu", 1e-5)
    if fmt == "slip":
        p = folder(out, fmt)
        s = OrderedDict(("module." + k, v) for k, v in to_openai(w, c, slip=True).items())
        for k in ("layer1", "layer2", "layer3"):
            s[f"module.image_mlp.{k}.weight"] = torch.ones(2, 2)
        s["module.image_mlp.bn1.num_batches_tracked"] = torch.tensor(3)
        args = namespace(model="SLIP_TINY", lr=3e-3, betas=(0.9, 0.98), output_dir=None, evaluate=False)
        save(os.path.join(p, "slip.pt"), {"epoch": 99, "state_dict": s, "optimizer": {}, "scaler": {"scale": 65536.0}, "best_acc1": 40.25,
                                          "args": args})
        return ("gelu", "quick_gelu", 1e-6)
    raise SystemExit(f"unknown format {fmt}")


FORMATS = ["hf", "hf_gelu", "hf_sharded", "hf_bin", "hf_bin_sharded", "hf_bf16", "hf_f16", "openai_jit", "openai_state", "openai_legacy",
           "open_clip", "open_clip_quick", "open_clip_bin", "open_clip_training"]


# ---- files that must be refused ----

class Evil:
    def __init__(self, name):
        self.name = name

    def __reduce__(self):
        import importlib
        module, name = self.name.rsplit(".", 1)
        return getattr(importlib.import_module(module), name), ("touch executed",)


def evil_zip(path, payload):
    with zipfile.ZipFile(path, "w") as z:
        z.writestr("archive/data.pkl", payload)
        z.writestr("archive/version", "3\n")


def hostile(out, w, c):
    p = os.path.join(out, "hostile")
    os.makedirs(p)
    o = to_openai(w, c)
    j = lambda n: os.path.join(p, n)
    for name, what in (("system", "os.system"), ("eval", "builtins.eval"), ("popen", "subprocess.Popen")):
        evil_zip(j(name + ".pt"), pickle.dumps({"state_dict": Evil(what)}, protocol=2))
    evil_zip(j("stack_global.pt"), pickle.dumps({"visual.proj": Evil("os.system")}, protocol=4))
    evil_zip(j("inst.pt"), b"(S'touch executed'\nios\nsystem\n.")
    s = OrderedDict(o)
    del s["visual.transformer.resblocks.1.ln_2.bias"]
    save(j("missing.pt"), s)
    s = OrderedDict(o)
    s["visual.transformer.resblocks.1.mlp.c_fc.bias"] = torch.zeros(5)
    save(j("shape.pt"), s)
    s = OrderedDict(o)
    s["logit_bias"] = torch.zeros(())
    save(j("unknown.pt"), s)
    s = OrderedDict(o)
    s["visual.proj"] = torch.zeros(1, 1).expand(64, 16)
    save(j("expanded.pt"), s)
    s = OrderedDict(o)
    s["ln_final.weight"] = s["ln_final.bias"]
    save(j("overlap.pt"), s)
    save(j("resnet.pt"), {"visual.layer1.0.conv1.weight": torch.zeros(1), "visual.attnpool.positional_embedding": torch.zeros(1)})
    save(j("trunk.pt"), {"visual.trunk.norm.weight": torch.zeros(1), "logit_scale": torch.zeros(())})
    save(j("whole.pt"), torch.nn.Linear(2, 2))
    save(j("good.pt"), o)
    data = open(j("good.pt"), "rb").read()
    open(j("torn.pt"), "wb").write(data[: len(data) // 2])
    os.remove(j("good.pt"))


def golden(path):
    c = dict(TINY)
    c["vocab"] = len(json.load(open(os.path.join(VOCAB, "vocab.json"), encoding="utf-8")))
    with tempfile.TemporaryDirectory() as out:
        want = {}
        w = make_weights(c, tiny_numbers, 1)
        for f in FORMATS:
            want[f] = reference(w, c, *write(f, out, w, c))
        s = make_weights(c, tiny_numbers, 1, ln_pre=False, patch_bias=True)
        want["slip"] = reference(s, c, *write("slip", out, s, c))
        hostile(out, w, c)
        with open(os.path.join(out, "features.txt"), "w") as f:
            for name, v in want.items():
                f.write(name + "".join(f" {x:.9g}" for x in v) + "\n")
        names = sorted(os.listdir(out))
        subprocess.run(["tar", "--sort=name", "--owner=0", "--group=0", "--mtime=@0", "-C", out, "-cJf", os.path.abspath(path)] + names,
                       check=True, env=dict(os.environ, XZ_OPT="-9e"))


def full_weights(config, slip):
    return make_weights(FULL[config], full_numbers, 5, ln_pre=not slip, patch_bias=slip)


def full_reference(config, model):
    read = {"quick_gelu": ("quick_gelu", "quick_gelu", 1e-5), "gelu": ("gelu", "gelu", 1e-5), "slip": ("gelu", "quick_gelu", 1e-6)}[model]
    print(model + "".join(f" {x:.9g}" for x in reference(full_weights(config, model == "slip"), FULL[config], *read)))


def full(config, fmt, out, half):
    c = FULL[config]
    w = full_weights(config, fmt == "slip")
    print(config, fmt, sum(v.numel() for v in w.values()), "parameters")
    write(fmt, out, w, c, half)


# Seeds of fuzz/clip.c: a CLIP of a few hundred numbers in each layout, behind how it is read and its configuration; some alone, of fuzz/torch.c.
SEED = dict(image=4, patch=2, v_width=4, v_layers=1, v_heads=2, t_width=4, t_layers=1, t_heads=2, context=6, vocab=9, embed=3, mlp=1)


def fuzz(out):
    w = make_weights(SEED, tiny_numbers, 1)
    slip = make_weights(SEED, tiny_numbers, 1, ln_pre=False, patch_bias=True)
    configs = ["", "config.json", "open_clip_config.json", "preprocessor_config.json"]
    with tempfile.TemporaryDirectory() as d:
        for f in ("hf", "hf_bin", "hf_bf16", "openai_jit", "openai_state", "openai_legacy", "open_clip_quick", "open_clip", "open_clip_training", "slip"):
            write(f, d, slip if f == "slip" else w, SEED)
            files = os.listdir(os.path.join(d, f))
            weights = next(x for x in files if x.endswith((".safetensors", ".bin", ".pt")))
            config = next((i for i in (2, 1) if configs[i] in files), 0)
            text = open(os.path.join(d, f, configs[config]), "rb").read() if config else b""
            settings = json.loads(text) if text else {}
            if config == 2:
                settings["model_cfg"]["vision_cfg"]["head_width"] = SEED["v_width"] // SEED["v_heads"]
            text = json.dumps(settings, separators=(",", ":")).encode() if text else b""
            how = config | (4 if f != "hf" else 0)
            data = open(os.path.join(d, f, weights), "rb").read()
            with open(os.path.join(out, "clip", f), "wb") as o:
                o.write(bytes([how, len(text) & 255, len(text) >> 8]) + text + data)
            if f == "hf":
                text = json.dumps(hf_preprocessor(SEED), separators=(",", ":")).encode()
                with open(os.path.join(out, "clip", "hf_preprocessor"), "wb") as o:
                    o.write(bytes([3 | 4, len(text) & 255, len(text) >> 8]) + text + data)
            if f in ("open_clip", "openai_legacy", "open_clip_training", "slip"):
                with open(os.path.join(out, "torch", "whole_" + f), "wb") as o:
                    o.write(data)


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "fuzz":
        fuzz(sys.argv[2])
    elif len(sys.argv) == 3 and sys.argv[1] == "golden":
        golden(sys.argv[2])
    elif len(sys.argv) in (5, 6) and sys.argv[1] == "full":
        full(sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[5:] == ["f16"])
    elif len(sys.argv) == 4 and sys.argv[1] == "reference":
        full_reference(sys.argv[2], sys.argv[3])
    else:
        raise SystemExit("usage: checkpoints.py golden OUT.tar.xz | fuzz CORPUS | full CONFIG FORMAT FOLDER [f16] | reference CONFIG quick_gelu|gelu|slip")
