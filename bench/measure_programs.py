# SPDX-License-Identifier: MIT
"""Rows that are measured by programs of their own (bench/*.c), built here."""

import json
import subprocess

from harness.cases import Problem
from harness.environment import ROOT

# The columns that bench/exchange.c prints.
EXCHANGE_HEAD = ["threads", "partitions", "MB", "make ms", "write ms", "read ms"]
EXCHANGE_HEAD += ["write MB/s", "read MB/s", "both, MB/s a core"]


def program(name):
    """Builds the programs; the path of one."""
    command = [ROOT / "tools/build", "release", "bench_programs"]
    built = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    path = ROOT / "build/release/bench" / name
    if built.returncode or not path.exists():
        raise Problem(f"bench program {name} was not built:\n{built.stdout[-2000:] if built.returncode else ''}")
    return path


def report_of(name, *arguments):
    """The JSON object that a program prints last."""
    made = subprocess.run([program(name), *map(str, arguments)], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(made.stdout.strip().splitlines()[-1])


def run_tasks():
    one = min((report_of("sync_tasks", 2000, 1) for _ in range(3)), key=lambda report: report["p50_us"])
    many = min((report_of("sync_tasks", 10000, 1000) for _ in range(3)), key=lambda report: report["wall_ms"])
    rows = [
        [
            report["tasks"],
            report["workers"],
            f"{report['wall_ms']:.0f}",
            f"{report['p50_us'] / 1e3:.2f}",
            f"{report['p99_us'] / 1e3:.2f}",
        ]
        for report in (one, many)
    ]
    text = (
        f"an empty task: {one['p50_us'] / 1e3:.2f} ms from claim to publish (p50); "
        f"10,000 of them on 1,000 workers: {many['wall_ms'] / 1e3:.2f} s"
    )
    print(text)
    values = {"task_ms": one["p50_us"] / 1e3, "many_s": many["wall_ms"] / 1e3}
    head = ["tasks", "workers", "all ms", "one p50 ms", "one p99 ms"]
    return {"text": text, "head": head, "table": rows, "values": values, "is_complete": True}


def run_exchange():
    made = subprocess.run([program("exchange")], stdout=subprocess.PIPE, text=True, check=True)
    lines = made.stdout.strip().splitlines()[1:]
    rows = [line.split() for line in lines]
    both = next(float(row[-1]) for row in rows if row[:2] == ["1", "16"])
    text = f"exchange, write and read on one thread, 16 partitions: {both:.0f} MB/s"
    print(text)
    return {
        "text": text,
        "head": EXCHANGE_HEAD,
        "table": rows,
        "values": {"exchange_mb_per_s": both},
        "is_complete": True,
    }
