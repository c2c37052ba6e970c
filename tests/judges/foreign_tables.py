# SPDX-License-Identifier: MIT
"""Tables that PyIceberg wrote, read by us. Each is made inside a catalog of PyIceberg's own, then registered."""

import datetime
import json
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
from harness.cases import Problem, Skip, check
from harness.objects import iceberg_properties
from harness.plain import canonical
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.exceptions import NotInstalledError
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import BucketTransform, IdentityTransform, MonthTransform, TruncateTransform
from pyiceberg.types import (
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    IntegerType,
    ListType,
    LongType,
    MapType,
    NestedField,
    StringType,
    StructType,
    TimestampType,
)

ROWS = 1000
EVENTS = Schema(
    NestedField(1, "id", LongType(), required=True),
    NestedField(2, "day", DateType()),
    NestedField(3, "value", DoubleType()),
    NestedField(4, "name", StringType()),
    NestedField(5, "price", DecimalType(12, 2)),
    NestedField(6, "at", TimestampType()),
    NestedField(7, "flag", BooleanType()),
    NestedField(8, "small", IntegerType()),
)
NESTED = Schema(
    NestedField(1, "id", LongType()),
    NestedField(2, "tags", ListType(3, StringType(), element_required=False)),
    NestedField(
        4,
        "place",
        StructType(
            NestedField(5, "city", StringType()),
            NestedField(6, "zip", ListType(7, IntegerType(), element_required=False)),
        ),
    ),
    NestedField(8, "counts", MapType(9, StringType(), 10, LongType(), value_required=False)),
)


def event_rows(first, count):
    days = [datetime.date(2024, 1 + at % 12, 1 + at % 28) for at in range(first, first + count)]
    return pa.table(
        {
            "id": pa.array(range(first, first + count), pa.int64()),
            "day": pa.array([None if at % 17 == 0 else day for at, day in enumerate(days)], pa.date32()),
            "value": pa.array([at * 0.5 for at in range(count)], pa.float64()),
            "name": pa.array([f"näme {at % 9}" for at in range(count)]),
            "price": pa.array([Decimal(at) / 4 for at in range(count)], pa.decimal128(12, 2)),
            "at": pa.array([datetime.datetime(1969, 12, 31, 23, at % 60) for at in range(count)], pa.timestamp("us")),
            "flag": pa.array([at % 3 == 0 for at in range(count)]),
            "small": pa.array([None if at % 11 == 0 else at % 100 for at in range(count)], pa.int32()),
        },
        schema=EVENTS.as_arrow(),
    )


def nested_rows(schema):
    return pa.table(
        {
            "id": list(range(60)),
            "tags": [None if at % 4 == 0 else [f"t{at % 5}", None, "🦆"][: at % 4] for at in range(60)],
            "place": [None if at % 7 == 0 else {"city": f"city {at % 3}", "zip": [at, None]} for at in range(60)],
            "counts": [None if at % 5 == 0 else [("a", at), ("b", None)] for at in range(60)],
        },
        schema=schema,
    )


# ---- tables ----


def make_partitioned(catalog):
    spec = PartitionSpec(
        PartitionField(2, 1000, MonthTransform(), "day_month"), PartitionField(1, 1001, BucketTransform(4), "id_bucket")
    )
    table = catalog.create_table("judge.partitioned", EVENTS, partition_spec=spec)
    table.append(event_rows(0, ROWS))
    table.append(event_rows(ROWS, ROWS))
    return table


def make_identity(catalog):
    spec = PartitionSpec(
        PartitionField(4, 1000, IdentityTransform(), "name"), PartitionField(7, 1001, IdentityTransform(), "flag")
    )
    table = catalog.create_table("judge.identity", EVENTS, partition_spec=spec)
    table.append(event_rows(0, 200))
    return table


def make_truncated(catalog):
    spec = PartitionSpec(PartitionField(4, 1000, TruncateTransform(6), "name_6"))
    table = catalog.create_table("judge.truncated", EVENTS, partition_spec=spec)
    table.append(event_rows(0, 200))
    return table


def make_nested(catalog):
    table = catalog.create_table("judge.nested", NESTED)
    table.append(nested_rows(table.schema().as_arrow()))
    return table


def make_evolved(catalog):
    """Columns added, renamed, dropped, widened and moved between appends: files are read by field id."""
    table = catalog.create_table("judge.evolved", EVENTS)
    table.append(event_rows(0, 300))
    with table.update_schema() as update:
        update.rename_column("name", "label")
        update.add_column("more", StringType())
        update.delete_column("flag")
        update.update_column("small", field_type=LongType())
        update.move_first("price")
    rows = (
        event_rows(300, 300)
        .drop_columns(["flag"])
        .rename_columns(["id", "day", "value", "label", "price", "at", "small"])
    )
    rows = rows.append_column("more", pa.array([f"m{at}" for at in range(300)]))
    table.append(rows.select(table.schema().column_names).cast(table.schema().as_arrow()))
    with table.update_schema() as update:
        update.rename_column("value", "name")  # a name that another column had before
    return table


