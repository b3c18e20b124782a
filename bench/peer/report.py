# report.py - a measured row as a line, rows as a Markdown table beside the goals.
# SPDX-License-Identifier: Apache-2.0
import json

# Times faster than the peer, f32 and bf16.
GOALS = {("step", "gopro_release"): (14, 25), ("step", "gopro"): (14, 25), ("step", "cocoop"): (12, 20), ("step", "maple"): (3.5, 6),
         ("step", "coop"): (2, 4), ("predict", "zeroshot"): (1.3, 2.6), ("predict", "cocoop"): (12, 24), ("predict", "gopro"): (28, 56),
         ("text", "cocoop"): (13, 25)}
KNOWN_GOALS = {"coop": (50, 50)}  # with views.fixed


def name(r):
    if r["what"] == "predict":
        return f"prediction, {r['method']}, {r['classes']} classes"
    if r["what"] == "text":
        return f"text pass, {r['classes']} classes"
    tokens = f", {r['n_ctx']} tokens" if r["method"] == "coop" else ""
    known = ", features known (`views.fixed`)" if r.get("known_views") else ""
    known += ", all classes in the peer's views" if r.get("all_classes") else ""
    return f"{r['method']} step, batch {r['batch']}, {r['classes']} classes{tokens}{known}"


def peer_cell(r):
    """A time for another batch is no time of this row."""
    p = r["peer"]
    if p["batch"] != r["batch"]:
        return f"- ({p['median_s']:.2f} per image with batch {p['batch']})", "-"
    return f"{p['median_s']:.2f} ({p['min_s']:.2f} to {p['max_s']:.2f})", f"{p['rss_mib']:.0f}"


def own_cell(v):
    return f"{v['median_s']:.3f} ({v['min_s']:.3f} to {v['max_s']:.3f})"


def row(r):
    seconds, mib = peer_cell(r)
    lines = [f"{name(r)}, {r['threads']} threads: PyTorch {r['peer']['torch']} ({r['peer']['blas']}; "
             + ", ".join(f"{k} {v}" for k, v in r["peer"]["ways"].items()) + f") {seconds} s, {mib} MiB"]
    for precision, v in r["ours"].items():
        lines.append(f"  gopro {precision:5} {own_cell(v)} s, ratio {v['ratio']:.1f}, {v['rss_mib']:.0f} MiB, {v['gflop']:.1f} GFLOP, "
                     f"{100 * v['fraction']:.0f} % of the GEMM peak ({v['peak_gflops']:.0f} GFLOP/s)")
    return "\n".join(lines + [f"  note: {n}" for n in r["notes"]])


def table(path):
    with open(path) as f:
        rows = [json.loads(line) for line in f if line.strip()]
    out = ["| | peer, s | peer, MiB | precision | gopro, s | ratio | goal | gopro, MiB | GFLOP | share of the GEMM peak | load |",
           "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"]
    notes = []
    for r in rows:
        mark = "".join(f" [{notes.index(n) + 1}]" for n in r["notes"] if n in notes or not notes.append(n))
        seconds, mib = peer_cell(r)
        first = [name(r) + mark, seconds, mib]
        goals = KNOWN_GOALS.get(r["method"]) if r.get("known_views") else GOALS.get((r["what"], r["method"]))
        goal = dict(zip(("f32", "bf16"), goals or ("-", "-")))
        for precision, v in r["ours"].items():
            out.append("| " + " | ".join(first + [precision, own_cell(v), f"{v['ratio']:.1f}", f"{goal[precision]}", f"{v['rss_mib']:.0f}",
                                                  f"{v['gflop']:.1f}", f"{100 * v['fraction']:.0f} %", f"{r['load']:.2f}"]) + " |")
            first = ["", "", ""]
    out += [""] + [f"[{i + 1}] {n}." for i, n in enumerate(notes)]
    return "\n".join(out)
