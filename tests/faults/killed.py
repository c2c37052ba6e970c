# SPDX-License-Identifier: MIT
"""Processes that die, stop or lose each other while a query runs."""

import os
import signal
import sys
import time

from harness.cases import Problem, check
from harness.compare import compare
from harness.environment import is_long
from harness.lake import make_lake
from harness.plain import Plain
from harness.stack import QueryError, Stack, patience

LEASE_S = 2
REVIVAL_S = 3
# Seconds of work spread over partitions, between a scan of both sides and a small last stage.
HEAVY = """SELECT a.l_returnflag AS flag, b.l_linestatus AS status, count(*) AS n, sum(b.l_quantity) AS quantity
FROM lineitem a JOIN lineitem b ON a.l_suppkey = b.l_suppkey
WHERE a.l_quantity < 12 AND a.l_comment <> b.l_comment
GROUP BY ALL ORDER BY ALL"""
SMALL = "SELECT o_orderpriority AS p, count(*) AS n FROM orders GROUP BY p ORDER BY p"
CLEAR_CODES = ("REMOTE", "TIMEOUT", "CANCELLED", "NO_MEMORY", "THROTTLED")


class Bench:
    """A stack, plain DuckDB beside it, and how long the heavy query takes undisturbed."""

    def __init__(self, stack, plain):
        self.stack, self.plain, self.sql, self.seconds = stack, plain, HEAVY, 0
        self.references = {}
        self.cases = {}  # which case a query was of, by its id

    def settle(self):
        """Once without faults: the answer is right, and the clock is set."""
        answer = self.stack.query(self.sql, "fleet", 120 * patience())
        self.check_rows(self.sql, answer)
        check(answer.route == "fleet", f"the heavy query runs on {answer.route}: {answer.stats.get('reason')}")
        self.seconds = answer.seconds
        return f"{self.seconds:.1f} s, {answer.stats.get('stages')} stages, {answer.stats.get('tasks')} tasks"

    def limit_s(self):
        return self.seconds * 4 + 5 * LEASE_S + 20 * patience()

    def check_rows(self, sql, answer):
        if sql not in self.references:
            self.references[sql] = self.plain.reference(sql)
        reference, shape = self.references[sql]
        problem = compare(self.plain, sql, reference, shape, answer)
        check(problem is None, f"wrong answer: {problem}")

    def check_next(self):
        self.check_rows(SMALL, self.stack.query(SMALL, "fleet", 30 * patience()))

    def start(self):
        running = self.stack.start_query(self.sql, "fleet", self.limit_s() + 60)
        self.cases[running.id] = sys._getframe(1).f_code.co_name
        return running


def has_started(record):
    return any(stage.get("tasks") for stage in record.get("stages", []))


def first_stage_is_done(record):
    stages = record.get("stages", [])
    return bool(stages) and stages[0].get("tasks") and stages[0].get("done") == stages[0].get("tasks")


def half_is_done(record):
    stages = record.get("stages", [])
    return any(stage.get("tasks", 0) > 1 and 0 < stage.get("done", 0) < stage["tasks"] for stage in stages[1:])


MOMENTS = (("at the start", has_started), ("between stages", first_stage_is_done), ("within a stage", half_is_done))


def send(pids, number):
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


# ---- workers ----


def worker_dies(bench, moment, victims):
    running = bench.start()
    was_in_time = running.wait_until(moment)
    pids = bench.stack.worker_pids()
    check(pids, "no worker process is there")
    send(pids[:victims], signal.SIGKILL)
    answer = running.result(bench.limit_s())
    bench.check_rows(bench.sql, answer)
    bench.check_next()
    note = "" if was_in_time else "the query was over before; "
    return f"{note}{running.seconds:.1f} s, {answer.stats.get('retries')} retries"


def worker_hangs(bench):
    """Its lease runs out, somebody else does the task; what it publishes late is not counted twice."""
    running = bench.start()
    running.wait_until(has_started)
    pids = bench.stack.worker_pids()[:1]
    send(pids, signal.SIGSTOP)
    try:
        answer = running.result(bench.limit_s())
    finally:
        send(pids, signal.SIGCONT)
    bench.check_rows(bench.sql, answer)
    bench.check_next()
    return f"{running.seconds:.1f} s, {answer.stats.get('retries')} retries"


