# SPDX-License-Identifier: MIT
"""The exchange as objects on an S3 server: workers and servers that die, objects that are lost or damaged, a store that
refuses. The answer is right all the same, and nothing stays behind."""

import os
import random
import signal
import time

from damaged import flip, truncate
from harness.cases import check
from harness.environment import is_long
from harness.lake import make_lake
from harness.s3 import BUCKET, S3Server
from harness.s3_proxy import Proxy
from harness.stack import QueryError, Stack, patience
from killed import half_is_done, has_started

ON_S3 = ("--exchange-url", "store", "--exchange-redis", "none", "--lease", "1s", "--task-size", "512KiB")
# Three stages of several tasks, with every row between them.
SQL = """SELECT length(t.l_comment) AS k, count(*) AS n, max(t.c) AS m FROM (SELECT l_orderkey, l_comment, count(*) AS c
FROM lineitem GROUP BY ALL) t JOIN lineitem b ON t.l_orderkey = b.l_orderkey AND t.l_comment <> b.l_comment GROUP BY k"""
FEW = 3  # objects; their tasks run again fewer times than is allowed


class Bench:
    def __init__(self, server, proxy):
        self.server, self.proxy = server, proxy
        environment = server.environment(PUFFINDB_S3_ENDPOINT=proxy.endpoint)
        self.stack = Stack(workers=2, options=ON_S3, environment=environment, store_url=server.url("faults"))
        self.expected = None

    def objects(self):
        """The objects of the exchange, as the files in which the server keeps them."""
        found = []
        for place, _, names in os.walk(self.server.folder / "data" / BUCKET / "faults/temporary"):
            found += [os.path.join(place, name) for name in names if name.endswith(".px")]
        return found

    def check_rows(self, answer):
        check(sorted(answer.rows) == self.expected, f"a wrong answer: {sorted(answer.rows)[:2]}")

    def check_empty(self, limit_s=20):
        """Removal is no part of the query's time: it may come a little later."""
        end = time.monotonic() + limit_s * patience()
        while (left := self.objects()) and time.monotonic() < end:
            time.sleep(0.05)
        check(not left, f"left in the store: {left[:3]}")

    def limit_s(self):
        return 60 * patience()

    def start(self):
        return self.stack.start_query(SQL, "fleet", self.limit_s())


def undisturbed(bench):
    bench.expected = sorted(bench.stack.query(SQL, "local", bench.limit_s()).rows)
    before = len(bench.proxy.requests)
    answer = bench.stack.query(SQL, "fleet", bench.limit_s())
    bench.check_rows(answer)
    bench.check_empty()
    use = answer.stats["exchange"]
    made = [request for request in bench.proxy.requests[before:] if "/temporary/" in request.target]
    puts, gets = (sum(1 for request in made if request.method == method) for method in ("PUT", "GET"))
    check(use["store"]["objects"] > 4 and use["redis"]["objects"] + use["folder"]["objects"] == 0, f"{use}")
    check(puts == use["store"]["objects"], f"{puts} PUTs for {use['store']['objects']} objects")
    # One range of each producer; those that were late were asked for twice, the clean-up lists nothing.
    check(use["store"]["reads"] <= gets <= use["store"]["reads"] * 1.1 + 12, f"{gets} GETs for {use['store']['reads']}")
    check(answer.stats["stages"] >= 3 and answer.stats["tasks"] > 8, f"{answer.stats}")
    check(not os.path.exists(bench.stack.folder / "exchange"), "there is a folder for data between stages")
    return f"{answer.seconds:.1f} s, {answer.stats['stages']} stages, {answer.stats['tasks']} tasks, {puts} PUTs, {gets} GETs"


def worker_dies(bench, moment, victims):
    running = bench.start()
    running.wait_until(moment)
    for pid in bench.stack.worker_pids()[:victims]:
        os.kill(pid, signal.SIGKILL)
    answer = running.result(bench.limit_s())
    bench.check_rows(answer)
    bench.check_empty()
    return f"{running.seconds:.1f} s, {answer.stats['retries']} retries"


