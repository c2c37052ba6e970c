# SPDX-License-Identifier: MIT
"""DELETE, UPDATE and MERGE beside plain DuckDB; in the long tests Iceberg's Java library looks at the tables, too."""

import random
import sys
import tempfile
import threading
from pathlib import Path

from harness.cases import Problem, check
from harness.environment import is_long

ROWS = "SELECT i AS id, i % 10 AS g, i * 2 AS v, 't' || (i % 7) AS s FROM range({0}, {1}) r(i)"


COPY = {f"write.{verb}.mode": "copy-on-write" for verb in ("delete", "update", "merge")}


def make(lake, name, version=2, clauses="", properties=None, files=3, rows=300):
    """A table of several files, and the same in plain DuckDB."""
    pairs = {"format-version": str(version)} | (properties or {})
    properties = "WITH (" + ", ".join(f"'{key}' = '{value}'" for key, value in pairs.items()) + ")"
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
    lake.fails("MERGE INTO m USING (SELECT 1 AS id) q ON m.id = q.id WHEN MATCHED THEN DELETE WHEN MATCHED THEN DELETE", "invalid", "no row")
    lake.fails("UPDATE m SET v = 1 WHERE random() < 0.5", "unsupported", "random()")
    lake.fails("UPDATE m SET nothing = 1", "invalid", "nothing")
    lake.fails("UPDATE m SET v = 1, V = 2", "invalid", "twice")
    lake.fails("UPDATE m SET v = 'text' || v", "invalid", "text")
    lake.fails("DELETE FROM m WHERE unknown = 1", "invalid", "unknown")
    lake.fails("DELETE FROM nowhere", "not_found", "nowhere")
    check(snapshot(lake, "m").snapshot_id == before, "a statement that failed made a snapshot")
    lake.check_table("m")
    lake.only("UPDATE m SET v = random() * 1000 WHERE id = 10")


def deletes_whole_partitions(lake):
    """A condition about partitions alone reads no row and leaves no delete file."""
    make(lake, "parts", clauses="PARTITIONED BY (g, s)", files=1)
    lake.run("INSERT INTO parts (id, g) VALUES (5000, NULL), (5001, 3)")
    for condition in ("g = 3 AND s <> 't1'", "x.s LIKE '%2' OR x.g IS NULL", "g BETWEEN 5 AND 6 AND (s = 't3' OR g = 6)", "g + 1 = 9"):
        lake.run(f"DELETE FROM parts x WHERE {condition}")
        facts = snapshot(lake, "parts").summary.additional_properties
        check(facts["total-delete-files"] == "0" and int(facts["deleted-data-files"]) > 0, facts)
        lake.check_table("parts")
    lake.run("DELETE FROM parts WHERE g = 4 AND id % 20 = 4")
    check(snapshot(lake, "parts").summary["added-position-deletes"] is not None, "rows of a file were not deleted")
    lake.run("DELETE FROM parts WHERE g = 4")
    lake.check_table("parts")
    totals_are_right(lake, "parts")


def changes_at_once(lake):
    """Writers on one table: each finds the others' commits, and changes its own rows all the same."""
    for version in (2, 3):
        name = f"busy{version}"
        make(lake, name, version)
        failures = []

        def work(number):
            try:
                lake.only(f"UPDATE {name} SET v = v + 1000 WHERE id % 3 = {number}")
                lake.only(f"DELETE FROM {name} WHERE id % 60 = {number}")
            except Exception as failure:  # noqa: BLE001
                failures.append(failure)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        check(not failures, failures[:1])
        lake.plain.execute(f"UPDATE {name} SET v = v + 1000")
        lake.plain.execute(f"DELETE FROM {name} WHERE id % 60 < 3")
        lake.check_table(name)
        totals_are_right(lake, name)


# ---- made-up statements ----


