# SPDX-License-Identifier: MIT
"""DELETE, UPDATE and MERGE beside plain DuckDB."""

import random

from harness.cases import check

ROWS = "SELECT i AS id, i % 10 AS g, i * 2 AS v, 't' || (i % 7) AS s FROM range({0}, {1}) r(i)"


def make(lake, name, version=2, clauses="", files=3, rows=300):
    """A table of several files, and the same in plain DuckDB."""
    properties = f"WITH ('format-version' = '{version}')" if version != 2 else ""
    lake.only(f"CREATE TABLE {name} (id BIGINT, g BIGINT, v BIGINT, s VARCHAR) {clauses} {properties}")
    lake.plain.execute(f"CREATE OR REPLACE TABLE {name} (id BIGINT, g BIGINT, v BIGINT, s VARCHAR)")
    for part in range(files):
        lake.run(f"INSERT INTO {name} {ROWS.format(part * rows // files, (part + 1) * rows // files)}")


def snapshot(lake, name):
    return lake.table(name).current_snapshot()


def deletes_rows(lake):
    make(lake, "d")
    lake.run("DELETE FROM d WHERE id % 7 = 3")
    lake.check_table("d")
    check(snapshot(lake, "d").summary["added-position-deletes"] == "43", snapshot(lake, "d").summary.additional_properties)
    lake.run("DELETE FROM d WHERE id % 7 = 3")
    lake.run("DELETE FROM main.d AS x WHERE x.g = 4 -- the end")
    lake.run("DELETE FROM d USING (VALUES (1), (2), (2)) u(k) WHERE d.id = u.k")
    lake.run("WITH w AS (SELECT 5 AS k) DELETE FROM d y WHERE y.id IN (SELECT k FROM w)")
    lake.run("DELETE FROM d WHERE v = (SELECT max(v) FROM d)")
    lake.check_table("d")
    lake.run("DELETE FROM d WHERE NULL")
    lake.run("DELETE FROM d WHERE id >= 100 AND id < 200")
    lake.check_table("d")
    lake.run("DELETE FROM d")
    lake.check_table("d")
    lake.run("INSERT INTO d SELECT 1, 2, 3, 'x'")
    lake.run("TRUNCATE d")
    lake.check_table("d")
    check(snapshot(lake, "d").summary["total-data-files"] == "0", snapshot(lake, "d").summary.additional_properties)


def updates_rows(lake):
    make(lake, "u")
    lake.run("UPDATE u SET v = v + 1, s = CASE WHEN g = 1 THEN 'one' ELSE s END WHERE id % 3 = 0")
    lake.check_table("u")
    lake.run("UPDATE u AS x SET (v, s) = (x.id, upper(s)) WHERE x.id IS DISTINCT FROM 5 AND g = 2")
    lake.run("UPDATE u SET v = q.w FROM (SELECT i AS k, i * 100 AS w FROM range(0, 50) r(i)) q WHERE q.k = u.id")
    lake.run("UPDATE u SET s = NULL, g = DEFAULT WHERE id < 4")
    lake.run("UPDATE u SET v = (SELECT max(v) FROM u) WHERE id = 7")
    lake.check_table("u")
    lake.run("UPDATE u SET v = 0")
    lake.check_table("u")
    lake.run("WITH w AS (SELECT 9 AS k) UPDATE u SET s = 'nine' WHERE id IN (FROM w)")
    lake.check_table("u")


SOURCE = "(SELECT i AS id, i % 3 AS g, i * 7 AS v, 'new' AS s FROM range(250, 350) r(i)) q"


