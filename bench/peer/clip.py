# clip.py - CLIP in PyTorch as its users run it: geometry, random weights in Hugging Face's names, both towers.
# SPDX-License-Identifier: Apache-2.0
import math
from collections import namedtuple

import torch
import torch.nn.functional as F

import products
from products import Linear

Config = namedtuple("Config", "image patch v_width v_layers v_heads t_width t_layers t_heads context vocab embed")
CONFIGS = {
    "vit_b16": Config(224, 16, 768, 12, 12, 512, 12, 8, 77, 49408, 512),
    "tiny": Config(32, 8, 64, 3, 2, 48, 3, 3, 24, 200, 40),
}


def parse_config(text):
    if text in CONFIGS:
        return CONFIGS[text]
    numbers = text.split(",")
    if len(numbers) != len(Config._fields) or not all(n.isdigit() and int(n) > 0 for n in numbers):
        raise ValueError(f"--config is {' or '.join(CONFIGS)}, or {len(Config._fields)} numbers: {','.join(Config._fields)}")
    return Config(*map(int, numbers))


def random_weights(c, seed):
    """Spreads near those of trained towers; gains and biases differ from 1 and 0, so that forgetting one shows."""
    g = torch.Generator().manual_seed(seed)
    w = {}

    def normal(name, sd, *shape):
        w[name] = torch.randn(shape, generator=g).mul_(sd)

    def norm(name, width):
        normal(name + ".weight", 0.1, width)
        w[name + ".weight"] += 1
        normal(name + ".bias", 0.05, width)

    def tower(name, width, layers):
        sd = {"self_attn.q_proj": 1.2, "self_attn.k_proj": 1.2, "self_attn.v_proj": 1, "self_attn.out_proj": 0.5, "mlp.fc1": 1, "mlp.fc2": 0.5}
        for i in range(layers):
            p = f"{name}.encoder.layers.{i}."
            norm(p + "layer_norm1", width)
            norm(p + "layer_norm2", width)
            for part, scale in sd.items():
                out, inner = (4 if part == "mlp.fc1" else 1) * width, (4 if part == "mlp.fc2" else 1) * width
                normal(p + part + ".weight", scale * width ** -0.5, out, inner)
                normal(p + part + ".bias", 0.05, out)

    v, t = "vision_model.embeddings.", "text_model.embeddings."
    normal(v + "class_embedding", 0.4, c.v_width)
    normal(v + "patch_embedding.weight", (3 * c.patch * c.patch) ** -0.5, c.v_width, 3, c.patch, c.patch)
    normal(v + "position_embedding.weight", 0.4, (c.image // c.patch) ** 2 + 1, c.v_width)
    norm("vision_model.pre_layrnorm", c.v_width)
    tower("vision_model", c.v_width, c.v_layers)
    norm("vision_model.post_layernorm", c.v_width)
    normal("visual_projection.weight", c.v_width ** -0.5, c.embed, c.v_width)
    normal(t + "token_embedding.weight", 0.1, c.vocab, c.t_width)
    normal(t + "position_embedding.weight", 0.05, c.context, c.t_width)
    tower("text_model", c.t_width, c.t_layers)
    norm("text_model.final_layer_norm", c.t_width)
    normal("text_projection.weight", c.t_width ** -0.5, c.embed, c.t_width)
    w["logit_scale"] = torch.tensor(math.log(20.0))
    return w


def unit(x):
    return F.normalize(x, dim=-1, eps=1e-12)


class Norm:
    def __init__(self, w, name):
        self.w, self.b = w.pop(name + ".weight"), w.pop(name + ".bias")

    def __call__(self, x):
        return F.layer_norm(x, x.shape[-1:], self.w, self.b, 1e-5)


class Block:
    def __init__(self, w, name, heads, mask):
        def linear(*parts):
            tensors = [[w.pop(f"{name}.{p}.{kind}") for p in parts] for kind in ("weight", "bias")]
            return Linear(*(torch.cat(t) if len(t) > 1 else t[0] for t in tensors))
        self.heads, self.mask = heads, mask
        self.ln1, self.ln2 = Norm(w, name + ".layer_norm1"), Norm(w, name + ".layer_norm2")
        self.qkv, self.out = linear(*(f"self_attn.{x}_proj" for x in "qkv")), linear("self_attn.out_proj")
        self.fc1, self.fc2 = linear("mlp.fc1"), linear("mlp.fc2")
        width = self.out.w.shape[0]
        self.qkv.w[:width] *= (width // heads) ** -0.5  # the scores' factor, once
        self.qkv.b[:width] *= (width // heads) ** -0.5

    def __call__(self, x):
        n, t, width = x.shape
        d = width // self.heads
        qkv = self.qkv(self.ln1(x)).reshape(n, t, 3, self.heads, d).permute(2, 0, 3, 1, 4)
        q, k, v = (y.reshape(n * self.heads, t, d) for y in qkv)
        o = products.attention(q, k, v, self.mask)
        x = x + self.out(o.reshape(n, self.heads, t, d).transpose(1, 2).reshape(n, t, width))
        h = self.fc1(self.ln2(x))
        return x + self.fc2(h * torch.sigmoid(1.702 * h))


class Clip:
    def __init__(self, c, weights):
        w, v, t = dict(weights), "vision_model.embeddings.", "text_model.embeddings."
        self.c = c
        self.cls, self.patch, self.v_pos = (w[v + n] for n in ("class_embedding", "patch_embedding.weight", "position_embedding.weight"))
        self.ln_pre, self.ln_post = Norm(w, "vision_model.pre_layrnorm"), Norm(w, "vision_model.post_layernorm")
        self.v_block = [Block(w, f"vision_model.encoder.layers.{i}", c.v_heads, None) for i in range(c.v_layers)]
        self.v_proj = w["visual_projection.weight"]
        self.tok, self.t_pos = w[t + "token_embedding.weight"], w[t + "position_embedding.weight"]
        mask = torch.full((c.context, c.context), -math.inf).triu(1)
        self.t_block = [Block(w, f"text_model.encoder.layers.{i}", c.t_heads, mask) for i in range(c.t_layers)]
        self.ln_final, self.t_proj = Norm(w, "text_model.final_layer_norm"), w["text_projection.weight"]
        self.scale = w["logit_scale"].exp()

    def image(self, pixels, prompts=None, deep=(), stats=None):
        """Features [N, embed].  prompts stand behind the patches, deep[i] takes their place in front of block i + 1.
        stats: a list that gets mean and deviation over the tokens behind every block."""
        x = F.conv2d(pixels, self.patch, stride=self.c.patch).flatten(2).transpose(1, 2)
        n, rows = len(x), len(self.v_pos)
        x = torch.cat([self.cls.expand(n, 1, -1), x], 1) + self.v_pos
        if prompts is not None:
            x = torch.cat([x, prompts.expand(n, -1, -1)], 1)
        x = self.ln_pre(x)
        for i, block in enumerate(self.v_block):
            if 0 < i <= len(deep):
                x = torch.cat([x[:, :rows], deep[i - 1].expand(n, -1, -1)], 1)
            x = block(x)
            if stats is not None:
                mean = x.mean(1)
                stats.append((mean, (((x - mean[:, None]).square().sum(1) + 2.3e-8) / x.shape[1]).sqrt()))
        return F.linear(self.ln_post(x[:, 0]), self.v_proj)

    def text_rows(self, x, end, deep=()):
        """Features of prompts as vectors x [n, 77, width], whose end tokens stand at rows `end`."""
        n = len(x)
        x = x + self.t_pos
        for i, block in enumerate(self.t_block):
            if 0 < i <= len(deep):
                m = len(deep[i - 1])
                x = torch.cat([x[:, :1], deep[i - 1].expand(n, m, -1), x[:, 1 + m:]], 1)
            x = block(x)
        return F.linear(self.ln_final(x)[torch.arange(n), end], self.t_proj)

    def text(self, tokens, ctx=None, image=None, deep=()):
        """Features of prompts, some at a time.  tokens [n, 77]; ctx [B, M, width] takes the place of the first words, prompt i having those
        of image[i] (None: all of ctx[0])."""
        out = []
        end = tokens.argmax(1)
        for a in range(0, len(tokens), products.way["prompts"]):
            part = slice(a, a + products.way["prompts"])
            x = self.tok[tokens[part]]
            if ctx is not None:
                own = ctx[image[part]] if image is not None else ctx[:1].expand(len(x), -1, -1)
                x = torch.cat([x[:, :1], own, x[:, 1 + own.shape[1]:]], 1)
            out.append(self.text_rows(x, end[part], deep))
        return torch.cat(out)

    def text_each(self, tokens, ctx):
        """Features [B, K, embed] of all classes under every image's context."""
        n_img, n_cls = len(ctx), len(tokens)
        image = torch.arange(n_img).repeat_interleave(n_cls)
        return self.text(tokens.repeat(n_img, 1), ctx, image).reshape(n_img, n_cls, -1)

    def logits(self, v, t):
        """v [B, embed]; t [K, embed], or [B, K, embed] where every image has its own."""
        v, t = unit(v), unit(t)
        return self.scale * (v @ t.t() if t.dim() == 2 else (t * v[:, None]).sum(-1))
