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
    ("task overhead, claim to publish", "tasks", "task_ms", 2, 0.5, True, "{:.2f} ms"),
    ("10 k empty tasks on 1,000 simulated workers", "tasks", "many_s", 5, 1, True, "{:.2f} s"),
    ("exchange throughput a core, write and read", "exchange", "exchange_mb_per_s", 500, 1500, False, "{:.0f} MB/s"),
    ("process start to the first byte of SELECT 1", "start", "start_ms", 120, 60, True, "{:.0f} ms"),
]
NAMES = {
    "tpch-sf10": "TPC-H SF10, fleet of one-thread workers",
    "tpch-sf1": "TPC-H SF1, fleet of one-thread workers",
    "auto-sf1": "TPC-H SF1, route auto",
    "small": "Small queries",
    "start": "Start",
    "tasks": "Tasks",
    "exchange": "Exchange",
}
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


def targets_table(results):
    lines = ["| what | must | aim | measured | |", "| --- | --- | --- | --- | --- |"]
    for what, kind, key, must, aim, is_less_better, form in TARGETS:
        result = results.get(kind)
        sign = "≤" if is_less_better else "≥"
        limits = [f"{sign} {form.format(limit)}" for limit in (must, aim)]
        if result and result["is_complete"]:
            value = result["values"][key]
            cells = [form.format(value), verdict(value, must, aim, is_less_better)]
        else:
            cells = ["", "not measured"]
        lines.append("| " + " | ".join([what, *limits, *cells]) + " |")
    return lines


def markdown_table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows]


def write():
    results = read_results()
    lines = [INTRODUCTION, "## Targets", "", *targets_table(results), ""]
    for kind, title in NAMES.items():
        if kind in results:
            result = results[kind]
            lines += [f"## {title}", "", f"{result['date']}, commit {result['commit']}, {result['machine']}.", ""]
            lines += [result["text"][:1].upper() + result["text"][1:] + ".", ""]
            lines += [*markdown_table(result["head"], result["table"]), ""]
    path = ROOT / "docs/benchmarks.md"
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    print(f"wrote {path.relative_to(ROOT)}")
