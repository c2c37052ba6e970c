# SPDX-License-Identifier: MIT
"""The local stand-in for Lambda as a process of its own (fleet_tool.c): functions by command, called over HTTP."""

import os
import subprocess
import threading
from pathlib import Path

from .cases import check
from .environment import ROOT

HERE = Path(__file__).resolve().parent
MODULES = ("fleet", "net", "base")


def build_tool(folder):
    named = os.environ.get("PUFFINDB_BUILD")
    builds = [Path(named)] if named else [ROOT / "build" / preset for preset in ("debug", "release")]
    build = next((b for b in builds if (b / "libpuffin_fleet.a").exists()), None)
    check(build, "no libpuffin_fleet.a in build/: run make, or set PUFFINDB_BUILD")
    cache = dict(line.split("=", 1) for line in (build / "CMakeCache.txt").read_text().splitlines()
                 if "=" in line and not line.startswith(("#", "//")))
    sanitize = cache.get("PUFFIN_SANITIZE:STRING", "")
    compiler = next((v for k, v in cache.items() if k.startswith("CMAKE_C_COMPILER:")), "cc")
    prefix = subprocess.run([ROOT / "deps/fetch", "--prefix"], check=True, capture_output=True, text=True).stdout.strip()
    tool = Path(folder) / "fleet_tool"
    command = [compiler, "-std=c11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-g", f"-I{ROOT / 'src'}",
               HERE / "fleet_tool.c", *[build / f"libpuffin_{module}.a" for module in MODULES],
               Path(prefix) / "lib/libyyjson.a", "-lmicrohttpd", "-lcurl", "-lcrypto", "-lm", "-lpthread", "-o", tool]
    if sanitize:
        command.insert(1, f"-fsanitize={sanitize}")
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    check(made.returncode == 0, f"fleet_tool can't be built: {made.stderr}")
    return tool


class LocalFleet:
    """`functions`: name -> (environments at most, working directory, command). What they print goes to `log`."""

    def __init__(self, tool, functions, log, variables=None):
        command = [tool]
        for name, (count, directory, argv) in functions.items():
            command += ["--"] if len(command) > 1 else []
            command += [name, count, log, directory, *argv]
        # A proxy of the outside has nothing to do with a port of this machine.
        environment = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")} | (variables or {})
        self.log = Path(log)
        self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env=environment)
        self.address = self.process.stdout.readline().strip()
        self.urls = {}
        for _ in functions:
            kind, name, address = self.process.stdout.readline().split()
            check(kind == "url", f"fleet_tool printed {kind}")
            self.urls[name] = address
        self.lost = []
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.process.stdout:
            self.lost.append(line.split()[1])

    def close(self):
        self.process.stdin.close()
        check(self.process.wait(20) == 0, f"fleet_tool ended with status {self.process.returncode}")
