# SPDX-License-Identifier: MIT
"""Which engines stand beside ours, and how to get them into the cache. Nothing of this is part of the product."""

import importlib.machinery
import importlib.util
import json
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


@dataclass(frozen=True)
class Peer:
    """`environment`: deps/python/<environment>.txt. `archive`: of lock.json. `is_distributed`: its data travels between
    workers, as ours does. `largest`: the largest scale factor it is asked for by default."""

    name: str
    title: str
    how: str
    environment: str
    archive: str = ""
    is_distributed: bool = False


PEERS = {
    peer.name: peer
    for peer in (
        Peer("duckdb", "DuckDB 1.5.5", "in process, 2 threads", "test"),
        Peer("polars", "Polars 2.1.0", "in process, SQL, streaming engine", "peer-polars"),
        Peer("datafusion", "DataFusion 55.0.0", "in process, 2 partitions", "peer-datafusion"),
        Peer("daft", "Daft 0.7.26", "native runner", "peer-daft"),
        Peer("sail", "Sail 0.7.2", "local-cluster, 2 workers", "peer-sail", "pyspark-client", True),
        Peer("trino", "Trino 476", "one server, Hive connector", "peer-trino", "trino-server", True),
        Peer("spark", "Spark 4.3.0", "local[2], 8 shuffle partitions", "peer-spark", "pyspark", True),
    )
}

# What Trino loads of its plugins: the others cost start time and a gigabyte of disk.
TRINO_PLUGINS = ("hive", "memory", "tpch")


def load_fetch():
    """The functions of deps/fetch: one cache, one way to check what was downloaded."""
    path = str(ROOT / "deps/fetch")
    loader = importlib.machinery.SourceFileLoader("deps_fetch", path)
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("deps_fetch", loader))
    loader.exec_module(module)
    module.DOWNLOADERS["maven"] = download_maven
    return module


def download_maven(package, directory):
    """By Maven, with a repository of its own that goes away: what it fetches for itself is of no use afterwards."""
    group, name, kind = package["package"].split(":")
    kept = directory / "repository"
    fetch = load_fetch()
    artifact = f"{group}:{name}:{package['version']}:{kind}"
    fetch.run(
        ["mvn", "-q", "-B", "dependency:copy", f"-Dartifact={artifact}", f"-DoutputDirectory={directory}"]
        + [f"-Dmaven.repo.local={kept}"],
        f"Maven artifact {artifact}",
        cwd=directory,
    )
    shutil.rmtree(kept)


def locked(name):
    packages = json.loads((HERE / "lock.json").read_text(encoding="utf-8"))["packages"]
    return next(package for package in packages if package["name"] == name)


def wanted_of_trino(member):
    """Where a file of Trino's archive goes; None for what is left out."""
    _, _, path = member.partition("/")
    parts = path.split("/")
    is_plugin = parts[0] == "plugin" and parts[1] in TRINO_PLUGINS
    return path if parts[0] == "lib" or is_plugin or path.startswith("bin/linux-") else None


def wanted_of_pyspark(member):
    """The package as its own setup.py would lay it out: Spark's jars and scripts inside it."""
    _, _, path = member.partition("/")
    for source, target in (("pyspark/", "pyspark/"), ("deps/jars/", "pyspark/jars/"), ("deps/bin/", "pyspark/bin/")):
        if path.startswith(source):
            return target + path[len(source) :]
    return None


WANTED = {"trino-server": wanted_of_trino, "pyspark": wanted_of_pyspark, "pyspark-client": wanted_of_pyspark}


def unpacked(name):
    """The folder of an archive, unpacked once. Links stay links: Trino's plugins share their jars that way."""
    fetch = load_fetch()
    package = locked(name)
    target = fetch.CACHE / f"peer-{name}-{package['version']}-{package['sha256'][:16]}"
    if target.is_dir():
        return target
    with fetch.locked(f"peer-{name}"):
        if target.is_dir():
            return target
        archive = fetch.archive_of(package)
        with fetch.made_whole(target) as directory:
            unpack(archive, directory, WANTED[name])
        archive.unlink()  # the folder is enough; the archives weigh a gigabyte
    return target


def unpack(archive, directory, wanted):
    with tarfile.open(archive) as tar:
        for member in tar:
            path = wanted(member.name) if member.isfile() or member.islnk() or member.issym() else None
            if not path:
                continue
            target = directory / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if member.islnk():
                linked = wanted(member.linkname)
                source = directory / linked if linked else None
                if source and source.exists():
                    target.hardlink_to(source)
                    continue
            with tar.extractfile(member) as source, open(target, "wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)
            target.chmod(0o755 if member.mode & 0o100 else 0o644)


def python_of(peer):
    """The interpreter of its environment, made if it is not there: by deps/fetch as a program, since the interpreter that
    runs it decides which one the environment gets."""
    command = [ROOT / "deps/fetch", "--python", peer.environment]
    made = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if made.returncode:
        raise RuntimeError(made.stderr.strip())
    return Path(made.stdout.strip())


def install(peer):
    """(interpreter, folder of its archive or None)"""
    return python_of(peer), unpacked(peer.archive) if peer.archive else None


def can_install(peer):
    """None, or why not, in one line."""
    try:
        install(peer)
    except Exception as failure:  # a peer that is not to be had is a row of the table, whatever the reason
        return str(failure).strip().splitlines()[-1][:200]
    return None
