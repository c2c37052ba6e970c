# SPDX-License-Identifier: MIT
"""Queries made up over schemas made up: wild_data.py makes tables, wild_queries.py statements. Each schema has a stack of its
own, told by --task-size that even little data is worth tasks, so that stages have several tasks and rows really move.

Plain DuckDB runs in a child process: some statements end it (1.5: joins by BETWEEN that keep rows without a partner). Then the
rest of the schema goes on in another one, without the statements that were under way.

Where plain DuckDB has an internal error over a statement there is nothing to compare with; ours may refuse it too ("both
refuse"), or answer. Both are counted at the end, and neither is a success. Plain DuckDB and ours are asked for the very same
text: an internal error on our side alone is a failure."""

import collections
import multiprocessing
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import duckdb
import wild_data
import wild_queries
from differ import Bench, PlainBroke, TooHeavy, Undetermined, read_tables
from harness.cases import Problem, check
from harness.stack import Stack
from reduce import reduced

A_SCHEMA = 100  # queries
CLIENTS = 3
TASK_SIZES = ["64", "512", "2KiB", "8KiB"]  # from "everything is repartitioned" to "mostly broadcast"
MOST_REDUCED = 5  # failures of one run
MOST_CRASHES = 8  # of plain DuckDB over one schema
CRASHES = (-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS, -signal.SIGFPE)


class Mix:
    """What the queries were like on our side."""

    def __init__(self):
        self.count = collections.Counter()
        self.reasons = collections.Counter()
        self.stages = collections.Counter()

    def add(self, route, reason, stages):
        self.count["answered"] += 1
        if route != "fleet":
            self.count["local"] += 1
            self.reasons[str(reason)[:80]] += 1
            return
        self.count["fleet"] += 1
        self.stages[min(len(stages), 8)] += 1
        self.count["stages"] += len(stages)
        self.count["tasks"] += sum(stage["tasks"] for stage in stages)
        self.count["several stages"] += len(stages) > 1
        self.count["a stage of several tasks"] += any(stage["tasks"] > 1 for stage in stages)
        for kind in ("repartition", "broadcast", "gather"):
            self.count[kind] += any(stage["exchange"].startswith(kind) for stage in stages)
        joins = [stage for stage in stages if "join" in stage["title"]]
        self.count["joined on the fleet"] += bool(joins)
        for stage in stages:
            if stage.get("single_reason"):
                self.reasons[stage["single_reason"][:80]] += 1

    def lines(self):
        fleet = max(self.count["fleet"], 1)
        yield f"answered {self.count['answered']}, on the fleet {self.count['fleet']}, failed alike {self.count['failed alike']}, left out: too heavy {self.count['TooHeavy']}, undetermined {self.count['Undetermined']}, plain DuckDB ended {self.count['plain DuckDB crashed']} times, empty answers {self.count['empty']}"
        yield f"internal errors of plain DuckDB over the same statement: both refuse {self.count['both refuse']}, ours answers {self.count['ours answers']}"
        shares = [
            "several stages",
            "a stage of several tasks",
            "repartition",
            "broadcast",
            "gather",
            "joined on the fleet",
        ]
        yield "of those on the fleet: " + ", ".join(f"{name} {100 * self.count[name] / fleet:.0f} %" for name in shares)
        yield f"stages a query {self.count['stages'] / fleet:.1f}, tasks a stage {self.count['tasks'] / max(self.count['stages'], 1):.1f}; queries by stages " + ", ".join(
            f"{n}{'+' if n == 8 else ''}: {c}" for n, c in sorted(self.stages.items())
        )
        for reason, count in self.reasons.most_common(12):
            yield f"in one place: {count} times: {reason}"


