# SPDX-License-Identifier: MIT
"""One case a statement, and what goes wrong with it."""

import threading

from harness.cases import check

ALL_TYPES = """SELECT i AS id, i % 2 = 0 AS b, i::BIGINT * 3000000000 AS l, (i / 7)::FLOAT AS f, i / 3.0::DOUBLE AS d,
    (i * 1.25)::DECIMAL(18, 3) AS m, DATE '1969-12-20' + i::INTEGER AS dt, TIME '00:00:01' + INTERVAL (i) MINUTE AS t,
    TIMESTAMP '1969-12-20 10:11:12.5' + INTERVAL (i * 11) HOUR AS ts, 'text ' || i AS s, encode('bytes ' || i) AS x,
    [i, NULL] AS ls, {'a': i, 'b': {'c': 'x' || i}} AS st, MAP {'k' || i: i} AS mp FROM range(50) r(i)"""


def creates_inserts_and_drops(lake):
    lake.run("CREATE TABLE first (id INTEGER NOT NULL, name VARCHAR, amount DECIMAL(10, 2), tags VARCHAR[])")
    lake.run("INSERT INTO first VALUES (1, 'one', 1.5, ['a', NULL]), (2, NULL, NULL, NULL)")
    lake.run("INSERT INTO first (name, id) SELECT 'n' || i, i FROM range(10, 20) r(i)")
    lake.run("INSERT INTO first BY NAME SELECT 7 AS amount, 30 AS id")
    lake.run("INSERT INTO first VALUES (31, DEFAULT, 5, [])")
    lake.run("WITH w AS (SELECT 40 AS i) INSERT INTO first (id) SELECT i FROM w")
    lake.run("INSERT INTO first SELECT * FROM first WHERE id < 12 -- a comment at the end")
    lake.run("insert into main.first AS f (id, \"name\") (select 50, 'x;y') ;")
    lake.run("INSERT INTO first SELECT * FROM first WHERE false")
    lake.check_table("first")
    lake.check_no_garbage("first")
    lake.only("DROP TABLE first PURGE")
    lake.fails("SELECT * FROM first", "invalid", "first")
    check(not lake.data_files("first"), "files of a purged table are left")


def creates_tables_from_queries(lake):
    lake.run(f"CREATE TABLE types AS {ALL_TYPES}")
    lake.check_table("types")
    lake.run("CREATE TABLE renamed (a, \"b c\") AS SELECT id, s FROM types WHERE id > 40")
    lake.check_table("renamed")
    lake.run("CREATE TABLE none AS SELECT 1 AS one WHERE false")
    lake.check_table("none")
    lake.run("CREATE TABLE IF NOT EXISTS none AS SELECT 2 AS one")
    lake.check_table("none")
    for name in ("types", "renamed"):
        lake.check_no_garbage(name)


def writes_partitions(lake):
    terms = ["year(ts), bucket(2, s)", "month(dt), truncate(10, id)", "hour(ts), bucket(3, t)", "truncate(100, m), b",
             "bucket(2, x), truncate(6, s)", "bucket(3, id), bucket(2, dt), bucket(2, m)", "day(ts), bucket(2, ts)"]
    for number, term in enumerate(terms):
        lake.run(f"CREATE TABLE part{number} PARTITIONED BY ({term}) AS SELECT * FROM ({ALL_TYPES}) LIMIT 12")
        lake.run(f"INSERT INTO part{number} BY NAME SELECT 1000 AS id")
        lake.check_table(f"part{number}")
        partitions_are_right(lake, f"part{number}")
        lake.check_no_garbage(f"part{number}")


def partitions_are_right(lake, name):
    """The values of partitions in the manifests are those that PyIceberg computes for the rows."""
    import pyarrow.parquet
    from pyiceberg.utils.datetime import date_to_days, datetime_to_micros

    def cell(value):
        import datetime

        if isinstance(value, datetime.datetime):
            return datetime_to_micros(value)
        return date_to_days(value) if isinstance(value, datetime.date) else value

    table = lake.table(name)
    spec, schema = table.spec(), table.schema()
    for task in table.scan().plan_files():
        rows = pyarrow.parquet.read_table(task.file.file_path.removeprefix("file://"))
        for at, field in enumerate(spec.fields):
            source = schema.find_field(field.source_id)
            apply = field.transform.transform(source.field_type)
            values = {cell(apply(cell(value))) for value in rows[source.name].to_pylist()}
            check(len(values) == 1, f"{field.name}: a file has {values}")
            check(values.pop() == cell(task.file.partition[at]), f"{field.name} of {task.file}")


