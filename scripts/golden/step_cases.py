#!/usr/bin/env python3
# step_cases.py - parity of `gopro step` with an independent PyTorch implementation: makes cases, runs them, compares; records fixtures.
# SPDX-License-Identifier: Apache-2.0
#
# The other implementation (ORACLE) is a folder with the modules clip, cases, methods and store: random CLIPs, case files and training files
# in the format that `gopro step` reads (src/train/step_case.h).  Needs PyTorch.
#
#   step_cases.py compare ORACLE GOPRO [--methods coop,slip] [--work DIR] [--no-train] [--full-size]    every geometry and option of the tables below
#   step_cases.py record ORACLE WEIGHTS FOLDER NAME...                                    fixtures of the table `FIXTURES`
import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import replace

# image, patch, v_width, v_layers, v_heads, t_width, t_layers, t_heads, context, vocab, embed
GEOMETRIES = {
    "tiny": "32,8,64,3,2,48,3,3,24,200,40",
    "wide_image": "32,16,96,2,6,32,2,2,24,120,24",
    "wide_text": "16,8,32,2,2,80,4,5,32,300,64",
    "deep": "24,8,24,5,3,24,5,3,24,90,17",
    "medium": "64,16,192,4,3,160,4,5,40,500,96",
    "one_block": "16,4,40,1,4,36,1,2,32,150,33",
    "vit_b16": "224,16,768,12,12,512,12,8,77,49408,512",
    "ten_blocks": "24,8,48,10,3,40,9,5,24,100,30",
}
OUT, GRAD, FINAL = 1e-4, 5e-4, 2e-3  # largest difference relative to a tensor's largest number


def case(geometry="tiny", names="short", **options):
    return {"geometry": geometry, "names": names, **options}


