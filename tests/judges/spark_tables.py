#SPDX - License - Identifier : MIT
"""Writes Iceberg tables with Spark, and beside them what Spark reads of every snapshot: run by the Python that has pyspark.

  spark_tables.py FOLDER JAR      FOLDER/warehouse/t/<table>, FOLDER/expected.json"""

import json
import sys
from pathlib import Path

from pyspark.sql import SparkSession

FOLDER, JAR = Path(sys.argv[1]), sys.argv[2]

spark = (SparkSession.builder.master("local[2]").config("spark.jars", JAR).config("spark.ui.enabled", "false")
         .config("spark.driver.memory", "1500m").config("spark.driver.host", "127.0.0.1")
         .config("spark.driver.bindAddress", "127.0.0.1").config("spark.sql.session.timeZone", "UTC")
         .config("spark.sql.extensions", "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions")
         .config("spark.sql.catalog.ice", "org.apache.iceberg.spark.SparkCatalog")
         .config("spark.sql.catalog.ice.type", "hadoop").config("spark.sql.catalog.ice.warehouse", f"{FOLDER}/warehouse")
         .config("spark.sql.shuffle.partitions", "2").config("spark.driver.extraJavaOptions", "-Duser.timezone=UTC")
         .getOrCreate())
spark.sparkContext.setLogLevel("ERROR")
ERRORS = {}


def sql(text):
    return spark.sql(text)


def create(name, columns, partition="", version=2, mode="merge-on-read", **properties):
    properties = {"format-version": version, "write.delete.mode": mode, "write.update.mode": mode,
                  "write.merge.mode": mode, **{key.replace("_", "."): value for key, value in properties.items()}}
    listed = ", ".join(f"'{key}'='{value}'" for key, value in properties.items())
    sql(f"CREATE TABLE ice.t.{name} ({columns}) USING iceberg {partition} TBLPROPERTIES ({listed})")
    return f"ice.t.{name}"


def change_rows(table):
    """Deletes, updates and merges; some in several partitions, some in one, some that hit deleted rows again."""
    sql(f"DELETE FROM {table} WHERE id % 10 = 3")
    sql(f"UPDATE {table} SET s = 'u' WHERE id % 10 = 4")
    sql(f"""MERGE INTO {table} t USING (SELECT id, 'm' AS s FROM range(990, 1010)) x ON t.id = x.id
            WHEN MATCHED THEN UPDATE SET s = x.s
            WHEN NOT MATCHED THEN INSERT (id, d, v, s) VALUES (x.id, DATE '2024-05-01', 0, x.s)""")
    sql(f"DELETE FROM {table} WHERE id % 10 IN (4, 5) AND id < 500")


def rows(name, version, mode, partition="PARTITIONED BY (days(d), bucket(4, id))", **properties):
    table = create(name, "id BIGINT, d DATE, v DOUBLE, s STRING", partition, version, mode, **properties)
    for part in range(2):
        sql(f"""INSERT INTO {table} SELECT id, date_add(DATE '2024-01-01', CAST(id % 3 AS INT)), id * 0.5, concat('s', id)
                FROM range({part * 500}, {part * 500 + 500})""")
    change_rows(table)


def evolved(name, version):
    """Columns come, go, change place, name and type, at every depth; the partitioning changes as well."""
    table = create(name, """id INT, gone STRING, f FLOAT, dec DECIMAL(9,2),
                            p STRUCT<x: INT, y: STRING>, l ARRAY<STRUCT<a: INT, b: INT>>,
                            m MAP<STRING, STRUCT<k: INT, w: FLOAT>>""", "PARTITIONED BY (bucket(2, id))", version)
    value = """named_struct('x', CAST(id AS INT), 'y', concat('y', id)),
               array(named_struct('a', CAST(id AS INT), 'b', 2), named_struct('a', NULL, 'b', CAST(id AS INT))),
               map('k', named_struct('k', CAST(id AS INT), 'w', CAST(id AS FLOAT)))"""
    sql(f"INSERT INTO {table} SELECT CAST(id AS INT), 'g', CAST(id AS FLOAT), CAST(id AS DECIMAL(9,2)), {value} FROM range(50)")
    sql(f"INSERT INTO {table} VALUES (50, NULL, NULL, NULL, NULL, NULL, NULL), "
        "(51, 'g', 1, 2, named_struct('x', NULL, 'y', NULL), array(), map())")
    for change in ("DROP COLUMN gone", "ALTER COLUMN id TYPE BIGINT", "ALTER COLUMN f TYPE DOUBLE",
                   "ALTER COLUMN dec TYPE DECIMAL(18,2)", "ALTER COLUMN p.x TYPE BIGINT", "RENAME COLUMN p.y TO z",
                   "ADD COLUMN p.added STRING FIRST", "ADD COLUMN l.element.c STRING", "RENAME COLUMN l.element.a TO aa",
                   "DROP COLUMN l.element.b", "ALTER COLUMN m.value.w TYPE DOUBLE", "ADD COLUMN m.value.n BIGINT",
                   "RENAME COLUMN f TO g", "ADD COLUMN gone INT AFTER id", "ALTER COLUMN dec FIRST"):
        sql(f"ALTER TABLE {table} {change}")
    sql(f"""INSERT INTO {table} SELECT CAST(id AS DECIMAL(18,2)), id, 7, id * 1.5D,
            named_struct('added', 'a', 'x', id, 'z', 'z'),
            array(named_struct('aa', 1, 'c', 'c')), map('j', named_struct('k', 1, 'w', 2.5D, 'n', id))
            FROM range(100, 150)""")
    sql(f"ALTER TABLE {table} REPLACE PARTITION FIELD bucket(2, id) WITH truncate(10, id)")
    sql(f"ALTER TABLE {table} ADD PARTITION FIELD gone")
    sql(f"DELETE FROM {table} WHERE id % 7 = 1")
    sql(f"INSERT INTO {table} SELECT 1, id, NULL, 1, NULL, NULL, NULL FROM range(200, 220)")
    sql(f"DELETE FROM {table} WHERE id % 10 = 2")


