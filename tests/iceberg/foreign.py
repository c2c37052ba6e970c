# SPDX-License-Identifier: MIT
"""Tables that PyIceberg wrote: what we read of them is what PyIceberg and DuckDB read."""

import datetime
import decimal
import uuid
from functools import partial

import duckdb
import pyarrow as pa
from harness.cases import Problem, check
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.expressions import parser as expressions
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import (BucketTransform, DayTransform, HourTransform, MonthTransform, TruncateTransform,
                                  YearTransform, parse_transform)
from pyiceberg.types import (BinaryType, BooleanType, DateType, DecimalType, DoubleType, FixedType, FloatType,
                             IntegerType, ListType, LongType, MapType, NestedField, StringType, StructType,
                             TimestampType, TimestamptzType, TimeType, UUIDType)

UTC = datetime.timezone.utc


def transform_array(transform, source, array):
    """PyIceberg transforms columns with a package that we do without; its own functions do it value by value."""
    function = transform.transform(source)
    array = array.storage if isinstance(array, pa.ExtensionArray) else array
    if isinstance(array, pa.ChunkedArray):
        array = pa.concat_arrays([part.storage if isinstance(part, pa.ExtensionArray) else part for part in array.chunks])
    values = [None if value is None else function(value) for value in array.to_pylist()]
    return pa.array(values, array.type if isinstance(transform, TruncateTransform) else pa.int32())


for kind in (BucketTransform, DayTransform, HourTransform, MonthTransform, TruncateTransform, YearTransform):
    kind.pyarrow_transform = lambda self, source: partial(transform_array, self, source)


def open_catalog(folder):
    folder.mkdir(parents=True, exist_ok=True)
    catalog = SqlCatalog("test", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}/warehouse")
    catalog.create_namespace("n")
    return catalog


def wide_schema():
    types = [("b", BooleanType()), ("i", IntegerType()), ("l", LongType()), ("f", FloatType()), ("d", DoubleType()),
             ("dec", DecimalType(38, 4)), ("small", DecimalType(7, 2)), ("day", DateType()), ("clock", TimeType()),
             ("ts", TimestampType()), ("tz", TimestamptzType()), ("s", StringType()), ("u", UUIDType()),
             ("x", FixedType(3)), ("y", BinaryType())]
    return Schema(*[NestedField(k + 1, name, kind, required=False) for k, (name, kind) in enumerate(types)])


def wide_rows(start, count):
    """Values on both sides of zero, text beyond ASCII, nulls and NaN."""
    day = datetime.date(1970, 1, 1)
    rows = []
    for k in range(start, start + count):
        moment = datetime.datetime(1969, 12, 1) + datetime.timedelta(hours=7 * k, microseconds=k)
        rows.append({
            "b": None if k % 7 == 0 else k % 2 == 0, "i": k - 50, "l": (k - 50) * 10**12,
            "f": float("nan") if k % 31 == 5 else (k - 50) / 4, "d": -0.0 if k == 50 else (k - 50) / 8,
            "dec": decimal.Decimal(k - 50) * decimal.Decimal("123456789012345678901234567890.1234"),
            "small": decimal.Decimal(k - 50) / 4, "day": day + datetime.timedelta(days=k - 50),
            "clock": datetime.time(k % 24, k % 60, 1, k), "ts": moment, "tz": moment.replace(tzinfo=UTC),
            "s": None if k % 11 == 0 else f"{'é' * (k % 20)}name{k:04}", "u": uuid.UUID(int=(k * 2**120) % 2**128).bytes,
            "x": bytes([k % 256, 255 - k % 256, 1]), "y": bytes([255] * (k % 20)) + bytes([k % 256])})
    return rows


def arrow_table(schema, rows):
    return pa.Table.from_pylist(rows, schema=schema.as_arrow())


