# SPDX-License-Identifier: MIT
"""Small things: a query over HTTP against the same in an in-process DuckDB, and how soon a new process answers."""

import http.client
import json
import statistics
import subprocess
import sys
import time

from harness.cases import Problem
from harness.lake import files_of, make_lake
from harness.plain import Plain
from harness.stack import Stack

NO_CACHE = ("--result-cache", "0")
QUERIES = [
    ("a constant", "SELECT 42 AS answer"),
    ("count of 25 rows", "SELECT count(*) AS n FROM nation"),
    ("25 rows", "SELECT n_name, r_name FROM nation JOIN region ON n_regionkey = r_regionkey ORDER BY n_name"),
    ("one customer", "SELECT c_name, c_acctbal FROM customer WHERE c_custkey = 4711"),
]


def run(requests):
    folder = make_lake("tpch", 0.1)
    with Stack(workers=1, options=NO_CACHE) as stack:
        lake = stack.load_lake(folder)
        plain = Plain()
        for table in lake["tables"]:
            plain.define(table, files_of(stack, table))
        rows = [one_query(stack, plain, name, sql, requests) for name, sql in QUERIES]
    head = ["query", "HTTP p50 ms", "HTTP p99 ms", "in process p50 ms", "in process p99 ms", "difference of p50 ms"]
    worst = max(float(row[-1]) for row in rows)
    text = f"small queries, {requests} each: over HTTP at most {worst:.2f} ms more than in process (p50)"
    print(text)
    return {"text": text, "head": head, "table": rows, "values": {"more_ms": worst}, "is_complete": True}


def one_query(stack, plain, name, sql, requests):
    connection = http.client.HTTPConnection("127.0.0.1", stack.port, timeout=30)
    over_http, in_process = [], []
    for at in range(requests + 20):
        for side in (0, 1) if at % 2 else (1, 0):
            started = time.perf_counter()
            if side:
                plain.connection.execute(sql).fetchall()
            else:
                ask(connection, sql)
            if at >= 20:  # the first ones warm both up
                (in_process if side else over_http).append((time.perf_counter() - started) * 1e3)
    connection.close()
    values = [percentile(side, share) for side in (over_http, in_process) for share in (50, 99)]
    row = [name, *(f"{value:.2f}" for value in values), f"{values[0] - values[2]:.2f}"]
    print("  ".join(row), flush=True)
    return row


def ask(connection, sql):
    connection.request("POST", "/v1/query", sql.encode(), {"Content-Type": "text/plain"})
    response = connection.getresponse()
    text = response.read()
    if response.status != 200:
        raise Problem(f"{sql}: HTTP {response.status} {text[:200]!r}")
    return json.loads(text)


def percentile(values, share):
    return statistics.quantiles(values, n=100)[share - 1]


# ---- start ----


def run_start(rounds):
    """From exec to the first byte of SELECT 1, over HTTP; beside it DuckDB's library in a new Python process."""
    ours, theirs = [], []
    for _ in range(max(rounds, 3) * 3):
        ours.append(first_answer())
        theirs.append(python_start())
    middle, plain = statistics.median(ours) * 1e3, statistics.median(theirs) * 1e3
    text = f"start to the first answer of SELECT 1: {middle:.0f} ms (median of {len(ours)}); DuckDB in Python {plain:.0f} ms"
    print(text)
    rows = [["puffindb serve", f"{min(ours) * 1e3:.0f}", f"{middle:.0f}", f"{max(ours) * 1e3:.0f}"]]
    rows.append(
        ["python3 -c 'import duckdb; …'", f"{min(theirs) * 1e3:.0f}", f"{plain:.0f}", f"{max(theirs) * 1e3:.0f}"]
    )
    head = ["process", "least ms", "median ms", "most ms"]
    return {"text": text, "head": head, "table": rows, "values": {"start_ms": middle}, "is_complete": True}


def first_answer():
    stack = Stack(workers=1)
    try:
        started = time.perf_counter()
        stack.start()
        stack.query("SELECT 1", "auto")
        seconds = time.perf_counter() - started
        stack.stop()
        return seconds
    finally:
        stack.remove()


def python_start():
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import duckdb; duckdb.connect().execute('SELECT 1').fetchall()"], check=True)
    return time.perf_counter() - started
