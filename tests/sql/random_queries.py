# SPDX-License-Identifier: MIT
"""Queries over the TPC-H tables, made up from a seed: joins along and across the keys, filters, groups, windows, set
operations. Only what has one right answer is made: no sums of floating point in text, no choice among ties."""

import random

# table: (alias, numbers, texts, dates, expected rows at scale factor 1)
TABLES = {
    "region": ("r", ["r_regionkey"], ["r_name"], []),
    "nation": ("n", ["n_nationkey", "n_regionkey"], ["n_name"], []),
    "supplier": ("s", ["s_suppkey", "s_nationkey", "s_acctbal"], ["s_name", "s_phone"], []),
    "customer": ("c", ["c_custkey", "c_nationkey", "c_acctbal"], ["c_name", "c_mktsegment"], []),
    "part": ("p", ["p_partkey", "p_size", "p_retailprice"], ["p_brand", "p_type", "p_container"], []),
    "partsupp": ("ps", ["ps_partkey", "ps_suppkey", "ps_availqty", "ps_supplycost"], [], []),
    "orders": ("o", ["o_orderkey", "o_custkey", "o_totalprice"], ["o_orderpriority", "o_orderstatus"], ["o_orderdate"]),
    "lineitem": (
        "l",
        ["l_orderkey", "l_partkey", "l_suppkey", "l_linenumber", "l_quantity", "l_extendedprice", "l_discount"],
        ["l_returnflag", "l_linestatus", "l_shipmode"],
        ["l_shipdate", "l_commitdate", "l_receiptdate"],
    ),
}
EDGES = [
    ("nation", "region", ["n_regionkey = r_regionkey"]),
    ("supplier", "nation", ["s_nationkey = n_nationkey"]),
    ("customer", "nation", ["c_nationkey = n_nationkey"]),
    ("partsupp", "part", ["ps_partkey = p_partkey"]),
    ("partsupp", "supplier", ["ps_suppkey = s_suppkey"]),
    ("orders", "customer", ["o_custkey = c_custkey"]),
    ("lineitem", "orders", ["l_orderkey = o_orderkey"]),
    ("lineitem", "part", ["l_partkey = p_partkey"]),
    ("lineitem", "supplier", ["l_suppkey = s_suppkey"]),
    ("lineitem", "partsupp", ["l_partkey = ps_partkey", "l_suppkey = ps_suppkey"]),
]
SAMPLES = {
    "r_name": ["ASIA", "EUROPE"],
    "n_name": ["FRANCE", "CHINA", "PERU"],
    "c_mktsegment": ["BUILDING", "MACHINERY"],
    "o_orderpriority": ["1-URGENT", "5-LOW"],
    "o_orderstatus": ["F", "O"],
    "l_returnflag": ["R", "N"],
    "l_shipmode": ["AIR", "RAIL", "TRUCK"],
    "p_brand": ["Brand#12", "Brand#34"],
    "p_container": ["SM CASE", "LG BOX"],
}
JOINS = ["JOIN"] * 6 + ["LEFT JOIN"] * 3 + ["RIGHT JOIN", "FULL JOIN"]


