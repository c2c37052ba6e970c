# SPDX-License-Identifier: MIT
"""Worlds: a small database, queries on it, and the plans of the queries."""

import importlib
import math
from pathlib import Path

import duckdb

HERE = Path(__file__).resolve().parent


class World:
    """Tables in `file`, query texts in `queries` by name, plans in `plans`/NAME.json, facts for the planner."""

    def __init__(self, name, folder, tools):
        self.name, self.folder, self.tools = name, Path(folder) / name, tools
        self.plans = self.folder / "plans"
        self.plans.mkdir(parents=True)
        self.file, self.facts = self.folder / "data.db", self.folder / "facts"
        self.queries, self.wanted, self.said = {}, {}, ""

    def finish(self, connection):
        """From a connection that has made the tables in `file`: schema, facts, plans."""
        tables = connection.execute("SELECT table_name, sql FROM duckdb_tables() WHERE database_name = 'w'").fetchall()
        schema = self.folder / "schema.sql"
        schema.write_text("\n".join(sql for _, sql in tables))
        with self.facts.open("w") as out:
            for table, _ in tables:
                rows = connection.execute(f"SELECT count(*) FROM w.main.{table}").fetchone()[0]
                out.write(f"main.{table}@1 {rows} {rows * 100} 3\n")
        files = []
        for name, sql in self.queries.items():
            files.append(self.folder / f"{name}.sql")
            files[-1].write_text(sql)
        connection.execute("DETACH w")
        self.said = self.tools.record(schema, self.facts, self.plans, files)
        self.connection = duckdb.connect()
        self.connection.execute(f"SET threads = 1; ATTACH '{self.file}' AS w (READ_ONLY); USE w")

    def rows(self, sql):
        """Normalised and sorted rows, and their types."""
        cursor = self.connection.execute(sql)
        types = [str(column[1]) for column in cursor.description]
        return sorted((tuple(map(normal, row)) for row in cursor.fetchall()), key=sort_key), types

    def want(self, name):
        if name not in self.wanted:
            self.wanted[name] = self.rows(self.queries[name])
        return self.wanted[name]


def normal(value):
    if isinstance(value, float):
        return "nan" if math.isnan(value) else float(f"{value:.9g}")
    if isinstance(value, (list, tuple)):
        return tuple(map(normal, value))
    if isinstance(value, dict):
        return tuple((key, normal(item)) for key, item in value.items())
    return value


def sort_key(row):
    return tuple((value is None, type(value).__name__, str(value)) for value in row)


def benchmark_world(extension, folder, tools, scale):
    world = World(extension, folder, tools)
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    package = Path(importlib.import_module(f"duckdb_extension_{extension}").__file__).parent
    connection.execute(f"LOAD '{next(package.rglob('*.duckdb_extension*'))}'")
    connection.execute(f"ATTACH '{world.file}' AS w; USE w")
    connection.execute(f"CALL {'dbgen' if extension == 'tpch' else 'dsdgen'}(sf = {scale})")
    for number, sql in connection.execute(f"SELECT query_nr, query FROM {extension}_queries()").fetchall():
        world.queries[f"q{number:02}"] = sql.strip().rstrip(";")
    connection.execute("USE memory")
    world.finish(connection)
    return world


def features_world(folder, tools):
    world = World("features", folder, tools)
    connection = duckdb.connect()
    connection.execute(f"ATTACH '{world.file}' AS w; USE w")
    connection.execute((HERE / "features_data.sql").read_text())
    lines = [line for line in (HERE / "features.sql").read_text().splitlines() if line and not line.startswith("--")]
    for number, sql in enumerate(lines, 1):
        world.queries[f"{number:03}"] = sql
    connection.execute("USE memory")
    world.finish(connection)
    return world