def workers_die_for_ever(bench):
    """Each worker dies soon after it starts: the query fails, and says why."""
    running = bench.start()
    end = time.monotonic() + bench.limit_s()
    while not running.is_over() and time.monotonic() < end:
        send(bench.stack.worker_pids(), signal.SIGKILL)
        time.sleep(0.02)
    try:
        running.result(1)
    except QueryError as error:
        check(error.code in CLEAR_CODES, f"not a clear error: {error}")
        check(error.message, "an error without a message")
        note = str(error)
    else:
        raise Problem("a right answer without any worker?")
    bench.check_next()
    return note


# ---- redis ----


def redis_dies(bench, moment):
    running = bench.start()
    running.wait_until(moment)
    pids = bench.stack.redis_pids()
    check(pids, "no redis-server of the stack is there")
    send(pids, signal.SIGKILL)
    note = outcome(bench, running)
    return f"{note}; fleet queries work again after {seconds_until_it_works(bench):.1f} s"


def seconds_until_it_works(bench):
    """A new redis-server is started by itself; until it is there the fleet may say no, if it says so."""
    started = time.monotonic()
    while True:
        try:
            bench.check_next()
            return time.monotonic() - started
        except QueryError as error:
            check(error.error.get("retryable"), f"not a clear error: {error}")
            if time.monotonic() - started > REVIVAL_S * patience():
                raise
        time.sleep(0.05)


def redis_hangs(bench):
    running = bench.start()
    running.wait_until(has_started)
    pids = bench.stack.redis_pids()
    check(pids, "no redis-server of the stack is there")
    send(pids, signal.SIGSTOP)
    time.sleep(1)
    send(pids, signal.SIGCONT)
    bench.check_rows(bench.sql, running.result(bench.limit_s()))
    return f"{running.seconds:.1f} s"


def outcome(bench, running):
    """The right answer, or an error that says what happened."""
    try:
        bench.check_rows(bench.sql, running.result(bench.limit_s()))
    except QueryError as error:
        check(error.code in CLEAR_CODES, f"not a clear error: {error}")
        check(error.message, "an error without a message")
        return f"after {running.seconds:.1f} s: {error}"
    return f"right answer after {running.seconds:.1f} s"


# ---- the server ----


def server_dies(bench):
    """kill -9: the kernel ends what it started, and the next server finds the lake as it was."""
    running = bench.start()
    running.wait_until(has_started)
    bench.stack.kill()
    try:
        running.result(10)
    except Problem:
        pass
    check(running.is_over(), "the client was not told that its server is gone")
    left = bench.stack.wait_for_no_processes(10)
    check(not left, f"left running: {left}")
    bench.stack.start()
    bench.check_next()
    rest = [str(path) for path in (bench.stack.folder / "exchange").rglob("*.px")]
    check(not rest, f"slices of the dead server are still there: {rest[:3]}")
    return "no process left"


def server_is_told_to_end(bench):
    """SIGTERM: what runs may end, nothing new begins, nothing is left."""
    running = bench.start()
    running.wait_until(has_started)
    bench.stack.stop()
    try:
        bench.check_rows(bench.sql, running.result(5))
        note = "the query ended well"
    except Problem as problem:
        note = f"the query was told: {problem}"
    bench.stack.start()
    bench.check_next()
    return note


# ---- the client ----


def query_is_cancelled(bench):
    running = bench.start()
    running.wait_until(has_started)
    status, _, body = bench.stack.request("DELETE", f"/v1/query/{running.id}")
    check(status == 200, f"DELETE: HTTP {status} {body[:200]!r}")
    try:
        running.result(10 * patience())
    except QueryError as error:
        check(error.code == "CANCELLED", f"not a clear error: {error}")
    else:
        raise Problem("a cancelled query gave an answer")
    bench.check_next()
    return f"{running.seconds:.1f} s"


def part_of_a_run_s(bench):
    """Well within the time that the query takes now: workers that have read files before are faster."""
    return max(0.2, bench.stack.query(bench.sql, "fleet", 120 * patience()).seconds * 0.3)