def compare_files(tool, table):
    """Every live entry, with its statistics, as PyIceberg decodes it."""
    ours = {file["path"]: file for file in tool.dump(table.metadata_location)["files"] if file["status"] != 2}
    theirs = {}
    for manifest in table.current_snapshot().manifests(table.io):
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
            theirs[entry.data_file.file_path] = (entry, manifest)
    check(ours.keys() == theirs.keys(), f"{len(ours)} files, PyIceberg has {len(theirs)}")
    for path, (entry, manifest) in theirs.items():
        mine, file = ours[path], entry.data_file
        check(mine["records"] == file.record_count and mine["size"] == file.file_size_in_bytes, "counts differ")
        check(mine["sequence_number"] == entry.sequence_number, f"sequence number {mine['sequence_number']}")
        check(mine["snapshot_id"] == entry.snapshot_id, f"snapshot {mine['snapshot_id']}")
        check(mine["spec_id"] == manifest.partition_spec_id, f"spec {mine['spec_id']}")
        maps = {"size": file.column_sizes, "values": file.value_counts, "nulls": file.null_value_counts,
                "nans": file.nan_value_counts}
        for name, counts in maps.items():
            got = {int(k): v[name] for k, v in mine["columns"].items() if v[name] >= 0}
            check(got == dict(counts or {}), f"{name} of {path}: {got}, PyIceberg {counts}")
        for name, bounds in (("lower", file.lower_bounds), ("upper", file.upper_bounds)):
            got = {int(k): bytes.fromhex(v[name]) for k, v in mine["columns"].items() if v[name] is not None}
            check(got == dict(bounds or {}), f"{name} bounds of {path} differ")
    return len(ours)


# Column, kind, DuckDB type, text of the constant, and the same for PyIceberg (None: it can't express it).
PREDICATES = [
    ("i", "=", "INTEGER", "-20", "i = -20"), ("i", "<", "INTEGER", "-45", "i < -45"),
    ("i", ">", "INTEGER", "130", "i > 130"), ("l", ">=", "BIGINT", "140000000000000", "l >= 140000000000000"),
    ("l", "!=", "BIGINT", "0", "l != 0"), ("d", "<=", "DOUBLE", "-6.0", "d <= -6.0"),
    ("d", "=", "DOUBLE", "0.0", None), ("f", ">", "FLOAT", "36.0", None), ("f", "<", "FLOAT", "-12.0", None),
    ("dec", "<", "DECIMAL(38,4)", "-5555555555555555555555555555555.0000", None),
    ("small", ">", "DECIMAL(7,2)", "35.25", None), ("day", "=", "DATE", "1970-01-15", "day = '1970-01-15'"),
    ("day", "<", "DATE", "1969-11-20", "day < '1969-11-20'"), ("day", ">=", "DATE", "1970-05-01", None),
    ("ts", "<", "TIMESTAMP", "1969-12-02 00:00:00", "ts < '1969-12-02T00:00:00'"),
    ("ts", ">", "TIMESTAMP", "1970-01-27 10:30:00.5", "ts > '1970-01-27T10:30:00.5'"),
    ("tz", "<=", "TIMESTAMP WITH TIME ZONE", "1969-12-02 02:00:00+02", "tz <= '1969-12-02T00:00:00+00:00'"),
    ("s", "=", "VARCHAR", "name0100", "s = 'name0100'"), ("s", "<", "VARCHAR", "name", "s < 'name'"),
    ("s", ">", "VARCHAR", "é" * 19 + "name", None), ("s", ">=", "VARCHAR", "zzz", "s >= 'zzz'"),
    ("u", "=", "UUID", "64000000-0000-0000-0000-000000000000", None), ("b", "=", "BOOLEAN", "true", None),
    ("clock", "<", "TIME", "00:00:02", None), ("y", "=", "BLOB", "\\x03", None), ("i", "null", "", "", "i is null"),
    ("s", "null", "", "", "s is null"), ("b", "not-null", "", "", "b is not null"),
]


def judge_pruning(tool, table):
    """No file that holds a row is skipped; and what PyIceberg skips, we skip."""
    session = duckdb.connect()
    skipped = 0
    for column, kind, sql_type, text, expression in PREDICATES:
        dump = tool.dump(table.metadata_location, "where", column, kind, sql_type, text)
        test = {"null": "IS NULL", "not-null": "IS NOT NULL"}.get(kind) or f"{kind} '{text}'::{sql_type}"
        kept = {file["path"] for file in dump["files"] if file["kept"]}
        for file in dump["files"]:
            path = file["path"].removeprefix("file://")
            rows = session.execute(f"SELECT count(*) FROM read_parquet('{path}') WHERE \"{column}\" {test}").fetchone()[0]
            check(not rows or file["path"] in kept, f"{column} {test}: {rows} rows in a file that was skipped")
            skipped += file["path"] not in kept
        if expression:
            theirs = {task.file.file_path for task in table.scan(expressions.parse(expression)).plan_files()}
            check(kept <= theirs or column in ("f", "d"), f"{column} {test}: {len(kept)} kept, PyIceberg {len(theirs)}")
    return skipped


