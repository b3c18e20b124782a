# methods.py - the methods as their users' code runs them: parameters, and the loss of one step, left to autograd.
# SPDX-License-Identifier: Apache-2.0
#
# Each has: case (its name in case files), views, keys (options of the case file), init(clip, o, g) -> parameters,
# loss(clip, p, x, o) -> (loss, logits), predict(clip, p, x, o) -> logits.  o: batch, classes, n_ctx, depth, con.
import torch
import torch.nn.functional as F

from clip import unit

RHO = {"image": "rho.f", "view_moco": "rho.mo", "view_augmix": "rho.au"}
ALPHA, TAU = 0.1, 0.1


def linear(p, name, x):
    return F.linear(x, p[name + ".weight"], p.get(name + ".bias"))


def new_linear(p, name, out, inner, g, scale=1.0, bias=True):
    p[name + ".weight"] = torch.randn(out, inner, generator=g) * scale * inner ** -0.5
    if bias:
        p[name + ".bias"] = torch.randn(out, generator=g) * 0.1


def new_context(clip, o, x, g):
    words = clip.tok[x["tokens"][0, 1:1 + o.n_ctx].long()]
    return words + 0.02 * torch.randn(words.shape, generator=g)


def frozen_image(clip, pixels, stats=None):
    with torch.no_grad():
        return clip.image(pixels, stats=stats)


def nt_xent(a, b, tau):
    """Every row of [a; b] looks for its other view among all rows but itself."""
    n = len(a)
    z = unit(torch.cat([a, b]))
    s = z @ z.t() / tau
    s = s.masked_fill(torch.eye(2 * n, dtype=torch.bool), float("-inf"))
    return F.cross_entropy(s, torch.arange(2 * n).roll(n))


def batch_norm(x, gain, bias):
    """Training mode; a batch of one row gives the bias.  Nobody reads the running statistics of a step that is timed alone."""
    return (x - x.mean(0)) * (x.var(0, unbiased=False) + 1e-5).rsqrt() * gain + bias


class ZeroShot:
    case, views, keys = "zeroshot", ("image",), {}

    @staticmethod
    def init(clip, o, x, g):
        return {}

    @staticmethod
    def known(clip, x):
        """What is computed once, before any image comes."""
        x["text"] = clip.text(x["tokens"])

    @staticmethod
    def predict(clip, p, x, o):
        return clip.logits(clip.image(x["image"]), x["text"])


class CoOp:
    case, views, keys = "coop", ("image",), {"csc": 0, "position": "end"}

    @staticmethod
    def init(clip, o, x, g):
        return {"ctx": 0.02 * torch.randn(o.n_ctx, clip.c.t_width, generator=g)}

    @staticmethod
    def loss(clip, p, x, o):
        logits = clip.logits(frozen_image(clip, x["image"]), clip.text(x["tokens"], p["ctx"][None]))
        return F.cross_entropy(logits, x["label"]), logits