def merges_rows(lake):
    make(lake, "m")
    lake.run(f"MERGE INTO m USING {SOURCE} ON m.id = q.id WHEN MATCHED THEN UPDATE SET v = q.v + m.v, s = 'both' "
             "WHEN NOT MATCHED THEN INSERT VALUES (q.id, q.g, q.v, q.s)")
    lake.check_table("m")
    lake.run(f"MERGE INTO m AS t USING {SOURCE} USING (id) WHEN MATCHED AND q.g = 0 THEN DELETE "
             "WHEN MATCHED AND t.id = 251 THEN DO NOTHING WHEN MATCHED THEN UPDATE SET (g, s) = (q.g, t.s || q.s) "
             "WHEN NOT MATCHED BY SOURCE AND t.g = 5 THEN DELETE "
             "WHEN NOT MATCHED BY SOURCE AND t.g = 6 THEN UPDATE SET v = -1, s = DEFAULT")
    lake.check_table("m")
    lake.run("MERGE INTO m USING (SELECT 1 AS id, 's' AS s UNION ALL SELECT 1001, 'x') q ON m.id = q.id "
             "WHEN MATCHED THEN UPDATE BY NAME WHEN NOT MATCHED BY TARGET THEN INSERT BY NAME")
    lake.run("MERGE INTO m USING (VALUES (2, 20, 200, 'two'), (2002, 1, 1, 'y')) q(id, g, v, s) ON m.id = q.id "
             "WHEN MATCHED THEN UPDATE WHEN NOT MATCHED THEN INSERT *")
    lake.run("MERGE INTO m USING (SELECT 3003 AS k) q ON m.id = k WHEN NOT MATCHED AND k > 5 THEN INSERT (v, id) VALUES "
             "(DEFAULT, k) WHEN NOT MATCHED THEN INSERT DEFAULT VALUES")
    lake.run("MERGE INTO m USING (SELECT 4 AS id) q ON m.id = q.id WHEN MATCHED THEN INSERT VALUES (4004, 1, 2, 'again')")
    lake.run("WITH w AS (SELECT 7 AS id) MERGE INTO main.m x USING w ON x.id = w.id WHEN MATCHED THEN DELETE;")
    lake.run("MERGE INTO m USING m AS other ON m.id = other.id + 1 AND other.id < 5 WHEN MATCHED THEN UPDATE SET v = other.v")
    lake.run("MERGE INTO m USING (SELECT 5 AS id WHERE false) q ON m.id = q.id WHEN MATCHED THEN DELETE")
    lake.check_table("m")
    before = snapshot(lake, "m").snapshot_id
    twice = "(VALUES (8, 1), (8, 2)) q(id, w)"
    lake.fails(f"MERGE INTO m USING {twice} ON m.id = q.id WHEN MATCHED THEN UPDATE SET v = q.w", "invalid", "several rows")
    lake.fails("MERGE INTO m USING (SELECT 9 AS id) q ON m.id = q.id WHEN MATCHED THEN ERROR 'no ' || q.id", "invalid", "no 9")
    lake.fails("MERGE INTO m USING (SELECT 99999 AS id) q ON m.id = q.id WHEN NOT MATCHED THEN ERROR", "invalid", "ERROR")
    lake.fails("MERGE INTO m USING (SELECT 1 AS id) q ON m.id = q.id WHEN NOT MATCHED THEN UPDATE SET v = 1", "invalid", "BY SOURCE")
    lake.fails("MERGE INTO m USING (SELECT 1 AS id) q ON m.id = q.id WHEN MATCHED THEN UPDATE", "invalid", "by position")
    lake.fails("MERGE INTO m USING (SELECT 1 AS id) q ON m.id = q.id WHEN MATCHED THEN DELETE RETURNING *", "unsupported", "RETURNING")
    lake.fails("UPDATE m SET v = 1 WHERE random() < 0.5", "unsupported", "random()")
    lake.fails("UPDATE m SET nothing = 1", "invalid", "nothing")
    lake.fails("UPDATE m SET v = 1, V = 2", "invalid", "twice")
    lake.fails("UPDATE m SET v = 'text' || v", "invalid", "text")
    lake.fails("DELETE FROM m WHERE unknown = 1", "invalid", "unknown")
    lake.fails("DELETE FROM nowhere", "not_found", "nowhere")
    check(snapshot(lake, "m").snapshot_id == before, "a statement that failed made a snapshot")
    lake.check_table("m")
    lake.only("UPDATE m SET v = random() * 1000 WHERE id = 10")


CASES = [deletes_rows, updates_rows, merges_rows]
