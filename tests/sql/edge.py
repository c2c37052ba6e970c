# SPDX-License-Identifier: MIT
"""The hand-written queries: edge.sql, over the tables that edge_tables.sql makes."""

import contextlib
import json
import re
import shutil
import tempfile
from pathlib import Path

import duckdb

HERE = Path(__file__).resolve().parent
FILES_A_TABLE = 3


def queries():
    """[(name, SQL)]: each begins with a line `-- name: …`."""
    parts = re.split(r"^-- name: *(\S+) *$", (HERE / "edge.sql").read_text(encoding="utf-8"), flags=re.MULTILINE)
    return [(name, sql.strip().removesuffix(";")) for name, sql in zip(parts[1::2], parts[2::2])]


@contextlib.contextmanager
def tables(script="edge_tables.sql"):
    """A folder like those of tools/make_lake: each table that a script makes in a few Parquet files."""
    folder = Path(tempfile.mkdtemp(prefix="puffindb-edge-"))
    try:
        connection = duckdb.connect()
        connection.execute((HERE / script).read_text(encoding="utf-8"))
        lake = {"tables": {}}
        names = connection.execute("SELECT schema_name, table_name FROM duckdb_tables() ORDER BY ALL").fetchall()
        for schema, table in names:
            name = table if schema == "main" else f"{schema}.{table}"
            lake["tables"][name] = {"files": write_table(connection, f'"{schema}"."{table}"', folder, name)}
        (folder / "lake.json").write_text(json.dumps(lake), encoding="ascii")
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_table(connection, table, folder, name):
    (folder / name).mkdir()
    rows = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
    files, parts = [], min(FILES_A_TABLE, max(rows, 1))
    for part in range(parts):
        first, last = rows * part // parts, rows * (part + 1) // parts
        files.append(f"{name}/{part}.parquet")
        source = f"(FROM {table} WHERE rowid >= {first} AND rowid < {last})"
        # Without Bloom filters, by which DuckDB 1.5 finds no BLOB whose bytes are not ASCII.
        connection.execute(f"COPY {source} TO '{folder}/{files[-1]}' (FORMAT parquet, WRITE_BLOOM_FILTER false)")
    return files
