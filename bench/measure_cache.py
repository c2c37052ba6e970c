# SPDX-License-Identifier: MIT
"""The result cache: how soon a kept answer is there, and how many a second one core of the server gives."""

import os
import subprocess
import tempfile
from pathlib import Path

from harness.cases import Problem
from harness.lake import make_lake
from harness.stack import Stack
from measure_programs import program, report_of

QUERIES = [
    ("a constant", "SELECT 42 AS answer"),
    ("count of 25 rows", "SELECT count(*) AS n FROM nation"),
    ("25 rows of two tables", "SELECT n_name, r_name FROM nation JOIN region ON n_regionkey = r_regionkey ORDER BY n_name"),
]
ONE_CONNECTION, MANY_CONNECTIONS = 1, 16
HIT, RUN = "X-Puffin-Cache: hit", "X-Puffin-Cache: off"


def run(seconds):
    program("net_load")
    with Stack(workers=1) as stack, tempfile.TemporaryDirectory() as folder:
        stack.load_lake(make_lake("tpch", 0.01))
        place = Placement(stack)
        rows, results = [], []
        for name, sql in QUERIES:
            body = Path(folder) / "body.sql"
            body.write_text(sql, encoding="utf-8")
            stack.query(sql, cache="use")
            result = measure_query(place, body, seconds)
            results.append(result)
            rows.append([name, *result["cells"]])
            print("  ".join(map(str, rows[-1])), flush=True)
    table = results[1]  # a statement that reads a table: its pointer is looked at each time
    text = (
        f"a kept answer over HTTP: {table['hit_p50_ms']:.3f} ms (p50), {table['per_second']:.0f} a second on one core "
        f"({table['cpu_us']:.1f} µs of processor time each: {1e6 / table['cpu_us']:.0f} a second if it had the core "
        f"for itself); the same without the cache {table['run_p50_ms']:.2f} ms"
    )
    print(text)
    head = ["query", "hit p50 ms", "hit p99 ms", "run p50 ms", "hits/s, one core", "busy load", "µs of CPU a hit", "hits/s of CPU"]
    values = {"hit_p50_ms": table["hit_p50_ms"], "per_second": table["per_second"], "per_cpu_second": 1e6 / table["cpu_us"]}
    notes = [
        "The server has one core, the load generator (`bench/net_load.c`) another. Rounds with the cache and without it "
        "alternate. *Busy load*: the part of the time that the generator was busy; it would be the limit near 1. *Hits/s of "
        "CPU*: what the processor time of the server's process comes to, whoever else uses the machine."
    ]
    return {"text": text, "head": head, "table": rows, "values": values, "notes": notes, "is_complete": True}


def measure_query(place, body, seconds):
    """Three rounds of hits and runs in turn; the best of each counts. Then many connections at once."""
    hits, runs, crowds = [], [], []
    for at in range(3):
        for side in (0, 1) if at % 2 else (1, 0):
            if side:
                hits.append(place.load(ONE_CONNECTION, seconds, body, "/v1/query", HIT))
            else:
                runs.append(place.load(ONE_CONNECTION, seconds, body, "/v1/query?cache=off", RUN))
        before = place.cpu_s()
        crowd = place.load(MANY_CONNECTIONS, seconds, body, "/v1/query", HIT)
        crowd["cpu_us"] = (place.cpu_s() - before) * 1e6 / crowd["all_answers"]
        crowds.append(crowd)
    hit, ran = (min(side, key=lambda report: report["p50_us"]) for side in (hits, runs))
    crowd = max(crowds, key=lambda report: report["per_second"])
    cpu_us = min(report["cpu_us"] for report in crowds)
    result = {
        "hit_p50_ms": hit["p50_us"] / 1e3,
        "run_p50_ms": ran["p50_us"] / 1e3,
        "per_second": crowd["per_second"],
        "cpu_us": cpu_us,
    }
    result["cells"] = [
        f"{hit['p50_us'] / 1e3:.3f}",
        f"{hit['p99_us'] / 1e3:.3f}",
        f"{ran['p50_us'] / 1e3:.2f}",
        f"{crowd['per_second']:.0f}",
        f"{crowd['load_share']:.2f}",
        f"{cpu_us:.1f}",
        f"{1e6 / cpu_us:.0f}",
    ]
    return result


class Placement:
    """The server on the first core, the load on the others, if there are several."""

    def __init__(self, stack):
        self.stack, self.pid = stack, stack.process.pid
        cores = sorted(os.sched_getaffinity(0))
        self.load_cores = set(cores[1:]) or set(cores)
        for thread in Path(f"/proc/{self.pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {cores[0]})  # its new threads follow

    def cpu_s(self):
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def load(self, connections, seconds, body, path, expected):
        mine = os.sched_getaffinity(0)
        try:
            os.sched_setaffinity(0, self.load_cores)  # the program inherits it
            return report_of("net_load", self.stack.port, connections, seconds, body, path, expected)
        except subprocess.CalledProcessError as failure:
            raise Problem(f"net_load ended with status {failure.returncode}") from None
        finally:
            os.sched_setaffinity(0, mine)