CASES = {
    "zeroshot": [case(g, classes=c, batch=2) for g, c in (("tiny", 5), ("deep", 1), ("wide_text", 9))],
    "coop": [
        case("medium", classes=30, batch=8), case("medium", csc=True, position="front", classes=13, n_ctx=16, names="long"),
        case(), case("wide_image", n_ctx=1), case("wide_text", n_ctx=16, names="long"), case("deep", classes=1),
        case("one_block", batch=1, classes=7, n_ctx=3), case("tiny", names="long", classes=12, n_ctx=2),
        *[case(g, position=p, n_ctx=m, names=n) for p in ("middle", "front")
          for g, m, n in (("tiny", 4, "short"), ("wide_text", 5, "long"), ("deep", 1, "short"), ("one_block", 3, "long"))],
        *[case(g, csc=True, position=p, n_ctx=m, classes=k) for g, p, m, k in
          (("tiny", "end", 4, 5), ("wide_image", "middle", 3, 6), ("deep", "front", 2, 1), ("wide_text", "end", 16, 4), ("one_block", "middle", 1, 11))],
    ],
    "cocoop": [
        case("medium", classes=15, batch=3, names="long"),
        case(), case("wide_image", batch=1, n_ctx=1), case("wide_text", n_ctx=16, names="long"), case("deep", classes=1),
        case("one_block", batch=6, classes=7), case("tiny", names="long", classes=12, n_ctx=2), case("wide_text", batch=1, classes=20),
        case("deep", n_ctx=8, classes=10, batch=3), case("wide_image", n_ctx=3, names="long"), case("tiny", batch=9, classes=3, seed=5),
        case("one_block", n_ctx=1, classes=1, batch=1),
    ],
    "maple": [
        case(), case("wide_image", n_ctx=1, batch=1), case("wide_text", n_ctx=4, names="long"), case("deep", classes=1),
        case("one_block", batch=6, classes=7), case("tiny", names="long", classes=12, depth=2), case("wide_text", depth=1, batch=1, classes=20),
        case("deep", n_ctx=3, classes=10, batch=3), case("deep", depth=3, names="long"), case("tiny", n_ctx=3, depth=1, batch=9, seed=5),
        case("one_block", n_ctx=4, classes=1, batch=1), case("ten_blocks", classes=6, batch=2),
    ],
    "stylip": [
        case("medium", classes=15, batch=3, names="long"),
        case(), case("wide_image", batch=1, n_ctx=1), case("wide_text", n_ctx=16, names="long"), case("deep", classes=1, alpha=1.0),
        case("one_block", batch=6, classes=7, alpha=0.0), case("tiny", names="long", classes=12, n_ctx=2), case("wide_text", batch=1, classes=20),
        case("deep", n_ctx=8, classes=10, batch=3), case("wide_image", n_ctx=3, names="long", alpha=0.5), case("tiny", batch=9, classes=3, seed=5),
        case("one_block", n_ctx=1, classes=1, batch=1),
    ],
    "slip": [
        case("medium", classes=30, batch=24, mlp_dim=200),
        case(), case("wide_image", batch=2, mlp_dim=16), case("wide_text", names="long", tau=0.5), case("deep", classes=1, alpha=1.0),
        case("one_block", batch=7, classes=7, tau=0.05), case("tiny", batch=16, mlp_dim=128, alpha=0.5), case("wide_text", batch=3, classes=20),
        case("deep", mlp_dim=8, classes=10, batch=5), case("wide_image", alpha=2.0, tau=1.0, names="long"), case("tiny", batch=9, seed=5),
        case("one_block", batch=12, classes=2, mlp_dim=300),
    ],
    "gopro_paper": [
        case(), case("wide_image", n_ctx=1, batch=2), case("deep", classes=1), case("wide_text", n_ctx=16, names="long"),
        case("one_block", lambda_sem1=0.0), case("tiny", lambda_ce=0.0, lambda_con=2.0),
    ],
    "gopro": [
        case(), case("wide_image", n_ctx=1, batch=3), case("deep", classes=1, batch=3), case("wide_text", n_ctx=16, names="long"),
        case("one_block", batch=7, classes=7), case("tiny", names="long", classes=12, n_ctx=2), case("deep", n_ctx=8, classes=10, batch=5),
        *[case(g, **o) for g, o in (
            ("tiny", dict(sem="l2_label")), ("deep", dict(pv_in_ce=1)), ("wide_image", dict(pv_in_ce=1, sem="l2_label", lambda_con=1.0)),
            ("one_block", dict(train_q=0)), ("wide_text", dict(lambda_sem1=0.0, tau=0.5)), ("tiny", dict(lambda_ce=0.0, lambda_sem2=30.0)),
            ("deep", dict(lambda_con=0.0)), ("tiny", dict(lambda_con=0.0, pv_in_ce=1, lambda_sem2=0.0)))],
    ],
}
# name: (method, options[, "train"])
FIXTURES = {
    "coop": ("coop", dict(batch=3, classes=6)),
    "coop_middle": ("coop", dict(batch=2, classes=6, position="middle", n_ctx=3)),
    "coop_front": ("coop", dict(batch=2, classes=6, position="front", n_ctx=2)),
    "coop_csc": ("coop", dict(batch=2, classes=4, csc=True, position="middle", n_ctx=3)),
    "coop_train": ("coop", dict(batch=3, classes=6), "train"),
    "cocoop": ("cocoop", dict(batch=2, classes=6)),
    "cocoop_train": ("cocoop", dict(batch=2, classes=6), "train"),
    "maple": ("maple", dict(batch=3, classes=6)),
    "maple_shallow": ("maple", dict(batch=2, classes=4, n_ctx=4, depth=1)),
    "maple_train": ("maple", dict(batch=3, classes=6), "train"),
    "stylip": ("stylip", dict(batch=2, classes=6, n_ctx=3)),
    "stylip_train": ("stylip", dict(batch=2, classes=6, n_ctx=2), "train"),
    "slip": ("slip", dict(batch=3, classes=6, mlp_dim=12)),
    "slip_train": ("slip", dict(batch=3, classes=6, mlp_dim=6), "train"),
    "release": ("gopro", dict(batch=3, classes=6)),
    "release_one": ("gopro", dict(batch=5, classes=1, n_ctx=1)),
    "release_repaired": ("gopro", dict(batch=3, classes=4, n_ctx=2, sem="l2_label", pv_in_ce=1, lambda_con=1.0)),
    "release_few": ("gopro", dict(batch=3, classes=4, n_ctx=3, lambda_sem1=0.0, lambda_sem2=20.0, train_q=0, tau=0.5)),
    "release_train": ("gopro", dict(batch=3, classes=6), "train"),
}
# Settings of the released variant that ORACLE does not have; release_loss computes them.
RELEASE = {"sem": "mse_all", "pv_in_ce": 0, "train_q": 1, "lambda_ce": 1.0, "lambda_sem1": 1.0, "lambda_sem2": 1.0, "lambda_con": 0.1, "tau": 0.1}


