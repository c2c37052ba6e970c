# SPDX-License-Identifier: MIT
"""Builds iceberg_tool against the libraries of the build under test, and calls it."""

import json
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
    found = [folder for folder in found if (folder / "libpuffin_iceberg.a").exists()]
    if not found:
        raise Problem("no libpuffin_iceberg.a in build/: run make, or set PUFFINDB_BUILD")
    return found[0]


class Tool:
    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="iceberg_tool_")
        self.path = Path(self.folder.name) / "iceberg_tool"
        build = build_folder()
        cache = dict(line.split("=", 1) for line in (build / "CMakeCache.txt").read_text().splitlines()
                     if "=" in line and not line.startswith(("#", "//")))
        sanitize = cache.get("PUFFIN_SANITIZE:STRING", "")
        compiler = next((v for k, v in cache.items() if k.startswith("CMAKE_C_COMPILER:")), "cc")
        prefix = subprocess.run([ROOT / "deps/fetch", "--prefix"], check=True, capture_output=True, text=True)
        libraries = [build / f"libpuffin_{module}.a" for module in ("iceberg", "plan", "base")]
        command = [compiler, "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-g", f"-I{ROOT / 'src'}",
                   f"-I{prefix.stdout.strip()}/include", HERE / "iceberg_tool.c", *libraries,
                   Path(prefix.stdout.strip()) / "lib/libyyjson.a",
                   "-ldeflate", "-lzstd", "-lsnappy", "-lm", "-lpthread", "-o", self.path]
        if sanitize:
            command.insert(1, f"-fsanitize={sanitize}")
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        if made.returncode:
            raise Problem(f"iceberg_tool can't be built: {made.stderr}")

    def run(self, *arguments, text=""):
        made = subprocess.run([self.path, *map(str, arguments)], input=text, capture_output=True, text=True, check=False)
        if made.returncode not in (0, 3) or made.stderr:
            raise Problem(f"iceberg_tool {arguments[0]}: exit {made.returncode}: {made.stderr[-2000:]}")
        return made.stdout

    def dump(self, metadata, *arguments):
        return json.loads(self.run("dump", metadata, *arguments))

    def change(self, verb, *arguments, lines=()):
        """create, append, replace: the path of the new metadata file."""
        output = self.run(verb, *arguments, text="".join("\t".join(map(str, line)) + "\n" for line in lines)).strip()
        if output.startswith("{"):
            raise Problem(output)
        return output
