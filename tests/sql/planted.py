# SPDX-License-Identifier: MIT
"""Proof that the reducer reduces: a stand-in for our stack that is wrong in one known way, a large statement over tables with
many rows that shows it, and what must be left of both."""

import re

import duckdb

from differ import Bench, TableData, cut
from harness.stack import QueryError
from reduce import reduce_data, reduce_sql

ROWS = 300


class WrongStack:
    """Plain DuckDB that takes a LEFT JOIN for an inner one."""

    def __init__(self):
        self.connection = duckdb.connect(config={"threads": 1})

    def load(self, table, file, *options):
        if "--replace" in options:
            self.connection.execute(f"DROP TABLE IF EXISTS {table}")
        self.connection.execute(f"CREATE TABLE IF NOT EXISTS {table} AS FROM '{file}' LIMIT 0")
        self.connection.execute(f"INSERT INTO {table} FROM '{file}'")

    def query(self, sql, *_):
        wrong = re.sub(r"LEFT (OUTER )?JOIN", "INNER JOIN", sql, flags=re.IGNORECASE)
        try:
            relation = self.connection.sql(wrong)
            names, rows = relation.columns, relation.fetchall()
        except duckdb.Error as failure:
            raise QueryError(400, {"code": "INVALID", "message": str(failure)}) from None
        return Given(list(zip(names, map(str, relation.types))), rows)


class Given:
    def __init__(self, columns, rows):
        self.columns, self.rows = columns, rows


def tables():
    orders = [(f"'{i}'", f"'{i % 70}'", f"'o{i % 11}'") for i in range(ROWS)]
    customers = [(f"'{i}'", f"'c{i % 5}'") for i in range(60)]
    others = [(f"'{i * 7}'", "NULL") for i in range(40)]
    return [
        TableData("orders", [('"id"', "BIGINT"), ('"customer"', "INTEGER"), ('"note"', "VARCHAR")], cut(orders, 3)),
        TableData("customers", [('"id"', "INTEGER"), ('"name"', "VARCHAR")], cut(customers, 2)),
        TableData("others", [('"id"', "INTEGER"), ('"nothing"', "DATE")], cut(others, 1)),
    ]


SQL = """WITH named AS (
  SELECT o.id, o.note, c.name, length(o.note) AS n FROM orders o LEFT JOIN customers c ON o.customer = c.id WHERE o.id % 2 = 0 OR o.note LIKE 'o%'
)
SELECT upper(n.note) AS note, n.name, count(*) AS c, max(n.id + n.n) AS m, string_agg(n.note, ',' ORDER BY n.note) AS s
FROM named n JOIN others x ON n.id = x.id
WHERE n.id NOT IN (SELECT id FROM others WHERE id > 5000) AND n.n < 10
GROUP BY ALL HAVING count(*) < 1000 ORDER BY ALL LIMIT 50"""


def self_test():
    """Yields (name, problem or None)."""
    bench = Bench(WrongStack(), "none")
    try:
        for table in tables():
            bench.set_table(table)
        difference, _ = bench.difference(SQL)
        yield "a_planted_difference_is_found", None if difference else "no difference was found"
        small = reduce_sql(bench, SQL, difference.kind)
        is_small = "LEFT" in small and "others" not in small and "WITH" not in small and len(small) < len(SQL) / 3
        yield "the_statement_becomes_small", None if is_small else f"left over: {small}"
        used = [table for table in tables() if re.search(rf"\b{table.name}\b", small)]
        left = reduce_data(bench, used, small, difference.kind)
        rows = {table.name: table.row_count for table in left}
        yield "so_do_the_tables", None if sum(rows.values()) <= 2 else f"left over: {rows}"
        yield "right_answers_are_no_difference", (
            None if bench.difference("SELECT count(*) AS n FROM orders")[0] is None else "one"
        )
    finally:
        bench.close()
