# SPDX-License-Identifier: MIT
"""Files written by many workers: the same rows, and nothing left behind when something goes wrong."""

import os
import signal
import time

from harness.cases import check
from harness.lake import make_lake, query_files
from harness.stack import Problem, QueryError

FLEET = {"route": "fleet"}
WIDE = "SELECT l.*, i AS n FROM lines l, (SELECT range AS i FROM range({copies}))"
PARTS = 4


class Fleet:
    """TPC-H in the lake, and beside it on plain DuckDB."""

    def __init__(self, lake):
        self.lake, self.stack = lake, lake.stack
        folder = make_lake("tpch", 0.01)
        self.tables = self.stack.load_lake(folder)["tables"]
        for table, facts in self.tables.items():
            files = [str(folder / file) for file in facts["files"]]
            lake.plain.execute(f"CREATE TABLE {table} AS FROM read_parquet({files})")
        lake.run("CREATE TABLE lines AS SELECT * FROM lineitem WHERE false")
        for part in range(PARTS):  # several files, so that there is something to share out
            lake.run(f"INSERT INTO lines SELECT * FROM lineitem WHERE l_orderkey // 16 % {PARTS} = {part}")

    def close(self):
        """The names are free for others."""
        for table in self.tables:
            self.lake.only(f"DROP TABLE {table} PURGE")
            self.lake.plain.execute(f"DROP TABLE {table}")


def copies_tables(fleet):
    """Every type of TPC-H, by several tasks; once as they come, once by partitions."""
    lake = fleet.lake
    answer = lake.run("CREATE TABLE copy1 AS SELECT * FROM lines", **FLEET)
    check(answer.rows[0][0] == lake.plain.sql("SELECT count(*) FROM copy1").fetchone()[0], str(answer.rows))
    record = fleet.stack.record(answer.query_id)
    check(record["route"] == "fleet" and record["stages"][-1]["exchange"] == "written", str(record))
    check(record["stages"][-1]["tasks"] > 1, f"one task wrote it all: {record['stages']}")
    lake.check_table("copy1")
    lake.run("CREATE TABLE copy2 PARTITIONED BY (year(o_orderdate), o_orderstatus) SORTED BY (o_orderkey) "
             "AS SELECT * FROM orders", **FLEET)
    lake.check_table("copy2")
    partitions = lake.plain.sql("SELECT DISTINCT year(o_orderdate), o_orderstatus FROM copy2").fetchall()
    files = lake.listed_files("copy2")
    check(len(files) == len(partitions), f"{len(files)} files for {len(partitions)} partitions")
    for name in ("copy1", "copy2"):
        lake.check_no_garbage(name)


def keeps_results_of_queries(fleet):
    """TPC-H's queries as tables."""
    different = []
    for number, sql in query_files("tpch"):
        name = f"t_{number}"
        fleet.lake.only(f"CREATE TABLE {name} AS {sql}", **FLEET)
        answer = fleet.stack.query(f"SELECT * FROM {name}")
        expected = fleet.lake.plain.execute(sql).fetchall()
        if not same_rows(answer.rows, expected):
            different.append(f"{name}: {answer.rows[:2]} expected {expected[:2]}")
    check(not different, "; ".join(different))


def same_rows(found, expected):
    def cell(value):
        text = str(value)
        try:
            return f"{float(text):.4g}"
        except ValueError:
            return text

    def shape(rows):
        return sorted([cell(value) for value in row] for row in rows)

    return shape(found) == shape(expected)


def inserts_from_unions_and_limits(fleet):
    lake = fleet.lake
    lake.run("CREATE TABLE mixed (k BIGINT NOT NULL, v VARCHAR) PARTITIONED BY (bucket(3, k))")
    lake.run("INSERT INTO mixed SELECT o_orderkey, o_comment FROM orders UNION ALL SELECT p_partkey, p_name FROM part",
             **FLEET)
    lake.run("INSERT INTO mixed SELECT o_orderkey, NULL FROM orders ORDER BY o_orderkey LIMIT 100", **FLEET)
    lake.run("INSERT INTO mixed SELECT * FROM mixed WHERE k < 1000", **FLEET)
    lake.check_table("mixed")
    lake.check_no_garbage("mixed")
    lake.fails("INSERT INTO mixed SELECT CASE WHEN o_orderkey < 30000 THEN o_orderkey END, 'x' FROM orders", "invalid",
               "NOT NULL", "main.mixed", **FLEET)
    lake.check_table("mixed")
    lake.check_no_garbage("mixed")


def wait_for_writing(fleet, running, name):
    """Until workers are at the files."""
    end = time.monotonic() + 60
    while time.monotonic() < end and not running.is_over():
        if fleet.lake.data_files(name):
            return
        time.sleep(0.01)
    raise Problem(f"nothing was written: {running.failure or running.answer}")


def survives_a_lost_worker(fleet):
    running = fleet.stack.start_query("CREATE TABLE lost AS " + WIDE.format(copies=12), "fleet")
    wait_for_writing(fleet, running, "lost")
    os.kill(fleet.stack.worker_pids()[0], signal.SIGKILL)
    running.thread.join(120)
    check(running.failure is None, str(running.failure))
    sums = "SELECT count(*), sum(l_orderkey * (n + 1)), sum(l_linenumber * l_partkey), max(l_comment) FROM"
    expected = fleet.lake.plain.sql(f"{sums} ({WIDE.format(copies=12)})").fetchall()
    found = fleet.stack.query(f"{sums} lost").rows
    check(same_rows(found, expected), f"{found}, expected {expected}")
    fleet.lake.check_no_garbage("lost")


def leaves_nothing_when_it_is_cancelled(fleet):
    running = fleet.stack.start_query("CREATE TABLE gone AS " + WIDE.format(copies=60), "fleet")
    wait_for_writing(fleet, running, "gone")
    fleet.stack.request("DELETE", f"/v1/query/{running.id}")
    running.thread.join(60)
    check(isinstance(running.failure, QueryError) and running.failure.code == "CANCELLED", str(running.failure))
    end = time.monotonic() + 20
    while fleet.lake.data_files("gone") and time.monotonic() < end:
        time.sleep(0.05)
    check(not fleet.lake.data_files("gone"), f"left: {fleet.lake.data_files('gone')}")
    fleet.lake.fails("SELECT * FROM gone", "invalid", "gone")


CASES = [
    copies_tables,
    keeps_results_of_queries,
    inserts_from_unions_and_limits,
    survives_a_lost_worker,
    leaves_nothing_when_it_is_cancelled,
]
