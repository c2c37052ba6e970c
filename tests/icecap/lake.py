# SPDX-License-Identifier: MIT
"""The lake under test beside a plain DuckDB that gets the same statements."""

import re

import duckdb
from harness.cases import check
from harness.environment import extension_path
from harness.objects import iceberg_properties, let_duckdb_read
from harness.stack import QueryError

TABLE_CLAUSES = re.compile(r"\b(PARTITIONED BY|SORTED BY|WITH)\s*\((?:[^()]|\([^()]*\))*\)", re.IGNORECASE)


class Lake:
    def __init__(self, stack):
        self.stack, self.plain = stack, duckdb.connect()
        self.uri = f"http://127.0.0.1:{stack.port}/iceberg"
        self.judge = duckdb.connect(config={"allow_unsigned_extensions": "true"})
        for name in ("avro", "httpfs", "iceberg"):
            self.judge.execute(f"LOAD '{extension_path(name)}'")
        let_duckdb_read(self.judge)
        self.judge.execute(
            f"ATTACH '' AS lake (TYPE iceberg, ENDPOINT '{self.uri}', AUTHORIZATION_TYPE 'none', DEFAULT_SCHEMA 'main')"
        )

    def run(self, sql, plain=None, **more):
        """The statement here and on plain DuckDB (there as `plain`, or without what only tables of a lake have)."""
        answer = self.stack.query(sql, **more)
        expected = self.plain.execute(plain or TABLE_CLAUSES.sub("", sql)).fetchall()
        if answer.columns[0][0] == "Count":
            check(answer.rows == [list(row) for row in expected], f"Count {answer.rows}, DuckDB says {expected}")
        return answer

    def only(self, sql, **more):
        """Here alone."""
        return self.stack.query(sql, **more)

    def fails(self, sql, code, *words, **more):
        try:
            self.stack.query(sql, **more)
        except QueryError as failure:
            missing = [word for word in words if word not in failure.message]
            check(failure.code == code.upper() and not missing, f"{failure.code}: {failure.message}, expected {code} {words}")
            return failure.message
        raise AssertionError(f"{sql} went well")

    # ---- three readers ----

    def catalog(self):
        from pyiceberg.catalog import load_catalog

        return load_catalog("ours", type="rest", uri=self.uri, **iceberg_properties())

    def table(self, name):
        return self.catalog().load_table(name if "." in name else f"main.{name}")

    def check_table(self, name):
        """All readers see the rows that plain DuckDB has."""
        expected = self.plain.sql(f"SELECT count(*) FROM {name}").fetchone()[0]
        columns = ", ".join(f'"{column}"' for column in self.plain.sql(f"FROM {name}").columns)
        full = name if "." in name else f"main.{name}"
        found = self.stack.query(f"SELECT count(*) FROM {name}").rows[0][0]
        check(found == expected, f"{found} rows here, expected {expected}")
        self.compare(name, columns, "stock DuckDB", self.judge.sql(f"SELECT {columns} FROM lake.{full}").to_arrow_table())
        self.compare(name, columns, "PyIceberg", self.table(name).scan().to_arrow())
        return f"{expected} rows"

    def compare(self, name, columns, reader, rows):
        self.plain.register("found", rows)
        ours, theirs = f"SELECT {columns} FROM {name}", f"SELECT {columns} FROM found"
        missing = self.plain.sql(f"{ours} EXCEPT ALL {theirs}").fetchall()
        extra = self.plain.sql(f"{theirs} EXCEPT ALL {ours}").fetchall()
        self.plain.unregister("found")
        check(not missing and not extra, f"{reader}: {len(missing)} rows missing {missing[:2]}, {len(extra)} too many {extra[:2]}")

    def data_files(self, name):
        """Every file below the table's data folder."""
        return self.stack.paths(f"{self.stack.table_key(name)}/data/**/*")

    def listed_files(self, name):
        return sorted(file.file.file_path.removeprefix("file://") for file in self.table(name).scan().plan_files())

    def check_no_garbage(self, name):
        have, listed = [str(path) for path in self.data_files(name)], self.listed_files(name)
        check(have == listed, f"files {set(have) ^ set(listed)} are on one side only")