def wide_table(catalog, name, partitions, properties=None):
    schema = wide_schema()
    fields = [PartitionField(schema.find_field(column).field_id, 1000 + k, parse_transform(transform), f"p{k}")
              for k, (column, transform) in enumerate(partitions)]
    table = catalog.create_table(f"n.{name}", schema, partition_spec=PartitionSpec(*fields), properties=properties or {})
    for start in range(1, 200, 40):
        table.append(arrow_table(schema, wide_rows(start, 12)))
    return table


PARTITIONS = {
    "plain": [], "identity": [("b", "identity")], "text": [("s", "truncate[3]")],
    "buckets": [("i", "bucket[4]"), ("s", "bucket[3]")], "decimals": [("small", "bucket[5]"), ("dec", "bucket[3]")],
    "times": [("ts", "month"), ("day", "year")], "days": [("tz", "day")], "hours": [("ts", "hour")],
    "numbers": [("i", "truncate[10]"), ("l", "truncate[100]")], "binary": [("u", "bucket[4]"), ("y", "bucket[4]")],
    "decimal_identity": [("small", "identity"), ("b", "identity")], "void": [("i", "void"), ("b", "identity")],
}


def judge_wide(tool, catalog, name):
    table = wide_table(catalog, name, PARTITIONS[name])
    files = compare_files(tool, table)
    skipped = judge_pruning(tool, table)
    return f"{files} files, {skipped} skipped by {len(PREDICATES)} predicates"


def judge_codecs(tool, catalog):
    for codec in ("null", "gzip", "zstd"):
        table = wide_table(catalog, f"codec_{codec}", [], {"write.avro.compression-codec": codec})
        compare_files(tool, table)


def judge_snapshots(tool, catalog):
    table = wide_table(catalog, "snapshots", [])
    schema = table.schema()
    for position, snapshot in enumerate(table.metadata.snapshots):
        dump = tool.dump(table.metadata_location, "snapshot", snapshot.snapshot_id)
        check(sum(file["records"] for file in dump["files"]) == 12 * (position + 1), f"rows at {position}")
    table.overwrite(arrow_table(schema, wide_rows(0, 5)))
    compare_files(tool, table)
    table.delete("i < -48")
    compare_files(tool, table)


def nested_schema():
    point = StructType(NestedField(11, "x", IntegerType()), NestedField(12, "y", StringType()))
    return Schema(NestedField(1, "id", LongType(), required=True), NestedField(2, "point", point),
                  NestedField(3, "tags", ListType(13, StringType())), NestedField(4, "by", MapType(14, StringType(), 15, point)))


def judge_nested(tool, catalog):
    table = catalog.create_table("n.nested", nested_schema())
    row = {"id": 1, "point": {"x": 1, "y": "q"}, "tags": ["a", "b"], "by": {"k": {"x": 2, "y": "r"}}}
    table.append(arrow_table(table.schema(), [row]))
    compare_files(tool, table)
    dump = tool.dump(table.metadata_location)
    types = [column[2] for column in dump["columns"]]
    point = 'STRUCT("x" INTEGER, "y" VARCHAR)'
    check(types == ["BIGINT", point, "VARCHAR[]", f"MAP(VARCHAR, {point})"], f"types {types}")
    check(dump["by_name"], "an unchanged schema is read by name")
    with table.update_schema() as update:
        update.add_column("more", IntegerType())
        update.rename_column("tags", "labels")
    table.append(arrow_table(table.schema(), [{"id": 2, "point": None, "labels": ["c"], "by": {}, "more": 3}]))
    dump = tool.dump(table.metadata_location)
    point = row["point"]
    expected = sorted([(1, point, ["a", "b"], row["by"], None), (2, None, ["c"], {}, 3)], key=repr)
    got = scan_with_mapping(dump)
    check(not dump["by_name"] and got == expected, f"rows of before and after: {got}")
    with table.update_schema() as update:
        update.rename_column("point.x", "z")
    check(tool.dump(table.metadata_location)["by_file"], "files are asked for changed nested columns")


