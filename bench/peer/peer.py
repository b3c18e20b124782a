#!/usr/bin/env python3
# peer.py - one training step, prediction or text pass in plain PyTorch (77-token prompts, autograd, frozen towers) and in gopro, on the same
# random weights and inputs: checks that both compute the same, then times both in this run and prints the ratio.
# SPDX-License-Identifier: Apache-2.0
import argparse
import json
import os
import sys
from argparse import Namespace
from statistics import median

os.environ["OMP_WAIT_POLICY"] = "PASSIVE"  # before PyTorch is there
try:
    import torch
except ImportError:
    sys.exit("peer.py: PyTorch is not there for this Python; Debian: apt-get install python3-torch, and run it with /usr/bin/python3")

import cases
import ours
import report
import store
from methods import METHODS
from timing import in_own_process

STEP = [m for m in METHODS if hasattr(METHODS[m], "loss")]
PREDICT = [m for m in METHODS if hasattr(METHODS[m], "predict")]


def arguments():
    here = os.path.dirname(os.path.abspath(__file__))
    ap = argparse.ArgumentParser(description="gopro beside plain PyTorch: the same values, then the ratio of the times")
    sub = ap.add_subparsers(dest="what", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--classes", type=int)
    common.add_argument("--n-ctx", type=int, default=0, help="context tokens [4; maple 2, coop 16]")
    common.add_argument("--config", default="vit_b16", help="vit_b16, tiny, or eleven numbers [vit_b16]")
    common.add_argument("--seed", type=int, default=1)
    common.add_argument("--gopro", default=os.path.join(here, "../../build/release/gopro"), help="[build/release/gopro]")
    common.add_argument("--work", default=os.path.join(here, "../../build/peer"), help="folder for weights and cases [build/peer]")
    common.add_argument("--repeats", type=int, default=3, help="timed after one warm-up [3]")
    common.add_argument("--precision", default="f32,bf16", help="of gopro; the peer computes in f32 [f32,bf16]")
    common.add_argument("--threads", type=int, default=2)
    common.add_argument("--linear", choices=("torch", "conv"), help="how the peer multiplies [the fastest, tried first]")
    common.add_argument("--attention", choices=("grouped", "plain", "baddbmm"), help="[the fastest]")
    common.add_argument("--prompts", type=int, help="prompts in one pass through the text tower [the fastest]")
    common.add_argument("--json", metavar="FILE", help="append the row to this file as a line of JSON")
    common.add_argument("--check-only", action="store_true", help="compare values, time nothing")
    s = sub.add_parser("step", parents=[common], help="a training step")
    s.add_argument("--method", choices=STEP, required=True)
    s.add_argument("--batch", type=int, default=4)
    s.add_argument("--known-views", action="store_true", help="gopro's image features are there before, as in the epochs of views.fixed")
    s.add_argument("--all-classes", action="store_true", help="gopro: the peer encodes every class's prompts in all views, not the true one's")
    s = sub.add_parser("predict", parents=[common], help="the prediction of one image")
    s.add_argument("--method", choices=PREDICT, required=True)
    s = sub.add_parser("text", parents=[common], help="text forward and backward of one image-view, some classes at a time")
    s.add_argument("--chunk", type=int, default=50, help="classes at a time [50]")
    s = sub.add_parser("table", help="rows of --json as a Markdown table with the goals")
    s.add_argument("file")
    a = ap.parse_args()
    if a.what == "table":
        return a
    a.batch = getattr(a, "batch", 1)
    a.method = getattr(a, "method", "cocoop")
    a.classes = a.classes or (1000 if a.what == "text" else 50)
    for name in ("batch", "classes", "repeats", "threads", "chunk"):
        if getattr(a, name, 1) < 1:
            ap.error(f"--{name} is at least 1")
    for name in ("all_classes", "known_views"):
        setattr(a, name, getattr(a, name, False))
    if a.known_views and a.method == "maple":
        ap.error("--known-views: maple learns inside the image tower, whose features are never known")
    if a.all_classes and a.method != "gopro":
        ap.error("--all-classes is of gopro")
    if a.n_ctx < 0 or (a.prompts is not None and a.prompts < 1):
        ap.error("--n-ctx and --prompts are at least 1")
    if set(a.precision.split(",")) - {"f32", "bf16"}:
        ap.error("--precision is f32, bf16 or f32,bf16")
    a.gopro = os.path.abspath(a.gopro)
    if not os.access(a.gopro, os.X_OK):
        ap.error(f"{a.gopro} is not there; build it or give --gopro")
    return a


def available_mib():
    with open("/proc/meminfo") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("MemAvailable")) / 1024


