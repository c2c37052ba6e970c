# SPDX-License-Identifier: MIT
"""Data and queries of the benchmarks."""

import json
import subprocess
from pathlib import Path

from .cases import Problem
from .environment import ROOT
from .objects import static_table


def make_lake(benchmark, scale):
    """The folder of Parquet files, made by tools/make_lake if it is not there."""
    command = [ROOT / "tools/make_lake", benchmark, "--sf", f"{scale:g}"]
    made = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if made.returncode:
        raise Problem(f"tools/make_lake {benchmark} --sf {scale:g} failed")
    return Path(made.stdout.strip())


def query_files(benchmark):
    """[(name, SQL)] in order."""
    files = sorted((ROOT / "bench" / benchmark).glob("q*.sql"))
    return [(path.stem, path.read_text(encoding="utf-8").strip().removesuffix(";")) for path in files]


def chosen_queries(queries, wanted):
    """`wanted`: "1,5-7" by number or "name,name"; None for all."""
    if not wanted:
        return queries
    names = set()
    for part in wanted.split(","):
        first, dash, last = part.partition("-")
        if first.isdigit() and (not dash or last.isdigit()):
            names.update(f"q{number:02}" for number in range(int(first), int(last or first) + 1))
        else:
            names.add(part)
    return [query for query in queries if query[0] in names]


def files_of(stack, table):
    """The data files of a table of the stack's lake, as its Iceberg metadata lists them."""
    pointer = json.loads(stack.path(f"{stack.table_key(table)}/metadata/pointer.json").read_text(encoding="utf-8"))
    tasks = static_table(pointer["metadata-location"]).scan().plan_files()
    return sorted(task.file.file_path.removeprefix("file://") for task in tasks)