def remove(path):
    path.unlink()


def objects_are_harmed(bench, harm, most):
    running, hits = bench.start(), set()
    while not running.is_over():
        for path in map(type(bench.server.folder), bench.objects()):
            try:
                if len(hits) < most and path not in hits and path.stat().st_size > 64:
                    harm(path)
                    hits.add(path)
            except OSError:
                pass
        time.sleep(0.001)
    bench.check_rows(running.result(1))
    check(hits, "no object was seen: this case tests nothing")
    bench.check_rows(bench.stack.query(SQL, "fleet", bench.limit_s()))
    bench.check_empty()
    return f"{len(hits)} objects; {running.seconds:.1f} s"


def store_refuses(bench, share):
    """Bursts: for a tenth of a second, ten times a second or so, most requests are refused."""
    chance = random.Random(5)

    def faults(request):
        is_burst = time.monotonic() % 0.3 < 0.1
        return ("status", 503, "SlowDown") if is_burst and chance.random() < share else None

    bench.proxy.faults = faults
    try:
        answer = bench.stack.query(SQL, "fleet", bench.limit_s())
    finally:
        bench.proxy.faults = lambda request: None
    bench.check_rows(answer)
    bench.check_empty()
    return f"{answer.seconds:.1f} s, {answer.stats['retries']} retries of tasks"


def store_is_gone(bench):
    """It refuses for good: the query fails in time and says so, and the next one works."""
    bench.proxy.faults = lambda request: ("status", 503, "SlowDown") if request.method == "PUT" else None
    try:
        bench.stack.query(SQL, "fleet", bench.limit_s(), timeout_ms=3000)
    except QueryError as error:
        note = str(error)
        check(error.code in ("THROTTLED", "TIMEOUT", "REMOTE"), note)
    else:
        check(False, "an answer although nothing can be written")
    finally:
        bench.proxy.faults = lambda request: None
    bench.check_rows(bench.stack.query(SQL, "fleet", bench.limit_s()))
    bench.check_empty()
    return note


def query_is_cancelled(bench):
    running = bench.start()
    running.wait_until(half_is_done)
    bench.stack.request("DELETE", f"/v1/query/{running.id}")
    try:
        running.result(bench.limit_s())
    except QueryError as error:
        check(error.code == "CANCELLED", str(error))
    bench.check_empty()


def server_dies(bench):
    """What it leaves is found by the next one: it knows the groups of processes that are gone."""
    running = bench.start()
    running.wait_until(half_is_done)
    while not running.is_over() and not bench.objects():
        time.sleep(0.002)
    bench.stack.kill()
    left = len(bench.objects())
    bench.stack.kill_all()
    bench.stack.start()
    bench.check_rows(bench.stack.query(SQL, "fleet", bench.limit_s()))
    bench.check_empty(30)
    return f"{left} objects left behind and removed"


def run(cases):
    if os.environ.get("PUFFINDB_TEST_S3"):
        return  # these have a server of their own
    lake = make_lake("tpch", 0.1)
    with S3Server("versitygw", is_tls=False) as server, Proxy(server.port) as proxy:
        bench = Bench(server, proxy)
        with bench.stack:
            bench.stack.load("lineitem", *sorted((lake / "lineitem").glob("*.parquet")))
            cases.run("on S3: undisturbed", undisturbed, bench)
            cases.run("on S3: a worker dies early", worker_dies, bench, has_started, 1)
            cases.run("on S3: all workers die half-way", worker_dies, bench, half_is_done, 9)
            cases.run("on S3: objects are removed", objects_are_harmed, bench, remove, FEW)
            cases.run("on S3: objects are damaged", objects_are_harmed, bench, flip, FEW)
            if is_long():
                cases.run("on S3: objects are cut off", objects_are_harmed, bench, truncate, FEW)
            cases.run("on S3: bursts of 503", store_refuses, bench, 0.8)
            cases.run("on S3: nothing but 503", store_is_gone, bench)
            cases.run("on S3: cancelled", query_is_cancelled, bench)
            cases.run("on S3: the server dies", server_dies, bench)
