# SPDX-License-Identifier: MIT
"""Planning a scan of a table of many data files, side by side: ours, Iceberg Java, PyIceberg, DuckDB's extension.

Java makes the table (metadata only: 20 columns with statistics, 100 partitions, one commit for each 1,000 files), and
everybody says which files a scan of all, or of one partition, reads. The sides take turns, a new process each time; page
cache warm.

  first   the first time in that process
  cold    the fastest of later times, nothing of the table in memory (a new catalog, a table loaded anew)
  warm    the fastest with all that the library keeps (Java: its manifest cache; DuckDB and PyIceberg: the same table)

DuckDB plans where it explains: EXPLAIN of a scan opens every manifest; it has no step of its own for that."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import measure_programs
from harness.cases import Problem
from harness.environment import ROOT, extension_path

sys.path.insert(0, str(ROOT / "tests/judges"))
import java_judge  # noqa: E402

PARTITION = "1970-02-12"  # day 42
COUNTS = {"all": lambda files: files, "one": lambda files: files // 100}
PYTHON = """
import json, sys, time
def shortest(what, rounds, plan):
    wall = cpu = 1e9
    for _ in range(rounds):
        started, used = time.perf_counter(), time.process_time()
        files = plan()
        wall, cpu = min(wall, time.perf_counter() - started), min(cpu, time.process_time() - used)
    return {what: wall * 1e3, what + "_cpu": cpu * 1e3, "files": files}
def report(rounds, cold, warm):
    print(json.dumps({**shortest("first", 1, cold), **shortest("cold", rounds, cold), **shortest("warm", rounds, warm)}))
"""
PYICEBERG = PYTHON + """
from pyiceberg.table import StaticTable
metadata, rounds, where = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
load = lambda: StaticTable.from_metadata(metadata)
plan = lambda table: len(list(table.scan(*where).plan_files()))
kept = load()
report(rounds, lambda: plan(load()), lambda: plan(kept))
"""
DUCKDB = PYTHON + """
import duckdb
metadata, rounds, extensions, where = sys.argv[1], int(sys.argv[2]), sys.argv[3:5], sys.argv[5:]
sql = f"EXPLAIN SELECT * FROM iceberg_scan('{metadata}')" + "".join(" WHERE " + condition for condition in where)
def connect():
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    for extension in extensions:
        connection.execute(f"LOAD '{extension}'")
    return connection
def plan(connection):
    connection.execute(sql).fetchall()
    return None
kept = connect()
report(rounds, lambda: plan(connect()), lambda: plan(kept))
"""


def make_table(java, folder, files):
    """Its metadata file. A table that was made by an earlier run is taken."""
    table = folder / f"t/files_{files}"
    if not (table / "metadata/pointer.json").exists():
        print(f"plan: Java makes a table of {files} files")
        table.parent.mkdir(parents=True, exist_ok=True)
        java.ask("large", table, files, max(files // 1000, 10))
        java_judge.place_pointer(table)
    location = json.loads((table / "metadata/pointer.json").read_text(encoding="utf-8"))["metadata-location"]
    return table, location.removeprefix("file://")


def ask(command):
    made = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if made.returncode:
        raise Problem(f"{command[0]} …: {made.stderr[-2000:]}")
    return json.loads(made.stdout.strip().splitlines()[-1])


def sides(java, folder, table, metadata, rounds, what):
    is_one = what == "one"
    ours = [measure_programs.program("catalog_plan"), folder, f"t.{table.name}", rounds]
    python = [sys.executable, "-c"]
    extensions = [extension_path(name) for name in ("avro", "iceberg")]
    return {
        "ours": lambda: ask(ours + (["day", "DATE", PARTITION] if is_one else [])),
        "Iceberg Java": lambda: java.ask("time", table, rounds, what),
        "PyIceberg": lambda: ask([*python, PYICEBERG, metadata, min(rounds, 3), *([f"day = '{PARTITION}'"] * is_one)]),
        "DuckDB": lambda: ask(
            [*python, DUCKDB, metadata, min(rounds, 3), *extensions, *([f"day = DATE '{PARTITION}'"] * is_one)]
        ),
    }


def least(reports):
    return {key: min(report[key] for report in reports) for key in reports[0] if reports[0][key] is not None}


def check_counts(best, files, what):
    for name, report in best.items():
        if report.get("files", COUNTS[what](files)) != COUNTS[what](files):
            raise Problem(f"plan: {name} finds {report['files']} files for {what}, not {COUNTS[what](files)}")


def run(files, turns):
    folder = Path(ROOT / "build/bench/plan")
    rounds = 20 if files <= 100_000 else 3
    table_rows, values = [], {}
    with tempfile.TemporaryDirectory(prefix="plan_") as scratch:
        java = java_judge.Java(Path(scratch))
        table, metadata = make_table(java, folder, files)
        for what in COUNTS:
            reports = {}
            asked = list(sides(java, folder, table, metadata, rounds, what).items())
            for turn in range(turns):
                for name, plan in asked if turn % 2 == 0 else reversed(asked):
                    reports.setdefault(name, []).append(plan())
            best = {name: least(some) for name, some in reports.items()}
            check_counts(best, files, what)
            theirs = best["Iceberg Java"]
            values |= {f"{what}_{when}": theirs[when] / best["ours"][when] for when in ("first", "cold", "warm")}
            for name in dict(asked):
                report = best[name]
                times = [f"{report[key]:.2f}" for key in ("first", "cold", "cold_cpu", "warm")]
                ratios = [f"{report[key] / best['ours'][key]:.1f}" for key in ("first", "cold", "cold_cpu", "warm")]
                table_rows.append([what, name, *times, *ratios])
                print("  ".join(table_rows[-1]))
    text = (
        f"planning {files:,} data files: Iceberg Java takes {values['all_cold']:.1f} times as long as ours when cold, "
        f"{values['all_warm']:.0f} times when warm; one partition {values['one_cold']:.1f} and {values['one_warm']:.0f}"
    )
    head = ["files", "who", "first ms", "cold ms", "cold CPU ms", "warm ms"]
    head += ["first, × ours", "cold, × ours", "cold CPU, × ours", "warm, × ours"]
    print(text)
    notes = __doc__.strip().splitlines()[2:]
    return {"text": text, "head": head, "table": table_rows, "values": values, "notes": notes, "is_complete": True}
