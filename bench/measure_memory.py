# SPDX-License-Identifier: MIT
"""TPC-H queries that need much memory, on workers that have little: right answers, and what they took.

Of each worker: the most that was resident at once (VmHWM, which counts mapped slices of the exchange too), the most
that was its own (anonymous memory, looked at every 20 ms), and the most that was spilled to its temporary folder."""

import threading
import time
from pathlib import Path

from harness.cases import Problem
from harness.compare import compare
from harness.lake import chosen_queries, files_of, make_lake, query_files
from harness.plain import Plain
from harness.stack import Stack

LIMIT_S = 1800
QUERIES = "9,18,21"
TICK_S = 0.02


class Watch:
    """Watches the workers of a stack from a thread, from start() to stop()."""

    def __init__(self, stack):
        self.stack, self.is_over = stack, False
        self.resident = self.own = self.spilled = 0
        self.thread = threading.Thread(target=self.run, daemon=True)

    def start(self):
        for pid in self.stack.worker_pids():
            Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")  # the peak starts anew
        self.thread.start()
        return self

    def run(self):
        pids, next_list = [], 0.0
        while not self.is_over:
            if time.monotonic() >= next_list:
                pids, next_list = self.stack.worker_pids(), time.monotonic() + 1
            for pid in pids:
                status = status_of(pid)
                self.resident = max(self.resident, status.get("VmHWM", 0))
                self.own = max(self.own, status.get("RssAnon", 0))
            self.spilled = max(self.spilled, spilled_bytes(self.stack.folder / "run"))
            time.sleep(TICK_S)

    def stop(self):
        self.is_over = True
        self.thread.join()
        return self


def status_of(pid):
    """Bytes by name."""
    found = {}
    try:
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if value.endswith(" kB"):
                found[name] = int(value.split()[0]) * 1024
    except OSError:
        pass
    return found


def spilled_bytes(folder):
    total = 0
    for path in folder.glob("*/spill-*/*"):
        try:
            total += path.stat().st_blocks * 512
        except OSError:
            pass
    return total


def run(scale, workers, memory, wanted, folder):
    queries = chosen_queries(query_files("tpch"), wanted or QUERIES)
    options = ("--worker-memory", memory, "--result-cache", "0")
    rows, peak = [], 0
    with Stack(workers=workers or 2, options=options, folder=folder) as stack:
        lake = stack.load_lake(make_lake("tpch", scale))
        plain = Plain(threads=workers or 2)
        for table in lake["tables"]:
            plain.define(table, files_of(stack, table))
        for name, sql in queries:
            watch = Watch(stack).start()
            try:
                answer = stack.query(sql, "fleet", LIMIT_S, timeout_ms=LIMIT_S * 1000)
            finally:
                watch.stop()
            reference, shape = plain.reference(sql)
            problem = compare(plain, sql, reference, shape, answer)
            if problem:
                raise Problem(f"{name}: wrong answer: {problem}")
            peak = max(peak, watch.resident)
            rows.append([name, f"{answer.seconds:.1f}", *(f"{size / 1e6:.0f}" for size in sizes(watch, answer))])
            print("  ".join(rows[-1]), flush=True)
    text = (
        f"TPC-H SF{scale:g} on {workers or 2} workers of {memory} each, right answers: at most {peak / 1e6:.0f} MB "
        f"resident in a worker"
    )
    print(text)
    return {
        "text": text,
        "head": ["query", "s", "resident MB", "own MB", "spilled MB, all workers", "exchanged MB"],
        "table": rows,
        "values": {"peak_mb": peak / 1e6},
        "is_complete": not wanted,
    }


def sizes(watch, answer):
    return watch.resident, watch.own, watch.spilled, answer.stats.get("exchanged_bytes", 0)
