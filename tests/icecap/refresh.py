# SPDX-License-Identifier: MIT
"""The refresh functions of TPC-H, RF1 and RF2, and a MERGE of changed orders, through the fleet; plain DuckDB does the same
to tables of its own."""

from pathlib import Path

from harness.cases import check
from harness.environment import is_long
from harness.lake import make_lake

TABLES = ("orders", "lineitem")


def sums(run, table):
    """A row of numbers that any other row would change."""
    columns = {
        "orders": "o_orderkey % 1000003, o_custkey % 10007, length(o_orderstatus), o_totalprice, epoch(o_orderdate) // 86400, "
                  "length(o_comment), ascii(o_orderpriority)",
        "lineitem": "l_orderkey % 1000003, l_linenumber, l_quantity, l_extendedprice, l_discount, l_tax, epoch(l_shipdate) // 86400, "
                    "length(l_comment), ascii(l_shipmode)",
    }[table].split(", ")
    key = "o_orderkey" if table == "orders" else "l_orderkey * 7 + l_linenumber"
    return run("SELECT count(*), " + ", ".join(f"CAST(sum(({column}) * (1 + ({key}) % 97)) AS VARCHAR)" for column in columns) + f" FROM {table}")


def refreshes(scale):
    def case(lake):
        folder = Path(make_lake("tpch", scale))
        for table in TABLES:
            files = [str(file) for file in sorted((folder / table).glob("*.parquet"))]
            lake.stack.load(table, *files)
            lake.plain.execute(f"CREATE OR REPLACE TABLE {table} AS FROM read_parquet({files})")
        top = lake.plain.sql("SELECT max(o_orderkey) FROM orders").fetchone()[0]
        # RF1: orders with new keys. RF2: a thousandth of the old ones goes.
        run(lake, f"INSERT INTO orders SELECT * REPLACE (o_orderkey + {top} AS o_orderkey) FROM orders WHERE o_orderkey % 1000 = 1")
        run(lake, f"INSERT INTO lineitem SELECT * REPLACE (l_orderkey + {top} AS l_orderkey) FROM lineitem WHERE l_orderkey % 1000 = 1")
        run(lake, f"DELETE FROM lineitem USING (SELECT o_orderkey AS k FROM orders WHERE o_orderkey % 1000 = 2 AND o_orderkey <= {top}) r "
                  "WHERE l_orderkey = r.k")
        run(lake, f"DELETE FROM orders WHERE o_orderkey % 1000 = 2 AND o_orderkey <= {top}")
        run(lake, "UPDATE lineitem SET l_discount = l_discount / 2, l_comment = 'cheaper' WHERE l_shipdate >= DATE '1998-09-01' AND "
                  "l_orderkey IN (SELECT o_orderkey FROM orders WHERE o_orderpriority = '1-URGENT')")
        run(lake, "MERGE INTO orders USING (SELECT o_orderkey AS k, o_totalprice * 2 AS price FROM orders WHERE o_custkey % 50 = 0 "
                  f"UNION ALL SELECT {top} * 3 + i, i FROM range(100) r(i)) s ON o_orderkey = s.k WHEN MATCHED AND o_orderstatus = 'P' THEN DELETE "
                  "WHEN MATCHED THEN UPDATE SET o_totalprice = s.price WHEN NOT MATCHED THEN INSERT (o_orderkey, o_totalprice, o_comment) "
                  "VALUES (s.k, s.price, 'new') WHEN NOT MATCHED BY SOURCE AND o_orderkey % 500 = 7 THEN UPDATE SET o_comment = 'seen'")
        for table in TABLES:
            here = sums(lambda sql: lake.only(sql, route="fleet").rows[0], table)
            plain = sums(lambda sql: list(lake.plain.execute(sql).fetchone()), table)
            check([float(value) for value in here] == [float(value) for value in plain], f"{table}: {here}, DuckDB says {plain}")
        for table in TABLES:
            lake.only(f"DROP TABLE {table} PURGE")

    case.__name__ = f"refreshes_of_TPC_H_SF{scale:g}_on_the_fleet"
    return case


def run(lake, sql):
    lake.run(sql, route="fleet")


CASES = [refreshes(0.01)] + ([refreshes(1)] if is_long() else [])
