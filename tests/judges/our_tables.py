# SPDX-License-Identifier: MIT
"""Tables that we wrote, read by others."""

import json
from pathlib import Path

import duckdb
import pyarrow
from harness.cases import Skip, check
from harness.environment import extension_path
from harness.objects import S3Path, let_duckdb_read, static_table


def judge_lake(cases, stack, folder):
    """Loads every table of a folder and shows it to both readers."""
    lake = json.loads((folder / "lake.json").read_text(encoding="ascii"))
    for name, facts in lake["tables"].items():
        files = [str(folder / file) for file in facts["files"]]

        def load(name=name, files=files):
            stack.load(name, *files)

        cases.run(f"load {name}", load)
        for reader in (read_by_pyiceberg, read_by_duckdb):
            cases.run(f"{reader.__name__} {name}", has_equal_rows, reader, stack, name, files)
        cases.run(f"statistics {name}", statistics_are_right, stack, name, files)


def judge_snapshots(cases, stack, folder):
    """A table that grew: each of its snapshots is readable."""
    files = sorted(str(file) for file in (folder / "orders").glob("*.parquet"))

    def grow():
        for file in files:
            stack.load("grown", file)

    cases.run("load grown, one commit a file", grow)
    cases.run("read_by_pyiceberg grown", has_equal_rows, read_by_pyiceberg, stack, "grown", files)
    cases.run("read_by_duckdb grown", has_equal_rows, read_by_duckdb, stack, "grown", files)
    cases.run("snapshots of grown", snapshots_are_readable, stack, "grown", files)


def judge_pruning(cases, stack):
    """Filters that PyIceberg answers with the help of our statistics: wrong bounds would lose rows."""
    filters = [
        ("lineitem", "l_shipdate < '1993-01-01'"),
        ("lineitem", "l_extendedprice > 90000 and l_quantity <= 10"),
        ("lineitem", "l_shipmode = 'RAIL'"),
        ("orders", "o_orderkey = 7"),
        ("orders", "o_orderdate >= '1998-08-01'"),
        ("nulls", "amount is null"),
        ("nulls", "name = 'text 3'"),
        ("nulls", "nothing is not null"),
        ("times", "d < '1970-01-01'"),
        ("texts", "s = '🦆'"),
        ("texts", "s like 'long%'"),
        ("decimals", "medium < 0"),
        ("integers", "big = -9223372036854775808"),
        ("floats", "x > 1"),
        ("floats", "x < 0"),
        ("doubles", "x > 1000000"),
        ("skewed", "key = 19500"),
    ]
    for table, text in filters:
        cases.run(f"pruning {table} {text}", filter_finds_all, stack, table, text)


# ---- where a table is ----


def metadata_path(stack, name):
    """The newest metadata file of a table, as any other reader finds it."""
    files = stack.paths(f"{stack.table_key(name)}/metadata/*.metadata.json")
    check(files, f"no metadata of {name}")

    def age(path):
        metadata = json.loads(path.read_text(encoding="utf-8"))
        return (
            metadata["last-updated-ms"],
            metadata.get("last-sequence-number", 0),
            len(metadata.get("metadata-log", [])),
        )

    return max(files, key=age)


# ---- readers: metadata file -> DuckDB relation ----


def read_by_pyiceberg(connection, metadata, snapshot=None):
    table = static_table(metadata)
    return connection.from_arrow(table.scan(snapshot_id=snapshot).to_arrow())


def read_by_duckdb(connection, metadata, snapshot=None):
    for extension in ("avro", "iceberg"):
        connection.execute(f"LOAD '{extension_path(extension)}'")
    let_duckdb_read(connection)
    version = f", snapshot_from_id := {snapshot}::UBIGINT" if snapshot else ""
    return connection.sql(f"FROM iceberg_scan('{metadata}'{version})")


def source_of(connection, files):
    return connection.sql(f"FROM read_parquet({files})")


def has_equal_rows(reader, stack, name, files):
    connection = duckdb.connect()
    expected = source_of(connection, files)
    found = reader(connection, metadata_path(stack, name))
    if reader is read_by_pyiceberg:
        expected, found = without_null_lists(expected), without_null_lists(found)
    return compare_relations(connection, expected, found)


def without_null_lists(relation):
    """PyIceberg 0.12 reads NULL in a list of structs as an empty list, from anybody's files."""
    columns = []
    for name, kind in zip(relation.columns, relation.types):
        quoted = '"' + name.replace('"', '""') + '"'
        is_meant = str(kind).startswith("STRUCT(") and str(kind).endswith(")[]")
        columns.append(f"coalesce({quoted}, []) AS {quoted}" if is_meant else quoted)
    return relation.project(", ".join(columns))


