# SPDX-License-Identifier: MIT
"""Rows that are measured by programs of their own (bench/*.c), built here."""

import json
import shutil
import statistics
import subprocess
import time
import zipfile
from pathlib import Path

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


def run_package(rounds):
    """The engine function's package, and how soon the program in it is there: the loader and all libraries are its own."""
    folder = ROOT / "build/package"
    command = [ROOT / "functions/engine/package", "--output", folder / "engine.zip", "--json"]
    made = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
    root = folder / "unpacked"
    shutil.rmtree(root, ignore_errors=True)
    with zipfile.ZipFile(folder / "engine.zip") as package:
        for entry in package.infolist():
            Path(package.extract(entry, root)).chmod(entry.external_attr >> 16 & 0o777)
    loader = next((root / "lib").glob("ld-linux*"))
    packed = [loader, "--library-path", root / "lib", root / "bin/puffindb", "--help"]
    times = {"packed": [], "plain": []}
    for _ in range(max(rounds, 3) * 3):
        for name, call in (("packed", packed), ("plain", [ROOT / "build/release/bin/puffindb", "--help"])):
            started = time.perf_counter()
            subprocess.run(call, stdout=subprocess.DEVNULL, check=True)
            times[name].append((time.perf_counter() - started) * 1e3)
    shutil.rmtree(root, ignore_errors=True)
    rows = [
        ["zip file, MB", f"{made['zip_bytes'] / 1e6:.2f}"],
        ["zip file, MiB", f"{made['zip_bytes'] / (1 << 20):.2f}"],
        ["unzipped, MB", f"{made['unzipped_bytes'] / 1e6:.1f}"],
        ["of it DuckDB's library, MB", f"{made['duckdb_bytes'] / 1e6:.1f}"],
        ["files", made["files"]],
        ["process start from the package, median ms", f"{statistics.median(times['packed']):.1f}"],
        ["the same as built, median ms", f"{statistics.median(times['plain']):.1f}"],
    ]
    text = f"function package: {made['zip_bytes'] / 1e6:.1f} MB zip, {made['unzipped_bytes'] / 1e6:.1f} MB unzipped"
    print(text)
    values = {"zip_mb": made["zip_bytes"] / 1e6}
    return {"text": text, "head": ["what", ""], "table": rows, "values": values, "is_complete": True}


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
