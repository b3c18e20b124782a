# ours.py - the program's side: runs `gopro step` and `gopro bench`, and compares values.
# SPDX-License-Identifier: Apache-2.0
import json
import subprocess

import store
from methods import VANISHING

OUT, GRAD = 1e-4, 5e-4  # largest difference relative to a tensor's largest number
ZERO = 1e-4             # of the largest gradient of the step: rounding of what is zero in exact arithmetic


def call(command):
    p = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    return p.returncode, p.stdout, p.stderr.strip()


def values(gopro, weights, case, out, threads):
    status, _, err = call([gopro, "step", "--weights", weights, "--case", case, "--out", out, "--threads", str(threads), "--quiet"])
    if status:
        raise RuntimeError(f"gopro step, exit status {status}: {err}")
    return store.read(out)[0]


def bench(gopro, what, method, o, weights, case, precision, threads, repeats, known=False):
    """Times the very case; where the program does not know --case, one of the same size.  -> (its JSON, a note or None)"""
    command = [gopro, "bench", what, "--json", "--quiet", "--repeats", str(repeats)] + ["--known-views"] * known
    options = [f"method={method}", f"precision={precision}", f"threads={threads}"]
    size = ["--classes", str(o.classes), "--batch", str(o.batch)]
    note = None
    status, out, err = call(command + ["--case", case, "--weights", weights] + options[1:]) if case else (2, "", "--case")
    if status == 2 and "--case" in err:
        if case:
            note = "gopro bench has no --case: timed with other weights of the same size"
        if case and o.config.vocab != 49408:
            raise RuntimeError("gopro bench has no --case, and without it only ViT-B/16 can be timed")
        extra = [f"M={o.n_ctx}"] if method not in ("zeroshot",) else []
        if method == "gopro_release" and o.con == 0:
            extra.append("gopro_release.lambda_con=0")
        status, out, err = call(command + size + options + extra)
    if status:
        raise RuntimeError(f"gopro bench {what}, exit status {status}: {err}")
    return json.loads(out), note


def compare(peer, own, method):
    """-> (worst relative differences by kind with the tensor's name, what differs too much)"""
    worst, wrong = {}, []
    grads = [k for k in peer if k.startswith("grad.")]
    scale = max((max(float(peer[k].abs().max()), float(own[k].abs().max())) for k in grads), default=0.0)
    for name, a in peer.items():
        if name not in own or tuple(own[name].shape) != tuple(a.shape):
            wrong.append(f"{name}: gopro has none of this shape")
            continue
        b, kind = own[name], name.split(".")[0] if name.startswith("grad.") else name
        large = max(float(a.abs().max()), float(b.abs().max()))
        if kind == "grad" and name[5:] in VANISHING.get(method, ()):
            if not large <= ZERO * scale:
                wrong.append(f"{name}: {large:.2e} instead of 0 (largest gradient {scale:.2e})")
            worst["zero"] = max(worst.get("zero", (0.0, "")), (large / scale if scale else large, name))
            continue
        diff = float((a - b).abs().max()) / large if large else 0.0
        worst[kind] = max(worst.get(kind, (0.0, "")), (diff, name))
        if not diff <= (GRAD if kind == "grad" else OUT):
            wrong.append(f"{name}: relative difference {diff:.2e}")
    missing = [k for k in own if k.startswith("grad.") and k not in peer]
    return worst, wrong + [f"{k}: the peer has no such gradient" for k in missing] if grads else wrong
