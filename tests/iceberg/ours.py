# SPDX-License-Identifier: MIT
"""Tables that src/iceberg writes around DuckDB's Parquet files: PyIceberg and DuckDB's iceberg extension read them."""

import decimal
import gzip
import json
import math
import uuid

import duckdb
from harness.cases import check
from harness.environment import extension_path
from pyiceberg.conversions import from_bytes
from pyiceberg.expressions import parser as expressions
from pyiceberg.table import StaticTable

COLUMNS = [
    ("id", "BIGINT", "i::BIGINT"), ("tiny", "TINYINT", "(i % 100)::TINYINT"), ("big", "UINTEGER", "(4000000000 + i)::UINTEGER"),
    ("n", "INTEGER", "CASE WHEN i % 3 = 0 THEN NULL ELSE (i - 50)::INTEGER END"),
    ("f", "FLOAT", "CASE WHEN i % 5 = 0 THEN 'nan'::FLOAT ELSE (i - 50)::FLOAT / 4 END"),
    ("d", "DOUBLE", "(i - 50)::DOUBLE / 8"), ("flag", "BOOLEAN", "i % 2 = 0"),
    ("dec", "DECIMAL(38,4)", "((i - 50) * 12345678901234567890.1234)::DECIMAL(38,4)"),
    ("price", "DECIMAL(9,2)", "((i - 50) / 4)::DECIMAL(9,2)"), ("day", "DATE", "DATE '1970-01-01' + (i - 50)::INTEGER"),
    ("clock", "TIME", "TIME '00:00:01' + INTERVAL (i) MINUTE"),
    ("ts", "TIMESTAMP", "TIMESTAMP '1969-12-01 00:00:00.000001' + INTERVAL (i * 7) HOUR"),
    ("tz", "TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ '1969-12-01 00:00:00+00' + INTERVAL (i * 7) HOUR"),
    ("s", "VARCHAR", "CASE WHEN i % 11 = 0 THEN NULL ELSE repeat('é', (i % 20)::INTEGER) || 'name' || i END"),
    ("top", "VARCHAR", "repeat(chr(1114111), 20) || i"), ("u", "UUID", "('00000000-0000-4000-8000-' || lpad(i::VARCHAR, 12, '0'))::UUID"),
    ("y", "BLOB", "('\\xFF\\x01' || i)::BLOB"), ("long", "BLOB", "repeat('z', 300 + i::INTEGER)::BLOB"),
    ("e", "ENUM('a', 'b)')", "(CASE WHEN i % 2 = 0 THEN 'a' ELSE 'b)' END)::ENUM('a', 'b)')"),
    ("in\"side", 'STRUCT(a INTEGER, "b c" VARCHAR[])', "{'a': i::INTEGER, 'b c': ['x', i::VARCHAR]}"),
    ("by", "MAP(VARCHAR, INTEGER)", "MAP {'k' || i: i::INTEGER}"),
]


class Table:
    """One table in a folder, by descriptions that iceberg_tool understands."""

    def __init__(self, tool, folder, columns, partitions=(), properties=()):
        self.tool, self.folder, self.columns = tool, folder, columns
        (folder / "data").mkdir(parents=True)
        self.session = duckdb.connect()
        self.session.execute("SET TimeZone = 'UTC'")
        lines = [("location", f"file://{folder}"), ("uuid", uuid.uuid4())]
        lines += [("column", name, kind) for name, kind, _ in columns]
        lines += [("partition", *partition) for partition in partitions]
        lines += [("property", *pair) for pair in properties]
        self.path = tool.change("create", uuid.uuid4(), lines=lines)
        self.snapshot_id = 2**62  # above what a double can hold exactly

    def write_file(self, start, count):
        """The lines that describe a file of these rows."""
        dump = self.tool.dump(self.path)
        path = self.folder / "data" / f"{uuid.uuid4()}.parquet"
        select = ", ".join(f'CAST({expression} AS {column[2]}) AS {quote(name)}'
                           for (name, _, expression), column in zip(self.columns, dump["columns"]))
        row = self.session.execute(f"COPY (SELECT {select} FROM range({start}, {start + count}) t(i)) TO '{path}' "
                                   f"(FORMAT parquet, RETURN_STATS, FIELD_IDS {dump['field_ids']})").fetchone()
        lines = [("file", f"file://{path}", row[2], row[1])]
        for name, stats in row[4].items():
            values = [stats.get(key, "-") for key in ("min", "max", "null_count", "num_values", "column_size_bytes", "has_nan")]
            lines.append(("stats", name, *values))
        return lines

    def change(self, verb, lines):
        self.snapshot_id += 1
        self.path = self.tool.change(verb, self.path, self.snapshot_id, uuid.uuid4(), lines=lines)
        return self.snapshot_id

    def rows(self, start, count):
        types = [column[2] for column in self.tool.dump(self.path)["columns"]]
        select = ", ".join(f"CAST({expression} AS {kind})" for (_, _, expression), kind in zip(self.columns, types))
        return fetch(self.session, f"SELECT {select} FROM range({start}, {start + count}) t(i)")

    def pyiceberg(self):
        return StaticTable.from_metadata(self.path)

    def scan_with_duckdb(self, sql="SELECT * FROM t"):
        session = duckdb.connect(config={"allow_unsigned_extensions": "true"})
        session.execute("SET TimeZone = 'UTC'")
        for name in ("avro", "iceberg"):
            session.execute(f"LOAD '{extension_path(name)}'")
        session.execute(f"CREATE VIEW t AS SELECT * FROM iceberg_scan('{self.path}')")
        return fetch(session, sql)


