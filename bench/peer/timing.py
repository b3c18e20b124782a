# timing.py - the peer's own process: one step, prediction or text pass, its values, its time and its peak memory.
# SPDX-License-Identifier: Apache-2.0
#
# Run by peer.py so that peak memory is the peer's alone, with the environment that this work runs best in (ENVIRONMENT).
import json
import os
import resource
import subprocess
import sys
import time

# Without PASSIVE PyTorch's waiting threads take the processor from those that work.  Without the others the C library hands large blocks
# back to the system after every use and pays for their pages again: an activation function was ten times slower.
ENVIRONMENT = {"OMP_WAIT_POLICY": "PASSIVE", "MALLOC_MMAP_THRESHOLD_": str(1 << 33), "MALLOC_TRIM_THRESHOLD_": str(1 << 34),
               "MALLOC_TOP_PAD_": str(1 << 26)}


def in_own_process(spec):
    """-> what run() returns, or an error that says why the process failed."""
    env = {**os.environ, **ENVIRONMENT, "OMP_NUM_THREADS": str(spec["threads"])}
    p = subprocess.run([sys.executable, __file__, json.dumps(spec)], env=env, stdout=subprocess.PIPE, text=True)
    if p.returncode:
        how = "killed, perhaps for want of memory" if p.returncode < 0 else f"exit status {p.returncode}"
        raise RuntimeError(f"the peer's process failed: {how}")
    return json.loads(p.stdout.splitlines()[-1])


def backward(clip, method, p, x, o):
    for t in p.values():
        t.grad = None
    loss, logits = method.loss(clip, p, x, o)
    loss.backward()
    return loss.detach(), logits.detach()


def step(clip, method, p, x, o, spec):
    """-> a function that makes one step; the values of the first are kept in a file."""
    import store
    import torch
    learnt = {k: t.requires_grad_() for k, t in p.items() if k not in getattr(method, "fixed", ())}
    sgd = torch.optim.SGD(learnt.values(), lr=0.002, momentum=0.9, weight_decay=5e-4)
    loss, logits = backward(clip, method, p, x, o)
    grads = {f"grad.{k}": torch.zeros_like(t) if t.grad is None else t.grad for k, t in learnt.items()}
    store.write(spec["out"], {"out.loss": loss, "out.logits": logits, **grads}, {})

    def one():
        backward(clip, method, p, x, o)
        sgd.step()
    return one


def predict(clip, method, p, x, o, spec):
    import store
    import torch

    def one():
        with torch.no_grad():
            return method.predict(clip, p, x, o)
    if hasattr(method, "known"):
        with torch.no_grad():
            method.known(clip, x)
    store.write(spec["out"], {"out.logits": one()}, {})
    return one


def text(clip, method, p, x, o, spec):
    """Forward and backward pass of one image-view's prompts, some of the classes."""
    import torch
    ctx = p["ctx"][None].requires_grad_()
    tokens = x["tokens"][:spec["chunk"]]
    upstream = torch.randn(len(tokens), clip.c.embed)

    def one():
        ctx.grad = None
        clip.text(tokens, ctx).backward(upstream)
    one()
    return one


def run(spec):
    import torch
    torch.set_num_threads(spec["threads"])
    torch.manual_seed(1)
    import cases
    import products
    import store
    from argparse import Namespace
    from clip import Clip, Config
    from methods import METHODS
    o = Namespace(**spec["o"])
    clip = Clip(Config(*o.config), store.read(spec["weights"])[0])
    x, p = cases.read_case(spec["case"])
    chosen, tried = {}, {}
    if spec["repeats"]:
        chosen, tried = products.choose(clip.t_block[0], clip.c.t_width, clip.c.context)
    for kind, name in spec["ways"].items():
        if kind == "linear":
            products.Linear.way = name
        else:
            products.way[kind] = int(name) if kind == "prompts" else name
        chosen[kind] = name
    one = {"step": step, "predict": predict, "text": text}[spec["what"]](clip, METHODS[o.method], p, x, o, spec)
    seconds = []
    for _ in range(spec["repeats"]):
        start = time.perf_counter()
        one()
        seconds.append(time.perf_counter() - start)
    return {"seconds": sorted(seconds), "rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "ways": chosen,
            "ms_per_prompt": tried, "torch": torch.__version__, "blas": blas()}


def blas():
    """Which BLAS the process has loaded."""
    with open("/proc/self/maps") as f:
        names = {os.path.basename(line.split()[-1]) for line in f if ".so" in line}
    for word in ("mkl_core", "mkl_rt", "openblas", "blis", "atlas", "blas"):
        found = sorted(n for n in names if word in n)
        if found:
            return found[0]
    return "inside PyTorch"


if __name__ == "__main__":
    print(json.dumps(run(json.loads(sys.argv[1]))))