def sorts_files(lake):
    lake.run("CREATE TABLE sorted SORTED BY (k DESC NULLS LAST, v) AS SELECT (i * 7919) % 1000 AS k, i AS v FROM range(3000) r(i)")
    import pyarrow.parquet

    for path in lake.data_files("sorted"):
        rows = [(-row["k"], row["v"]) for row in pyarrow.parquet.read_table(path).to_pylist()]
        check(rows == sorted(rows), f"{path} is not sorted")
    order = lake.table("sorted").sort_order()
    check([str(field.direction) for field in order.fields] == ["desc", "asc"] or len(order.fields) == 2, str(order))


def says_what_is_wrong(lake):
    lake.run("CREATE TABLE wrong (id INTEGER NOT NULL, n INTEGER)")
    lake.fails("INSERT INTO wrong VALUES (NULL, 1)", "invalid", "NOT NULL", "id", "main.wrong")
    lake.fails("INSERT INTO wrong (n) VALUES (1)", "invalid", "id", "NOT NULL")
    lake.fails("INSERT INTO wrong VALUES (1, 'x')", "invalid", "x")
    lake.fails("INSERT INTO wrong VALUES (1)", "invalid", "2 columns", "1")
    lake.fails("INSERT INTO wrong (id, nothing) VALUES (1, 2)", "invalid", "nothing")
    lake.fails("INSERT INTO wrong (id, id) VALUES (1, 2)", "invalid", "twice")
    lake.fails("INSERT INTO wrong VALUES (1, 1) RETURNING id", "unsupported", "RETURNING")
    lake.fails("INSERT OR REPLACE INTO wrong VALUES (1, 1)", "unsupported", "MERGE")
    lake.fails("INSERT INTO wrong VALUES (1, 1) ON CONFLICT DO NOTHING", "unsupported", "ON CONFLICT")
    lake.fails("INSERT INTO nowhere VALUES (1)", "not_found", "nowhere")
    lake.fails("INSERT wrong VALUES (1)", "invalid", "character 8", "INTO")
    lake.fails("INSERT INTO wrong SELECT 1, 2) TO '/tmp/x' (FORMAT csv); --", "invalid")
    lake.fails("CREATE TABLE wrong (a INTEGER)", "conflict", "main.wrong")
    lake.fails("CREATE TABLE w2 (a NOSUCHTYPE)", "invalid", "character 20")
    lake.fails("CREATE TABLE w2 (a INTEGER PRIMARY KEY)", "unsupported", "PRIMARY")
    lake.fails("CREATE TABLE w2 (a INTEGER, A INTEGER)", "invalid", "twice")
    lake.fails("CREATE TABLE w2 (a INTEGER) PARTITIONED BY (weekly(a))", "invalid", "weekly")
    lake.fails("CREATE TABLE w2 (a INTEGER) PARTITIONED BY (b)", "invalid", "'b'")
    lake.fails("CREATE TABLE w2", "invalid", "ends")
    lake.fails("DROP TABLE w2", "not_found", "w2")
    lake.only("DROP TABLE IF EXISTS w2")
    lake.check_table("wrong")
    check(not lake.data_files("wrong"), f"failed statements left {lake.data_files('wrong')}")


def has_schemas(lake):
    lake.run("CREATE SCHEMA space")
    lake.fails("CREATE SCHEMA space", "conflict")
    lake.run("CREATE SCHEMA IF NOT EXISTS space")
    lake.run("CREATE TABLE space.t AS SELECT 1 AS one")
    lake.check_table("space.t")
    lake.fails("DROP SCHEMA space", "conflict")
    lake.run("DROP TABLE space.t")
    lake.run("DROP SCHEMA space")
    lake.run("DROP SCHEMA IF EXISTS space")


def runs_a_statement_once(lake):
    """The same query id again, as a client sends it that did not hear the answer."""
    lake.run("CREATE TABLE once (i INTEGER)")
    for _ in range(3):
        answer = lake.only("INSERT INTO once SELECT * FROM range(5)", id="the-same-statement")
        check(answer.rows == [[5]], str(answer.rows))
    check(lake.only("SELECT count(*) FROM once").rows == [[5]], "the rows are there several times")


