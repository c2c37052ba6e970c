# SPDX-License-Identifier: MIT
"""Many clients at once: no error but refusals of admission, no wrong answer, memory that stays, turns that are fair.

  tests/faults/run clients --minutes 10 --clients 200 --report docs/faults.md

A quarter of the connections belong to one greedy client; each other one is a client of its own. All of them ask again
as soon as they have an answer: small queries mostly, wherever they run, and large ones on the fleet. Each answer is
compared with the one that the same query gave alone."""

import http.client
import json
import os
import random
import threading
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path

from harness.cases import check
from harness.compare import compare
from harness.environment import ROOT
from harness.lake import make_lake
from harness.plain import Plain
from harness.stack import Stack, patience

GREEDY = "greedy"
LARGE_SHARE = 0.15
LARGE = (1, 3, 5, 6, 12, 18)  # of TPC-H
SMALL = (
    "SELECT n_name, n_regionkey FROM nation WHERE n_nationkey = {key}",
    "SELECT count(*) AS n, min(o_orderdate) AS first FROM orders WHERE o_custkey = {key}",
    "SELECT s_name, s_acctbal FROM supplier WHERE s_suppkey <= {key} ORDER BY s_suppkey",
    "SELECT r_name, count(*) AS n FROM nation JOIN region ON n_regionkey = r_regionkey GROUP BY r_name ORDER BY r_name",
)
KEYS = (1, 7, 13, 22)
MOST_WAIT_S = 90  # longer than the line lets anybody wait
PAGE_KB = os.sysconf("SC_PAGE_SIZE") // 1024


class Question:
    def __init__(self, kind, sql, route):
        self.kind, self.sql, self.route = kind, sql, route
        self.body = json.dumps({"sql": sql, "route": route, "format": "json"}).encode()
        self.expected = None


def questions():
    found = [Question("small", sql.format(key=key), "auto") for sql in SMALL for key in KEYS]
    for number in LARGE:
        text = (ROOT / f"bench/tpch/q{number:02}.sql").read_text(encoding="utf-8").strip().rstrip(";")
        found.append(Question("large", text, "fleet"))
    return found


def expect(stack, plain, found):
    """The answers of quiet times, which are plain DuckDB's."""
    for question in found:
        answer = stack.query(question.sql, question.route, 120 * patience())
        problem = compare(plain, question.sql, *plain.reference(question.sql), answer)
        check(problem is None, f"wrong answer before anybody else asked: {problem}")
        question.expected = canonical(answer.rows)


def canonical(rows):
    """Sums of floats depend on the order of what is added: nine digits are compared."""
    def cell(value):
        return f"{value:.9g}" if isinstance(value, (float, Decimal)) else str(value)

    return sorted(tuple(cell(value) for value in row) for row in rows)


class Client(threading.Thread):
    """One connection that asks until the time is over."""

    def __init__(self, crowd, number, name):
        super().__init__(daemon=True)
        self.crowd, self.name_sent, self.random = crowd, name, random.Random(number)
        self.outcomes, self.took_ms = Counter(), {"small": [], "large": []}
        self.link, self.problem = None, None

    def run(self):
        try:
            while not self.crowd.is_over.is_set() and not self.problem:
                kind = "large" if self.random.random() < LARGE_SHARE else "small"
                self.ask(self.random.choice(self.crowd.by_kind[kind]))
        except Exception as problem:  # pylint: disable=broad-except
            self.problem = f"{type(problem).__name__}: {problem}"
            self.outcomes["no answer"] += 1

    def ask(self, question):
        if not self.link:
            self.link = http.client.HTTPConnection("127.0.0.1", self.crowd.stack.port, timeout=MOST_WAIT_S * patience())
        started = time.monotonic()
        self.link.request("POST", "/v1/query", question.body, {"X-Puffin-Client": self.name_sent,
                                                               "Content-Type": "application/json"})
        response = self.link.getresponse()
        body = json.loads(response.read(), parse_float=Decimal)
        took_ms = (time.monotonic() - started) * 1000
        if response.status == 200:
            is_right = canonical(body["rows"]) == question.expected
            self.outcomes["right" if is_right else "wrong"] += 1
            self.took_ms[question.kind].append(took_ms)
            if not is_right:
                self.problem = f"wrong answer to {question.sql}"
        elif response.status == 429 and body["error"]["code"] == "THROTTLED":
            self.outcomes["refused"] += 1
            self.crowd.is_over.wait(self.random.uniform(0.5, 1) * float(response.headers.get("Retry-After", 1)))
        else:
            self.outcomes[body["error"]["code"]] += 1
            self.problem = f"HTTP {response.status}: {body['error']['message']}"


