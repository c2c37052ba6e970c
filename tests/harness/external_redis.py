# SPDX-License-Identifier: MIT
import subprocess
import time

from .cases import check


class ExternalRedis:
    """A redis-server that outlives the stack, on a Unix socket."""

    def __init__(self, folder):
        self.socket = folder / "redis.sock"
        self.process = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", str(self.socket), "--save", "", "--appendonly", "no"],
            **{"stdout": subprocess.DEVNULL, "cwd": folder},
        )
        end = time.monotonic() + 10
        while not self.socket.exists():
            check(time.monotonic() < end, "redis-server does not start")
            time.sleep(0.01)

    def call(self, *words):
        command = ["redis-cli", "-s", str(self.socket), *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()

    def log_bytes(self):
        """What the streams of the log take; the records of queries, which live for an hour, are not the log's."""
        keys = self.call("keys", "*:{log}:*").split()
        return sum(int(self.call("memory", "usage", key, "samples", "0") or 0) for key in keys)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