def loses_nothing_of_concurrent_inserts(lake):
    lake.only("CREATE TABLE busy (writer INTEGER, i INTEGER)")
    failures = []

    def insert(writer):
        try:
            for i in range(4):
                lake.only(f"INSERT INTO busy VALUES ({writer}, {i})")
        except Exception as failure:  # pylint: disable=broad-except
            failures.append(failure)

    threads = [threading.Thread(target=insert, args=(writer,)) for writer in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(not failures, str(failures[:2]))
    answer = lake.only("SELECT count(*), count(DISTINCT (writer, i)) FROM busy")
    check(answer.rows == [[24, 24]], str(answer.rows))
    lake.check_no_garbage("busy")


def explains_writes(lake):
    lake.run("CREATE TABLE shown (i INTEGER)")
    text = "\n".join(row[0] for row in lake.only("EXPLAIN INSERT INTO shown SELECT * FROM range(5)").rows)
    check("write: table main.shown" in text and "route local" in text, text)
    check(lake.only("SELECT count(*) FROM shown").rows == [[0]], "EXPLAIN wrote")
    lake.fails("EXPLAIN ANALYZE INSERT INTO shown VALUES (1)", "unsupported", "EXPLAIN")


def says_what_it_did(lake):
    lake.run("CREATE TABLE told (i INTEGER)")
    answer = lake.only("INSERT INTO told SELECT * FROM range(7)")
    record = lake.stack.record(answer.query_id)
    check(record["statement"] == "INSERT" and record["object"] == "main.told", str(record))
    check(record["written_rows"] == 7 and record["written_files"] == 1, str(record))
    check(record["snapshot_id"] == lake.table("told").current_snapshot().snapshot_id, str(record))


def alters_tables(lake):
    lake.run("CREATE TABLE old (a INTEGER NOT NULL, b FLOAT, c DECIMAL(5, 2), d VARCHAR)")
    lake.run("INSERT INTO old VALUES (1, 1.5, 2.25, 'x')")
    for change in ("ADD COLUMN e INTEGER[]", "RENAME COLUMN d TO f", "ALTER COLUMN a SET DATA TYPE BIGINT",
                   "ALTER b TYPE DOUBLE", "ALTER COLUMN c TYPE DECIMAL(9, 2)", "ALTER COLUMN a DROP NOT NULL"):
        lake.run(f"ALTER TABLE old {change}")
    lake.run("INSERT INTO old VALUES (5000000000, 2.5, 1234567.25, 'y', [1, 2]), (NULL, NULL, NULL, NULL, NULL)")
    lake.check_table("old")
    lake.run("ALTER TABLE old DROP COLUMN b")
    lake.only("ALTER TABLE old SET PARTITIONED BY (truncate(1, f))")
    lake.only("ALTER TABLE old SET SORTED BY (a)")
    lake.only("ALTER TABLE old SET (owner = 'me', 'write.parquet.compression-codec' = 'snappy')")
    lake.only("ALTER TABLE old RESET (owner)")
    lake.run("INSERT INTO old SELECT i, i, 'z' || i % 3, [i] FROM range(9) r(i)")
    lake.check_table("old")
    table = lake.table("old")
    check("owner" not in table.properties and table.properties["write.parquet.compression-codec"] == "snappy", str(table))
    check(str(table.spec().fields[0].transform) == "truncate[1]", str(table.spec()))
    lake.run("ALTER TABLE old RENAME TO new")
    lake.check_table("new")
    lake.only("ALTER TABLE new CREATE TAG before")
    lake.only("ALTER TABLE new CREATE BRANCH side")
    lake.only("INSERT INTO new (a) VALUES (7)")
    check(set(lake.table("new").refs()) >= {"before", "side"}, str(lake.table("new").refs()))
    counts = [lake.only(f"SELECT count(*) FROM {name}").rows[0][0] for name in ("new", "new AT (VERSION => 'before')")]
    check(counts == [13, 12], str(counts))
    lake.only("ALTER TABLE new DROP TAG before")
    check("before" not in lake.table("new").refs(), "the tag is left")
    lake.fails("ALTER TABLE new ALTER COLUMN a TYPE INTEGER", "unsupported", "'a'")
    lake.fails("ALTER TABLE new DROP COLUMN f", "conflict", "'f'")
    lake.fails("ALTER TABLE new DROP COLUMN nothing", "invalid", "nothing")
    lake.fails("ALTER TABLE new RENAME COLUMN a TO c", "conflict", "'c'")
    lake.fails("ALTER TABLE nowhere ADD COLUMN a INTEGER", "not_found", "nowhere")
    lake.only("ALTER TABLE IF EXISTS nowhere ADD COLUMN a INTEGER")


CASES = [
    alters_tables,
    creates_inserts_and_drops,
    creates_tables_from_queries,
    writes_partitions,
    sorts_files,
    says_what_is_wrong,
    has_schemas,
    runs_a_statement_once,
    loses_nothing_of_concurrent_inserts,
    explains_writes,
    says_what_it_did,
]
