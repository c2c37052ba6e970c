# SPDX-License-Identifier: MIT
"""The fault matrix: {worker, coordinator, redis, store, s3} x {kill, pause, slow, cut, refuse, duplicate, corrupt} x each
stage boundary of six queries.

Two servers share one Redis, behind a proxy, and one exchange folder; the second is there to take over. A fault happens
when the first server is about to queue a stage (its command is held by the proxy meanwhile), or when the last task of
the query publishes its result. A cell is good if the answer is right or the error clear, in time; then everything
must be as before: no keys of the query in Redis, no files in the exchange, no process too many, and the next query
works."""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from harness.cases import Problem, check
from harness.compare import compare
from harness.environment import ROOT, is_long
from harness.lake import make_lake
from harness.plain import Plain
from harness.s3 import s3_server
from harness.stack import QueryError, Stack, patience
from proxy import Proxy, frame_end

LEASE_S = 2
LIMIT_S = 60
CLEAN_S = 40
SAMPLE = 12
CLEAR_CODES = ("REMOTE", "TIMEOUT", "NO_MEMORY", "THROTTLED", "NOT_FOUND", "CORRUPT")
NUMBERS = (3, 5, 9, 18, 21)
WINDOW = """SELECT l_orderkey AS k, l_linenumber AS n, rank() OVER (PARTITION BY l_suppkey ORDER BY l_extendedprice DESC, \
l_orderkey, l_linenumber) AS r FROM lineitem WHERE l_quantity < 3 ORDER BY r, k, n"""
SMALL = "SELECT o_orderpriority AS p, count(*) AS n FROM orders GROUP BY p ORDER BY p"


def command(link, *words):
    """One command to Redis; its reply as bytes. For values that redis-cli would not print as they are."""
    link.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))
    data = b""
    while frame_end(data) is None:
        data += link.recv(1 << 16)
    head, _, body = data.partition(b"\r\n")
    return body[:-2] if head[:1] == b"$" else head


class Redis:
    """A redis-server of the test's own, without persistence: once killed, it comes back empty."""

    def __init__(self, folder):
        self.path, self.process = Path(folder) / "real.sock", None
        self.log = Path(folder) / "redis.log"
        self.start()

    def start(self):
        command = ["redis-server", "--port", "0", "--unixsocket", str(self.path), "--save", "", "--logfile", str(self.log)]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 20
        while self.cli("PING") != ["PONG"]:
            check(time.monotonic() < end, "redis-server does not start")
            time.sleep(0.02)

    def cli(self, *words):
        done = subprocess.run(
            ["redis-cli", "-s", str(self.path), *words], capture_output=True, text=True, timeout=20, check=False
        )
        return done.stdout.split()

    def small_slices(self):
        """Keys of slices that are kept in Redis."""
        return [key for key in self.cli("KEYS", "*:v:*")]

    def change(self, key, change):
        with socket.socket(socket.AF_UNIX) as link:
            link.connect(str(self.path))
            data = change(command(link, b"GET", key.encode()))
            command(link, b"SET", key.encode(), data, b"KEEPTTL")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGCONT)
        self.kill()


def shared_store_url(folder):
    """Not in a folder of one of the stacks, which takes processes that name it for its own. None: where all stacks are on
    an S3 server."""
    if s3_server():
        return None
    (folder / "store").mkdir()
    return f"file://{folder}/store"


