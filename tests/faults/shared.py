# SPDX-License-Identifier: MIT
"""Two servers that share a Redis, a lake and an exchange folder; what is slow, what hangs, who waits in line."""

import json
import shutil
import signal
import tempfile
import threading
import time
from decimal import Decimal
from pathlib import Path

from harness.cases import Problem, check
from harness.environment import is_long
from harness.lake import make_lake
from harness.stack import QueryError, Stack, patience
from killed import HEAVY, SMALL, has_started, send
from matrix import Redis, shared_store_url

LEASE_S = 2
LIGHTER = HEAVY.replace("l_quantity < 12", "l_quantity < 6")
PAIR_CASES = ("another server finishes", "only one has it", "cancelled from the other server")
# Four tasks in its first stage, when lineitem is there four times.
SPREAD = """SELECT length(c) AS k, count(*) AS n, sum(m) AS m FROM (SELECT l_orderkey, l_comment AS c,
max(md5(l_shipinstruct || l_comment)) AS x, count(*) AS m FROM lineitem GROUP BY ALL) GROUP BY k ORDER BY k"""


class Pair:
    """`second` takes over what `first` leaves."""

    def __init__(self, first_workers=2, options=()):
        self.folder = Path(tempfile.mkdtemp(prefix="puffindb-pair-"))
        self.redis = Redis(self.folder)
        self.options = ["--redis-url", f"unix://{self.redis.path}", "--exchange-path", str(self.folder / "exchange")]
        self.options += ["--lease", f"{LEASE_S}s", "--log-level", "info", *options]
        self.first = Stack(workers=first_workers, options=self.options, store_url=shared_store_url(self.folder))
        self.second = Stack(workers=1, options=self.options, store_url=self.first.store_url)

    def __enter__(self):
        try:
            self.first.start()
            self.second.start()
            self.first.load_lake(make_lake("tpch", 0.1))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        try:
            for stack in (self.first, self.second):
                stack.stop()
        finally:
            self.first.remove()
            self.second.remove()
            self.redis.stop()
            shutil.rmtree(self.folder, ignore_errors=True)

    def end_of(self, query_id, limit_s=60):
        """The record of a query that the second server finishes."""
        end = time.monotonic() + limit_s * patience()
        record = {}
        while record.get("state") not in ("done", "failed", "cancelled"):
            check(time.monotonic() < end, f"query {query_id} was not finished by the other server: {record}")
            time.sleep(0.05)
            try:
                record = self.second.record(query_id)
            except Problem:
                pass
        return record

    def result(self, query_id):
        status, _, text = self.second.request("GET", f"/v1/query/{query_id}/result?format=json")
        body = json.loads(text, parse_float=Decimal)
        check(status == 200, f"HTTP {status}: {body}")
        return body


def one_stage_is_done(record):
    return any(stage["tasks"] and stage["done"] == stage["tasks"] for stage in record.get("stages", []))


def another_server_finishes(pair):
    """The first server dies between two stages: what is done is not done again."""
    expected = pair.first.query(LIGHTER, "local", 120 * patience()).rows
    running = pair.first.start_query(LIGHTER, "fleet", 60)
    check(running.wait_until(one_stage_is_done), "the query was over before")
    pair.first.kill()
    record = pair.end_of(running.id)
    check(record["state"] == "done", f"{record['state']}: {record.get('error')}")
    check(record["stages"][0]["ms"] < 5 and record["stages"][0]["done"] == 1, "the first stage ran again")
    body = pair.result(running.id)
    check(body["rows"] == expected, "wrong answer")
    check([column["name"] for column in body["columns"]] == ["flag", "status", "n", "quantity"], "names of columns")
    status, _, _ = pair.second.request("GET", "/v1/query/unknown/result")
    check(status == 404, f"the result of an unknown query is HTTP {status}")
    pair.first.start()
    return f"finished in {record['elapsed_ms']} ms"


def only_one_has_it(pair):
    """The first server stops for longer than its lease and goes on: it finds out that it has lost the query."""
    running = pair.first.start_query(HEAVY, "fleet", 60)
    check(running.wait_until(has_started), "the query was over before")
    process = pair.first.process
    process.send_signal(signal.SIGSTOP)
    record = pair.end_of(running.id)
    process.send_signal(signal.SIGCONT)
    check(record["state"] == "done", f"{record['state']}: {record.get('error')}")
    try:
        answer = running.result(30 * patience())
    except QueryError as error:
        check(error.code == "REMOTE" and "another coordinator has taken" in error.message, str(error))
        note = "the first one was told"
    else:  # it had all it needed before it was stopped
        check(answer.rows and len(answer.rows) == len(pair.result(running.id)["rows"]), "two answers")
        note = "the first one was ready, too"
    check(pair.second.record(running.id)["coordinator"] == record["coordinator"], "the record was overwritten")
    return note


