# SPDX-License-Identifier: MIT
"""Plain DuckDB over the same Parquet files: what answers are measured against, in rows and in time."""

import json
import re
import struct
import time
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb

# Types whose values Python's own cannot hold in full: they are compared as the text that DuckDB makes of them.
AS_TEXT = re.compile(r"DATE|TIME|INTERVAL|BIT|BIGNUM|GEOMETRY|UUID|ENUM|BLOB")


class Reference:
    """The right answer: columns as (name, DuckDB type), rows of Python values in DuckDB's order, and per row the values
    of the order keys that could be told (None: the statement does not order)."""

    def __init__(self, columns, rows, keys, seconds):
        self.columns, self.rows, self.keys, self.seconds = columns, rows, keys, seconds


class Plain:
    def __init__(self, threads=None):
        self.connection = duckdb.connect(config={"threads": threads} if threads else {})
        self.connection.execute("SET allow_persistent_secrets = false; SET autoinstall_known_extensions = false")

    def define(self, name, files):
        """A view over Parquet files. `name` may have a namespace."""
        schema, _, table = name.rpartition(".")
        if schema:
            self.connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
        listed = ", ".join("'" + str(file).replace("'", "''") + "'" for file in files)
        target = f'"{schema}"."{table}"' if schema else f'"{table}"'
        self.connection.execute(f"CREATE OR REPLACE VIEW {target} AS FROM read_parquet([{listed}])")

    def define_lake(self, folder):
        lake = json.loads((Path(folder) / "lake.json").read_text(encoding="ascii"))
        for table, facts in lake["tables"].items():
            self.define(table, [Path(folder) / file for file in facts["files"]])
        return lake

    def seconds(self, sql):
        """Runs a statement for its time alone."""
        started = time.monotonic()
        self.connection.execute(sql).fetchall()
        return time.monotonic() - started

    def reference(self, sql, is_unlimited=False):
        shape = Shape(self.connection, sql)
        text = shape.unlimited_sql if is_unlimited else sql
        bound = self.connection.sql(text)
        columns = list(zip(bound.columns, bound.types))
        expressions = [f"({key}) AS order_key_{at}" for at, key in enumerate(shape.key_expressions)]
        wrapped = any(is_lossy(kind) for _, kind in columns)
        if wrapped:
            aliases = ", ".join(f"c{at}" for at in range(len(columns)))
            values = [f"CAST(c{at} AS VARCHAR)" if is_lossy(kind) else f"c{at}" for at, (_, kind) in enumerate(columns)]
            text = f"SELECT {', '.join(values)} FROM ({text}\n) AS answer({aliases})"
            expressions = []  # keys by position only
        elif expressions:
            text = f"SELECT *, {', '.join(expressions)} FROM ({text}\n) AS answer"
        started = time.monotonic()
        rows = self.connection.execute(text).fetchall()
        seconds = time.monotonic() - started
        width = len(columns)
        keys = None
        if shape.keys:
            places = [at if at is not None else width + extra for at, extra in shape.keys]
            if wrapped:
                places = [place for place in places if place < width]
            keys = [tuple(row[place] for place in places) for row in rows]
        return Reference(columns, [row[:width] for row in rows], keys, seconds), shape


class Shape:
    """What the top of a statement says about order and number of rows.

    Keys that are neither an output column nor computable from output columns end the list: order is then checked on
    the keys before them, which is all that the output shows."""

    def __init__(self, connection, sql):
        self.has_limit, self.unlimited_sql = False, sql
        self.keys = []  # (output column, None) or (None, index into key_expressions)
        self.key_expressions = []
        (text,) = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchone()
        tree = json.loads(text)
        if tree.get("error") or len(tree["statements"]) != 1:
            return
        node = tree["statements"][0]["node"]
        names = [name.lower() for name in connection.sql(sql).columns]
        for modifier in node.get("modifiers", []):
            if modifier["type"].startswith("LIMIT"):
                self.has_limit = True
            elif modifier["type"] == "ORDER_MODIFIER":
                for order in modifier["orders"]:
                    if not self.add_key(connection, sql, names, order["expression"]):
                        break
        if self.has_limit:
            node["modifiers"] = [m for m in node["modifiers"] if not m["type"].startswith("LIMIT")]
            self.unlimited_sql = deserialized(connection, tree)

    def add_key(self, connection, sql, names, expression):
        kind = expression["class"]
        if kind == "STAR":  # ORDER BY ALL
            self.keys += [(at, None) for at in range(len(names))]
            return True
        if kind == "CONSTANT" and isinstance(expression["value"].get("value"), int):
            self.keys.append((expression["value"]["value"] - 1, None))
            return True
        if kind == "COLUMN_REF":
            name = expression["column_names"][-1].lower()
            if names.count(name) == 1:
                self.keys.append((names.index(name), None))
                return True
            return False
        text = expression_text(connection, expression)
        try:
            connection.sql(f"SELECT *, ({text}) FROM ({sql}\n) AS answer").types
        except duckdb.Error:
            return False
        self.keys.append((None, len(self.key_expressions)))
        self.key_expressions.append(text)
        return True


def deserialized(connection, tree):
    return connection.execute("SELECT json_deserialize_sql(?::JSON)", [json.dumps(tree)]).fetchone()[0]


def expression_text(connection, expression):
    """SQL of an expression of a serialised statement."""
    (text,) = connection.execute("SELECT json_serialize_sql('SELECT 1')").fetchone()
    tree = json.loads(text)
    tree["statements"][0]["node"]["select_list"] = [expression]
    return deserialized(connection, tree).removeprefix("SELECT ")


def is_lossy(kind):
    """Top-level values of such a type are taken as text. Nested ones stay Python's."""
    return not kind_children(kind) and bool(AS_TEXT.match(str(kind)))


def kind_children(kind):
    return kind.children if kind.id in ("list", "array", "struct", "map", "union") else []


def canonical(value, kind):
    """One form for a value out of JSON and out of Python: what two equal values have in common."""
    if value is None:
        return None
    name = kind.id
    if name in ("list", "array"):
        child = kind.children[0][1]
        return [canonical(item, child) for item in value]
    if name == "struct":
        return {field: canonical(value[field], child) for field, child in kind.children} if value else value
    if name == "map":
        key, item = kind.children[0][1], kind.children[1][1]
        return sorted((key_text(canonical(k, key)), canonical(v, item)) for k, v in map_pairs(value))
    if name == "float":  # as many digits as it has
        return struct.unpack("f", struct.pack("f", float(value)))[0]
    if name == "double":
        return float(value)
    if name == "boolean":
        return value if isinstance(value, bool) else str(value)
    if name == "decimal" or "int" in name and name != "interval":
        return Decimal(value) if isinstance(value, (int, Decimal)) and not isinstance(value, bool) else str(value)
    if isinstance(value, bytes):
        return "".join(chr(b) if 32 <= b < 127 and b not in b"\\'\"" else f"\\x{b:02X}" for b in value)
    if isinstance(value, datetime):
        text = value.isoformat(" ")
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, date):
        return value.isoformat()
    return str(value)


def key_text(key):
    """Keys of a map are text in JSON."""
    return str(key).lower() if isinstance(key, bool) else str(key)


def map_pairs(value):
    """A MAP comes as an object, as pairs, or as entries with key and value."""
    if isinstance(value, dict):
        if set(value) == {"key", "value"} and isinstance(value["key"], list):
            return zip(value["key"], value["value"])
        return value.items()
    return [(entry["key"], entry["value"]) if isinstance(entry, dict) else entry for entry in value]