def release_loss(oracle, settings):
    """The released variant of GOPro with its defects kept or repaired, as a loss in ORACLE's sense."""
    import torch
    import torch.nn.functional as F
    m, s = oracle.methods, {**RELEASE, **settings}

    def loss(cls, clip, p, inp, o, state):
        out, label, emb = {}, inp["label"], clip.embed(inp["tokens"])
        weight = {"image": 1, "view_moco": s["lambda_sem1"], "view_augmix": s["lambda_sem2"]}
        used = [v for v in cls.views if weight[v] or (v == "view_moco" and s["lambda_con"])]
        feats, texts = {}, {}
        for v in used:
            states = []
            out[f"{v}.image_features"] = clip.image(inp[v], states=states)
            feats[v] = m.unit(out[f"{v}.image_features"])
            if not weight[v]:
                continue
            shift = cls.shift(p, states)
            t = torch.stack([clip.text(m.splice(emb, p["ctx"] + d), inp["tokens"]) for d in shift])
            texts[v] = m.unit(t)
            out[f"{v}.ctx_shift"] = shift
            if v == "image" or s["sem"] == "mse_all":
                out[f"{v}.text_features"] = t
        q = p if s["train_q"] else {k: x.detach() for k, x in p.items()}
        z = {v: m.batch_norm(q, "simproj.batchnorm", m.linear(q, "simproj.linear", feats[v]), state, "batchnorm")
             for v in used[:2] if (v != "view_augmix" and s["lambda_con"]) or (v == "image" and s["pv_in_ce"])}
        out.update({f"simproj.{v}": x for v, x in z.items()})
        out["logits"] = clip.logits(z["image"] if s["pv_in_ce"] else feats["image"], out["image.text_features"])
        parts, total = {}, 0
        if s["lambda_ce"]:
            parts["ce"] = (s["lambda_ce"], F.cross_entropy(out["logits"], label))
        for v in ("view_moco", "view_augmix"):
            if weight[v]:
                rows = torch.arange(len(label)), label
                apart = F.mse_loss(texts["image"], texts[v]) if s["sem"] == "mse_all" else m.distance(texts["image"][rows], texts[v][rows]).mean()
                parts[v.replace("view", "sem")] = (weight[v], apart)
        if s["lambda_con"]:
            parts["con"] = (s["lambda_con"], m.nt_xent(z["image"], z["view_moco"], s["tau"]))
        for k, (w, x) in parts.items():
            total = total + w * x
            out[f"loss.{k}"] = x
        out.update({k: x.clone() for k, x in state.items()})
        return total, out
    return classmethod(loss)


def long_names(cfg, n_cls, n_words, g):
    """Names of one token and of as many as fit; every second one begins like the one before it."""
    import torch
    out, lens, room = torch.zeros(n_cls, cfg.context, dtype=torch.int64), [], cfg.context - n_words - 3
    name = []
    for k in range(n_cls):
        fresh = torch.randint(20, cfg.vocab - 10, (room if k % 4 == 2 else 1 + k % 3,), generator=g).tolist()
        name = (name + fresh)[:room] if k % 2 else fresh
        row = [cfg.sos, *range(10, 10 + n_words), *name, 7, cfg.eot]
        out[k, :len(row)] = torch.tensor(row)
        lens.append(len(name))
    return out, torch.tensor(lens)


# --full-size: one step of every method at ViT-B/16; takes some minutes and 8 GiB.
FULL_SIZE = {m: [case("vit_b16", classes=6, batch=2)] for m in
             ("zeroshot", "coop", "cocoop", "maple", "stylip", "slip", "gopro", "gopro_paper")}


class Oracle:
    def __init__(self, folder):
        sys.path.insert(0, folder)
        import cases
        import clip
        import methods
        import store
        import torch
        torch.set_num_threads(1)
        self.cases, self.clip, self.methods, self.store = cases, clip, methods, store
        self.release = methods.GOPro.loss
        self.short = cases.make_tokens

    def weights(self, geometry, path):
        cfg = self.clip.parse_config(geometry)
        w = self.clip.random_weights(cfg, 0)
        self.store.save_safetensors(path, w, {"format": "pt", "v_heads": cfg.v_heads, "t_heads": cfg.t_heads})
        return cfg, w

    def read_weights(self, path):
        w, meta = self.store.load_safetensors(path)
        return self.clip.config_of(w, meta), w

    def make(self, cfg, w, method, options, path, train, f64=True):
        o = dict(options)
        self.cases.make_tokens = long_names if o.pop("names", "short") == "long" else self.short
        o.pop("geometry", None)
        own = {k: o.pop(k) for k in RELEASE if method == "gopro" and k in o}
        self.methods.GOPro.loss = release_loss(self, own) if own else self.release
        o = replace(self.cases.Options(), method=method, f64=f64, **o)
        self.cases.run_case(cfg, w, o, path)
        if train:
            self.cases.run_train(cfg, w, path, {"f64": f64}, self.cases.Schedule(), train)
        for p in (path, train) if own else ():
            if p:
                tensors, meta = self.store.load_safetensors(p)
                self.store.save_safetensors(p, tensors, {**meta, **own})


