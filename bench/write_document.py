# SPDX-License-Identifier: MIT
"""docs/benchmarks.md, from the results in build/bench/."""

import datetime
import json
import os
import platform
import subprocess

from harness.environment import ROOT

# row, result file, value, must, aim, is smaller better, how it is written
TARGETS = [
    ("TPC-H SF10 on the fleet, first run, against plain DuckDB", "tpch-sf10", "first_ratio", 1.3, 1.0, True, "{:.2f}×"),
    ("the same, second run", "tpch-sf10", "again_ratio", 1.0, 0.6, True, "{:.2f}×"),
    ("TPC-H SF1 on the fleet, first run", "tpch-sf1", "first_ratio", 1.3, 1.0, True, "{:.2f}×"),
    ("the same, second run", "tpch-sf1", "again_ratio", 1.0, 0.6, True, "{:.2f}×"),
    ("TPC-H SF1 on route auto, second run", "auto-sf1", "again_ratio", 1.1, 0.9, True, "{:.2f}×"),
    ("small query over HTTP, p50, more than in process", "small", "more_ms", 3, 1, True, "{:.2f} ms"),
    ("result cache hit, p50", "cache", "hit_p50_ms", 1, 0.3, True, "{:.3g} ms"),
    ("result cache hits a second on one core", "cache", "per_second", 10e3, 30e3, False, "{:,.0f}"),
    ("task overhead, claim to publish", "tasks", "task_ms", 2, 0.5, True, "{:.2f} ms"),
    ("10 k empty tasks on 1,000 simulated workers", "tasks", "many_s", 5, 1, True, "{:.2f} s"),
    ("exchange throughput a core, write and read", "exchange", "exchange_mb_per_s", 500, 1500, False, "{:.0f} MB/s"),
    ("process start to the first byte of SELECT 1", "start", "start_ms", 120, 60, True, "{:.0f} ms"),
    ("function package, zip", "package", "zip_mb", 50, 30, True, "{:.1f} MB"),
    ("plan 10 k data files, cold, Iceberg Java against ours", "plan-10000", "all_cold", 3, 10, False, "{:.1f}×"),
    ("the same, warm", "plan-10000", "all_warm", 10, 50, False, "{:.0f}×"),
]
NAMES = {
    "tpch-sf10": "TPC-H SF10, fleet of one-thread workers",
    "tpch-sf1": "TPC-H SF1, fleet of one-thread workers",
    "auto-sf1": "TPC-H SF1, route auto",
    "memory-sf10": "Workers with little memory",
    "shuffles-sf1": "Shuffles: Redis, S3, by policy",
    "small": "Small queries",
    "start": "Start",
    "cache": "Result cache",
    "tasks": "Tasks",
    "exchange": "Exchange",
    "package": "Function package",
    "plan-10000": "Planning 10,000 data files",
    "plan-1000000": "Planning 1,000,000 data files",
    "s3": "S3 client",
    "peers-sf1": "Peers, TPC-H SF1",
    "peers-sf10": "Peers, TPC-H SF10",
}
PEERS_NOTE = [
    "Written from `bench/peers/run`: one peer at a time, the same Parquet files, the same cores, each query on either",
    "side in turn. ● marks engines whose rows travel between workers. *first*: first round; *again*: the fastest of the",
    "later ones; ratios above 1 mean that the peer takes longer or uses more. CPU: user and system time of all processes",
    "of a side. Only queries count that the peer answered as DuckDB does (row counts, and values of single rows).",
    "",
]
INTRODUCTION = """# Benchmarks

Written by `bench/run --write`; the figures are of one machine. Ratios count: both sides ran side by side, alternating, in one run, over the same Parquet files. Absolute times are not comparable across machines.

- *first*: the first time that either process sees the data, page cache warm. *again*: the fastest of the later rounds.
- *plain DuckDB*: the library that we pin, in a Python process, with as many threads as the fleet has workers.
- Each answer is compared with DuckDB's, row by row; a wrong one fails the run.
- The queries are DuckDB's renderings of the TPC templates (its `tpch` extension, MIT licence). These are no audited
  TPC results and must not be compared with such.
"""


def surroundings():
    """Machine, commit, date."""
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
        models = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    with open("/proc/meminfo", encoding="ascii") as file:
        memory = int(file.readline().split()[1]) / 1e6
    machine = f"{models[0] if models else platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GB, Linux"
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
    )
    return machine, commit.stdout.strip(), datetime.date.today().isoformat()


def read_results():
    folder = ROOT / "build/bench"
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}


def verdict(value, must, aim, is_less_better):
    def reaches(limit):
        return value <= limit if is_less_better else value >= limit

    return "aim met" if reaches(aim) else "must met" if reaches(must) else "**missed**"


def numbered(items, name_of):
    """{(name, how many of that name came before): item}"""
    found = {}
    for item in items:
        at = sum(name == name_of(item) for name, _ in found)
        found[name_of(item), at] = item
    return found


def targets_table(results, kept):
    """Rows of what has not been measured here stay as they are in the document."""
    lines = ["| what | must | aim | measured | |", "| --- | --- | --- | --- | --- |"]
    old = numbered([line for line in kept.get("Targets", []) if line.startswith("| ")], lambda line: line.split(" | ")[0])
    for (_, at), (what, kind, key, must, aim, is_less_better, form) in numbered(TARGETS, lambda row: row[0]).items():
        result = results.get(kind)
        sign = "≤" if is_less_better else "≥"
        limits = [f"{sign} {form.format(limit)}" for limit in (must, aim)]
        if result and result["is_complete"]:
            value = result["values"][key]
            cells = [form.format(value), verdict(value, must, aim, is_less_better)]
        elif (f"| {what}", at) in old:
            lines.append(old[f"| {what}", at])
            continue
        else:
            cells = ["", "not measured"]
        lines.append("| " + " | ".join([what, *limits, *cells]) + " |")
    return lines


def markdown_table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows]


def sections_of(path):
    """{title: lines} of the document as it is."""
    kept, title = {}, None
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        if line.startswith("## "):
            title = line[3:]
            kept[title] = []
        elif title:
            kept[title].append(line)
    return {title: "\n".join(lines).rstrip().splitlines() + [""] for title, lines in kept.items()}


def section(kind, result):
    lines = ["", f"{result['date']}, commit {result['commit']}, {result['machine']}.", ""]
    lines += [result["text"][:1].upper() + result["text"][1:] + ".", ""]
    if kind.startswith("peers-"):
        lines += PEERS_NOTE
    lines += [*markdown_table(result["head"], result["table"]), ""]
    return lines + ([*result["notes"], ""] if result.get("notes") else [])


def write():
    path = ROOT / "docs/benchmarks.md"
    results, kept = read_results(), sections_of(path)
    lines = [INTRODUCTION, "## Targets", "", *targets_table(results, kept), ""]
    for kind, title in NAMES.items():
        if kind in results:
            lines += [f"## {title}", *section(kind, results[kind])]
        elif title in kept:
            lines += [f"## {title}", *kept[title]]
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    print(f"wrote {path.relative_to(ROOT)}")
