#!/usr/bin/env python3
# scaling.py - what scaling.sh measured: tables, curves, and the time of the paper's tables that follows from the constants.
# SPDX-License-Identifier: Apache-2.0
#
#   scaling.py POINTS.jsonl CURVES.svg      Markdown on standard output
import json
import sys

# Classes, base and new; test images of base and new classes, and of all: the published splits.
DATASETS = {
    "imagenet": (500, 500, 25000, 25000, 50000), "caltech101": (50, 50, 1549, 916, 2465), "oxford_pets": (19, 18, 1881, 1788, 3669),
    "stanford_cars": (98, 98, 4002, 4039, 8041), "oxford_flowers": (51, 51, 1053, 1410, 2463), "food101": (51, 50, 15300, 15000, 30300),
    "fgvc_aircraft": (50, 50, 1666, 1667, 3333), "sun397": (199, 198, 9950, 9900, 19850), "dtd": (24, 23, 864, 828, 1692),
    "eurosat": (5, 5, 4200, 3900, 8100), "ucf101": (51, 50, 1934, 1849, 3783)}
VARIANTS = {"imagenetv2": (1000, 10000), "imagenet_sketch": (1000, 50889), "imagenet_a": (200, 7500), "imagenet_r": (200, 30000)}
SHOTS, SEEDS, LOSS_SETTINGS = 16, 3, 6
# Images per step; epochs over a base half, and over ImageNet for the other two protocols.
METHODS = {"CLIP": (0, 0, 0), "SLIP": (32, 50, 50), "CoOp": (32, 200, 50), "CoCoOp": (1, 10, 10), "MaPLe": (4, 5, 2), "StyLIP": (4, 50, 50),
           "GOPro": (4, 50, 50)}
CORES = (16, 64)
NOISE = 1.06


def fit(points, key):
    """a + b x through the points: least squares of the relative error; b is 0 where the ends differ by less than the noise."""
    sw = sx = sy = sxx = sxy = 0.0
    for r in points:
        w = 1.0 / r[key] ** 2
        sw, sx, sy = sw + w, sx + w * r["x"], sy + w * r[key]
        sxx, sxy = sxx + w * r["x"] ** 2, sxy + w * r["x"] * r[key]
    ends = sorted(points, key=lambda r: r["x"])
    if len(points) == 1 or ends[-1][key] < NOISE * ends[0][key]:
        return min(r[key] for r in points), 0.0
    b = (sw * sxy - sx * sy) / (sw * sxx - sx * sx)
    return (sy - b * sx) / sw, b


class Machine:
    """Seconds of steps and predictions as functions of the number of classes."""

    def __init__(self, rows):
        self.step, self.images, self.own, self.worst = {}, {}, {}, {}
        for m in METHODS:
            p = [r for r in rows if r["series"].startswith(f"classes, {m},")]
            if p:
                self.step[m], self.images[m] = fit(p, "step_s"), min(r["step_images_s"] for r in p)
                self.worst[m] = max(abs(self.at(self.step[m], r["x"]) / r["step_s"] - 1) for r in p)
            p = [{"x": r["x"], "s": r["predict_s"] - r["predict_images_s"]} for r in rows if r["series"] == f"prediction, {m}"]
            if p and m != "CLIP":
                self.own[m] = fit(p, "s")
        self.tower = min(r["predict_images_s"] for r in rows if r["series"] == "prediction, CLIP")

    @staticmethod
    def at(line, k):
        return line[0] + line[1] * k

    def train(self, m, classes, epochs, fixed):
        """fixed: sets of views whose image tower is run, 0 for fresh ones in every epoch"""
        batch = METHODS[m][0]
        if not batch:
            return 0.0
        steps = SHOTS * classes / batch
        tower = self.images[m] if fixed and m != "MaPLe" else 0.0
        return steps * (epochs * (self.at(self.step[m], classes) - tower) + fixed * tower)

    def test(self, m, classes, images):
        """Without the frozen tower, whose features of a test image are kept for all methods and seeds; MaPLe's tower is its own."""
        return images * (self.tower if m == "MaPLe" else self.at(self.own[m], classes) if m in self.own else 0.0)

    def base_to_new(self, m, fixed=0):
        return sum(self.train(m, b, METHODS[m][1], fixed) + self.test(m, b, tb) + self.test(m, n, tn) for b, n, tb, tn, _ in DATASETS.values())

    def cross_dataset(self, m, fixed=0):
        return self.train(m, 1000, METHODS[m][2], fixed) + sum(self.test(m, b + n, t) for b, n, _, _, t in DATASETS.values())

    def features(self, images):
        return images * self.tower

    def variants(self, m):
        return sum(self.test(m, k, t) for k, t in VARIANTS.values())


