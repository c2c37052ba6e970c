# SPDX-License-Identifier: MIT
"""Counting: each case prints one line when it ends, the closing line is what tests/run reads."""

import time
import traceback


class Cases:
    def __init__(self, chosen=None):
        """`chosen`: substrings of the names of cases to run; empty for all."""
        self.chosen = chosen or []
        self.passed = self.failed = self.skipped = 0

    def record(self, name, problem, note="", seconds=None):
        """One case, already done. `problem` is None when it went well."""
        took = f" ({seconds:.2f} s)" if seconds is not None else ""
        if problem is None:
            self.passed += 1
            print(f"ok   {name}{': ' + note if note else ''}{took}", flush=True)
        else:
            self.failed += 1
            print(f"FAIL {name}: {problem}{took}", flush=True)

    def record_many(self, name, count, seconds):
        """So many that went well, in one line."""
        self.passed += count
        print(f"ok   {name}: {count} queries ({seconds:.2f} s)", flush=True)

    def skip(self, text):
        self.skipped += 1
        print(f"skip {text}", flush=True)

    def wants(self, name):
        return not self.chosen or any(part in name for part in self.chosen)

    def run(self, name, action, *arguments):
        """Runs a case; an exception is its failure, a returned text its note."""
        if not self.wants(name):
            return
        started = time.monotonic()
        try:
            note = action(*arguments)
        except Skip as skip:
            self.skip(f"{name}: {skip}")
        except Exception as failure:  # pylint: disable=broad-except
            text = str(failure) or type(failure).__name__
            if not isinstance(failure, (AssertionError, Problem)):
                text += "\n" + traceback.format_exc(limit=-3)
            self.record(name, text, seconds=time.monotonic() - started)
        else:
            self.record(name, None, note or "", time.monotonic() - started)

    def close(self):
        """Prints the closing line; the exit status."""
        if self.skipped:
            print(f"{self.skipped} skipped")
        if not self.passed and not self.failed:
            print("no case was run")
            self.failed = 1
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        return 1 if self.failed else 0


class Skip(Exception):
    """The case can't be tried on this machine; the text says why."""


class Problem(Exception):
    """An expected kind of failure: its text is enough, no trace."""


def check(condition, text):
    if not condition:
        raise Problem(text)
