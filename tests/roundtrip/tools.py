# SPDX-License-Identifier: MIT
"""Builds planner_tool and record_plans against the build under test, and calls them."""

import os
import subprocess
import tempfile
from pathlib import Path

from harness.cases import Problem
from harness.environment import ROOT

HERE = Path(__file__).resolve().parent


def build_folder():
    named = os.environ.get("PUFFINDB_BUILD")
    found = [Path(named)] if named else [ROOT / "build" / preset for preset in ("debug", "release")]
    found = [folder for folder in found if (folder / "libpuffin_planner.a").exists()]
    if not found:
        raise Problem("no libpuffin_planner.a in build/: run make, or set PUFFINDB_BUILD")
    return found[0]


class Tools:
    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="planner_tool_")
        build = build_folder()
        cache = dict(line.split("=", 1) for line in (build / "CMakeCache.txt").read_text().splitlines()
                     if "=" in line and not line.startswith(("#", "//")))
        self.compiler = next((v for k, v in cache.items() if k.startswith("CMAKE_C_COMPILER:")), "cc")
        sanitize = cache.get("PUFFIN_SANITIZE:STRING", "")
        made = subprocess.run([ROOT / "deps/fetch", "--prefix"], check=True, capture_output=True, text=True)
        prefix = Path(made.stdout.strip())
        libraries = [build / f"libpuffin_{module}.a" for module in ("planner", "plan", "base")]
        self.planner = self._build("planner_tool", [f"-I{ROOT / 'src'}", f"-I{prefix / 'include'}"],
                                   [*libraries, prefix / "lib/libyyjson.a", "-lpthread", "-lm",
                                    *([f"-fsanitize={sanitize}"] if sanitize else [])])
        self.recorder = self._build("record_plans", [f"-I{prefix / 'include'}"],
                                    [f"-L{prefix / 'lib'}", "-lduckdb", f"-Wl,-rpath,{prefix / 'lib'}"])
        self.optimizers = subprocess.run([self.planner, "optimizers"], check=True, capture_output=True, text=True).stdout

    def _build(self, name, before, after):
        path = Path(self.folder.name) / name
        made = subprocess.run([self.compiler, "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-g", *before,
                               HERE / f"{name}.c", *after, "-o", path], capture_output=True, text=True, check=False)
        if made.returncode:
            raise Problem(f"{name} can't be built: {made.stderr}")
        return path

    def record(self, schema, facts, folder, queries):
        """Writes folder/NAME.json and .explain for each query file; returns what DuckDB said about those it can't."""
        made = subprocess.run([self.recorder, schema, facts, self.optimizers, folder, *queries], capture_output=True,
                              text=True, check=False)
        if made.returncode or made.stderr:
            raise Problem(f"record_plans: exit {made.returncode}: {made.stderr[-2000:]}")
        return made.stdout

    def _command(self, verb, folder, name, facts, options):
        return [self.planner, verb, folder / f"{name}.json", folder / f"{name}.explain", facts, *options]

    def ask(self, verb, folder, name, facts, options=()):
        made = subprocess.run(self._command(verb, folder, name, facts, options), capture_output=True, text=True,
                              check=False)
        if made.returncode or made.stderr:
            raise Problem(f"planner_tool {verb}: {made.stdout[:500]}{made.stderr[-2000:]}")
        return made.stdout

    def start(self, folder, name, facts, options):
        return subprocess.Popen(self._command("run", folder, name, facts, options), stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, text=True)