class Run:
    def __init__(self, cases, seed, routes, workers, chosen):
        self.cases, self.seed, self.routes, self.workers, self.chosen = cases, seed, routes, workers, chosen
        self.mix, self.failures = Mix(), 0

    def schema(self, number, count):
        """`count` queries over one schema."""
        schema = wild_data.Schema(self.seed * 1000 + number)
        size = TASK_SIZES[number % len(TASK_SIZES)]
        workers = self.workers or (2, 5)[number // len(TASK_SIZES) % 2]
        started = time.monotonic()
        options = ["--task-size", size, "--memory", "2GB", "--worker-memory", "1GB"]
        setting = f"{workers} workers, --task-size {size}"
        with Stack(workers=workers, options=options) as stack:
            part = Part(self, stack, schema, number, setting)
            good = part.run(count)
        if good:
            name = f"wild seed {self.seed} schema {number}, {setting}"
            self.cases.record_many(name, good, time.monotonic() - started)


class Part:
    """The queries over one schema."""

    def __init__(self, run, stack, schema, number, setting):
        self.run_, self.stack, self.schema, self.number, self.setting = run, stack, schema, number, setting
        self.tables = make_tables(schema)

    def run(self, count):
        """How many were right."""
        done, good = set(), 0
        for attempt in range(MOST_CRASHES + 1):
            todo = [at for at in (self.run_.chosen.get(self.number) or range(2 * count)) if at not in done]
            ours, theirs = multiprocessing.Pipe()
            fork = multiprocessing.get_context("fork")
            child = fork.Process(target=self.child, args=(theirs, todo, count - good, attempt > 0))
            child.start()
            theirs.close()
            right, open_now, is_over = self.results(ours, done)
            good += right
            child.join()
            if is_over:
                return good
            check(child.exitcode in CRASHES, f"the process that asks ended with {child.exitcode}")
            done |= open_now
            self.run_.mix.count["plain DuckDB crashed"] += 1
            note = f"plain DuckDB ended with {child.exitcode} over schema {self.schema.seed}"
            print(f"note: {note}, at one of {sorted(open_now)}", flush=True)
        raise Problem(f"plain DuckDB ended {MOST_CRASHES + 1} times")

    def results(self, pipe, done):
        """What one child tells: how many were right, what was under way when it ended, whether it came to the end."""
        good, open_now, unreduced, is_over = 0, set(), {}, False
        for what, at, value in received(pipe):
            if what == "start":
                open_now.add(at)
                continue
            open_now.discard(at)
            if what == "over":
                is_over = True
            elif what == "differs":
                unreduced[at] = value
            else:
                done.add(at)
                unreduced.pop(at, None)
                good += self.take(what, at, value)
        for at, value in unreduced.items():  # it ended while they were made smaller
            done.add(at)
            self.take("bad", at, value)
        return good, open_now, is_over

    def take(self, what, at, value):
        """One result: 1 if it was right."""
        run = self.run_
        if what == "good":
            route_answers, is_empty = value
            for answer in route_answers:
                run.mix.add(*answer)
            run.mix.count["empty"] += is_empty
            run.mix.count["failed alike"] += not route_answers
            return len(run.routes)
        if what == "left out":
            run.mix.count[value] += 1
        else:
            run.failures += 1
            run.cases.record(f"wild seed {run.seed} schema {self.number} query {at}", value)
        return 0

    # ---- in the child ----

    def child(self, pipe, todo, count, is_again):
        bench = Bench(self.stack, self.run_.routes[0])
        try:
            with ThreadPoolExecutor(CLIENTS) as pool:
                list(pool.map(lambda table: bench.set_table(table, is_again), self.tables))
                queue, found = Queue(todo, count), []
                for job in [pool.submit(self.client, bench.on_thread(), queue, pipe, found) for _ in range(CLIENTS)]:
                    job.result()
            for at, sql, difference in found:
                queue.send(pipe, "bad", at, self.told(bench, at, sql, difference))
            queue.send(pipe, "over", 0, None)
        finally:
            bench.close()

    def client(self, bench, queue, pipe, found):
        while (at := queue.take(pipe)) is not None:
            sql = wild_queries.make(self.schema, self.schema.seed, at)
            answers, is_empty, bad = [], False, None
            try:
                for route in self.run_.routes:
                    bench.route = route
                    bad, answer = bench.difference(sql)
                    if bad:
                        break
                    if not isinstance(answer, Exception):
                        is_empty = not answer.rows
                        answers.append(
                            (
                                answer.route,
                                answer.stats.get("reason"),
                                self.stack.record(answer.query_id).get("stages", []),
                            )
                        )
            except (PlainBroke, TooHeavy, Undetermined) as why:
                queue.give_back()
                if isinstance(why, Undetermined):
                    print(f"note: no one right answer: {sql}", flush=True)
                kind = type(why).__name__
                if isinstance(why, PlainBroke):
                    kind = why.outcome
                    print(f"note: plain DuckDB: {why}; {kind}: {sql}", flush=True)
                queue.send(pipe, "left out", at, kind)
                continue
            if bad:
                queue.send(pipe, "differs", at, f"{bad}\n{sql}")
                found.append((at, sql, bad))
            else:
                queue.send(pipe, "good", at, (answers, is_empty))

    def told(self, bench, at, sql, difference):
        route = bench.route
        again = f"tests/sql/run --suite wild --seed {self.run_.seed} --route {route} --queries {self.number}.{at}"
        text = f"{difference}\n-- {self.setting}, route {route}: {again}\n{sql}"
        self.run_.failures += 1
        if self.run_.failures <= MOST_REDUCED:
            text += "\n---- reduced\n" + reduced(bench, self.tables, sql, difference)
        return text


class Queue:
    """Numbers of queries for the clients, and the one pipe they send results through."""

    def __init__(self, todo, count):
        self.lock, self.todo, self.left = threading.Lock(), iter(todo), count

    def take(self, pipe):
        with self.lock:
            at = next(self.todo, None) if self.left else None
            if at is not None:
                self.left -= 1
                pipe.send(("start", at, None))
            return at

    def give_back(self):
        with self.lock:
            self.left += 1

    def send(self, pipe, what, at, value):
        with self.lock:
            pipe.send((what, at, value))


def received(pipe):
    try:
        while True:
            yield pipe.recv()
    except EOFError:
        return


def make_tables(schema):
    connection = duckdb.connect(config={"threads": 1})
    for statement in schema.statements():
        connection.execute(statement)
    return read_tables(connection, [table.name for table in schema.tables], [table.files for table in schema.tables])


def run(cases, count, seed, routes, workers, chosen=None):
    """`count` queries on each route, or those that are chosen: "SCHEMA.QUERY,…"."""
    numbers = {}
    for part in (chosen or "").split(","):
        if part:
            schema, _, query = part.partition(".")
            numbers.setdefault(int(schema), []).append(int(query))
    runs = Run(cases, seed, routes, workers, numbers)
    for number in sorted(numbers) or range((count + A_SCHEMA - 1) // A_SCHEMA):
        try:
            runs.schema(number, len(numbers[number]) if numbers else min(A_SCHEMA, count - number * A_SCHEMA))
        except Problem as problem:
            cases.record(f"wild seed {seed} schema {number}", problem)
    for line in runs.mix.lines():
        print(f"wild: {line}", flush=True)
    return runs.mix