def fetch(session, sql):
    """Through Arrow: plain fetching of times with zone asks for another package."""
    names = [str(k) for k in range(len(session.execute(sql).description))]
    table = session.execute(sql).to_arrow_table().rename_columns(names)
    return [tuple(row[name] for name in names) for row in table.to_pylist()]


def quote(name):
    return '"' + name.replace('"', '""') + '"'


def plain(value):
    """NaN equals itself, nested values and both spellings of maps compare."""
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    if isinstance(value, dict):
        return sorted((plain(k), plain(v)) for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, uuid.UUID) else value


def same_rows(got, expected, who):
    got, expected = sorted(map(repr, map(plain, got))), sorted(map(repr, map(plain, expected)))
    different = next(((g, e) for g, e in zip(got, expected) if g != e), None)
    check(len(got) == len(expected), f"{who}: {len(got)} rows, expected {len(expected)}")
    check(different is None, f"{who}: {different}")


def pyiceberg_rows(table, **arguments):
    rows = table.scan(**arguments).to_arrow().to_pylist()
    return [tuple(uuid.UUID(bytes=v) if k == "u" and isinstance(v, bytes) else v for k, v in row.items()) for row in rows]


def judge_rows(tool, folder):
    table = Table(tool, folder, COLUMNS)
    empty = table.pyiceberg()
    check(empty.current_snapshot() is None and len(empty.schema().fields) == len(COLUMNS), "the empty table")
    first = table.change("append", table.write_file(0, 60))
    table.change("append", table.write_file(60, 40) + table.write_file(100, 40))
    expected = table.rows(0, 140)
    same_rows(pyiceberg_rows(table.pyiceberg()), expected, "PyIceberg")
    same_rows(pyiceberg_rows(table.pyiceberg(), snapshot_id=first), table.rows(0, 60), "PyIceberg, first snapshot")
    same_rows(table.scan_with_duckdb(), expected, "DuckDB")
    summary = table.pyiceberg().current_snapshot().summary
    check(summary["total-records"] == "140" and summary["total-data-files"] == "3", f"summary {summary}")
    check(summary["added-records"] == "80" and summary.operation.value == "append", f"summary {summary}")


def judge_bounds(tool, folder):
    """Statistics enclose the rows, and PyIceberg decodes them."""
    table = Table(tool, folder, COLUMNS)
    table.change("append", table.write_file(10, 50))
    task = next(iter(table.pyiceberg().scan().plan_files()))
    schema = table.pyiceberg().schema()
    decoded = {}
    for name in ("id", "tiny", "big", "n", "d", "dec", "price", "day", "ts", "tz", "s", "u", "flag", "clock"):
        field = schema.find_field(name)
        decoded[name] = [from_bytes(field.field_type, bounds[field.field_id]) if field.field_id in bounds else None
                         for bounds in (task.file.lower_bounds, task.file.upper_bounds)]
    check(decoded["id"] == [10, 59] and decoded["n"] == [-40, 9], f"integers {decoded}")
    check(decoded["big"] == [4000000010, 4000000059] and decoded["d"] == [-5.0, 1.125], f"numbers {decoded}")
    check(decoded["price"] == [decimal.Decimal("-10.00"), decimal.Decimal("2.25")], f"decimals {decoded}")
    check(decoded["day"] == [-40, 9] and decoded["flag"] == [False, True], f"days {decoded}")
    check(decoded["s"][0] == "name20"[:6] or decoded["s"][0] <= "name59", f"text {decoded['s']}")
    check(decoded["s"][1] == "é" * 15 + "ê", f"text is cut to 16 characters and rounded up: {decoded['s']}")
    fields = {name: schema.find_field(name).field_id for name, _, _ in COLUMNS}
    check(fields["top"] not in task.file.upper_bounds, "no upper bound above the last character")
    check(fields["f"] not in task.file.nan_value_counts, "an unknown number of NaN is not written")
    check(task.file.nan_value_counts[fields["d"]] == 0, "no NaN is written as 0")
    check(task.file.null_value_counts[fields["n"]] == 16, f"nulls {task.file.null_value_counts[fields['n']]}")
    long_upper = task.file.upper_bounds[fields["long"]]
    check(long_upper == b"z" * 15 + b"{", f"long bytes {long_upper}")
    inner = schema.find_field("in\"side.a").field_id
    check(task.file.lower_bounds[inner] == (10).to_bytes(4, "little"), "bounds inside structs")