class Maker:
    """Statements that plain DuckDB answers in one way only."""

    def __init__(self, name, seed):
        self.name, self.random, self.next_id = name, random.Random(seed), 1000

    def number(self, most):
        return self.random.randrange(most)

    def condition(self, t):
        n = self.number
        return self.random.choice([
            f"{t}.id % {2 + n(9)} = {n(3)}", f"{t}.g = {n(10)}", f"{t}.v BETWEEN {n(300)} AND {n(700)}", f"{t}.s = 't{n(7)}'",
            f"{t}.s IS NULL", f"{t}.id < {n(400)} AND {t}.g <> {n(10)}", f"({t}.v IS NULL OR {t}.g > {n(10)})",
            f"{t}.id IN (SELECT id FROM {self.name} WHERE g = {n(10)})", f"{t}.v = (SELECT max(v) FROM {self.name})",
            f"NOT ({t}.s LIKE 't{n(7)}%')", "false", f"{t}.id = {n(400)}"])

    def value(self, t, column):
        n = self.number
        if column == "s":
            return self.random.choice([f"{t}.s || 'x'", "NULL", f"'t{n(7)}'", f"upper({t}.s)", "DEFAULT"])
        return self.random.choice([f"{t}.{column} + {n(5)}", f"{n(10)}", "NULL", f"{t}.g", f"abs({t}.v) % 10", "DEFAULT"])

    def assignments(self, t, columns=("g", "v", "s")):
        chosen = self.random.sample(columns, 1 + self.number(len(columns)))
        return ", ".join(f"{column} = {self.value(t, column)}" for column in chosen)

    def source(self):
        """Unique ids, some of which are in the table."""
        first, step, count = self.number(400), 1 + self.number(4), self.number(60)
        self.next_id += 100
        return (f"(SELECT i AS id, i % 10 AS g, i * 3 AS v, 'q' || (i % 5) AS s FROM range({first}, {first + count * step}, {step}) r(i) "
                f"UNION ALL SELECT i, 1, 2, 'far' FROM range({self.next_id}, {self.next_id + self.number(5)}) r(i)) q")

    def clause(self):
        match = self.random.choice(["MATCHED", "MATCHED", "NOT MATCHED", "NOT MATCHED BY TARGET", "NOT MATCHED BY SOURCE"])
        is_new, is_both = match in ("NOT MATCHED", "NOT MATCHED BY TARGET"), match == "MATCHED"
        relation = "q" if is_new else "t"
        condition = f" AND {self.condition(relation)}" if self.number(2) else ""
        if is_new:
            action = self.random.choice(["INSERT", "INSERT *", "INSERT BY NAME", "INSERT (id, s) VALUES (q.id, q.s)",
                                         "INSERT VALUES (q.id, NULL, q.v + 1, DEFAULT)", "DO NOTHING"])
        else:
            action = self.random.choice(["DELETE", f"UPDATE SET {self.assignments('t')}", "DO NOTHING"] +
                                        ["UPDATE", "UPDATE BY NAME", "UPDATE SET v = q.v + t.v"] * is_both)
        return f"WHEN {match}{condition} THEN {action}"

    @staticmethod
    def reachable(clauses):
        """A clause without a condition is the last of its case."""
        def case(clause):
            words = clause.split(" AND ")[0].split(" THEN ")[0]
            return words.removesuffix(" BY TARGET")

        kept = []
        for clause in clauses:
            if not any(case(other) == case(clause) and " AND " not in other.split(" THEN ")[0] for other in kept):
                kept.append(clause)
        return kept

    def statement(self):
        kind, name = self.number(10), self.name
        if kind < 3:
            return f"DELETE FROM {name} AS t WHERE {self.condition('t')}"
        if kind < 4:
            return f"DELETE FROM {name} t USING {self.source()} WHERE t.id = q.id AND {self.condition('t')}"
        if kind < 6:
            return f"UPDATE {name} t SET {self.assignments('t')} WHERE {self.condition('t')}"
        if kind < 7:
            return f"UPDATE {name} t SET v = q.v, s = q.s FROM {self.source()} WHERE t.id = q.id AND {self.condition('t')}"
        if kind < 8:
            return f"INSERT INTO {name} {ROWS.format(self.next_id, self.next_id + self.number(40))}"
        clauses = " ".join(self.reachable([self.clause() for _ in range(1 + self.number(4))]))
        return f"MERGE INTO {name} t USING {self.source()} ON t.id = q.id {clauses}"


def runs_made_up_statements(lake, name, seed, count, version=2, clauses="", properties=None):
    make(lake, name, version, clauses, properties)
    maker = Maker(name, seed)
    for number in range(count):
        sql = maker.statement()
        try:
            lake.run(sql)
            same_rows(lake, name)
        except Exception as failure:
            raise Problem(f"seed {seed}, statement {number}: {sql}\n{failure}") from failure
    lake.check_table(name)
    totals_are_right(lake, name)


def same_rows(lake, name):
    """Sums of hashes here and there."""
    sql = f"SELECT count(*), count(v), sum(id * 31 + coalesce(v, -7)), sum(coalesce(g, -3) * id), sum(length(coalesce(s, 'null')) * id) FROM {name}"
    found = [int(value or 0) for value in lake.only(sql).rows[0]]
    expected = [int(value or 0) for value in lake.plain.sql(sql).fetchone()]
    check(found == expected, f"sums are {found}, DuckDB says {expected}")


def totals_are_right(lake, name):
    """The snapshot's totals are what its manifests say."""
    table = lake.table(name)
    if not table.current_snapshot():
        return
    totals = {"data": [0, 0], "deletes": [0, 0]}
    for manifest in table.current_snapshot().manifests(table.io):
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
            kind = totals["data" if int(entry.data_file.content) == 0 else "deletes"]
            kind[0] += 1
            kind[1] += entry.data_file.record_count
    summary = table.current_snapshot().summary.additional_properties
    said = {"data": [int(summary["total-data-files"]), int(summary["total-records"])],
            "deletes": [int(summary["total-delete-files"]), int(summary["total-position-deletes"])]}
    check(totals == said, f"manifests have {totals}, the summary says {said}")