class CoCoOp:
    case, views, keys = "cocoop", ("image",), {}

    @staticmethod
    def init(clip, o, x, g):
        p, c = {"ctx": new_context(clip, o, x, g)}, clip.c
        hidden = max(1, c.embed // 16)
        new_linear(p, "meta_net.linear1", hidden, c.embed, g, 4)
        p["meta_net.linear1.bias"] += 0.3  # most units open
        new_linear(p, "meta_net.linear2", c.t_width, hidden, g, 0.2)
        return p

    @staticmethod
    def predict(clip, p, x, o):
        v = frozen_image(clip, x["image"])
        shift = linear(p, "meta_net.linear2", linear(p, "meta_net.linear1", unit(v)).relu())
        return clip.logits(v, clip.text_each(x["tokens"], p["ctx"] + shift[:, None]))

    @classmethod
    def loss(cls, clip, p, x, o):
        logits = cls.predict(clip, p, x, o)
        return F.cross_entropy(logits, x["label"]), logits


class MaPLe:
    case, views, keys = "maple", ("image",), {"depth": None}

    @staticmethod
    def init(clip, o, x, g):
        p, c = {"ctx": new_context(clip, o, x, g)}, clip.c
        new_linear(p, "proj", c.v_width, c.t_width, g)
        for i in range(o.depth - 1):
            p[f"compound_prompts_text.{i}"] = 0.1 * torch.randn(o.n_ctx, c.t_width, generator=g)
            new_linear(p, f"compound_prompt_projections.{i}", c.v_width, c.t_width, g)
        return p

    @staticmethod
    def loss(clip, p, x, o):
        deep = [p[f"compound_prompts_text.{i}"] for i in range(o.depth - 1)]
        text = clip.text(x["tokens"], p["ctx"][None], deep=deep)
        deep = [linear(p, f"compound_prompt_projections.{i}", d) for i, d in enumerate(deep)]
        logits = clip.logits(clip.image(x["image"], linear(p, "proj", p["ctx"]), deep), text)
        return F.cross_entropy(logits, x["label"]), logits


class GOProRelease:
    """As its authors' code computes it: one generator for three views, one shift for all tokens, all classes in every view."""
    case, views, keys = "gopro", ("image", "view_moco", "view_augmix"), {"lambda_con": None}

    @staticmethod
    def init(clip, o, x, g):
        p, c = {"ctx": new_context(clip, o, x, g)}, clip.c
        for i in range(c.v_layers):
            for kind in ("style", "content"):
                new_linear(p, f"{kind}.linear.{i}", c.t_width, c.v_width, g, 0.5)
        new_linear(p, "rho", 1, c.v_layers, g)
        new_linear(p, "simproj.linear", c.embed, c.embed, g)
        p["simproj.batchnorm.weight"] = 1 + 0.1 * torch.randn(c.embed, generator=g)
        p["simproj.batchnorm.bias"] = 0.1 * torch.randn(c.embed, generator=g)
        return p

    @staticmethod
    def loss(clip, p, x, o):
        feature, text = [], []
        for name in GOProRelease.views:
            stats = []
            feature.append(unit(frozen_image(clip, x[name], stats)))
            z = [(linear(p, f"style.linear.{i}", (mu + sigma) / 2) + linear(p, f"content.linear.{i}", mu)) / 2
                 for i, (mu, sigma) in enumerate(stats)]
            shift = linear(p, "rho", torch.stack(z, -1))[..., 0]
            text.append(unit(clip.text_each(x["tokens"], p["ctx"] + shift[:, None])))
        logits = clip.logits(feature[0], text[0])
        loss = F.cross_entropy(logits, x["label"]) + F.mse_loss(text[0], text[1]) + F.mse_loss(text[0], text[2])
        if o.con:
            # in double: batch norm of two rows makes a softmax so sure that its gradient in single precision is rounding noise
            w = {k: t.double() for k, t in p.items() if k.startswith("simproj.")}
            q = [batch_norm(linear(w, "simproj.linear", v.double()), w["simproj.batchnorm.weight"], w["simproj.batchnorm.bias"])
                 for v in feature[:2]]
            loss = loss + o.con * nt_xent(q[0], q[1], TAU).float()
        return loss, logits


class GOPro:
    """The paper's, with the defaults of `gopro train`: centred statistics, features of length sqrt(width), decoders without bias."""
    case, views = "gopro_paper", ("image", "view_moco", "view_augmix")
    keys = {"frg_norm": "rms", "frg_center": 1, "decoder_bias": 0, "alpha": ALPHA, "tau": TAU}
    fixed = ("center.mu", "center.sigma")

    @staticmethod
    def init(clip, o, x, g):
        p, c = {"ctx": new_context(clip, o, x, g)}, clip.c
        for i in range(c.v_layers):
            for kind in ("content", "style"):
                new_linear(p, f"frg.{kind}.{i}", c.t_width, c.v_width, g, 0.5)
        hidden = max(1, c.t_width // 16)
        for net in RHO.values():
            p[net + ".mix"] = torch.randn(o.n_ctx, c.v_layers, generator=g) * c.v_layers ** -0.5
            new_linear(p, net + ".encoder", hidden, c.t_width, g)
            p[net + ".encoder.bias"] += 0.3  # most units open
            new_linear(p, net + ".decoder", c.t_width, hidden, g, 0.1, bias=False)
        new_linear(p, "projector", c.embed, c.embed, g)
        p["center.mu"] = 0.1 * torch.randn(c.v_layers, c.v_width, generator=g)
        p["center.sigma"] = 1 + 0.1 * torch.randn(c.v_layers, c.v_width, generator=g)
        return p

    @staticmethod
    def view(clip, p, x, name, net):
        """Image feature and context tokens [B, M, width] of a view."""
        stats, f = [], []
        v = unit(frozen_image(clip, x[name], stats))
        for i, (mu, sigma) in enumerate(stats):
            mu, sigma = mu - p["center.mu"][i], sigma - p["center.sigma"][i]
            f.append(unit(linear(p, f"frg.content.{i}", mu) + linear(p, f"frg.style.{i}", (mu + sigma) / 2)) * clip.c.t_width ** 0.5)
        u = torch.einsum("ml,bld->bmd", p[net + ".mix"], torch.stack(f, 1))
        return v, p["ctx"] + linear(p, net + ".decoder", linear(p, net + ".encoder", u).relu())

    @staticmethod
    def project(p, v):
        return v + ALPHA * linear(p, "projector", v)

    @classmethod
    def original(cls, clip, p, x):
        v, ctx = cls.view(clip, p, x, "image", RHO["image"])
        w, text = cls.project(p, v), clip.text_each(x["tokens"], ctx)
        return w, text, clip.logits(w, text)

    @classmethod
    def predict(cls, clip, p, x, o):
        return cls.original(clip, p, x)[2]

    @classmethod
    def loss(cls, clip, p, x, o):
        w, text, logits = cls.original(clip, p, x)
        loss, rows = F.cross_entropy(logits, x["label"]), torch.arange(len(w))
        anchor = unit(text[rows, x["label"]])
        for name in cls.views[1:]:
            v, ctx = cls.view(clip, p, x, name, RHO[name])
            if o.all_classes:  # as the released code computes its views; all but the true class's come to nothing
                own = unit(clip.text_each(x["tokens"], ctx)[rows, x["label"]])
            else:
                own = unit(clip.text(x["tokens"][x["label"]], ctx, rows))
            loss = loss + (anchor - own).norm(dim=-1).mean()
            if name == "view_moco":
                loss = loss + nt_xent(w, cls.project(p, v), TAU)
        return loss, logits


METHODS = {"zeroshot": ZeroShot, "coop": CoOp, "cocoop": CoCoOp, "maple": MaPLe, "gopro_release": GOProRelease, "gopro": GOPro}
# Gradients that are zero in exact arithmetic: a shift of all channels alike, which every layer norm removes, and one that batch norm removes.
VANISHING = {"gopro_release": ("rho.bias", "simproj.linear.bias")}