def judge_pruning(tool, folder):
    table = Table(tool, folder, COLUMNS)
    for start in range(0, 100, 20):
        table.change("append", table.write_file(start, 20))
    for expression, count in (("id = 45", 1), ("id < 20", 1), ("day >= '1970-01-10'", 3), ("s = 'nowhere'", None),
                              ("price > '5.00'", 2), ("ts < '1969-12-03T00:00:00'", 1), ("n is null", 5)):
        files = list(table.pyiceberg().scan(expressions.parse(expression)).plan_files())
        check(count is None or len(files) == count, f"{expression}: {len(files)} files, expected {count}")
    for where in ("id = 45", "s = 'name100'", "price > 5.0", "tz < '1969-12-03 00:00:00+00'", "top > 'a'", "\"long\" > 'a'::BLOB", "d > 3", "y > '\\xFF'::BLOB"):
        sql = f'SELECT count(*) FROM t WHERE {where}'
        expected = table.session.execute("SELECT count(*) FROM read_parquet(?) WHERE " + where,
                                         [str(folder / "data" / "*.parquet")]).fetchone()
        check(table.scan_with_duckdb(sql)[0] == expected, f"{where}: {table.scan_with_duckdb(sql)} {expected}")


# Source, transform, the constant's SQL type, its text for block k of ten rows.
PARTITIONS = [
    ("part_i", "n", "identity", "INTEGER", lambda k: str(k - 3)), ("part_s", "s", "truncate[2]", "VARCHAR", lambda k: f"éa{k}"),
    ("part b", "s", "bucket[7]", "VARCHAR", lambda k: f"éa{k}"),
    ("part_day", "ts", "day", "TIMESTAMP", lambda k: f"1970-01-0{k + 1} 10:00:00"),
    ("part_tz", "tz", "hour", "TIMESTAMP WITH TIME ZONE", lambda k: f"1969-12-3{k % 2} 10:00:00+00"),
    ("part_price", "price", "identity", "DECIMAL(9,2)", lambda k: f"-{k}.25"),
    ("part_u", "u", "identity", "UUID", lambda k: f"00000000-0000-4000-8000-00000000000{k}"),
    ("part_date", "day", "identity", "DATE", lambda k: f"1969-12-3{k % 2}"), ("part_flag", "flag", "identity", "BOOLEAN", lambda k: "true"),
    ("part_d", "d", "identity", "DOUBLE", lambda k: f"{k}.5"),
]


def partitioned_columns():
    text = {name: (kind, text) for _, name, _, kind, text in PARTITIONS}
    columns = []
    for name, kind, expression in COLUMNS[:16]:
        if name in text:
            expression = f"CASE i // 10 {' '.join(f'WHEN {k} THEN {sql(text[name][1](k))}' for k in range(4))} END::{kind}"
        columns.append((name, kind, expression))
    return columns


def sql(text):
    return "'" + text.replace("'", "''") + "'"


def judge_partitions(tool, folder):
    columns = partitioned_columns()
    table = Table(tool, folder, columns, [partition[:3] for partition in PARTITIONS])
    lines = []
    for k in range(4):
        lines += table.write_file(k * 10, 10)
        lines += [("cell", kind, text(k)) for _, _, _, kind, text in PARTITIONS]
    table.change("append", lines)
    lines = table.write_file(90, 5) + [("null",)] * len(PARTITIONS)
    table.change("append", lines)
    expected = table.rows(0, 40) + table.rows(90, 5)
    same_rows(pyiceberg_rows(table.pyiceberg()), expected, "PyIceberg")
    same_rows(table.scan_with_duckdb(), expected, "DuckDB")
    for expression, files in (("n = -2", 1), ("s = 'éa2'", 1), ("ts < '1970-01-02T00:00:00'", 1), ("price = '-3.25'", 1),
                              ("n is null", 1), ("d > 1.0", 3)):
        found = len(list(table.pyiceberg().scan(expressions.parse(expression)).plan_files()))
        check(found == files, f"{expression}: {found} files, expected {files}")
    check(table.scan_with_duckdb("SELECT count(*) FROM t WHERE s = 'éa2'") == [(10,)], "DuckDB by text partition")
    tasks = list(table.pyiceberg().scan().plan_files())
    check(len({repr(task.file.partition) for task in tasks}) == 5, "partitions")
    kept = [file for file in tool.dump(table.path, "where", "s", "=", "VARCHAR", "éa2")["files"] if file["kept"]]
    check(len(kept) == 1, f"our own pruning keeps {len(kept)}")
    our_path = table.path
    summary = table.pyiceberg().current_snapshot().summary
    check(summary["changed-partition-count"] == "1", f"changed partitions at {our_path}: {summary}")