def differences(expected, found):
    """Tensors that are missing, new or too far off."""
    limits = {"out": OUT, "grad": GRAD, "final": FINAL}
    want = {k: v for k, v in expected.items() if k.split(".")[0] in limits}
    bad = [f"{k}: missing" for k in want if k not in found] + [f"{k}: unexpected" for k in found if k not in want]
    top = {p: max((float(v.abs().max()) for k, v in want.items() if k.split(".")[0] == p), default=0) for p in limits}
    worst = {p: 0.0 for p in limits}
    for k, v in want.items():
        if k not in found:
            continue
        p = k.split(".")[0]
        size = float(v.abs().max())
        if p == "grad" and size < 1e-7 * top[p]:  # zero but for rounding
            size = top[p]
        off = float((v.double() - found[k].double()).abs().max()) / (size or 1.0)
        worst[p] = max(worst[p], off)
        if not off <= limits[p]:
            bad.append(f"{k}: {off:.2g}")
    return bad, worst


def compare(a):
    oracle, work = Oracle(a.oracle), a.work or tempfile.mkdtemp()
    os.makedirs(work, exist_ok=True)
    geometries, failed, total, worst = {}, 0, 0, {}
    table = FULL_SIZE if a.full_size else CASES
    for method in a.methods.split(",") if a.methods else table:
        for i, options in enumerate(table[method]):
            g = options["geometry"]
            weights = os.path.join(work, g + ".safetensors")
            if g not in geometries:
                geometries[g] = oracle.weights(GEOMETRIES[g], weights)
            base = os.path.join(work, f"{method}{i}")
            files = [base + ".safetensors"]
            if method != "zeroshot" and not a.no_train and not a.full_size:
                files.append(base + "_train.safetensors")
            with open(os.devnull, "w") as null:
                keep, sys.stdout = sys.stdout, null
                oracle.make(*geometries[g], method, options, files[0], files[1] if len(files) > 1 else None)
                sys.stdout = keep
            for f in files:
                total += 1
                run = subprocess.run([a.gopro, "step", "--weights", weights, "--case", f, "--out", base + "_out.safetensors", "--quiet"],
                                     capture_output=True, text=True)
                bad = [run.stderr.strip()]
                if run.returncode == 0:
                    bad, w = differences(oracle.store.load_safetensors(f)[0], oracle.store.load_safetensors(base + "_out.safetensors")[0])
                    m = worst.setdefault(method, dict.fromkeys(w, 0.0))
                    for p in w:
                        m[p] = max(m[p], w[p])
                if bad:
                    failed += 1
                    print(f"{os.path.basename(f)} {options}: {'; '.join(bad[:6])}")
    for method, w in worst.items():
        print(f"{method}: {len(table[method])} cases, largest relative difference: outputs {w['out']:.1e}, gradients {w['grad']:.1e}, "
              f"after training {w['final']:.1e}")
    print(f"{total - failed} of {total} files agree")
    return failed != 0


def record(a):
    oracle = Oracle(a.oracle)
    cfg, w = oracle.read_weights(a.weights)
    for name in a.name:
        method, options, *train = FIXTURES[name]
        path = os.path.join(a.folder, name + ".safetensors")
        # double where L_Con can be so small that single precision leaves it few digits
        oracle.make(cfg, w, method, options, path, path if train else None, f64=method == "gopro")
        tensors, meta = oracle.store.load_safetensors(path)
        oracle.store.save_safetensors(path, {k: v for k, v in tensors.items() if not k.startswith("aux.")}, meta)
    return 0


def main():
    ap = argparse.ArgumentParser()
    sub = ap.add_subparsers(dest="command", required=True)
    p = sub.add_parser("compare")
    p.add_argument("oracle")
    p.add_argument("gopro")
    p.add_argument("--methods")
    p.add_argument("--work")
    p.add_argument("--no-train", action="store_true")
    p.add_argument("--full-size", action="store_true")
    p = sub.add_parser("record")
    p.add_argument("oracle")
    p.add_argument("weights")
    p.add_argument("folder")
    p.add_argument("name", nargs="+", choices=sorted(FIXTURES))
    a = ap.parse_args()
    sys.exit(compare(a) if a.command == "compare" else record(a))


if __name__ == "__main__":
    main()
