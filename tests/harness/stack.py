# SPDX-License-Identifier: MIT
"""A running stack of our own: `puffindb serve` on a free port over a fresh folder, and a client for its API.

Every process of a stack inherits a mark in its environment, so that processes() finds all of them, whoever their
parent is now, and stop() can tell whether anything was left running."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import urllib.parse
import uuid
from decimal import Decimal
from pathlib import Path

from .cases import Problem
from .environment import binary, free_port, is_sanitized
from .s3 import s3_server

MARK = "PUFFIN_TEST_MARK"
START_LIMIT_S, STOP_LIMIT_S, LOAD_LIMIT_S = 60, 30, 600


class Answer:
    """What POST /v1/query gave."""

    def __init__(self, body, headers, seconds):
        self.columns = [(column["name"], column["type"]) for column in body["columns"]]
        self.rows = body["rows"]
        self.stats = body.get("stats", {})
        self.query_id = headers.get("X-Puffin-Query-Id")
        self.seconds = seconds

    @property
    def route(self):
        return self.stats.get("route", "?")


class QueryError(Problem):
    """An answer that is not 200."""

    def __init__(self, status, error):
        self.status, self.error = status, error
        self.code, self.message = error.get("code"), error.get("message", "")
        super().__init__(f"HTTP {status} {self.code}: {self.message}")


class Stack:
    def __init__(self, workers=2, options=(), environment=None, folder=None, port=None, store_url=None):
        self.folder = Path(folder or tempfile.mkdtemp(prefix="puffindb-test-"))
        self.is_folder_ours = folder is None
        self.workers, self.options, self.port = workers, list(options), port or free_port()
        self.mark = uuid.uuid4().hex
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("PUFFINDB_")}
        if os.environ.get("PUFFINDB_TEST_CATALOG"):  # "function:catalog": who knows the tables
            self.environment["PUFFINDB_CATALOG"] = os.environ["PUFFINDB_TEST_CATALOG"]
        self.environment.update(environment or {})
        self.environment[MARK] = self.mark
        self.environment.setdefault("PUFFINDB_WORKER_LOG", str(self.folder / "workers.log"))
        self.s3 = s3_server()
        if store_url:
            self.store_url = store_url
        else:
            self.store_url = self.s3.url(f"stack-{self.mark}") if self.s3 else f"file://{self.folder}/store"
        if self.s3:
            self.environment.update(self.s3.environment())
        self.log_path = self.folder / "serve.log"
        self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, *_):
        try:
            self.stop()
        except Problem:
            if kind is None:  # never hides the first failure
                raise
        finally:
            self.remove()

    # ---- life ----

    def command(self):
        return [
            *(str(binary()), "serve", "--listen", f"127.0.0.1:{self.port}"),
            *("--store-url", self.store_url, "--workers", str(self.workers)),
            *("--run-path", str(self.folder / "run"), *self.redis_options(), *self.exchange_options(), *self.options),
        ]

    def exchange_options(self):
        """With PUFFINDB_TEST_S3 all data between stages is there, too, unless a test looks at its folder."""
        named = {"--exchange-path", "--exchange-url"} & set(self.options)
        return ["--exchange-url", "store", "--exchange-redis", "none"] if self.s3 and not named else []

    def redis_options(self):
        """With PUFFIN_TEST_REDIS='["--redis-url", …]' every stack uses that Redis, under keys of its own; with
        PUFFINDB_TEST_REDIS=cluster a cluster that all stacks of this process share. One that a test gives its stack
        stays."""
        if "--redis-url" in self.options:
            return []
        given = json.loads(os.environ.get("PUFFIN_TEST_REDIS", "[]"))
        if not given and os.environ.get("PUFFINDB_TEST_REDIS") == "cluster":
            from .redis_cluster import redis_cluster

            given = redis_cluster().options()
        return [*given, "--redis-prefix", f"pf:{self.mark}"] if given else []

    def start(self, limit_s=START_LIMIT_S):
        (self.folder / "store").mkdir(parents=True, exist_ok=True)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.environment, cwd=self.folder
            )
        end = time.monotonic() + limit_s
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise Problem(f"serve ended with status {self.process.returncode}:\n{self.log_tail()}")
            try:
                status, _, _ = self.request("GET", "/healthz", limit_s=5)
                if status == 200:
                    return self
            except OSError:
                pass
            time.sleep(0.002)
        self.kill()
        raise Problem(f"serve does not answer within {limit_s} s:\n{self.log_tail()}")

    def stop(self):
        """Ends the server the kind way. A Problem if it does not end, or leaves processes."""
        if self.process is None:
            return
        process, self.process = self.process, None
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        problem = None
        try:
            status = process.wait(STOP_LIMIT_S)
            if status not in (0, -signal.SIGTERM):
                problem = f"serve ended with status {status}:\n{self.log_tail()}"
        except subprocess.TimeoutExpired:
            problem = f"serve does not end within {STOP_LIMIT_S} s of SIGTERM"
        left = self.wait_for_no_processes(2)
        self.kill_all()
        process.wait()
        if left and not problem:
            problem = f"left running: {left}"
        sanitizer = self.sanitizer_report()
        if sanitizer and not problem:
            problem = sanitizer
        if problem:
            raise Problem(problem)

    def kill(self):
        """Ends the server as a crash would; what it started is left alone."""
        self.process.kill()
        self.process.wait()
        self.process = None

    def kill_all(self):
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def remove(self):
        self.kill_all()
        if self.is_folder_ours and "PUFFINDB_TEST_KEEP" not in os.environ:
            shutil.rmtree(self.folder, ignore_errors=True)

    # ---- its processes ----

    def processes(self):
        """{pid: command line} of every live process that carries the mark, or names the folder of this stack: a process
        that writes its own title, as redis-server does, loses its environment to it."""
        found, place = {}, str(self.folder)
        wanted = f"{MARK}={self.mark}".encode()
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                if place not in line and wanted not in (entry / "environ").read_bytes().split(b"\0"):
                    continue
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                if state != "Z" and int(entry.name) != os.getpid():
                    found[int(entry.name)] = line
            except (OSError, IndexError):
                continue
        return found

    def processes_like(self, *words):
        return sorted(pid for pid, line in self.processes().items() if all(word in line for word in words))

    def worker_pids(self):
        return self.processes_like("puffindb", " function")

    def redis_pids(self):
        return self.processes_like("redis-server")

    def wait_for_no_processes(self, limit_s):
        end = time.monotonic() + limit_s
        while (left := self.processes()) and time.monotonic() < end:
            time.sleep(0.05)
        return left

    # ---- what it says ----

    def log_text(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def log_tail(self, lines=15):
        return "\n".join(self.log_text().splitlines()[-lines:])

    def sanitizer_report(self):
        text = "".join(path.read_text(errors="replace") for path in self.folder.glob("*.log"))
        for sign in ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:", "ThreadSanitizer:"):
            if sign in text:
                at = text.index(sign)
                return "in a log: " + text[at : at + 1500]
        return None

    # ---- its lake ----

    def path(self, key):
        """An object of the store: a path of pathlib, or what stands for it on S3."""
        if self.store_url.startswith("file://"):
            return Path(self.store_url.removeprefix("file://")) / key
        from .objects import S3Path

        return S3Path(f"{self.store_url}/{key}")

    def paths(self, pattern):
        """Those that match, in order."""
        if self.store_url.startswith("file://"):
            root = Path(self.store_url.removeprefix("file://"))
            return sorted(path for path in root.glob(pattern) if path.is_file())
        from .objects import s3_paths

        return s3_paths(self.store_url, pattern)

    def table_key(self, name):
        """The folder of a table, "name" or "namespace.name", in the store."""
        space, _, table = name.rpartition(".")
        return f"warehouse/{space or 'main'}/{table}"

    # ---- its API ----

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def request(self, method, path, body=None, headers=None, limit_s=60):
        """(status, headers, bytes)"""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=limit_s)
        try:
            connection.request(method, path, body=body, headers=headers or {})
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def query(self, sql, route="auto", limit_s=300, **more):
        body = json.dumps({"sql": sql, "route": route, "format": "json", **more})
        started = time.monotonic()
        try:
            status, headers, text = self.request(
                "POST", "/v1/query", body.encode(), {"Content-Type": "application/json"}, limit_s
            )
        except TimeoutError:
            raise Problem(f"no answer within {limit_s} s") from None
        except (OSError, http.client.HTTPException) as failure:
            raise Problem(f"the connection broke: {failure!r}") from None
        seconds = time.monotonic() - started
        try:
            parsed = json.loads(text, parse_float=Decimal)
        except ValueError as failure:
            raise Problem(f"HTTP {status}, not JSON ({failure}): {text[:300]!r}") from None
        if status != 200:
            raise QueryError(status, parsed.get("error", {}))
        if "rows" not in parsed:  # a stream that broke after its status had been sent
            raise QueryError(status, parsed.get("error", {"message": text[-300:].decode(errors="replace")}))
        if parsed.get("error"):
            raise QueryError(status, parsed["error"])
        return Answer(parsed, headers, seconds)

    def start_query(self, sql, route="auto", limit_s=300, **more):
        """The same in the background."""
        return Running(self, sql, route, limit_s, more)

    def record(self, query_id):
        status, _, text = self.request("GET", f"/v1/query/{urllib.parse.quote(query_id)}")
        if status != 200:
            raise Problem(f"GET /v1/query/{query_id}: HTTP {status}")
        return json.loads(text)

    # ---- the command line ----

    def run(self, *arguments, limit_s=LOAD_LIMIT_S, **more):
        """A command of the program with this stack's store: (exit status, what it wrote)."""
        environment = {**self.environment, "PUFFINDB_STORE_URL": self.store_url, "PUFFINDB_URL": self.url}
        try:
            done = subprocess.run(
                [str(binary()), *map(str, arguments)],
                **{"cwd": self.folder, "env": environment, "timeout": limit_s, "stdin": subprocess.DEVNULL, **more},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise Problem(f"'puffindb {arguments[0]}' does not end within {limit_s} s") from None
        return done.returncode, done.stdout

    def load(self, table, *files):
        status, output = self.run("load", table, *files)
        if status:
            raise Problem(f"puffindb load {table}: status {status}: {output[-1500:]}")

    def load_lake(self, folder):
        """Every table of a folder made by tools/make_lake. A dot in a folder's name is a namespace."""
        lake = json.loads((Path(folder) / "lake.json").read_text(encoding="ascii"))
        for table, facts in lake["tables"].items():
            pointer = f"{self.table_key(table)}/metadata/pointer.json"
            if self.store_url.startswith("file://") and self.path(pointer).exists():  # of an earlier stack in this folder
                continue
            self.load(table, *(Path(folder) / file for file in facts["files"]))
        return lake


class Running:
    """A query under way, in a thread of its own."""

    def __init__(self, stack, sql, route, limit_s, more):
        self.stack, self.id = stack, "test-" + uuid.uuid4().hex[:12]
        self.answer = self.failure = None
        self.started = time.monotonic()
        self.thread = threading.Thread(target=self.run, args=(sql, route, limit_s, more), daemon=True)
        self.thread.start()

    def run(self, sql, route, limit_s, more):
        try:
            self.answer = self.stack.query(sql, route, limit_s, id=self.id, **more)
        except Problem as problem:
            self.failure = problem
        self.seconds = time.monotonic() - self.started

    def is_over(self):
        return not self.thread.is_alive()

    def result(self, limit_s):
        """The answer; raises what went wrong, or a Problem after `limit_s`."""
        self.thread.join(limit_s)
        if self.thread.is_alive():
            raise Problem(f"the query is still running after {time.monotonic() - self.started:.0f} s")
        if self.failure:
            raise self.failure
        return self.answer

    def wait_until(self, is_reached, limit_s=60):
        """Waits until the query's record satisfies `is_reached`; False if the query ended before."""
        end = time.monotonic() + limit_s
        while time.monotonic() < end and not self.is_over():
            try:
                if is_reached(self.stack.record(self.id)):
                    return True
            except (Problem, OSError, ValueError):
                pass
            time.sleep(0.005)
        return False


def patience():
    """Factor on time limits."""
    return 4 if is_sanitized() else 1