def judge_replace(tool, folder):
    table = Table(tool, folder, COLUMNS)
    table.change("append", table.write_file(0, 30))
    second = table.change("append", table.write_file(30, 30))
    table.change("replace", table.write_file(200, 10))
    same_rows(pyiceberg_rows(table.pyiceberg()), table.rows(200, 10), "PyIceberg")
    same_rows(pyiceberg_rows(table.pyiceberg(), snapshot_id=second), table.rows(0, 60), "PyIceberg, before")
    same_rows(table.scan_with_duckdb(), table.rows(200, 10), "DuckDB")
    summary = table.pyiceberg().current_snapshot().summary
    check(summary.operation.value == "overwrite" and summary["deleted-records"] == "60", f"summary {summary}")
    check(summary["total-records"] == "10" and summary["deleted-data-files"] == "2", f"summary {summary}")
    entries = [entry for manifest in table.pyiceberg().current_snapshot().manifests(table.pyiceberg().io)
               for entry in manifest.fetch_manifest_entry(table.pyiceberg().io, discard_deleted=False)]
    deleted = [entry for entry in entries if entry.status == 2]
    check(len(deleted) == 2 and {e.sequence_number for e in deleted} == {1, 2}, "deleted entries keep sequence numbers")
    check({e.snapshot_id for e in deleted} == {table.snapshot_id}, "deleted entries name the deleting snapshot")
    table.change("replace", [])
    check(pyiceberg_rows(table.pyiceberg()) == [] and table.scan_with_duckdb() == [], "everything is deleted")
    table.change("append", table.write_file(0, 5))
    same_rows(table.scan_with_duckdb(), table.rows(0, 5), "DuckDB, append after delete")


def judge_mixed_writers(tool, folder):
    """PyIceberg appends to our table, then we to its."""
    from foreign import open_catalog
    table = Table(tool, folder / "t", COLUMNS[:1] + COLUMNS[3:6])
    table.change("append", table.write_file(0, 10))
    catalog = open_catalog(folder)
    theirs = catalog.register_table("n.mixed", table.path)
    theirs.append(theirs.scan().to_arrow())
    table.path = theirs.metadata_location
    table.change("append", table.write_file(10, 10))
    expected = table.rows(0, 10) * 2 + table.rows(10, 10)
    same_rows(pyiceberg_rows(table.pyiceberg()), expected, "PyIceberg")
    same_rows(table.scan_with_duckdb(), expected, "DuckDB")
    check(table.path.rsplit("/", 1)[1].startswith("00003-"), f"the number goes on: {table.path}")
    log = [entry.metadata_file for entry in table.pyiceberg().metadata.metadata_log]
    check(len(log) == 3, f"metadata log {log}")


def judge_metadata_text(tool, folder):
    """Integers stay integers, gzip is read, unknown keys of the summary stay."""
    table = Table(tool, folder, COLUMNS[:1], properties=[("a \"quoted\" key", "ü \\ \u2028")])
    table.change("append", table.write_file(0, 1))
    text = open(table.path.removeprefix("file://"), encoding="utf-8").read()
    check(f'"current-snapshot-id":{table.snapshot_id},' in text, "the snapshot id is exact")
    parsed = json.loads(text)
    check(parsed["properties"] == {"a \"quoted\" key": "ü \\ \u2028"}, f"properties {parsed['properties']}")
    check(parsed["snapshots"][0]["summary"]["engine-name"] == "puffindb", "summary")
    packed = folder / "metadata" / "00009-x.gz.metadata.json"
    packed.write_bytes(gzip.compress(text.encode()))
    check(tool.dump(packed)["snapshot"] == table.snapshot_id, "gzipped metadata")


def judge(cases, tool, folder):
    for name, action in (("rows", judge_rows), ("bounds", judge_bounds), ("pruning", judge_pruning),
                         ("partitions", judge_partitions), ("replace", judge_replace),
                         ("mixed writers", judge_mixed_writers), ("metadata text", judge_metadata_text)):
        cases.run(f"ours {name}", action, tool, folder / name.replace(" ", "_"))