def query_reaches_its_time_limit(bench):
    limit_ms = int(part_of_a_run_s(bench) * 1e3)
    started = time.monotonic()
    try:
        bench.stack.query(bench.sql, "fleet", 60 * patience(), timeout_ms=limit_ms)
    except QueryError as error:
        check((error.status, error.code) == (504, "TIMEOUT"), f"not a clear error: {error}")
    else:
        raise Problem(f"an answer although the time limit was {limit_ms} ms")
    seconds = time.monotonic() - started
    check(seconds < limit_ms / 1e3 + 5 * patience(), f"{seconds:.1f} s with a limit of {limit_ms} ms")
    bench.check_next()
    return f"{limit_ms} ms, told after {seconds:.2f} s"


def client_goes_away(bench):
    """The connection breaks: the query is stopped, not run to its end for nobody."""
    running = bench.stack.start_query(bench.sql, "fleet", limit_s=part_of_a_run_s(bench))
    try:
        running.result(60)
    except Problem:
        pass
    end = time.monotonic() + 10 * patience()
    while (state := bench.stack.record(running.id)["state"]) in ("planning", "running") and time.monotonic() < end:
        time.sleep(0.05)
    check(state in ("cancelled", "failed"), f"the query is {state}")
    bench.check_next()
    return state


def many_at_once(bench):
    """More queries than workers, some of them cancelled, and a worker dies."""
    others = [bench.stack.start_query(SMALL, "fleet", bench.limit_s() + 60) for _ in range(8)]
    heavy = [bench.start() for _ in range(2)]
    heavy[0].wait_until(has_started)
    send(bench.stack.worker_pids()[:1], signal.SIGKILL)
    bench.stack.request("DELETE", f"/v1/query/{heavy[1].id}")
    for other in others:
        bench.check_rows(SMALL, other.result(bench.limit_s() * 2))
    bench.check_rows(bench.sql, heavy[0].result(bench.limit_s() * 2))
    try:
        heavy[1].result(10 * patience())
    except QueryError as error:
        check(error.code == "CANCELLED", str(error))
    return f"{len(others) + 2} queries"


# ---- all of them ----


def exchange_is_empty(bench):
    """After all of this no slice of any query is left."""
    end = time.monotonic() + 15
    folder = bench.stack.folder / "exchange"
    while (rest := [str(path) for path in folder.rglob("*") if path.is_file()]) and time.monotonic() < end:
        time.sleep(0.2)
    whose = {case for query_id, case in bench.cases.items() if any(query_id in path for path in rest)}
    check(not rest, f"{len(rest)} files of ended queries, of {', '.join(sorted(whose)) or 'others'}: {rest[:3]}")


def run(cases):
    lake, plain = make_lake("tpch", 0.1), Plain(threads=2)
    plain.define_lake(lake)
    stack = Stack(workers=2, options=["--lease", f"{LEASE_S}s"])
    stack.options += ["--exchange-path", str(stack.folder / "exchange")]
    with stack:
        stack.load_lake(lake)
        bench = Bench(stack, plain)
        cases_of(cases, bench)


def cases_of(cases, bench):
    cases.run("killed: nobody", bench.settle)
    for words, moment in MOMENTS:
        cases.run(f"killed: a worker {words}", worker_dies, bench, moment, 1)
    cases.run("killed: all workers within a stage", worker_dies, bench, half_is_done, 99)
    if is_long():
        for words, moment in MOMENTS * 3:
            cases.run(f"killed: all workers {words}", worker_dies, bench, moment, 99)
    cases.run("killed: a worker hangs", worker_hangs, bench)
    cases.run("killed: every worker, always", workers_die_for_ever, bench)
    for words, moment in MOMENTS[:2]:
        cases.run(f"killed: redis {words}", redis_dies, bench, moment)
    cases.run("killed: redis hangs for a second", redis_hangs, bench)
    cases.run("killed: the query, by DELETE", query_is_cancelled, bench)
    cases.run("killed: the query, by its time limit", query_reaches_its_time_limit, bench)
    cases.run("killed: the query, by its client's going", client_goes_away, bench)
    cases.run("killed: some of many at once", many_at_once, bench)
    cases.run("killed: slices are removed", exchange_is_empty, bench)
    cases.run("killed: the server", server_dies, bench)
    cases.run("killed: the server, kindly", server_is_told_to_end, bench)