def is_valid_for_java(lake, names):
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "judges"))
    from java_judge import Java

    with tempfile.TemporaryDirectory() as folder:
        java = Java(Path(folder))
        for name in names:
            answer = java.ask("validate", lake.table(name).metadata_location)
            check(not answer["problems"], f"{name}: {answer['problems'][:3]}")
            expected = sorted(map(str, lake.plain.sql(f"FROM {name}").fetchall()))
            found = sorted(str(tuple(row)) for row in answer["rows"])
            check(found == expected, f"{name}: Java reads {found[:2]}… ({len(found)}), expected {expected[:2]}… ({len(expected)})")


def java_reads_what_was_changed(lake):
    names = []
    for number, (version, properties) in enumerate([(1, None), (2, None), (2, COPY), (3, None), (3, COPY)]):
        for clauses in ("", "PARTITIONED BY (g)"):
            names.append(f"j{number}{len(clauses)}")
            runs_made_up_statements(lake, names[-1], 100 + len(names), 20, version, clauses, properties)
    is_valid_for_java(lake, names)


def made_up(version, clauses, seeds, count, properties=None):
    def case(lake):
        for seed in seeds:
            runs_made_up_statements(lake, f"r{version}_{seed}", seed, count, version, clauses, properties)
        if properties == COPY:
            check(snapshot(lake, f"r{version}_{seeds[0]}").summary["total-delete-files"] == "0", "there are delete files")

    manner = "copied on write" if properties == COPY else "merged on read"
    case.__name__ = f"made_up_statements_of_version_{version}_{clauses or 'plain'}_{manner}"
    return case


# ---- row lineage ----


def lineage(lake, name):
    return {row[0]: tuple(row[1:]) for row in
            lake.only(f'SELECT id, _row_id, _last_updated_sequence_number FROM "{name}$rows"').rows}


def rows_keep_their_ids(lake):
    for properties in (None, COPY):
        lake.only("DROP TABLE IF EXISTS lin")
        row_ids_are_kept(lake, properties)


def row_ids_are_kept(lake, properties):
    make(lake, "lin", version=3, properties=properties)
    check(lake.table("lin").metadata.format_version == 3, lake.table("lin").metadata.format_version)
    before = lineage(lake, "lin")
    check(len({row_id for row_id, _ in before.values()}) == 300, "row ids are not unique")
    lake.run("UPDATE lin SET v = -1 WHERE id % 10 = 0")
    after, sequence = lineage(lake, "lin"), snapshot(lake, "lin").sequence_number
    check({k: v[0] for k, v in before.items()} == {k: v[0] for k, v in after.items()}, "an update changed row ids")
    changed = {k for k in after if after[k][1] == sequence}
    check(changed == set(range(0, 300, 10)), f"updated rows are {sorted(changed)[:5]}")
    check(all(after[k] == before[k] for k in set(after) - changed), "other rows changed")
    lake.run("MERGE INTO lin USING (SELECT i AS id, 0 AS g, 1 AS v, 'm' AS s FROM range(295, 305) r(i)) q ON lin.id = q.id "
             "WHEN MATCHED THEN UPDATE SET v = q.v WHEN NOT MATCHED THEN INSERT *")
    merged, sequence = lineage(lake, "lin"), snapshot(lake, "lin").sequence_number
    check(all(merged[k][0] == after[k][0] for k in after), "a merge changed row ids")
    check(all(merged[k][1] == sequence for k in range(295, 305)), "merged rows are older than their snapshot")
    check(len({row_id for row_id, _ in merged.values()}) == 305, "row ids are not unique")
    lake.run("DELETE FROM lin WHERE id < 10")
    check(lineage(lake, "lin") == {k: v for k, v in merged.items() if k >= 10}, "a delete changed other rows")
    lake.check_table("lin")


CASES = [deletes_rows, updates_rows, merges_rows, deletes_whole_partitions, changes_at_once, rows_keep_their_ids,
         made_up(2, "", [1], 25), made_up(2, "PARTITIONED BY (g)", [2], 15), made_up(2, "", [3], 20, COPY),
         made_up(3, "", [5], 25), made_up(3, "PARTITIONED BY (g)", [6], 15), made_up(3, "PARTITIONED BY (truncate(100, id))", [7], 15, COPY),
         made_up(1, "", [8], 15)]
if is_long():
    CASES += [java_reads_what_was_changed, made_up(2, "PARTITIONED BY (truncate(50, id))", range(200, 210), 60),
              made_up(3, "", range(300, 310), 60), made_up(3, "PARTITIONED BY (s)", range(400, 405), 60, COPY)]