def estimate_mib(a, o):
    """Peak memory of the peer's step: the towers, and what autograd keeps for every row of every block it goes back through (measured:
    per row 17 widths, the heads' share of the scores' softmax, and what the allocator wastes)."""
    c = o.config
    towers = 4 * (c.vocab * c.t_width + 12 * (c.v_layers * c.v_width ** 2 + 2 * c.t_layers * c.t_width ** 2))
    shared = a.method in ("coop", "maple")
    prompts = o.classes * (1 if shared else o.batch * (3 if a.method == "gopro_release" or o.all_classes else 1))
    if a.method == "gopro" and not o.all_classes:
        prompts += 2 * o.batch
    kept = prompts * c.context * c.t_layers * 4 * (17 * c.t_width + c.t_heads * c.context)
    if a.method == "maple":
        rows = (c.image // c.patch) ** 2 + 1 + o.n_ctx
        kept += o.batch * rows * c.v_layers * 4 * (17 * c.v_width + c.v_heads * rows)
        towers += 4 * 12 * c.v_layers * c.v_width ** 2
    return (towers + 1.15 * kept) / 2 ** 20 + 350


def spec(a, o, what, weights, case, repeats):
    ways = {k: getattr(a, k) for k in ("linear", "attention", "prompts") if getattr(a, k)}
    return {"what": what, "weights": weights, "case": case, "out": case[:-12] + ".peer.safetensors", "o": vars(o), "threads": a.threads,
            "repeats": repeats, "ways": ways, "chunk": getattr(a, "chunk", 0)}


def check(a, o, what, weights, case, repeats):
    """Both programs' values, and the peer's times."""
    s = spec(a, o, what, weights, case, repeats)
    peer = in_own_process(s)
    values = store.read(s["out"])[0]
    own = ours.values(a.gopro, weights, case, case[:-12] + ".ours.safetensors", a.threads)
    if what == "predict":
        own = {"out.logits": own["out.logits"]}
    worst, wrong = ours.compare(values, own, a.method)
    name = f"{a.method}, batch {o.batch}, {o.classes} classes"
    print(f"values of {name}: " + ", ".join(f"{k} {v[0]:.1e}" + (f" ({v[1][5:]})" if k in ("grad", "zero") and v[1] else "")
                                            for k, v in worst.items()), flush=True)
    for suffix in (".peer.safetensors", ".ours.safetensors"):
        os.remove(case[:-12] + suffix)
    if wrong:
        raise ArithmeticError(f"{name}: gopro and PyTorch differ\n  " + "\n  ".join(wrong))
    return peer, {k: v[0] for k, v in worst.items()}


def with_batch(a, batch, classes):
    return cases.settle(Namespace(**{**vars(a), "batch": batch, "classes": classes}))


def measure(a):
    o = cases.settle(a)
    row = {"what": a.what, "method": a.method, "batch": a.batch, "classes": a.classes, "n_ctx": o.n_ctx, "config": a.config,
           "threads": a.threads, "known_views": a.known_views, "all_classes": a.all_classes, "load": os.getloadavg()[0], "notes": []}
    if o.all_classes:
        row["notes"].append("the peer encodes every class's prompts in all three views, of which the semantic terms read the true class's")
    if row["load"] > 0.5 and not a.check_only:
        print(f"warning: load average {row['load']:.2f}: the times below are shared with other programs", file=sys.stderr)
    weights = cases.weights_file(a.work, o.config, o.seed)
    peer_o = o
    if a.what == "step":
        need, there = estimate_mib(a, o), available_mib()
        if need > there:
            row["notes"].append(f"the peer needs about {need / 1024:.0f} GiB and {there / 1024:.0f} are there: it is timed with batch 1")
            peer_o = with_batch(a, 1, a.classes)
            if estimate_mib(a, peer_o) > there:
                raise MemoryError(f"the peer needs about {estimate_mib(a, peer_o) / 1024:.1f} GiB even with batch 1")
    repeats = 0 if a.check_only else a.repeats
    case = cases.case_file(a.work, weights, peer_o)
    if a.what == "text":
        peer, row["worst"] = in_own_process(spec(a, o, "text", weights, case, repeats)), {}
        factor = a.classes / min(a.chunk, a.classes)
        peer["seconds"] = [s * factor for s in peer["seconds"]]
        row["notes"].append(f"peer: {a.chunk} classes timed, times {factor:g}; text tower alone, where gopro makes the whole step")
    else:
        peer, row["worst"] = check(a, peer_o, a.what, weights, case, repeats)
    if peer_o.con == 0 and a.what == "step" and a.method == "gopro_release":
        row["notes"].append("one image has no contrastive loss: lambda_con=0 in both programs")
        small = with_batch(a, 2, min(a.classes, 3))
        extra = cases.case_file(a.work, weights, small)
        row["worst_batch_2"] = check(a, small, "step", weights, extra, 0)[1]
        os.remove(extra)
    row["peer"] = {k: peer[k] for k in ("rss_mib", "ways", "ms_per_prompt", "torch", "blas")}
    row["peer"]["batch"] = peer_o.batch
    if not a.check_only:
        times(a, o, peer_o, weights, case, peer, row)
    os.remove(case)
    return row


def times(a, o, peer_o, weights, case, peer, row):
    def three(s):
        return {"median_s": median(s), "min_s": s[0], "max_s": s[-1]}
    row["peer"].update(three(peer["seconds"]))
    own_case = case
    if peer_o is not o:
        own_case = cases.case_file(a.work, weights, o)
    row["ours"] = {}
    what = "predict" if a.what == "predict" else "step"
    for precision in a.precision.split(","):
        b, note = ours.bench(a.gopro, what, a.method, o, weights, own_case, precision, a.threads, a.repeats, a.known_views)
        if note and note not in row["notes"]:
            row["notes"].append(note)
        per_image = b[f"{what}_s"] / o.batch
        row["ours"][precision] = {"median_s": b[f"{what}_s"], "min_s": b[f"{what}_min_s"], "max_s": b[f"{what}_max_s"],
                                  "ratio": row["peer"]["median_s"] / peer_o.batch / per_image, "rss_mib": b["rss_mib"],
                                  "gflop": b["gflop"], "peak_gflops": b["peak_gflops"], "fraction": b["fraction"]}
    if own_case != case:
        os.remove(own_case)


def main():
    a = arguments()
    if a.what == "table":
        return print(report.table(a.file))
    os.makedirs(a.work, exist_ok=True)
    torch.set_num_threads(a.threads)
    row = measure(a)
    if not a.check_only:
        print(report.row(row), flush=True)
    if a.json:
        with open(a.json, "a") as f:
            f.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    try:
        main()
    except (ArithmeticError, MemoryError, OSError, RuntimeError, ValueError) as e:
        sys.exit(f"peer.py: {e}")
