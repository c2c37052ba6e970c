# SPDX-License-Identifier: MIT
"""TPC-H on our fleet and on one peer at a time: the same Parquet files, the same cores, alternating query by query.

Wall time is what a client waits; CPU is user and system time of all processes of a side, which other jobs on the
machine disturb less. Row counts are compared with plain DuckDB's, and the values of answers that are one row."""

import json
import math
import os
import select
import shutil
import subprocess
import tempfile
import time
from decimal import Decimal, InvalidOperation
from pathlib import Path

from harness.cases import Problem
from harness.lake import chosen_queries, files_of, make_lake, query_files
from harness.plain import Plain
from harness.stack import Stack
from peers import PEERS, install

START_LIMIT_S = 240
TOLERANCE = 1e-4  # some engines round averages and quotients of decimals to few places
TICKS = os.sysconf("SC_CLK_TCK")
DRIVERS = Path(__file__).resolve().parent / "drivers"
# DuckDB groups by names of the select list, which standard SQL does not have; the text of the specification has this.
STANDARD = {"q15": ("GROUP BY\n        supplier_no", "GROUP BY\n        l_suppkey")}
# The peers' memory by scale factor, where it has to be said: what the machine has, less what our stack needs.
MEMORY_MB = ((1, 4096), (10, 10240))


# ---- processor time ----


def ticks_of(pid):
    """User and system time of a process and of its children that are over; and its parent."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    return sum(map(int, fields[11:15])), int(fields[1])


def cpu_of_tree(roots):
    """Seconds of the processes `roots` and everything below them."""
    ticks, parents = {}, {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                ticks[int(entry.name)], parents[int(entry.name)] = ticks_of(entry.name)
            except (OSError, IndexError):
                continue

    def belongs(pid):
        while pid in parents and pid not in roots:
            pid = parents[pid]
        return pid in roots

    return sum(used for pid, used in ticks.items() if belongs(pid)) / TICKS


# ---- a peer ----


class OursFailed(Exception):
    """Ends the run: a comparison with a query that we can't answer would be none."""


class PeerProcess:
    """A driver of bench/peers/drivers and what it started."""

    def __init__(self, peer, tables, columns, threads, scale):
        self.peer = peer
        python, folder = install(peer)
        self.scratch = Path(tempfile.mkdtemp(prefix=f"puffindb-peer-{peer.name}-"))
        memory_mb = next((memory for largest, memory in MEMORY_MB if scale <= largest), MEMORY_MB[-1][1])
        given = {
            **{"tables": tables, "columns": columns, "threads": threads, "memory_mb": memory_mb},
            **{"scratch": str(self.scratch / "work"), "folder": str(folder or "")},
        }
        (self.scratch / "work").mkdir()
        with open(self.scratch / "log", "wb") as log:
            self.process = subprocess.Popen(
                [python, DRIVERS / f"{peer.name}_driver.py", json.dumps(given)],
                **{"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": log, "cwd": self.scratch},
                start_new_session=True,
            )
        self.is_alive, self.buffer = True, b""
        started = time.monotonic()
        try:
            self.version = self.read_answer(START_LIMIT_S)["ready"]
        except Problem as problem:
            tail = self.log_tail()
            self.stop()
            raise Problem(f"{peer.title} does not start: {problem}\n{tail}") from None
        self.start_s = time.monotonic() - started

    def read_answer(self, limit_s):
        """One line of JSON. It is read from the descriptor itself: what is buffered can't be waited for."""
        end = time.monotonic() + limit_s
        descriptor = self.process.stdout.fileno()
        while b"\n" not in self.buffer:
            ready, _, _ = select.select([descriptor], [], [], max(0, end - time.monotonic()))
            if not ready:
                self.is_alive = False
                raise Problem(f"no answer within {limit_s:.0f} s")
            block = os.read(descriptor, 1 << 20)
            if not block:
                self.is_alive = False
                raise Problem(f"ended: {self.log_tail()}")
            self.buffer += block
        line, _, self.buffer = self.buffer.partition(b"\n")
        return json.loads(line, parse_float=Decimal)

    def ask(self, sql, limit_s):
        """{"seconds", "row_count", "rows"}"""
        self.process.stdin.write(json.dumps({"sql": sql}).encode() + b"\n")
        self.process.stdin.flush()
        answer = self.read_answer(limit_s)
        if "error" in answer:
            raise Problem(answer["error"])
        return answer

    def cpu_s(self):
        return cpu_of_tree({self.process.pid})

    def log_tail(self):
        return (self.scratch / "log").read_text(encoding="utf-8", errors="replace")[-800:]

    def stop(self):
        """Its session and nothing else: engines start servers of their own."""
        self.is_alive = False
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(self.process.pid, 9)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.process.stdout.close()
        shutil.rmtree(self.scratch, ignore_errors=True)