class Crowd:
    def __init__(self, stack, count, found):
        self.stack, self.is_over = stack, threading.Event()
        self.by_kind = {kind: [one for one in found if one.kind == kind] for kind in ("small", "large")}
        greedy = count // 4
        names = [GREEDY] * greedy + [f"client-{number}" for number in range(count - greedy)]
        self.clients = [Client(self, number, name) for number, name in enumerate(names)]
        self.memory = []  # (seconds, {part: MB})

    def run(self, seconds):
        started = time.monotonic()
        for client in self.clients:
            client.start()
        while (now := time.monotonic() - started) < seconds:
            self.memory.append((now, memory_of(self.stack)))
            self.is_over.wait(min(seconds / 100, 5))
        self.is_over.set()
        for client in self.clients:
            client.join(MOST_WAIT_S * patience())
            check(not client.is_alive(), "a client still waits")
        return time.monotonic() - started


def memory_of(stack):
    """Resident megabytes by part; the workers together."""
    def resident(pids):
        total = 0
        for pid in pids:
            try:
                total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_KB / 1024
            except OSError:
                pass
        return total

    return {"server": resident([stack.process.pid]), "Redis": resident(stack.redis_pids()),
            "workers": resident(stack.worker_pids())}


# ---- what came of it ----


def share(values, part):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))] if values else 0


def slope_per_minute(points):
    """Of the line through them with the least squares."""
    count = len(points)
    mean_x, mean_y = sum(x for x, _ in points) / count, sum(y for _, y in points) / count
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return 60 * sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0


def memory_lines(crowd, seconds):
    """The first quarter, in which caches fill, is left out of the slope."""
    lines = ["| resident memory, MB | after a quarter | at the end | most | slope, MB a minute |",
             "| --- | --- | --- | --- | --- |"]
    for part in ("server", "Redis", "workers"):
        points = [(at, parts[part]) for at, parts in crowd.memory]
        later = [point for point in points if point[0] >= seconds / 4] or points
        lines.append(f"| {part} | {later[0][1]:.0f} | {points[-1][1]:.0f} | {max(y for _, y in points):.0f} | "
                     f"{slope_per_minute(later):+.1f} |")
    return lines


def is_flat(crowd, seconds):
    """The part whose memory grows all the time, or None: the last quarter against the one in the middle."""
    for part in ("server", "Redis", "workers"):
        def mean(start, end, part=part):
            values = [parts[part] for at, parts in crowd.memory if start * seconds <= at < end * seconds]
            return sum(values) / max(1, len(values))

        if mean(0.75, 1) > 1.2 * mean(0.5, 0.75) + 50:
            return part
    return None


