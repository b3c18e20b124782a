#!/usr/bin/env python3
# roofline.py - draws `gopro bench kernels --json` as a roofline: GFLOP/s of each kernel on one core over the work it does for a byte.
# SPDX-License-Identifier: Apache-2.0
#
#   gopro bench kernels --json > kernels.json && bench/roofline.py kernels.json roofline.svg
import json
import math
import sys

W, H, L, T = 640, 420, 64, 40
F32, BF16 = "#1f5fa8", "#c2571a"


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: roofline.py KERNELS.json OUT.svg")
    with open(sys.argv[1]) as f:
        r = json.load(f)
    items = r["items"]
    points = [(i["gflop"] / i["gbyte"], 1e6 * i["gflop"] / i["us"], i) for i in items]
    peaks = [("f32", r["peak_f32_gflops"], F32)] + ([("bf16", r["peak_bf16_gflops"], BF16)] if r["peak_bf16_gflops"] else [])
    top = max(p for _, p, _ in peaks) * 2
    xlo, xhi, ylo = min(p[0] for p in points) / 1.6, max(p[0] for p in points) * 1.6, min(p[1] for p in points) / 2

    def at(x, y):
        return L + math.log(x / xlo) / math.log(xhi / xlo) * W, T + H - math.log(y / ylo) / math.log(top / ylo) * H

    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{L + W + 380}" height="{T + H + 50}" viewBox="0 0 {L + W + 380} {T + H + 50}">',
           "<style>text{font-family:sans-serif;font-size:11px;fill:#222}.title{font-size:14px;font-weight:bold}.grid{stroke:#e2e2e2}</style>",
           f'<rect width="{L + W + 380}" height="{T + H + 50}" fill="#fff"/>',
           f'<text x="{L}" y="22" class="title">Kernels of a ViT-B/16 step on one core ({r["kernels"]})</text>']
    for axis in ("x", "y"):
        lo, hi = (xlo, xhi) if axis == "x" else (ylo, top)
        d = 10.0 ** math.floor(math.log10(lo))
        while d <= hi:
            for f in (1, 2, 5):
                v = f * d
                if not lo <= v <= hi:
                    continue
                x, y = at(v if axis == "x" else xlo, v if axis == "y" else ylo)
                out.append(f'<line x1="{x:.1f}" y1="{T}" x2="{x:.1f}" y2="{T + H}" class="grid"/><text x="{x:.1f}" y="{T + H + 16}" text-anchor="middle">{v:g}</text>'
                           if axis == "x" else
                           f'<line x1="{L}" y1="{y:.1f}" x2="{L + W}" y2="{y:.1f}" class="grid"/><text x="{L - 6}" y="{y + 4:.1f}" text-anchor="end">{v:g}</text>')
            d *= 10
    out.append(f'<text x="{L + W / 2}" y="{T + H + 38}" text-anchor="middle">operations for each byte read or written (inputs and outputs once)</text>')
    out.append(f'<text transform="translate(16 {T + H / 2}) rotate(-90)" text-anchor="middle">GFLOP/s</text>')
    for name, peak, colour in peaks:
        x0, y0 = at(xlo, peak)
        x1, _ = at(xhi, peak)
        out.append(f'<line x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y0:.1f}" stroke="{colour}" stroke-width="2"/>'
                   f'<text x="{x0 + 6:.1f}" y="{y0 - 5:.1f}" style="fill:{colour}">peak of {name} products, {peak:.0f} GFLOP/s</text>')
    knee = min(xhi, max(p for _, p, _ in peaks) / r["copy_gbs"])
    (x0, y0), (x1, y1) = at(max(xlo, ylo / r["copy_gbs"]), max(ylo, xlo * r["copy_gbs"])), at(knee, knee * r["copy_gbs"])
    out.append(f'<line x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}" stroke="#555" stroke-width="2" stroke-dasharray="6 4"/>'
               f'<text x="{x0 + 8:.1f}" y="{y0 + 4:.1f}">memory, {r["copy_gbs"]:.0f} GB/s</text>')
    for n, (x, y, i) in enumerate(points, 1):
        px, py = at(x, y)
        colour = BF16 if i["bf16"] else F32
        out.append(f'<circle cx="{px:.1f}" cy="{py:.1f}" r="8" fill="{colour}" fill-opacity="0.85"/>'
                   f'<text x="{px:.1f}" y="{py + 3.5:.1f}" text-anchor="middle" style="fill:#fff;font-size:9px">{n}</text>')
        out.append(f'<text x="{L + W + 14}" y="{T + 6 + 15 * n}" style="fill:{colour}">{n}  {i["kernel"]} <tspan style="fill:#777">{i["shape"].replace("->", "to")}</tspan></text>')
    with open(sys.argv[2], "w") as f:
        f.write("\n".join(out + ["</svg>\n"]))


main()