def duration(s):
    return f"{s:.0f} s" if s < 100 else f"{s / 60:.0f} min" if s < 5400 else f"{s / 3600:.1f} h" if s < 172800 else f"{s / 86400:.1f} d"


def points_table(rows):
    out = ["| series | | precision | s | GFLOP | GFLOP/s | share of the peak | MiB |", "| --- | --- | --- | --- | --- | --- | --- | --- |"]
    last = None
    for r in rows:
        t = "step" if r["what"] == "step" else "predict"
        name = "" if r["series"] == last else r["series"]
        last = r["series"]
        out.append(f"| {name} | {r['x']} | {r['precision']} | {r[t + '_s']:.3f} ({r[t + '_min_s']:.3f} to {r[t + '_max_s']:.3f}) | {r['gflop']:.0f} | "
                   f"{r['gflops']:.0f} | {100 * r['fraction']:.0f} % | {r['rss_mib']:.0f} |")
    return out


def constants_table(machines):
    out = ["| seconds | " + " | ".join(f"{p}: one step, K classes | off by at most | a prediction" for p in machines) + " |",
           "| --- |" + " --- | --- | --- |" * len(machines)]
    for m in METHODS:
        cells = []
        for k in machines.values():
            step, own = k.step.get(m), k.own.get(m)
            cells += [f"{step[0]:.3f} + {1000 * step[1]:.3f} K / 1000" if step and step[1] else f"{step[0]:.3f}" if step else "-", f"{100 * k.worst[m]:.0f} %" if step else "-",
                      f"{k.tower:.3f} + {own[0]:.3f} + {1000 * own[1]:.3f} K / 1000" if own else f"{k.tower:.3f}"]
        out.append(f"| {m} | " + " | ".join(cells) + " |")
    return out


def predictions_table(machines, cores):
    """All seeds; the machine measured, then as many cores as fast as its own."""
    out = ["| " + f"{SEEDS} seeds | | " + " | ".join(f"{p}, {n} cores" for p in machines for n in (cores, *CORES)) + " |",
           "| --- | --- |" + " ---: |" * (len(machines) * (1 + len(CORES)))]

    def row(table, m, seconds):
        cells = [duration(SEEDS * seconds(k) * cores / n) for k in machines.values() for n in (cores, *CORES)]
        out.append(f"| {table} | {m} | " + " | ".join(cells) + " |")

    row("features of the test images, once", "11 datasets", lambda k: k.features(sum(t for *_, t in DATASETS.values())) / SEEDS)
    row("", "4 variants", lambda k: k.features(sum(t for _, t in VARIANTS.values())) / SEEDS)
    for i, m in enumerate(list(METHODS)[1:]):
        row("" if i else "base-to-new, 11 datasets", m, lambda k: k.base_to_new(m))
    for m in ("CoOp", "GOPro"):
        row("", f"{m}, `views.fixed=4`", lambda k, m=m: k.base_to_new(m, 4))
    for i, m in enumerate(list(METHODS)[1:]):
        row("" if i else "cross-dataset, ImageNet to 10", m, lambda k: k.cross_dataset(m))
    for i, m in enumerate(("CoCoOp", "MaPLe", "StyLIP", "GOPro")):
        row("" if i else "domain generalisation, 4 more tests", m, lambda k: k.variants(m))
    row(f"losses, {LOSS_SETTINGS} settings", "GOPro", lambda k: LOSS_SETTINGS * k.base_to_new("GOPro"))
    return out


# ---- curves ----

WIDTH, HEIGHT, LEFT, TOP = 300, 220, 62, 34
COLOURS = ("#1f5fa8", "#c2571a", "#2c7d4f", "#7a3b8f")


def ticks(lo, hi):
    out, decade = [], 1e-4
    while decade < hi * 1.001:
        out += [f * decade for f in (1, 2, 5) if lo * 0.999 <= f * decade <= hi * 1.001]
        decade *= 10
    return out if len(out) <= 7 else [t for t in out if f"{t:e}".startswith("1.0")] or out[::2]