def compare_relations(connection, expected, found):
    shape = [(name, str(kind)) for name, kind in zip(expected.columns, expected.types)]
    found_shape = [(name, str(kind)) for name, kind in zip(found.columns, found.types)]
    check(found_shape == shape, f"columns {found_shape}, expected {shape}")
    connection.register("expected", expected)
    connection.register("found", found)
    missing = connection.sql("FROM expected EXCEPT ALL FROM found").fetchall()
    extra = connection.sql("FROM found EXCEPT ALL FROM expected").fetchall()
    check(not missing and not extra, f"{len(missing)} rows missing {missing[:2]}, {len(extra)} too many {extra[:2]}")
    return f"{connection.sql('SELECT count(*) FROM expected').fetchone()[0]} rows"


# ---- snapshots, statistics, pruning ----


def snapshots_are_readable(stack, name, files):
    metadata = metadata_path(stack, name)
    snapshots = static_table(metadata).snapshots()
    check(len(snapshots) == len(files), f"{len(snapshots)} snapshots after {len(files)} loads")
    snapshots.sort(key=lambda snapshot: snapshot.sequence_number)
    for at, snapshot in enumerate(snapshots):
        for reader in (read_by_pyiceberg, read_by_duckdb):
            connection = duckdb.connect()
            expected = source_of(connection, files[: at + 1])
            compare_relations(connection, expected, reader(connection, metadata, snapshot.snapshot_id))
        total = int(snapshot.summary["total-records"])
        check(total == len(source_of(duckdb.connect(), files[: at + 1])), f"total-records of snapshot {at}: {total}")
    return f"{len(snapshots)} snapshots"


def statistics_are_right(stack, name, files):
    """Counts and bounds in the manifests against the data files themselves."""
    entries = file_entries(static_table(metadata_path(stack, name)))
    connection = duckdb.connect()
    let_duckdb_read(connection)
    rows, columns = 0, 0
    for entry in entries:
        path = entry["file_path"].removeprefix("file://")
        check(size_of(path) == entry["file_size_in_bytes"], f"file_size_in_bytes of {path}")
        (count,) = connection.sql(f"SELECT count(*) FROM read_parquet('{path}')").fetchone()
        check(count == entry["record_count"], f"record_count of {path}: {entry['record_count']}, has {count}")
        rows += count
        for column, metrics in (entry.get("readable_metrics") or {}).items():
            columns += check_metrics(connection, path, column, metrics)
    expected = len(source_of(connection, files))
    check(rows == expected, f"{rows} rows in the manifests, {expected} in the source")
    return f"{len(entries)} files, {columns} columns with statistics"


def size_of(path):
    return S3Path(path).size() if path.startswith("s3://") else Path(path).stat().st_size


def file_entries(table):
    try:
        return table.inspect.files().to_pylist()
    except pyarrow.ArrowInvalid:  # what PyIceberg makes of a table without manifests
        return []
    except pyarrow.ArrowNotImplementedError:
        raise Skip("PyIceberg can't show the statistics of a UUID") from None


def check_metrics(connection, path, column, metrics):
    """Bounds may be wider than the values, never narrower."""
    if "." in column or metrics.get("value_count") is None:
        return 0
    quoted = '"' + column.replace('"', '""') + '"'
    source = f"FROM read_parquet('{path}')"
    if column not in connection.sql(source).columns:  # the writer had to spell it otherwise
        return 0
    kind = str(connection.sql(f"SELECT {quoted} {source}").types[0])
    nan = f"isnan({quoted})" if kind in ("FLOAT", "DOUBLE") else "false"
    counts = f"SELECT count(*) FILTER ({quoted} IS NULL), count(*) FILTER ({nan}) {source}"
    nulls, nans = connection.sql(counts).fetchone()
    for name, counted in (("null_value_count", nulls), ("nan_value_count", nans)):
        if metrics[name] is not None:
            check(metrics[name] == counted, f"{column}: {name} is {metrics[name]}, there are {counted}")
    for bound, sign in (("lower_bound", "<"), ("upper_bound", ">")):
        if metrics[bound] is None:
            continue
        (outside,) = connection.execute(
            f"SELECT count(*) {source} WHERE {quoted} {sign} ? AND NOT {nan}", [metrics[bound]]
        ).fetchone()
        check(not outside, f"{column}: {outside} values beyond its {bound} {metrics[bound]!r}")
    return 1


def filter_finds_all(stack, name, text):
    """PyIceberg's row_filter prunes files by our bounds; the same filter over all rows is what it must find."""
    table = static_table(metadata_path(stack, name))
    found = table.scan(row_filter=text.replace(" like ", " LIKE ")).to_arrow().num_rows
    everything = duckdb.connect().from_arrow(table.scan().to_arrow())
    expected = len(everything.filter(text + (" AND NOT isnan(x)" if name == "floats" else "")))
    check(found == expected, f"{found} rows, expected {expected}")
    return f"{found} rows"