class Maker:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def chance(self, share):
        return self.random.random() < share

    def some(self, items, most):
        return self.random.sample(items, min(len(items), self.random.randint(1, most)))

    # ---- parts of a query ----

    def tables(self):
        """A connected walk through the keys: tables in order, and the FROM clause."""
        chosen = [self.random.choice(list(TABLES))]
        text = chosen[0]
        for _ in range(self.random.choice([0, 1, 1, 2, 2, 3])):
            edges = [(a, b, on) for a, b, on in EDGES if (a in chosen) != (b in chosen)]
            if not edges:
                break
            first, second, conditions = self.random.choice(edges)
            added = second if first in chosen else first
            chosen.append(added)
            text += f"\n  {self.random.choice(JOINS)} {added} ON {' AND '.join(conditions)}"
        return chosen, text

    def columns(self, chosen, kinds):
        return [column for table in chosen for kind in kinds for column in TABLES[table][kind]]

    def filter(self, chosen):
        numbers, texts, dates = (self.columns(chosen, [kind]) for kind in (1, 2, 3))
        kind = self.random.randrange(7)
        if kind == 0 and dates:
            column, year = self.random.choice(dates), self.random.randint(1992, 1998)
            return f"{column} BETWEEN DATE '{year}-03-01' AND DATE '{year + 1}-02-01'"
        if kind == 1 and texts:
            column = self.random.choice(texts)
            values = ", ".join(f"'{value}'" for value in SAMPLES.get(column, ["none", "such"]))
            return f"{column} {self.random.choice(['IN', 'NOT IN'])} ({values})"
        if kind == 2 and texts:
            return f"{self.random.choice(texts)} LIKE '%{self.random.choice('1AERN')}%'"
        if kind == 3:
            return f"{self.random.choice(numbers)} IS {self.random.choice(['', 'NOT '])}NULL"
        if kind == 4:
            column = self.random.choice(numbers)
            return f"({column} % {self.random.randint(2, 5)} = 1 OR {column} < {self.random.randint(1, 500)})"
        if kind == 5:
            return self.subquery_filter(numbers)
        return (
            f"{self.random.choice(numbers)} {self.random.choice(['<', '>', '<>', '>='])} {self.random.randint(1, 900)}"
        )

    def subquery_filter(self, numbers):
        table = self.random.choice(list(TABLES))
        inner = self.random.choice(TABLES[table][1])
        outer = self.random.choice(numbers)
        bound = self.random.randint(1, 500)
        form = self.random.randrange(4)
        if form == 0:
            return f"{outer} IN (SELECT q.{inner} FROM {table} q WHERE q.{inner} > {bound})"
        if form == 1:
            return f"{outer} NOT IN (SELECT q.{inner} FROM {table} q WHERE q.{inner} < {bound})"
        if form == 2:
            negation = self.random.choice(["", "NOT "])
            return f"{negation}EXISTS (SELECT 1 FROM {table} q WHERE q.{inner} = {outer} AND q.{inner} <> {bound})"
        return f"{outer} > (SELECT avg(q.{inner}) FROM {table} q)"

    def where(self, chosen):
        filters = [self.filter(chosen) for _ in range(self.random.choice([0, 1, 1, 2]))]
        return "\nWHERE " + "\n  AND ".join(filters) if filters else ""

    def aggregate(self, chosen):
        column = self.random.choice(self.columns(chosen, [1]))
        anything = self.random.choice(self.columns(chosen, [1, 2, 3]))
        return self.random.choice(
            [
                "count(*)",
                f"count({anything})",
                f"count(DISTINCT {anything})",
                f"sum({column})",
                f"sum(DISTINCT {column})",
                f"avg({column})",
                f"min({anything})",
                f"max({anything})",
                f"sum({column}) FILTER (WHERE {column} > 50)",
                f"bool_or({column} > 100)",
                f"list_sort(list(DISTINCT {anything}))[1:3]",
            ]
        )

    # ---- whole queries ----

    def grouped(self):
        chosen, source = self.tables()
        groups = self.some(self.columns(chosen, [2, 3]) or self.columns(chosen, [1]), 2)
        aggregates = [self.aggregate(chosen) for _ in range(self.random.randint(1, 3))]
        outputs = [f"{group} AS g{at}" for at, group in enumerate(groups)]
        outputs += [f"{aggregate} AS a{at}" for at, aggregate in enumerate(aggregates)]
        by = ", ".join(groups)
        if self.chance(0.15):
            by = self.random.choice([f"ROLLUP ({by})", f"CUBE ({by})", f"GROUPING SETS (({by}), ())"])
        having = f"\nHAVING count(*) > {self.random.randint(1, 4)}" if self.chance(0.3) else ""
        text = f"SELECT {', '.join(outputs)}\nFROM {source}{self.where(chosen)}\nGROUP BY {by}{having}"
        if self.chance(0.4):
            text += "\nORDER BY " + ", ".join(f"g{at}" for at in range(len(groups)))
            text += f"\nLIMIT {self.random.randint(1, 40)}" if self.chance(0.6) else ""
        return text

    def total(self):
        chosen, source = self.tables()
        outputs = [f"{self.aggregate(chosen)} AS a{at}" for at in range(self.random.randint(1, 4))]
        return f"SELECT {', '.join(outputs)}\nFROM {source}{self.where(chosen)}"

    def listed(self):
        chosen, source = self.tables()
        columns = self.some(self.columns(chosen, [1, 2, 3]), 4)
        distinct = "DISTINCT " if self.chance(0.3) else ""
        text = f"SELECT {distinct}{', '.join(columns)}\nFROM {source}{self.where(chosen)}"
        return f"{text}\nORDER BY ALL\nLIMIT {self.random.randint(1, 200)}"

    def windowed(self):
        chosen, source = self.tables()
        columns = self.some(self.columns(chosen, [1, 2, 3]), 3)
        by = self.random.choice(self.columns(chosen, [2, 3]) or columns)
        number = self.random.choice(self.columns(chosen, [1]))
        function = self.random.choice(["rank()", "dense_rank()", f"sum({number})", f"max({number})", "count(*)"])
        text = f"SELECT {', '.join(columns)}, {function} OVER (PARTITION BY {by} ORDER BY {number}) AS w"
        text += f"\nFROM {source}{self.where(chosen)}"
        return f"SELECT * FROM (\n{text}\n) AS t\nORDER BY ALL\nLIMIT {self.random.randint(10, 300)}"

    def combined(self):
        operation = self.random.choice(["UNION ALL", "UNION", "INTERSECT", "EXCEPT"])
        sides = []
        for _ in range(2):
            chosen, source = self.tables()
            column = self.random.choice(self.columns(chosen, [1]))
            sides.append(f"SELECT CAST({column} AS DECIMAL(18,2)) AS x\nFROM {source}{self.where(chosen)}")
        both = f"({sides[0]})\n{operation}\n({sides[1]})"
        return f"SELECT count(*) AS n, sum(x) AS s, min(x) AS low, max(x) AS high FROM (\n{both}\n) AS t"

    def shared(self):
        chosen, source = self.tables()
        group = self.random.choice(self.columns(chosen, [2, 3]) or self.columns(chosen, [1]))
        part = (
            f"WITH part_of AS (\nSELECT {group} AS g, count(*) AS n\nFROM {source}{self.where(chosen)}\nGROUP BY ALL\n)"
        )
        return f"{part}\nSELECT a.g, a.n FROM part_of a\nWHERE a.n >= (SELECT avg(b.n) FROM part_of b)\nORDER BY ALL LIMIT 50"

    def query(self):
        makers = [self.grouped] * 5 + [self.total, self.listed, self.windowed, self.combined, self.shared]
        return self.random.choice(makers)()


def make(count, seed):
    """[(name, SQL)]: the same for the same seed; the first of more are those of fewer."""
    return [(f"seed{seed}_{at}", Maker(f"{seed}/{at}").query()) for at in range(count)]