def scan_with_mapping(dump):
    paths = [file["path"].removeprefix("file://") for file in dump["files"]]
    names = ", ".join(f'"{column[1]}"' for column in dump["columns"])
    mapping = "" if dump["by_name"] else f", schema := {dump['mapping']}"
    session = duckdb.connect()
    return sorted(session.execute(f"SELECT {names} FROM read_parquet({paths}{mapping})").fetchall(), key=repr)


def judge_evolution(tool, catalog):
    """Renamed, dropped, added, promoted, dropped and added again under the same name."""
    schema = Schema(NestedField(1, "a", IntegerType()), NestedField(2, "b", StringType()),
                    NestedField(3, "c", FloatType()), NestedField(4, "d", DecimalType(5, 2)))
    table = catalog.create_table("n.evolved", schema)
    table.append(arrow_table(schema, [{"a": 1, "b": "x", "c": 1.5, "d": decimal.Decimal("1.25")}]))
    check(tool.dump(table.metadata_location)["by_name"], "an unchanged schema is read by name")
    with table.update_schema() as update:
        update.rename_column("a", "b2")
        update.update_column("c", DoubleType())
        update.update_column("d", DecimalType(9, 2))
        update.delete_column("b")
    with table.update_schema() as update:
        update.update_column("b2", LongType())
        update.add_column("b", IntegerType())
        update.rename_column("b2", "it's")
    table.append(arrow_table(table.schema(), [{"it's": 2**40, "c": 0.1, "d": decimal.Decimal("1234567.25"), "b": 7}]))
    dump = tool.dump(table.metadata_location)
    check(not dump["by_name"] and dump["mapping_code"] == "OK", f"mapping {dump['mapping_code']}")
    names = [column[1] for column in dump["columns"]]
    theirs = sorted((tuple(row[name] for name in names) for row in table.scan().to_arrow().to_pylist()), key=repr)
    ours = scan_with_mapping(dump)
    check(ours == theirs, f"{ours}, PyIceberg {theirs}")
    compare_files(tool, table)
    old = tool.dump(table.metadata_location, "snapshot", table.metadata.snapshots[0].snapshot_id)
    check([column[1] for column in old["columns"]] == ["a", "b", "c", "d"], "the old snapshot has the old schema")
    check(scan_with_mapping(old) == [(1, "x", 1.5, decimal.Decimal("1.25"))], "rows of the old snapshot")


def judge_names(tool, catalog):
    """Names that PyIceberg changes in its Parquet files."""
    schema = Schema(NestedField(1, "a b", IntegerType()), NestedField(2, "1st", StringType()),
                    NestedField(3, "größe", IntegerType()), NestedField(4, "a_x20c", IntegerType()))
    table = catalog.create_table("n.names", schema)
    table.append(arrow_table(table.schema(), [{"a b": 1, "1st": "x", "größe": 2, "a_x20c": None}]))
    got = scan_with_mapping(tool.dump(table.metadata_location))
    check(got == [(1, "x", 2, None)], f"{got}")


def judge_spec_evolution(tool, catalog):
    schema = wide_schema()
    table = catalog.create_table("n.specs", schema)
    table.append(arrow_table(schema, wide_rows(1, 30)))
    with table.update_spec() as update:
        update.add_field("i", parse_transform("bucket[4]"), "i_bucket")
    table.append(arrow_table(schema, wide_rows(31, 30)))
    with table.update_spec() as update:
        update.remove_field("i_bucket")
        update.add_field("day", parse_transform("month"), "day_month")
    table.append(arrow_table(schema, wide_rows(61, 30)))
    compare_files(tool, table)
    return f"{judge_pruning(tool, table)} skipped"


def judge(cases, tool, folder):
    catalog = open_catalog(folder)
    for name in PARTITIONS:
        cases.run(f"foreign {name}", judge_wide, tool, catalog, name)
    cases.run("foreign codecs", judge_codecs, tool, catalog)
    cases.run("foreign snapshots", judge_snapshots, tool, catalog)
    cases.run("foreign nested", judge_nested, tool, catalog)
    cases.run("foreign names", judge_names, tool, catalog)
    cases.run("foreign evolution", judge_evolution, tool, catalog)
    cases.run("foreign spec evolution", judge_spec_evolution, tool, catalog)