class Arena:
    """All that a cell needs; it is used again for the next one."""

    parts = ("worker", "coordinator", "redis", "store")
    mark = "matrix"  # of its table in a report

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="puffindb-matrix-"))
        self.redis = Redis(self.folder)
        self.proxy = Proxy(self.folder / "redis.sock", self.redis.path)
        options = ["--redis-url", f"unix://{self.folder}/redis.sock", "--exchange-path", str(self.folder / "exchange")]
        options += ["--lease", f"{LEASE_S}s", "--log-level", "info"]
        self.first, self.second = self.make_stacks(options)
        self.plain, self.references = Plain(threads=2), {}
        self.timers, self.is_healed = [], threading.Event()

    def make_stacks(self, options):
        first = Stack(workers=2, options=options, store_url=shared_store_url(self.folder))
        return first, Stack(workers=1, options=options, store_url=first.store_url)

    def __enter__(self):
        try:
            self.set_up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def set_up(self):
        self.first.start()
        self.second.start()
        lake = make_lake("tpch", 0.1)
        self.first.load_lake(lake)
        self.plain.define_lake(lake)
        self.queries = {f"Q{number}": text_of(number) for number in NUMBERS}
        self.queries["window"] = WINDOW

    def __exit__(self, *_):
        self.proxy.heal()
        try:
            for stack in (self.first, self.second):
                stack.stop()
        finally:
            self.first.remove()
            self.second.remove()
            self.proxy.close()
            self.redis.stop()
            if "PUFFINDB_TEST_KEEP" not in os.environ:
                shutil.rmtree(self.folder, ignore_errors=True)

    def check_rows(self, sql, answer):
        if sql not in self.references:
            self.references[sql] = self.plain.reference(sql)
        problem = compare(self.plain, sql, *self.references[sql], answer)
        check(problem is None, f"wrong answer: {problem}")

    # ---- boundaries ----

    def measure(self, sql):
        """How many stages are queued, and how many results published, when nothing goes wrong."""
        counts = Counter()
        self.proxy.on_command = lambda side, command: counts.update([point_of(side, command)])
        self.check_rows(sql, self.first.query(sql, "fleet", LIMIT_S * patience()))
        self.proxy.on_command = None
        check(counts["push"], "the query has no stage")
        return counts["push"], counts["publish"]

    # ---- harm ----

    def prepare(self):
        """Before a cell."""

    def harm(self, cell):
        FAULTS[cell.fault](self, cell.part)

    def note(self):
        """What there is to say about the harm that was done."""
        return ""

    def slices(self):
        return list((self.folder / "exchange").rglob("*.px"))

    # ---- after a cell ----

    def leftovers(self):
        lasting = (":record", ":alive", ":facts", ":marks")
        keys = [key for key in self.redis.cli("KEYS", "*") if not key.endswith(lasting) and "{log}" not in key]
        folder = self.folder / "exchange"
        files = [str(path.relative_to(folder)) for path in folder.glob("*/*") if path.name != "copy"]
        return keys + files + list(map(str, self.slices()))

    def workers(self):
        return self.first.worker_pids() + self.second.worker_pids()

    def check_clean(self):
        end = time.monotonic() + CLEAN_S * patience()
        while (left := self.leftovers()) and time.monotonic() < end:
            time.sleep(0.1)
        check(not left, f"left behind: {left[:5]}")
        check(len(self.workers()) <= 3, f"{len(self.workers())} workers, 3 are allowed")

    def later(self, seconds, action, *arguments):
        """Ends a fault after a while, or when the cell is over."""
        timer = threading.Timer(seconds, action, arguments)
        timer.daemon = True
        timer.start()
        self.timers.append(timer)

    def heal(self):
        self.is_healed.set()
        for timer in self.timers:
            timer.join()
        self.timers.clear()
        self.proxy.heal()
        self.redis.process.send_signal(signal.SIGCONT)
        if self.redis.process.poll() is not None:
            self.redis.start()
        for stack in (self.first, self.second):
            if stack.process is None or stack.process.poll() is not None:
                stack.process = None
                stack.kill_all()
                stack.start()
            stack.process.send_signal(signal.SIGCONT)
            send(stack.worker_pids(), signal.SIGCONT)

    def check_next(self):
        end = time.monotonic() + 30 * patience()
        while True:
            try:
                self.check_rows(SMALL, self.first.query(SMALL, "fleet", 30 * patience()))
                return
            except QueryError as error:
                if error.code not in CLEAR_CODES or time.monotonic() > end:
                    raise Problem(f"the next query: {error}") from None
                time.sleep(0.1)


