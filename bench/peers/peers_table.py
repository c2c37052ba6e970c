# SPDX-License-Identifier: MIT
"""The results of bench/peers/run as a section of docs/benchmarks.md."""

import os

from peers import PEERS

HEAD = ["peer", "how", "queries", "rounds", "first s, theirs / ours", "again s, theirs / ours", "ratio of totals"]
HEAD += ["geometric mean", "CPU s, theirs / ours", "CPU ratio", "start s"]


def cells(result):
    peer = PEERS[result["peer"]]
    title = f"{peer.title} ●" if peer.is_distributed else peer.title
    if not result.get("values"):
        return [title, peer.how, f"0 of {result['asked']}", "", result.get("reason", "no query answered"), *[""] * 6]
    values = result["values"]
    return [
        title,
        peer.how,
        f"{result['answered']} of {result['asked']}",
        result["rounds"],
        *(f"{values[f'theirs_{what}_s']:.1f} / {values[f'ours_{what}_s']:.1f}" for what in ("first", "again")),
        f"**{values['theirs_again_s'] / values['ours_again_s']:.2f}×**",
        f"{values['geometric']:.2f}×",
        f"{values['theirs_cpu_s']:.1f} / {values['ours_cpu_s']:.1f}",
        f"{values['theirs_cpu_s'] / max(values['ours_cpu_s'], 0.01):.2f}×",
        f"{values['start_s']:.1f}" if values["start_s"] else "",
    ]


def line(result):
    return f"{result['peer']}: " + ", ".join(
        f"{name} {cell}" for name, cell in zip(HEAD[2:], cells(result)[2:]) if cell
    )


def claim(results):
    """What the table says about the distributed peers, in a sentence."""
    distributed = [r for r in results if PEERS[r["peer"]].is_distributed and r.get("values")]
    if not distributed:
        return "No distributed peer was measured."
    slower = [r for r in distributed if r["values"]["theirs_again_s"] > r["values"]["ours_again_s"]]
    factors = ", ".join(
        f"{PEERS[r['peer']].title} {r['values']['theirs_again_s'] / r['values']['ours_again_s']:.1f}" for r in distributed
    )
    verdict = "Every distributed peer takes longer in total than our fleet, over the queries that it answered"
    if len(slower) < len(distributed):
        verdict = f"{len(slower)} of {len(distributed)} distributed peers take longer in total than our fleet"
    return f"{verdict} (times as long: {factors})"


def section(entries, scale):
    """{"text", "head", "table", "notes", "values", "is_complete"}: what write_document wants."""
    results = [entries[name] for name in PEERS if name in entries]
    notes = []
    for result in results:
        if result.get("problems"):
            reasons = {}
            for name, text in sorted(result["problems"].items()):
                reasons.setdefault(short(text), []).append(name)
            listed = "; ".join(f"{', '.join(names)}: {text}" for text, names in reasons.items())
            notes.append(f"- {PEERS[result['peer']].title}, not counted: {listed}.")
    busy = [(PEERS[r["peer"]].title, r["load"]) for r in results if r.get("load", 0) > 2 * (os.cpu_count() or 1)]
    if busy:
        listed = ", ".join(f"{title} {load}" for title, load in busy)
        notes.append(
            f"- Other jobs kept the {os.cpu_count()} cores busy (load average: {listed}): both sides waited for a core "
            "most of the time, so the CPU columns say more than the wall times."
        )
    text = f"TPC-H SF{scale:g}, route fleet. {claim(results)}"
    return {
        **{"text": text, "head": HEAD, "table": [cells(result) for result in results], "notes": notes},
        **{"values": {}, "is_complete": all(result["asked"] == 22 for result in results)},
    }


def short(text, most=100):
    first = " ".join(text.split()).replace("|", "/")
    return first if len(first) <= most else first[: most - 1] + "…"