# ---- is it right ----


def as_number(value):
    try:
        return None if isinstance(value, bool) or value is None else float(Decimal(str(value)))
    except InvalidOperation:
        return None


def differs(answer, expected):
    """What is wrong with a peer's answer, or None. `expected`: all rows of plain DuckDB."""
    if answer["row_count"] != len(expected):
        return f"{answer['row_count']} rows, DuckDB has {len(expected)}"
    if len(expected) != 1:
        return None
    for found, wanted in zip(answer["rows"][0], expected[0]):
        one, other = as_number(found), as_number(wanted)
        is_same = math.isclose(one, other, rel_tol=TOLERANCE) if None not in (one, other) else str(found) == str(wanted)
        if not is_same:
            return f"{found}, DuckDB has {wanted}"
    return None


# ---- side by side ----


class Pair:
    """Figures of one peer: by query, lists of (wall s, CPU s) by round; and why queries have none."""

    def __init__(self):
        self.ours, self.theirs, self.problems = {}, {}, {}


def standard_text(name, sql):
    before, after = STANDARD.get(name, ("", ""))
    return sql.replace(before, after) if before else sql


def ask_ours(stack, sql, limit_s):
    before = cpu_of_tree({stack.process.pid})
    try:
        answer = stack.query(sql, "fleet", limit_s)
    except Problem as problem:
        raise OursFailed(problem) from None
    return answer.seconds, cpu_of_tree({stack.process.pid}) - before, answer


def ask_theirs(process, sql, limit_s):
    before = process.cpu_s()
    answer = process.ask(sql, limit_s)
    return float(answer["seconds"]), process.cpu_s() - before, answer


def one_round(stack, process, name, sql, expected, pair, is_ours_first, limit_s):
    """Both sides once. A peer's failure is noted; ours ends the run."""
    taken = {}
    for is_ours in (is_ours_first, not is_ours_first):
        if is_ours:
            wall, cpu, answer = ask_ours(stack, sql, limit_s)
            if len(answer.rows) != len(expected):
                raise OursFailed(f"{name}: our answer has {len(answer.rows)} rows, DuckDB's {len(expected)}")
        else:
            wall, cpu, answer = ask_theirs(process, standard_text(name, sql), limit_s)
            problem = differs(answer, expected)
            if problem:
                raise Problem(f"wrong answer: {problem}")
        taken[is_ours] = wall, cpu
    pair.ours.setdefault(name, []).append(taken[True])
    pair.theirs.setdefault(name, []).append(taken[False])


def measure_peer(peer, stack, tables, columns, queries, references, rounds, threads, scale, limit_s, minutes):
    """After `minutes` no query is begun: those without a round have no figures, the others those of the rounds they had."""
    end = time.monotonic() + 60 * minutes
    pair, process = Pair(), PeerProcess(peer, tables, columns, threads, scale)
    start_s = process.start_s
    try:
        for number in range(rounds):
            for at, (name, sql) in enumerate(queries):
                if name in pair.problems:
                    continue
                if time.monotonic() > end:
                    if number == 0:
                        pair.problems[name] = f"not reached within {minutes} minutes"
                    continue
                if not process.is_alive:
                    process.stop()
                    process = PeerProcess(peer, tables, columns, threads, scale)
                try:
                    is_ours_first = (at + number) % 2 == 0
                    one_round(stack, process, name, sql, references[name], pair, is_ours_first, limit_s)
                except Problem as problem:
                    pair.problems[name] = str(problem)[:300]
                    print(f"{peer.name} {name}: {pair.problems[name]}", flush=True)
                    if name in pair.ours and len(pair.ours[name]) > len(pair.theirs.get(name, [])):
                        pair.ours[name].pop()
                    continue
                show(peer, name, pair)
    finally:
        process.stop()
    return summary(peer, pair, queries, start_s)