def transforms():
    table = create("transforms", "id BIGINT, ts TIMESTAMP, n TIMESTAMP_NTZ, s STRING, b BINARY, dec DECIMAL(9,2)",
                   "PARTITIONED BY (years(ts), truncate(2, s), bucket(3, dec))")
    sql(f"""INSERT INTO {table} SELECT id, timestamp_seconds(id * 3000000 - 20000000),
            CAST(timestamp_seconds(id * 1000) AS TIMESTAMP_NTZ), concat('ä', id % 5, 'z'), CAST(concat('b', id) AS BINARY),
            CAST(id - 20 AS DECIMAL(9,2)) FROM range(60)""")
    for change in ("years(ts) WITH months(ts)", "months(ts) WITH days(n)", "ts_day_none"):
        if "WITH" in change:
            sql(f"ALTER TABLE {table} REPLACE PARTITION FIELD {change}")
            sql(f"""INSERT INTO {table} SELECT id, timestamp_seconds(id * 3000), CAST(timestamp_seconds(-id * 90000) AS
                    TIMESTAMP_NTZ), NULL, NULL, NULL FROM range(100, 120)""")
    sql(f"ALTER TABLE {table} ADD PARTITION FIELD hours(ts)")
    sql(f"INSERT INTO {table} VALUES (500, NULL, NULL, NULL, NULL, NULL)")
    sql(f"DELETE FROM {table} WHERE id % 10 = 0")


def references():
    table = create("refs", "id BIGINT, s STRING")
    sql(f"INSERT INTO {table} VALUES (1, 'one'), (2, 'two')")
    sql(f"ALTER TABLE {table} CREATE TAG first")
    sql(f"ALTER TABLE {table} CREATE BRANCH side")
    sql(f"INSERT INTO ice.t.refs.branch_side VALUES (3, 'three')")
    sql(f"ALTER TABLE {table} RENAME COLUMN s TO t")
    sql(f"INSERT INTO {table} VALUES (4, 'four')")


def attempt(action, *arguments, **options):
    try:
        action(*arguments, **options)
    except Exception as error:  # a writer that can't is no failure of the reader
        ERRORS[f"{action.__name__} {arguments}"] = str(error)[:300]


sql("CREATE NAMESPACE IF NOT EXISTS ice.t")
attempt(rows, "v1_cow", 1, "copy-on-write")
attempt(rows, "v2_cow", 2, "copy-on-write")
attempt(rows, "v2_mor", 2, "merge-on-read")
attempt(rows, "v2_mor_partition", 2, "merge-on-read", write_delete_granularity="partition")
attempt(rows, "v2_mor_plain", 2, "merge-on-read", "")
attempt(rows, "v3_dv", 3, "merge-on-read")
attempt(rows, "v3_dv_plain", 3, "merge-on-read", "")
attempt(evolved, "v2_evolved", 2)
attempt(evolved, "v3_evolved", 3)
attempt(transforms)
attempt(references)

expected = {}
for name in sorted(path.name for path in (FOLDER / "warehouse/t").iterdir() if path.is_dir()):
    table = f"ice.t.{name}"
    snapshots = [row[0] for row in sql(f"SELECT snapshot_id FROM {table}.snapshots ORDER BY committed_at").collect()]
    read = {}
    for snapshot in [None, *snapshots]:
        frame = sql(f"SELECT * FROM {table}" + (f" VERSION AS OF {snapshot}" if snapshot else ""))
        read[str(snapshot or "")] = {"columns": frame.columns, "rows": sorted(row[0] for row in frame.selectExpr(
            "to_json(struct(*), map('ignoreNullFields', 'false', 'timestampNTZFormat', \"yyyy-MM-dd'T'HH:mm:ss\"))")
            .collect())}
    expected[name] = {
    "snapshots" : snapshots, "read" : read}
    if name.startswith("v3"):
        frame = sql(f"SELECT id, _row_id, _last_updated_sequence_number FROM {table} ORDER BY 1, 2")
        expected[name]["lineage"] = [list(row) for row in frame.collect()]
(FOLDER / "expected.json").write_text(json.dumps({"tables": expected, "errors": ERRORS}, indent=1))
print(f"{len(expected)} tables, errors: {ERRORS}")