def make_respecified(catalog):
    table = catalog.create_table("judge.respecified", EVENTS)
    table.append(event_rows(0, 300))
    with table.update_spec() as update:
        update.add_field("day", MonthTransform(), "by_month")
    table.append(event_rows(300, 300))
    with table.update_spec() as update:
        update.remove_field("by_month")
        update.add_field("id", BucketTransform(3), "by_id")
    table.append(event_rows(600, 300))
    return table


def make_changed(catalog):
    """Copy-on-write delete and overwrite: entries of earlier snapshots are gone."""
    table = catalog.create_table("judge.changed", EVENTS)
    table.append(event_rows(0, 500))
    table.append(event_rows(500, 500))
    table.delete("id < 100")
    table.overwrite(event_rows(2000, 50), overwrite_filter="id >= 900")
    return table


def make_version_1(catalog):
    table = catalog.create_table("judge.version_1", EVENTS, properties={"format-version": "1"})
    table.append(event_rows(0, 100))
    return table


def make_without_rows(catalog):
    return catalog.create_table("judge.without_rows", EVENTS)


def make_compressed(catalog):
    properties = {"write.parquet.compression-codec": "gzip", "write.metadata.compression-codec": "gzip"}
    table = catalog.create_table("judge.compressed", EVENTS, properties=properties)
    table.append(event_rows(0, 100))
    return table


MAKERS = [
    make_partitioned,
    make_identity,
    make_truncated,
    make_nested,
    make_evolved,
    make_respecified,
    make_changed,
    make_version_1,
    make_without_rows,
    make_compressed,
]
FILTERS = {
    "partitioned": ["day = DATE '2024-03-05'", "id = 77", "day IS NULL", "price BETWEEN 10 AND 20", "name = 'näme 4'"],
    "identity": ["name = 'näme 4'", "name > 'näme 6'"],
    "truncated": ["name = 'näme 4'"],
    "evolved": ["small > 90", "more = 'm7'", "more IS NULL", "label = 'näme 1'", "name = 10.5"],
    "respecified": ["day = DATE '2024-03-05'", "id IN (5, 305, 605)"],
    "changed": ["id < 101", "id > 890"],
}


def judge(cases, stack):
    warehouse = f"{stack.store_url}/foreign"
    if isinstance(stack.path("foreign"), Path):
        stack.path("foreign").mkdir(parents=True, exist_ok=True)
    database = f"sqlite:///{stack.folder}/judge.sqlite"
    catalog = SqlCatalog("judge", uri=database, warehouse=warehouse, **iceberg_properties())
    catalog.create_namespace("judge")
    for maker in MAKERS:
        name = maker.__name__.removeprefix("make_")
        skipped = cases.skipped
        cases.run(f"pyiceberg writes {name}", write, stack, catalog, maker)
        if cases.skipped > skipped:
            continue
        cases.run(f"we read {name}", we_read, stack, catalog, name)
        for text in FILTERS.get(name, []):
            cases.run(f"we read {name} where {text}", we_read, stack, catalog, name, text)


def write(stack, catalog, maker):
    try:
        table = maker(catalog)
    except NotInstalledError as missing:
        raise Skip(f"the Python environment lacks a part of PyIceberg: {missing}") from None
    return register(stack, table)


def register(stack, table):
    """By the command line; where that has no such option, by the pointer that names a table's metadata."""
    name, location = table.name()[-1], table.metadata_location
    _, help_text = stack.run("help", "load")
    if "--register" in help_text:
        status, output = stack.run("load", "--register", f"judge.{name}", location)
        check(status == 0, f"puffindb load --register: status {status}: {output}")
        return location.rpartition("/")[2]
    pointer = stack.path(f"{stack.table_key(f'judge.{name}')}/metadata/pointer.json")
    if isinstance(pointer, Path):
        pointer.parent.mkdir(parents=True, exist_ok=True)
    text = {"format-version": 1, "table-uuid": str(table.metadata.table_uuid), "metadata-location": location}
    pointer.write_text(json.dumps(text), encoding="utf-8")
    return f"{location.rpartition('/')[2]}, pointer written by hand"


def we_read(stack, catalog, name, text="TRUE"):
    """All routes; rows as PyIceberg reads them."""
    connection = duckdb.connect()
    expected = connection.from_arrow(catalog.load_table(f"judge.{name}").scan().to_arrow()).filter(text)
    kinds = expected.types
    rows = sorted(
        (json.dumps([canonical(v, k) for v, k in zip(row, kinds)], default=str) for row in expected.fetchall())
    )
    for route in ("local", "fleet"):
        answer = stack.query(f"SELECT * FROM judge.{name} WHERE {text}", route)
        columns = [column for column, _ in answer.columns]
        check(columns == expected.columns, f"{route}: columns {columns}, expected {expected.columns}")
        found = sorted(json.dumps([canonical(v, k) for v, k in zip(row, kinds)], default=str) for row in answer.rows)
        check(len(found) == len(rows), f"{route}: {len(found)} rows, expected {len(rows)}")
        for one, other in zip(found, rows):
            if one != other:
                raise Problem(f"{route}: row {one}, expected {other}")
    return f"{len(rows)} rows"
