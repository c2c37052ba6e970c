# SPDX-License-Identifier: MIT
"""Where things are, and the interpreter that has the test packages."""

import os
import socket
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
EXTENSIONS = ("avro", "httpfs", "iceberg", "quack", "tpcds", "tpch")


def use_test_python():
    """Starts this script again under the interpreter of deps/python/test.txt, unless it runs there already."""
    python = os.environ.get("PUFFINDB_TEST_PYTHON")
    if not python:
        made = subprocess.run([ROOT / "deps/fetch", "--python", "test"], stdout=subprocess.PIPE, text=True, check=False)
        if made.returncode:
            sys.exit(f"{Path(sys.argv[0]).name}: the Python environment of the tests can't be made, see above")
        python = os.environ["PUFFINDB_TEST_PYTHON"] = made.stdout.strip()
    if Path(sys.prefix) != Path(python).parent.parent:
        os.execv(python, [python, *sys.argv])


def binary():
    """The program under test: PUFFINDB_BIN, else the newest that was built."""
    named = os.environ.get("PUFFINDB_BIN")
    built = [Path(named)] if named else [ROOT / "build" / preset / "bin/puffindb" for preset in ("release", "debug")]
    found = [path for path in built if os.access(path, os.X_OK)]
    if not found:
        sys.exit(f"no program at {' or '.join(map(str, built))}: run make, or set PUFFINDB_BIN")
    return max(found, key=lambda path: path.stat().st_mtime)


def is_sanitized():
    """Debug builds run several times slower: limits are wider for them."""
    return "release" not in str(binary())


def test_program(name):
    """A command that came with the test packages, such as tpchgen-cli."""
    return Path(sys.prefix) / "bin" / name


def extension_path(name):
    """The file of an official DuckDB extension, from its wheel."""
    folder = Path(sysconfig.get_paths()["purelib"]) / f"duckdb_extension_{name}" / "extensions"
    return next(folder.glob(f"v*/{name}.duckdb_extension"))


def data_cache():
    """Generated data is kept here between runs."""
    named = os.environ.get("PUFFINDB_DATA_CACHE")
    return Path(named) if named else Path.home() / ".cache/puffindb/data"


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def is_long():
    return os.environ.get("PUFFINDB_TEST_LONG") == "1"