def panel(x0, y0, title, lines, xlabel, ylabel):
    """lines: name -> [(x, y)]; both axes logarithmic."""
    import math
    xs, ys = [p[0] for l in lines.values() for p in l], [p[1] for l in lines.values() for p in l]
    xlo, xhi, ylo, yhi = min(xs) / 1.15, max(xs) * 1.15, min(ys) / 1.3, max(ys) * 1.3

    def place(x, y):
        return (x0 + LEFT + (math.log(x / xlo) / math.log(xhi / xlo)) * WIDTH, y0 + TOP + HEIGHT - (math.log(y / ylo) / math.log(yhi / ylo)) * HEIGHT)

    out = [f'<text x="{x0 + LEFT}" y="{y0 + 20}" class="title">{title}</text>',
           f'<rect x="{x0 + LEFT}" y="{y0 + TOP}" width="{WIDTH}" height="{HEIGHT}" class="frame"/>']
    for t in sorted({p[0] for l in lines.values() for p in l}):
        x, _ = place(t, ylo)
        out.append(f'<line x1="{x:.1f}" y1="{y0 + TOP}" x2="{x:.1f}" y2="{y0 + TOP + HEIGHT}" class="grid"/>'
                   f'<text x="{x:.1f}" y="{y0 + TOP + HEIGHT + 15}" class="tick" text-anchor="middle">{t:g}</text>')
    for t in ticks(ylo, yhi):
        _, y = place(xlo, t)
        out.append(f'<line x1="{x0 + LEFT}" y1="{y:.1f}" x2="{x0 + LEFT + WIDTH}" y2="{y:.1f}" class="grid"/>'
                   f'<text x="{x0 + LEFT - 6}" y="{y + 4:.1f}" class="tick" text-anchor="end">{t:g}</text>')
    out.append(f'<text x="{x0 + LEFT + WIDTH / 2}" y="{y0 + TOP + HEIGHT + 32}" class="tick" text-anchor="middle">{xlabel}</text>')
    out.append(f'<text transform="translate({x0 + 14} {y0 + TOP + HEIGHT / 2}) rotate(-90)" class="tick" text-anchor="middle">{ylabel}</text>')
    for i, (name, line) in enumerate(lines.items()):
        colour, dash = COLOURS[i // 2 % len(COLOURS)], ' stroke-dasharray="5 3"' if i % 2 else ""
        at = [place(*p) for p in sorted(line)]
        out.append(f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in at)}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
        out += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in at]
        ly = y0 + TOP + HEIGHT + 50 + 15 * i
        out.append(f'<line x1="{x0 + LEFT}" y1="{ly - 4}" x2="{x0 + LEFT + 26}" y2="{ly - 4}" stroke="{colour}" stroke-width="2"{dash}/>'
                   f'<text x="{x0 + LEFT + 32}" y="{ly}" class="tick">{name}</text>')
    return out


def curves(rows, path):
    def lines(prefix, key="step_s"):
        out = {}
        for r in rows:
            if r["series"].startswith(prefix) and key in r:
                out.setdefault(f"{r['series'][len(prefix):].lstrip(', ')}, {r['precision']}", []).append((r["x"], r[key]))
        return {k: v for k, v in sorted(out.items(), key=lambda e: (e[0].rsplit(",", 1)[0], e[0].endswith("bf16"))) if len(v) > 1}

    long = {k: v for k, v in lines("classes").items() if len(v) > 2}
    panels = [("A step and the number of classes", long, "classes", "seconds"), ("Images of a step", lines("images"), "images", "seconds"),
              ("Memory and images", lines("images", "rss_mib"), "images", "MiB"), ("Context tokens", lines("context tokens"), "tokens", "seconds"),
              ("Threads", lines("threads"), "threads", "seconds"),
              ("A prediction and the number of classes", lines("prediction", "predict_s"), "classes", "seconds")]
    panels = [p for p in panels if p[1]]
    w, h = WIDTH + LEFT + 20, HEIGHT + TOP + 150
    total_w, total_h = 3 * w, (len(panels) + 2) // 3 * h
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{total_w}" height="{total_h}" viewBox="0 0 {total_w} {total_h}">',
           "<style>text{font-family:sans-serif;fill:#222}.title{font-size:14px;font-weight:bold}.tick{font-size:11px}"
           ".frame{fill:none;stroke:#888}.grid{stroke:#ddd;stroke-width:1}</style>", f'<rect width="{total_w}" height="{total_h}" fill="#fff"/>']
    for i, (title, l, x, y) in enumerate(panels):
        out += panel(i % 3 * w, i // 3 * h, title, l, x, y)
    with open(path, "w") as f:
        f.write("\n".join(out + ["</svg>\n"]))


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: scaling.py POINTS.jsonl CURVES.svg")
    with open(sys.argv[1]) as f:
        least = {}
        for r in (json.loads(line) for line in f if line.strip()):
            key, s = (r["series"], r["x"], r["precision"]), r[r["what"] + "_s"]
            if key not in least or s < least[key][0]:
                least[key] = s, r
        rows = [r for _, r in least.values()]
    precisions = list(dict.fromkeys(r["precision"] for r in rows))
    machines = {p: Machine([r for r in rows if r["precision"] == p]) for p in precisions}
    curves(rows, sys.argv[2])
    cores = max(r["threads"] for r in rows)
    order = list(dict.fromkeys(r["series"] for r in rows))
    rows.sort(key=lambda r: (order.index(r["series"]), r["x"], precisions.index(r["precision"])))
    print("\n".join(points_table(rows)), "\n")
    print("\n".join(constants_table(machines)), "\n")
    print("\n".join(predictions_table(machines, cores)))


main()
