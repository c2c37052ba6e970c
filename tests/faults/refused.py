# SPDX-License-Identifier: MIT
"""Requests, options and surroundings that can't work: each is refused with a status and a reason, and nothing hangs."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from harness.cases import Problem, Skip, check
from harness.environment import binary
from harness.lake import make_lake
from harness.stack import QueryError, Stack, free_port, patience

NOBODY = 65534
# name, method, path, body, headers, status, words of the message
REQUESTS = [
    ("wrong method", "PUT", "/v1/query", b"SELECT 1", {}, 405, ""),
    ("wrong method for a record", "POST", "/v1/query/abc", b"", {}, 405, ""),
    ("unknown path", "GET", "/v2/nothing", None, {}, 404, ""),
    ("unknown query", "GET", "/v1/query/no-such-query", None, {}, 404, "no-such-query"),
    ("cancel of an unknown query", "DELETE", "/v1/query/no-such-query", None, {}, 404, "no-such-query"),
    ("no SQL", "POST", "/v1/query", b"", {}, 400, "SQL"),
    ("blank SQL", "POST", "/v1/query", b"  \n ", {}, 400, "SQL"),
    ("syntax error", "POST", "/v1/query", b"SELEC 1", {}, 400, "SELEC"),
    ("unknown table", "POST", "/v1/query", b"SELECT * FROM no_such_table", {}, (400, 404), "no_such_table"),
    ("unknown column", "POST", "/v1/query", b"SELECT no_such_column FROM orders", {}, 400, "no_such_column"),
    ("type error", "POST", "/v1/query", b"SELECT o_comment + DATE '2020-01-01' FROM orders", {}, 400, ""),
    ("error at run time", "POST", "/v1/query", b"SELECT CAST(o_comment AS INTEGER) FROM orders", {}, 400, ""),
    ("several statements", "POST", "/v1/query", b"SELECT 1; SELECT 2", {}, (400, 501), ""),
    ("file of the server", "POST", "/v1/query", b"SELECT * FROM read_text('/etc/passwd')", {}, (400, 403, 501), ""),
    ("writing a file", "POST", "/v1/query", b"COPY (SELECT 1) TO '/tmp/never.csv'", {}, (400, 403, 501), ""),
    ("setting", "POST", "/v1/query", b"SET threads = 99", {}, (400, 403, 501), ""),
    ("attach", "POST", "/v1/query", b"ATTACH '/tmp/never.duckdb' AS x", {}, (400, 403, 501), ""),
    ("logging to a file", "POST", "/v1/query", b"CALL enable_logging(storage := 'file')", {}, (400, 403, 501), ""),
    ("zero byte", "POST", "/v1/query", b"SELECT 1\0", {}, 400, ""),
    ("not UTF-8", "POST", "/v1/query", b"SELECT '\xff\xfe'", {}, 400, ""),
    ("broken JSON", "POST", "/v1/query", b'{"sql": ', {"Content-Type": "application/json"}, 400, ""),
    ("JSON of another kind", "POST", "/v1/query", b"[1]", {"Content-Type": "application/json"}, 400, "sql"),
    ("unknown field", "POST", "/v1/query", b'{"sql":"SELECT 1","x":1}', {"Content-Type": "application/json"}, 400, "x"),
    ("wrong field", "POST", "/v1/query", b'{"sql":7}', {"Content-Type": "application/json"}, 400, "sql"),
    ("unknown route", "GET", "/v1/query?sql=SELECT+1&route=moon", None, {}, 400, "moon"),
    ("unknown format", "GET", "/v1/query?sql=SELECT+1&format=stone", None, {}, 400, "stone"),
    ("bad number", "GET", "/v1/query?sql=SELECT+1&timeout_ms=soon", None, {}, 400, "soon"),
    ("body too large", "POST", "/v1/query", b"SELECT '" + b"x" * 70000 + b"'", {}, 413, ""),
]


def is_refused(stack, method, path, body, headers, statuses, words):
    status, _, text = stack.request(method, path, body, headers, limit_s=30 * patience())
    statuses = statuses if isinstance(statuses, tuple) else (statuses,)
    check(status in statuses, f"HTTP {status}, expected {statuses}: {text[:300]!r}")
    error = json.loads(text)["error"]
    check(error["code"] and error["message"], f"an error without code or message: {error}")
    check(words in error["message"], f"the message lacks {words!r}: {error['message']}")
    return f"{status} {error['code']}: {error['message'][:100]}"


def still_works(stack):
    answer = stack.query("SELECT count(*) AS n FROM orders", "fleet", 30 * patience())
    check(answer.rows == [[15000]], f"{answer.rows}")


# ---- bad connections ----


def raw(stack, data, limit_s=10):
    with socket.create_connection(("127.0.0.1", stack.port), timeout=limit_s) as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(data)
            return connection.recv(4096)
    return b""


def noise_is_refused(stack):
    """Not HTTP at all, or HTTP that lies."""
    for data in (
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200) + b"\r\n\r\n",
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /v1/query HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"POST /v1/query HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % at for at in range(5000)) + b"\r\n",
    ):
        first = raw(stack, data).split(b"\r\n")[0]
        check(not first.startswith(b"HTTP/1.1 2"), f"{data[:40]!r} was answered {first!r}")
        still_works(stack)


def silent_connections_do_no_harm(stack):
    """Connections that say nothing, or half a request, while others ask."""
    idle = [socket.create_connection(("127.0.0.1", stack.port), timeout=10) for _ in range(100)]
    try:
        for connection in idle[::2]:
            connection.sendall(b"POST /v1/query HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nSELECT")
        still_works(stack)
    finally:
        for connection in idle:
            connection.close()
    still_works(stack)


def large_answer_without_reader(stack):
    """A client that asks for much and reads nothing: memory does not grow without bound, others are served."""
    sql = "SELECT range AS n, repeat('x', 100) AS t FROM range(20000000)"
    with socket.create_connection(("127.0.0.1", stack.port), timeout=10) as connection:
        head = f"POST /v1/query HTTP/1.1\r\nHost: x\r\nContent-Length: {len(sql)}\r\n\r\n{sql}"
        connection.sendall(head.encode())
        connection.recv(1000)
        time.sleep(1)
        pages = int(Path(f"/proc/{stack.process.pid}/statm").read_text().split()[1])
        check(pages * 4096 < 2e9, f"{pages * 4096 / 1e6:.0f} MB resident for an answer that nobody reads")
        still_works(stack)
    still_works(stack)


# ---- the command line ----


def command_fails(stack, arguments, statuses, words, **more):
    status, output = stack.run(*arguments, limit_s=30 * patience(), **more)
    check(status in statuses, f"status {status}, expected {statuses}: {output[-500:]}")
    for word in words:
        check(word in output, f"the message lacks {word!r}: {output[-500:]}")
    check("Sanitizer" not in output, output[-1500:])
    lines = output.strip().splitlines()
    return f"status {status}: {lines[0][:120] if lines else ''}"


def port_is_taken(stack):
    other = stack.folder / "other"
    arguments = ["serve", "--listen", f"127.0.0.1:{stack.port}", "--store-url", f"file://{other}"]
    return command_fails(stack, arguments, (3,), [str(stack.port)])


def load_fails(stack, files, words):
    before = stack.query("SELECT count(*) AS n FROM orders", "local").rows
    note = command_fails(stack, ["load", "orders", *files], (1, 2), words)
    check(stack.query("SELECT count(*) AS n FROM orders", "local").rows == before, "the table has changed")
    return note


def wrong_files(stack):
    folder = stack.folder / "wrong"
    folder.mkdir(exist_ok=True)
    (folder / "text.parquet").write_text("this is no Parquet file\n" * 100)
    (folder / "empty.parquet").touch()
    (folder / "columns.csv").write_text("a,b\n1,2\n")
    notes = [load_fails(stack, [folder / "missing.parquet"], ["missing.parquet"])]
    notes.append(load_fails(stack, [folder / "text.parquet"], ["text.parquet"]))
    notes.append(load_fails(stack, [folder / "empty.parquet"], ["empty.parquet"]))
    notes.append(load_fails(stack, [folder / "columns.csv"], []))
    return f"{len(notes)} loads refused; {notes[-1]}"


def load_is_killed(stack, files):
    """kill -9 at any moment: the table has all rows of a load or none, and the next load works."""
    environment = {**stack.environment, "PUFFINDB_STORE_URL": stack.store_url}
    counts = set()
    for at in range(8):
        process = subprocess.Popen(
            [str(binary()), "load", "killed_load", *files],
            **{"env": environment, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": stack.folder},
        )
        time.sleep(0.02 * patience() * (at + 1))
        process.send_signal(signal.SIGKILL)
        process.wait()
        try:
            counts.add(stack.query("SELECT count(*) AS n FROM killed_load", "local").rows[0][0])
        except QueryError as error:
            check(error.status in (400, 404), f"the table is broken: {error}")
            counts.add(0)
    check(all(count % 15000 == 0 for count in counts), f"part of a load is visible: {counts}")
    stack.load("killed_load", *files)
    after = stack.query("SELECT count(*) AS n FROM killed_load", "fleet").rows[0][0]
    check(after % 15000 == 0 and after == max(counts) + 15000, f"{after} rows after {max(counts)} and one more load")
    return f"rows seen: {sorted(counts)}"


# ---- another user, full disks ----


def as_nobody():
    """A function for subprocess that gives up root; Skip where that can't be tried."""
    if os.geteuid() != 0:
        return None  # we are an ordinary user: modes hold for us

    def give_up():
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)

    probe = (
        subprocess.run(
            [str(binary()), "version"],
            preexec_fn=give_up,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        if is_reachable()
        else None
    )
    if probe is None or probe.returncode:
        raise Skip("another user can't run the program from this folder")
    return give_up


def is_reachable():
    return all(folder.stat().st_mode & 0o005 == 0o005 for folder in Path(binary()).resolve().parents)


def no_permission(stack, files):
    """A lake that may not be written."""
    give_up = as_nobody()
    locked = stack.folder / "locked"
    locked.mkdir(exist_ok=True)
    stack.folder.chmod(0o755)
    locked.chmod(0o555)
    readable = stack.folder / "readable"
    readable.mkdir(exist_ok=True)
    for file in files:
        shutil.copy(file, readable)
    copies = sorted(readable.glob("*.parquet"))
    options = ["--store-url", f"file://{locked}", "--run-path", f"/tmp/puffindb-nobody-{os.getpid()}"]
    try:
        return command_fails(stack, ["load", "t", *copies, *options], (1,), [str(locked)], preexec_fn=give_up, cwd="/")
    finally:
        shutil.rmtree(options[-1], ignore_errors=True)


def exchange_without_permission(stack):
    give_up = as_nobody()
    locked = stack.folder / "locked_exchange"
    locked.mkdir(exist_ok=True)
    locked.chmod(0o555)
    options = ["--store-url", f"file:///tmp/puffindb-nobody-{os.getpid()}/lake", "--exchange-path", str(locked)]
    options += ["--run-path", f"/tmp/puffindb-nobody-{os.getpid()}/run", "--listen", f"127.0.0.1:{free_port()}"]
    try:
        return command_fails(stack, ["serve", *options], (1, 3), [str(locked)], preexec_fn=give_up, cwd="/")
    finally:
        shutil.rmtree(f"/tmp/puffindb-nobody-{os.getpid()}", ignore_errors=True)


@contextlib.contextmanager
def small_disk(path, size):
    """A tmpfs of `size` at `path`."""
    if os.geteuid() != 0:
        raise Skip("mounting a small file system takes root")
    path.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if mounted.returncode:
        raise Skip(f"mount: {mounted.stderr.strip()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=False)


def exchange_is_full(lake):
    """The exchange has no room: an error that says so, or the right answer by another medium."""
    stack = Stack(workers=2)
    try:
        with small_disk(stack.folder / "exchange", "4m") as path:
            stack.options += ["--exchange-path", str(path)]
            with stack:
                stack.load_lake(lake)
                sql = (
                    "SELECT count(*) AS n, max(t.c) AS m FROM (SELECT l_orderkey, l_comment, count(*) AS c FROM lineitem "
                    "GROUP BY ALL) t JOIN orders ON l_orderkey = o_orderkey AND l_comment <> o_comment"
                )
                expected = stack.query(sql, "local", 60 * patience()).rows
                try:
                    rows = stack.query(sql, "fleet", 60 * patience()).rows
                    check(rows == expected, f"a wrong answer: {rows}, expected {expected}")
                    note = "right answer"
                except QueryError as error:
                    check(error.code == "NO_MEMORY", f"not a clear error: {error}")
                    note = str(error)
                small = "SELECT o_orderpriority AS p, count(*) AS n FROM orders GROUP BY p"
                check(len(stack.query(small, "fleet", 60 * patience()).rows) == 5, "the next query is wrong")
                return note
    finally:
        stack.remove()


def lake_is_full(lake):
    """The lake has no room: the load fails as a whole, what was there stays."""
    stack = Stack(workers=1)
    if stack.s3:
        raise Skip("the disk of an S3 server is not ours")
    try:
        with small_disk(stack.folder / "store", "1500k"):
            with stack:
                stack.load("orders", *sorted((lake / "orders").glob("*.parquet")))
                before = stack.query("SELECT count(*) AS n FROM orders", "local").rows
                files = [str(path) for path in sorted((lake / "lineitem").glob("*.parquet"))]
                note = command_fails(stack, ["load", "lineitem", *files], (1,), ["No space left"])
                check(stack.query("SELECT count(*) AS n FROM orders", "local").rows == before, "rows are gone")
                free = os.statvfs(stack.folder / "store")
                used = 1 - free.f_bavail / free.f_blocks
                check(used < 0.9, f"{used:.0%} of the disk is still used by what the failed load wrote")
                return note
    finally:
        stack.remove()


# ---- surroundings ----


def without_redis(lake):
    """No redis-server to be found: what needs it says so, the rest works."""
    stack = Stack(workers=1, environment={"PATH": "/nonexistent"})
    with stack:
        stack.load("orders", *sorted((lake / "orders").glob("*.parquet")))
        check(stack.query("SELECT count(*) AS n FROM orders", "local").rows == [[15000]], "the local route is wrong")
        try:
            stack.query("SELECT o_orderstatus AS s, count(*) AS n FROM orders GROUP BY s", "fleet", 30 * patience())
        except QueryError as error:
            check("redis" in error.message.lower(), f"the message does not name Redis: {error}")
            return str(error)
    raise Problem("the fleet works without Redis?")


def run(cases):
    lake = make_lake("tpch", 0.01)
    files = sorted(str(file) for file in (lake / "orders").glob("*.parquet"))
    with Stack(workers=2, options=["--max-request", "64KiB"]) as stack:
        stack.load("orders", *files)
        for name, *request in REQUESTS:
            cases.run(f"refused: {name}", is_refused, stack, *request)
        cases.run("refused: noise", noise_is_refused, stack)
        cases.run("refused: silent connections", silent_connections_do_no_harm, stack)
        cases.run("refused: an answer that nobody reads", large_answer_without_reader, stack)
        cases.run("refused: a port in use", port_is_taken, stack)
        for name, arguments, statuses, words in (
            ("no such command", ["fly"], (2,), ["fly"]),
            ("no such option", ["serve", "--wings", "2"], (2,), ["--wings"]),
            ("a bad number", ["serve", "--workers", "many"], (2,), ["many"]),
            ("a bad address", ["serve", "--listen", "moon:99999"], (2, 3), ["moon"]),
            ("an unknown store", ["serve", "--store-url", "moon://x"], (1, 2, 3), ["moon"]),
            ("a load without files", ["load", "t"], (2,), []),
            ("a bad table name", ["load", "../x", *files], (1, 2), ["../x"]),
            ("a server that is not there", ["sql", "--url", "http://127.0.0.1:1", "SELECT 1"], (3,), ["127.0.0.1:1"]),
        ):
            cases.run(f"refused: {name}", command_fails, stack, arguments, statuses, words)
        cases.run("refused: wrong files", wrong_files, stack)
        cases.run("refused: half a load", load_is_killed, stack, files)
        cases.run("refused: a lake without permission", no_permission, stack, files)
        cases.run("refused: an exchange without permission", exchange_without_permission, stack)
        cases.run("refused: still works", still_works, stack)
    cases.run("refused: a full exchange", exchange_is_full, make_lake("tpch", 0.1))
    cases.run("refused: a full lake", lake_is_full, lake)
    cases.run("refused: no redis-server", without_redis, lake)