class Summary:
    def __init__(self, crowd, seconds):
        self.outcomes, self.completed = Counter(), Counter()
        self.took_ms = {"small": [], "large": []}
        self.problems = [client.problem for client in crowd.clients if client.problem]
        for client in crowd.clients:
            self.outcomes += client.outcomes
            self.completed[client.name_sent] += client.outcomes["right"]
            for kind, times in client.took_ms.items():
                self.took_ms[kind] += times
        self.modest = sorted(count for name, count in self.completed.items() if name != GREEDY)
        self.greedy, self.seconds = self.completed[GREEDY], seconds
        self.greedy_connections = sum(client.name_sent == GREEDY for client in crowd.clients)

    def middle(self):
        return self.modest[len(self.modest) // 2]

    def lines(self, crowd, max_running):
        total, right = sum(self.outcomes.values()), self.outcomes["right"]
        found = [f"{len(crowd.clients)} connections for {self.seconds / 60:.1f} minutes on {os.cpu_count()} cores, "
                 f"{self.greedy_connections} of them one greedy client's; `--max-running {max_running}`, "
                 f"{crowd.stack.workers} workers. {total} queries, {right / self.seconds:.0f} answers a second: "
                 + ", ".join(f"{count} {name}" for name, count in self.outcomes.most_common()) + ".", "",
                 "| queries | answers | p50 ms | p99 ms |", "| --- | --- | --- | --- |"]
        for kind in ("small", "large"):
            times = self.took_ms[kind]
            found.append(f"| {kind} | {len(times)} | {share(times, 0.5):.0f} | {share(times, 0.99):.0f} |")
        return [*found, "", *memory_lines(crowd, self.seconds), "",
                f"Answers a client: at least {self.modest[0]}, {self.middle()} in the middle, at most {self.modest[-1]}; "
                f"the greedy one with its {self.greedy_connections} connections: {self.greedy}."]


def check_summary(crowd, summary, is_long_enough):
    check(not summary.problems, f"{len(summary.problems)} clients had a problem: {summary.problems[:3]}")
    check(set(summary.outcomes) <= {"right", "refused"}, f"outcomes: {dict(summary.outcomes)}")
    check(summary.took_ms["small"] and summary.took_ms["large"], "no query of a kind was answered")
    if not is_long_enough:
        return
    check(summary.modest[0] > 0, "a client had no answer at all")
    # Turns are by client: with fifty connections one gets about what another one gets with one.
    check(summary.greedy <= 4 * summary.middle() + 10,
          f"the greedy client had {summary.greedy} answers, others {summary.middle()}")
    grows = is_flat(crowd, summary.seconds)
    check(grows is None, f"the memory of {grows} grows: {memory_lines(crowd, summary.seconds)}")


def write_report(path, lines):
    begin, end = "<!-- clients: begin -->", "<!-- clients: end -->"
    file = Path(path)
    old = file.read_text(encoding="utf-8") if file.exists() else f"{begin}\n{end}\n"
    check(begin in old and end in old, f"{path} has no place for the table")
    text = "\n".join([begin, "", *lines, "", end])
    file.write_text(old.split(begin)[0] + text + old.split(end, 1)[1], encoding="utf-8")


def ask_all_at_once(count, seconds, scale, report):
    max_running = max(2, count // 25)
    lake, found = make_lake("tpch", scale), questions()
    with Stack(workers=os.cpu_count(), options=["--max-running", str(max_running)]) as stack:
        stack.load_lake(lake)
        plain = Plain(threads=2)
        plain.define_lake(lake)
        expect(stack, plain, found)
        crowd = Crowd(stack, count, found)
        took_s = crowd.run(seconds)
        summary = Summary(crowd, took_s)
        lines = summary.lines(crowd, max_running)
        if report:
            write_report(report, lines)
        check_summary(crowd, summary, seconds >= 60)
        stack.query("SELECT count(*) AS n FROM nation", "fleet", 30 * patience())
    return f"{summary.outcomes['right']} right, {summary.outcomes['refused']} refused in {took_s:.0f} s"


def run(cases, minutes=None, count=None, report=None):
    """A few seconds of it in every run of the tests, minutes in the long ones."""
    if minutes is None:
        cases.run("clients: a crowd for some seconds", ask_all_at_once, 20, 5, 0.01, None)
    else:
        cases.run(f"clients: {count} for {minutes:g} minutes", ask_all_at_once, count, minutes * 60, 0.1, report)
