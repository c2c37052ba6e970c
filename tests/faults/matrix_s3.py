# SPDX-License-Identifier: MIT
"""The matrix's part "s3": lake and data between stages on a real S3 server, behind a proxy that does harm (plain HTTP, so
that it can). Workers are new in each cell: what they had in memory would spare them the server."""

import os
import random
import signal
import threading
import time
from pathlib import Path

from harness.s3 import BUCKET, S3Server
from harness.s3_proxy import Proxy
from harness.stack import Stack
from matrix import LEASE_S, Arena, send

PREFIX = "lake"
MOST_CUT, MOST_CORRUPTED = 6, 3  # requests, so that the tries of one are not all used up
LATE_S, LONG_LATE_S, LONG_LATE_EVERY = 0.2, 10, 20
REFUSE_S, DOWN_S = 1.5, 0.5


class S3Arena(Arena):
    parts = ("s3",)
    mark = "matrix on S3"

    def __init__(self):
        self.server = S3Server("versitygw", is_tls=False).start()
        self.s3_proxy = Proxy(self.server.port, self.fault_of)
        self.s3_proxy.__enter__()
        self.mode, self.harmed, self.random, self.mode_lock = None, 0, random.Random(5), threading.Lock()
        super().__init__()

    def make_stacks(self, options):
        options = [*options, "--exchange-url", "store", "--exchange-redis", "none"]
        environment = self.server.environment(PUFFINDB_S3_ENDPOINT=self.s3_proxy.endpoint)
        more = {"options": options, "environment": environment, "store_url": self.server.url(PREFIX)}
        return Stack(workers=2, **more), Stack(workers=1, **more)

    def __exit__(self, *arguments):
        self.mode = None
        try:
            super().__exit__(*arguments)
        finally:
            self.s3_proxy.__exit__()
            self.server.stop()

    # ---- harm ----

    def prepare(self):
        self.harmed = 0
        send(self.workers(), signal.SIGKILL)
        end = time.monotonic() + 10
        while self.workers() and time.monotonic() < end:
            time.sleep(0.02)

    def harm(self, cell):
        pid = self.server.process.pid
        if cell.fault == "kill":
            self.server.process.kill()
            self.server.process.wait()
            self.later(DOWN_S, self.server.start)
        elif cell.fault == "pause":
            send([pid], signal.SIGSTOP)
            self.later(2 * LEASE_S, send, [pid], signal.SIGCONT)
        else:
            self.mode = cell.fault
        if cell.fault == "refuse":
            self.later(REFUSE_S, self.stop_harm)
        self.harmed += cell.fault in ("kill", "pause")

    def stop_harm(self):
        self.mode = None

    def fault_of(self, request):
        with self.mode_lock:
            fault = self.choose_fault(request)
            self.harmed += fault is not None
            return fault

    def choose_fault(self, request):
        """Not too often where every time counts as one of a request's tries."""
        if self.mode == "slow":
            return ("delay", LONG_LATE_S if self.random.randrange(LONG_LATE_EVERY) == 0 else LATE_S)
        if self.mode == "refuse":
            return ("reset",) if self.harmed % 3 == 2 else ("status", 503, "SlowDown")
        if self.mode == "duplicate":
            return ("twice",)
        if request.method != "GET":
            return None
        if self.mode == "cut" and self.harmed < MOST_CUT:
            return ("cut", 200)
        if self.mode == "corrupt" and "/temporary/" in request.target and self.harmed < MOST_CORRUPTED:
            return ("flip",)
        return None

    def heal(self):
        self.mode = None
        self.is_healed.set()
        for timer in self.timers:
            timer.join()
        self.server.process.send_signal(signal.SIGCONT)
        super().heal()

    # ---- what is left ----

    def slices(self):
        """Folders may go while they are looked at."""
        place = self.server.folder / "data" / BUCKET / PREFIX / "temporary"
        return [Path(folder) / name for folder, _, names in os.walk(place) for name in names if name.endswith(".px")]

    def note(self):
        return "" if self.harmed else " (no harm was done)"