def best(taken, what):
    """Least of the rounds after the first; 0: wall, 1: CPU."""
    return min(one[what] for one in (taken[1:] or taken))


def show(peer, name, pair):
    ours, theirs = pair.ours[name], pair.theirs[name]
    print(
        f"{peer.name:10} {name}  again {best(ours, 0) * 1e3:7.0f} ms against {best(theirs, 0) * 1e3:7.0f}   "
        f"CPU {best(ours, 1) * 1e3:7.0f} ms against {best(theirs, 1) * 1e3:7.0f}",
        flush=True,
    )


def geometric(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def summary(peer, pair, queries, start_s):
    """Over the queries that the peer answered, in every round, and rightly."""
    names = [name for name, _ in queries if name not in pair.problems and name in pair.theirs]
    if not names:
        return {"peer": peer.name, "problems": pair.problems, "queries": {}, "answered": 0, "asked": len(queries)}
    sides = {"ours": pair.ours, "theirs": pair.theirs}
    values = {"start_s": start_s}
    for label, side in sides.items():
        values[f"{label}_first_s"] = sum(side[name][0][0] for name in names)
        values[f"{label}_again_s"] = sum(best(side[name], 0) for name in names)
        values[f"{label}_cpu_s"] = sum(best(side[name], 1) for name in names)
    values["geometric"] = geometric([best(pair.theirs[name], 0) / best(pair.ours[name], 0) for name in names])
    values["cpu_geometric"] = geometric(
        [max(best(pair.theirs[name], 1), 0.005) / max(best(pair.ours[name], 1), 0.005) for name in names]
    )
    return {
        **{"peer": peer.name, "answered": len(names), "asked": len(queries), "problems": pair.problems},
        "rounds": max(len(taken) for taken in pair.ours.values()),
        "queries": {name: [best(pair.ours[name], 0), best(pair.theirs[name], 0)] for name in names},
        "values": values,
    }


# ---- a run ----


def columns_of(plain, tables):
    """[(name, DuckDB type)] by table."""
    found = {}
    for table in tables:
        described = plain.connection.execute(f'DESCRIBE "{table}"').fetchall()
        found[table] = [(row[0], row[1]) for row in described]
    return found


def run(scale, names, rounds, threads, wanted, limit_s, minutes, keep):
    """Each result goes to keep(result) as soon as it is there: a run takes long, and a peer may take it down."""
    folder = make_lake("tpch", scale)
    queries = chosen_queries(query_files("tpch"), wanted)
    with Stack(workers=threads, options=("--result-cache", "0")) as stack:
        lake = stack.load_lake(folder)
        tables = {table: files_of(stack, table) for table in lake["tables"]}
        plain = Plain(threads=threads)
        for table, files in tables.items():
            plain.define(table, files)
        columns = columns_of(plain, tables)
        references = {name: plain.connection.execute(sql).fetchall() for name, sql in queries}
        plain.connection.close()
        for name in names:
            peer = PEERS[name]
            print(f"== {peer.title}, {peer.how}", flush=True)
            try:
                result = measure_peer(
                    *(peer, stack, tables, columns, queries, references),
                    *(rounds, threads, scale, limit_s, minutes),
                )
            except OursFailed:
                raise
            except Exception as problem:  # not to be had, or does not start: a row of the table says so
                result = {"peer": name, "asked": len(queries), "answered": 0, "queries": {}}
                result["reason"] = str(problem).strip().splitlines()[0][:200]
                print(f"{name}: {problem}", flush=True)
            keep(result)