def cancelled_from_the_other(pair):
    """DELETE at a server that does not run the query; its statement in a worker ends within about a second."""
    running = pair.first.start_query(HEAVY, "fleet", 60)
    check(running.wait_until(one_stage_is_done), "the query was over before")
    status, _, text = pair.second.request("DELETE", f"/v1/query/{running.id}")
    check(status == 200, f"DELETE: HTTP {status} {text[:200]!r}")
    started = time.monotonic()
    try:
        running.result(10 * patience())
    except QueryError as error:
        check(error.code == "CANCELLED", str(error))
    else:
        raise Problem("a cancelled query gave an answer")
    answer = pair.first.query(SMALL, "fleet", 30 * patience())  # by the worker that was busy, or another
    check(len(answer.rows) == 5, "the next query")
    return f"{time.monotonic() - started:.1f} s"


def straggler_gets_a_second_attempt(lake):
    """One of two workers stops near the end of a stage: long before its lease is over another one has its task."""
    with Stack(workers=2, options=["--lease", "30s", "--log-level", "info"]) as stack:
        for _ in range(4):
            stack.load("lineitem", *sorted((lake / "lineitem").glob("*.parquet")))
        expected = stack.query(SPREAD, "local", 120 * patience()).rows
        stack.query(SPREAD, "fleet", 120 * patience())
        for _ in range(6):
            running = stack.start_query(SPREAD, "fleet", 120 * patience())
            running.wait_until(lambda record: any(2 <= s["done"] < s["tasks"] for s in record["stages"]))
            pids = stack.worker_pids()[:1]
            send(pids, signal.SIGSTOP)
            try:
                answer = running.result(25 * patience())
            finally:
                send(pids, signal.SIGCONT)
            check(answer.rows == expected, "wrong answer")
            record = stack.record(running.id)
            if record["extra_attempts"]:
                return f"{running.seconds:.1f} s, {record['extra_attempts']} extra attempts"
    raise Problem("no straggler was seen in six tries")


def hung_worker_is_replaced(lake):
    """The only worker stops while it has nothing to do: the next query gets another one."""
    with Stack(workers=1, options=["--lease", f"{LEASE_S}s"]) as stack:
        stack.load("orders", *sorted((lake / "orders").glob("*.parquet")))
        stack.query(SMALL, "fleet", 60 * patience())
        pids = stack.worker_pids()
        send(pids, signal.SIGSTOP)
        started = time.monotonic()
        answer = stack.query(SMALL, "fleet", 30 * patience())
        check(len(answer.rows) == 5, f"{answer.rows}")
        check(stack.worker_pids() != pids, "the same worker?")
        return f"{time.monotonic() - started:.1f} s"


def clients_take_turns(lake):
    """One client asks for much, another for little: the second does not wait for all of the first."""
    slow = "SELECT count(*) AS n FROM range(10000000) a WHERE a.range % 7 = (SELECT 3)"
    with Stack(workers=1, options=["--max-running", "1", "--result-cache", "0"]) as stack:
        order, lock = [], threading.Lock()

        def ask(client):
            status, _, _ = stack.request("POST", "/v1/query", slow.encode(), {"X-Puffin-Client": client}, 120)
            with lock:
                order.append((client, status))

        threads = [threading.Thread(target=ask, args=("greedy",)) for _ in range(8)]
        for thread in threads:
            thread.start()
        time.sleep(0.2)
        threads.append(threading.Thread(target=ask, args=("modest",)))
        threads[-1].start()
        for _ in range(20):  # one client may not fill the line: 16 places, half of them for it
            threads.append(threading.Thread(target=ask, args=("greedy",)))
            threads[-1].start()
        for thread in threads:
            thread.join(120 * patience())
        statuses = [status for _, status in order]
        check(set(statuses) <= {200, 429}, f"statuses {set(statuses)}")
        check(429 in statuses, "nobody was refused")
        served = [client for client, status in order if status == 200]
        place = served.index("modest")
        check(place <= 3, f"the modest client was served as number {place + 1} of {len(served)}")
        return f"number {place + 1} of {len(served)}, {statuses.count(429)} refused"


def run(cases):
    """The long ones only with the long tests, or by name."""
    lake, is_all = make_lake("tpch", 0.1), is_long() or bool(cases.chosen)
    if any(cases.wants(f"shared: {name}") for name in PAIR_CASES):
        with Pair() as pair:
            cases.run("shared: another server finishes", another_server_finishes, pair)
            cases.run("shared: cancelled from the other server", cancelled_from_the_other, pair)
            if is_all:
                cases.run("shared: only one has it", only_one_has_it, pair)
    if is_all:
        cases.run("shared: a straggler gets a second attempt", straggler_gets_a_second_attempt, lake)
    cases.run("shared: a hung idle worker is replaced", hung_worker_is_replaced, lake)
    cases.run("shared: clients take turns", clients_take_turns, lake)