def send(pids, number):
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def point_of(side, command):
    """What a command to Redis is in the life of a query."""
    if b"\r\nEVALSHA\r\n" not in command[:40]:
        return None
    if side == "coordinator" and b'"inputs"' in command and b'"sql"' in command:
        return "push"
    if side == "worker" and b'"wall_us"' in command:
        return "publish"
    return None


def text_of(number):
    return (ROOT / f"bench/tpch/q{number:02}.sql").read_text(encoding="utf-8").strip().rstrip(";")


# ---- faults ----


def throttle(arena, pids, seconds):
    """A process that gets a tenth of its time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not arena.is_healed.is_set():
        send(pids, signal.SIGSTOP)
        time.sleep(0.09)
        send(pids, signal.SIGCONT)
        time.sleep(0.01)


def sides_of(part):
    return ("worker", "coordinator") if part == "redis" else (part,)


def pids_of(arena, part):
    if part == "worker":
        return arena.first.worker_pids()[:1] or arena.workers()[:1]
    return [arena.redis.process.pid if part == "redis" else arena.first.process.pid]


def kill(arena, part):
    if part == "redis":
        arena.redis.kill()
        arena.later(0.3, arena.redis.start)
    elif part == "store":
        for path in arena.slices():
            path.unlink(missing_ok=True)
        if small := arena.redis.small_slices():
            arena.redis.cli("UNLINK", *small)
    else:
        send(pids_of(arena, part), signal.SIGKILL)


def pause_part(arena, part):
    pids = pids_of(arena, part)
    send(pids, signal.SIGSTOP)
    arena.later(LEASE_S * (1 if part == "redis" else 3), send, pids, signal.SIGCONT)


def slow(arena, part):
    if part == "redis":
        arena.proxy.set(sides_of(part), "slow")
    else:
        arena.later(0, throttle, arena, pids_of(arena, part), 5)


def cut(arena, part):
    if part == "store":
        damage_slices(arena, lambda data: data[: len(data) * 2 // 3])
    else:
        arena.proxy.cut(sides_of(part))


def refuse(arena, part):
    if part == "store":
        if arena.first.s3:  # falls silent
            server = [arena.first.s3.process.pid]
            send(server, signal.SIGSTOP)
            arena.later(1, send, server, signal.SIGCONT)
            return
        for folder in arena.first.path("warehouse/main").glob("*/data"):
            away = folder.with_name("away")
            folder.rename(away)
            arena.later(1, away.rename, folder)
    else:
        arena.proxy.set(sides_of(part), "refuse")
        arena.later(1.5, arena.proxy.set, sides_of(part), None)


def duplicate(arena, part):
    arena.proxy.set(sides_of(part), "duplicate")


def corrupt(arena, part):
    if part == "store":
        damage_slices(arena, flipped)
    else:
        arena.proxy.set(sides_of(part), "corrupt")


def replace(path, change):
    """As a store has it: another object of that name. Who has mapped the old one keeps it."""
    try:
        data = change(path.read_bytes())
        other = path.with_suffix(".new")
        other.write_bytes(data)
        other.rename(path)
    except FileNotFoundError:
        pass


def damage_slices(arena, change):
    for path in arena.slices():
        replace(path, change)
    for key in arena.redis.small_slices():
        arena.redis.change(key, change)


def flipped(data):
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 0x5A]) + data[middle + 1 :]


FAULTS = {
    "kill": kill,
    "pause": pause_part,
    "slow": slow,
    "cut": cut,
    "refuse": refuse,
    "duplicate": duplicate,
    "corrupt": corrupt,
}
NOT_THERE = {
    ("store", "pause"): "a folder has no process to stop; see s3",
    ("store", "slow"): "a disk can't be slowed down from outside; see s3",
    ("store", "duplicate"): "a system call is made once; see s3",
}


# ---- one cell ----


class Cell:
    def __init__(self, query, boundary, part, fault):
        self.query, self.boundary, self.part, self.fault = query, boundary, part, fault
        self.name = f"matrix: {query}, {boundary}, {part} {fault}"
        self.result, self.seconds = "FAILED", 0


class Trigger:
    """Does harm once, when the n-th command of a kind passes."""

    def __init__(self, arena, cell, pushes, publishes):
        self.kind, self.left = ("publish", publishes) if cell.boundary == "at the end" else ("push", cell.at)
        self.arena, self.cell, self.has_fired = arena, cell, False
        self.lock = threading.Lock()
        arena.proxy.on_command = self.see
        check(self.left <= max(pushes, publishes), "no such boundary")

    def see(self, side, command):
        if point_of(side, command) != self.kind:
            return
        with self.lock:
            self.left -= 1
            if self.left or self.has_fired:
                return
            self.has_fired = True
        self.arena.harm(self.cell)


def taken_over(arena, query_id):
    """The second server has the query now: its end, as an answer or an error."""
    end = time.monotonic() + LIMIT_S * patience()
    while time.monotonic() < end:
        try:
            record = arena.second.record(query_id)
        except Problem:
            record = {"state": "unknown"}
        if record["state"] == "done":
            return result_of(arena, query_id)
        if record["state"] in ("failed", "cancelled"):
            raise QueryError(0, record.get("error", {}))
        time.sleep(0.05)
    raise Problem(f"query {query_id} was not finished by the other server: {record}")


def result_of(arena, query_id):
    from decimal import Decimal

    from harness.stack import Answer

    status, headers, text = arena.second.request("GET", f"/v1/query/{query_id}/result?format=json")
    body = json.loads(text, parse_float=Decimal)
    if status != 200:
        raise QueryError(status, body["error"])
    return Answer(body, headers, 0)


def outcome(arena, cell, running):
    """What the client gets, or would get from the other server. A Problem if that is nothing it can use."""
    sql = arena.queries[cell.query]
    try:
        try:
            answer = running.result(LIMIT_S * patience())
            arena.check_rows(sql, answer)
            retries = answer.stats.get("retries", 0)
            return f"right after {retries} retries" if retries else "right"
        except QueryError as error:
            if "another coordinator has taken" not in error.message:
                raise
        except Problem as problem:
            if "connection broke" not in str(problem):
                raise
            try:
                arena.first.process.wait(5)
            except subprocess.TimeoutExpired:
                raise problem from None
        arena.check_rows(sql, taken_over(arena, running.id))
        return "right, by the other server"
    except QueryError as error:
        check(error.code in CLEAR_CODES and error.message, f"not a clear error: {error}")
        return f"{error.code}: {error.message}"


def run_cell(arena, cell, pushes, publishes):
    started = time.monotonic()
    arena.is_healed.clear()
    arena.prepare()
    trigger = Trigger(arena, cell, pushes, publishes)
    running = arena.first.start_query(arena.queries[cell.query], "fleet", LIMIT_S * patience())
    try:
        result = outcome(arena, cell, running)
    finally:
        seconds, note = time.monotonic() - started, arena.note()
        arena.heal()
    arena.check_clean()
    arena.check_next()
    if not trigger.has_fired:
        result += " (no harm was done)"
    else:
        result += note
    cell.result, cell.seconds = result, seconds
    return f"{result[:160]} in {seconds:.1f} s"


# ---- all ----


def cells_of(query, pushes, parts):
    for at in range(1, pushes + 2):
        boundary = "at the end" if at > pushes else f"before stage {at}"
        for part in parts:
            for fault in FAULTS:
                if (part, fault) in NOT_THERE:
                    continue
                cell = Cell(query, boundary, part, fault)
                cell.at = at
                yield cell


def choose(cells, count):
    """A dozen that has every part and every fault."""
    chosen, seen = [], set()
    order = random.Random(7).sample(cells, len(cells))
    for cell in order:
        if (cell.part, cell.fault) not in seen and len([c for c in chosen if c.part == cell.part]) < count // 4:
            seen.add((cell.part, cell.fault))
            chosen.append(cell)
    return chosen[:count]


def run_queries(cases, queries, is_all, results, counts, make_arena):
    """In an arena of their own."""
    with make_arena() as arena:
        cells = []
        for query in queries:
            counts[query] = arena.measure(arena.queries[query])
            cells += [cell for cell in cells_of(query, counts[query][0], arena.parts) if cases.wants(cell.name)]
        for cell in cells if is_all else choose(cells, SAMPLE):
            cases.run(cell.name, run_cell, arena, cell, *counts[cell.query])
            if cell.result == "FAILED":
                recover_arena(arena)
            results.append(cell)


def run(cases, arenas, report=None, queries=(), jobs=1):
    """`arenas`: all of them in the long tests, with a report, or by name; else the first."""
    names = [name for name in (*(f"Q{number}" for number in NUMBERS), "window") if not queries or name in queries]
    is_all = bool(is_long() or report or cases.chosen)
    for make_arena in arenas if is_all else arenas[:1]:
        run_arena(cases, make_arena, report, names, jobs, is_all)


def run_arena(cases, make_arena, report, names, jobs, is_all):
    results, counts, problems = [], {}, []

    def work(share):
        try:
            run_queries(cases, share, is_all, results, counts, make_arena)
        except Problem as problem:
            problems.append(problem)

    threads = [threading.Thread(target=work, args=(names[job::jobs],)) for job in range(min(jobs, len(names)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for problem in problems:
        cases.record("matrix stack", problem)
    if report and len(counts) == len(names):
        write_report(report, make_arena, results, {name: counts[name] for name in names})


def recover_arena(arena):
    """After a failed cell: from nothing, so that the next one stands for itself."""
    for stack in (arena.first, arena.second):
        if stack.process:
            stack.process.kill()
            stack.process.wait()
            stack.process = None
        stack.kill_all()
    arena.heal()
    arena.redis.cli("FLUSHALL")
    shutil.rmtree(arena.folder / "exchange", ignore_errors=True)
    for stack in (arena.first, arena.second):
        if stack.process:
            stack.stop()
        stack.start()


# ---- the table ----


def summary(cells):
    if not cells:
        return "–"
    kinds = Counter()
    for cell in cells:
        code = cell.result.split(":")[0].removesuffix(" (no harm was done)")
        kinds["right" if code.startswith("right") else code] += 1
    return ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())


def table_of(parts, results, counts):
    lines = [
        "| part | fault | " + " | ".join(f"{query} ({counts[query][0] + 1})" for query in counts) + " | slowest |",
        "| --- | --- |" + " --- |" * (len(counts) + 1),
    ]
    for part in parts:
        for fault in FAULTS:
            if (part, fault) in NOT_THERE:
                lines.append(f"| {part} | {fault} | {NOT_THERE[part, fault]} |" + " |" * len(counts))
                continue
            row = [cell for cell in results if (cell.part, cell.fault) == (part, fault)]
            by_query = [summary([cell for cell in row if cell.query == query]) for query in counts]
            slowest = max((cell.seconds for cell in row), default=0)
            lines.append(f"| {part} | {fault} | " + " | ".join(by_query) + f" | {slowest:.1f} s |")
    return lines


def write_report(path, arena, results, counts):
    """Puts the table between the marks of the file, or makes a file of the table alone."""
    begin, end = f"<!-- {arena.mark}: begin -->", f"<!-- {arena.mark}: end -->"
    good = sum(cell.result.startswith("right") for cell in results)
    taken = sum("other server" in cell.result for cell in results)
    retried = sum("retries" in cell.result for cell in results)
    failed = sum(cell.result == "FAILED" for cell in results)
    unharmed = sum("no harm" in cell.result for cell in results)
    head = (
        f"{len(results)} cells: {good} right ({taken} of them by the other server, {retried} after tasks ran again), "
        f"{len(results) - good - failed} clear errors, {failed} failed. In {unharmed} "
        "the fault met nothing."
    )
    text = "\n".join([begin, "", head, "", *table_of(arena.parts, results, counts), "", end])
    file = Path(path)
    old = file.read_text(encoding="utf-8") if file.exists() else f"{begin}\n{end}\n"
    check(begin in old and end in old, f"{path} has no place for the table of {arena.mark}")
    file.write_text(old.split(begin)[0] + text + old.split(end, 1)[1], encoding="utf-8")
