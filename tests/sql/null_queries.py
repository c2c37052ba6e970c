# SPDX-License-Identifier: MIT
"""Queries over the tables of null_tables.sql, made up from a seed. Every table has every column, so any two may be
joined along any of them, by equality or not; NULL is everywhere."""

import random

TABLES = ["a", "b", "c", "s"] * 5 + ["e"]
NUMBERS, KEYS, ANY = ["k", "n", "x", "f"], ["k", "g", "d", "flag"], ["id", "k", "g", "n", "x", "f", "d", "flag"]
SAMPLES = {"k": ["3", "7", "19"], "n": ["-100", "0", "250"], "x": ["-12.5", "0", "33.33"], "f": ["0.25", "50", "99.75"]}
SAMPLES |= {
    "g": ["'g1'", "'g5'", "''"],
    "d": ["DATE '1969-12-31'", "DATE '1970-02-01'"],
    "flag": ["true"],
    "id": ["300"],
}
JOINS = ["JOIN", "JOIN", "JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "SEMI JOIN", "ANTI JOIN"]


class Maker:
    def __init__(self, seed):
        self.random = random.Random(seed)
        self.aliases = 0

    def one(self, items):
        return self.random.choice(items)

    def chance(self, share):
        return self.random.random() < share

    def alias(self):
        self.aliases += 1
        return f"t{self.aliases}"

    # ---- conditions ----

    def comparison(self, alias):
        column = self.one(ANY)
        value = self.one(SAMPLES[column])
        if column == "flag":
            return self.one([f"{alias}.flag", f"NOT {alias}.flag", f"{alias}.flag IS NOT TRUE"])
        operator = self.one(["=", "<>", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"])
        return f"{alias}.{column} {operator} {value}"

    def condition(self, alias, depth=0):
        kind = self.random.randrange(9)
        column = self.one(ANY)
        if kind == 0:
            return f"{alias}.{column} IS {self.one(['', 'NOT '])}NULL"
        if kind == 1:
            values = ", ".join(SAMPLES[column] + (["NULL"] if self.chance(0.3) else []))
            return f"{alias}.{column} {self.one(['IN', 'NOT IN'])} ({values})"
        if kind == 2 and depth < 2:
            pair = [self.condition(alias, depth + 1) for _ in range(2)]
            return f"({self.one([' AND ', ' OR ']).join(pair)})"
        if kind == 3 and depth < 2:
            return f"NOT ({self.condition(alias, depth + 1)})"
        if kind == 4 and depth == 0:
            return self.subquery(alias)
        if kind == 5:
            return f"list_contains({alias}.l, {self.random.randrange(3)})"
        return self.comparison(alias)

    def subquery(self, alias):
        inner, column, table = self.alias(), self.one(KEYS[:3] + ["n"]), self.one(TABLES)
        kind = self.random.randrange(5)
        if kind < 2:
            word = ["IN", "NOT IN"][kind]
            return (
                f"{alias}.{column} {word} (SELECT {inner}.{column} FROM {table} {inner} WHERE {self.comparison(inner)})"
            )
        if kind == 2:
            word = self.one(["", "NOT "])
            link = f"{inner}.{column} = {alias}.{column} AND {inner}.id <> {alias}.id"
            return f"{word}EXISTS (SELECT 1 FROM {table} {inner} WHERE {link})"
        if kind == 3:
            return f"{alias}.n > (SELECT avg({inner}.n) FROM {table} {inner} WHERE {inner}.k = {alias}.k)"
        word = self.one(["ANY", "ALL"])
        return f"{alias}.n >= {word} (SELECT {inner}.n FROM {table} {inner} WHERE {self.comparison(inner)})"

    # ---- sources ----

    def relation(self, depth):
        if depth < 2 and self.chance(0.25):
            inner = self.alias()
            kind = self.random.randrange(3)
            if kind == 0:
                key = self.one(KEYS)
                rest = ", ".join(f"max({inner}.{name}) AS {name}" for name in ANY if name not in (key, "flag"))
                flag = "" if key == "flag" else f", bool_or({inner}.flag) AS flag"
                lists = f", list_sort(list(DISTINCT {inner}.k)) AS l"
                return f"(SELECT {inner}.{key}, {rest}{flag}{lists} FROM {self.one(TABLES)} {inner} GROUP BY {inner}.{key})"
            if kind == 1:
                return (
                    f"(SELECT * FROM {self.one(TABLES)} UNION {self.one(['', 'ALL '])}SELECT * FROM {self.one(TABLES)})"
                )
            return f"(SELECT DISTINCT * FROM {self.one(TABLES)} {inner} WHERE {self.condition(inner, 1)})"
        return self.one(TABLES)

    def source(self, depth=0):
        """FROM clause, and the aliases that are visible behind it."""
        first = self.alias()
        text, visible = f"{self.relation(depth)} {first}", [first]
        for _ in range(self.one([0, 0, 1, 1, 2])):
            second, join = self.alias(), self.one(JOINS)
            other, column = self.one(visible), self.one(KEYS[:3] + ["id", "n", "x"])
            operator = self.one(["=", "=", "=", "=", "IS NOT DISTINCT FROM"])
            condition = f"{other}.{column} {operator} {second}.{column}"
            if self.chance(0.3):
                condition += f" AND {other}.n {self.one(['<', '<>', '>='])} {second}.n"
            if self.chance(0.2):
                condition += f" AND {self.comparison(self.one([other, second]))}"
            text += f"\n  {join} {self.relation(depth + 1)} {second} ON {condition}"
            if not join.startswith(("SEMI", "ANTI")):
                visible.append(second)
        where = [self.condition(self.one(visible)) for _ in range(self.one([0, 0, 1, 1, 2]))]
        return text + ("\nWHERE " + "\n  AND ".join(where) if where else ""), visible

    # ---- outputs ----

    def aggregate(self, visible):
        alias, number, anything = self.one(visible), self.one(NUMBERS), self.one(ANY)
        forms = [
            "count(*)",
            f"count({alias}.{anything})",
            f"count(DISTINCT {alias}.{anything})",
            f"sum({alias}.{number})",
            f"avg({alias}.{number})",
            f"min({alias}.{anything})",
            f"max({alias}.{anything})",
            f"sum(DISTINCT {alias}.{number})",
            f"count(*) FILTER (WHERE {self.comparison(alias)})",
            f"bool_and({alias}.flag)",
            f"list_sort(list(DISTINCT {alias}.k))",
            f"string_agg(DISTINCT {alias}.g, ',' ORDER BY {alias}.g)",
            f"max({alias}.n) - min({alias}.n)",
            f"coalesce(sum({alias}.n), -1)",
            f"arg_max({alias}.k, {alias}.k)",
            f"median({alias}.n)",
            f"var_samp({alias}.k)",
        ]
        return self.one(forms)

    def grouped(self):
        source, visible = self.source()
        groups = [f"{self.one(visible)}.{self.one(KEYS)}" for _ in range(self.random.randint(1, 3))]
        groups = list(dict.fromkeys(groups))
        outputs = [f"{group} AS g{at}" for at, group in enumerate(groups)]
        outputs += [f"{self.aggregate(visible)} AS a{at}" for at in range(self.random.randint(1, 3))]
        by = ", ".join(groups)
        if self.chance(0.25):
            by = self.one([f"ROLLUP ({by})", f"CUBE ({by})", f"GROUPING SETS (({by}), ({groups[0]}), ())"])
        having = f"\nHAVING {self.one(['count(*) > 2', f'max({visible[0]}.n) > 0', 'count(*) % 2 = 1'])}"
        return f"SELECT {', '.join(outputs)}\nFROM {source}\nGROUP BY {by}{having if self.chance(0.3) else ''}"

    def total(self):
        source, visible = self.source()
        return f"SELECT {', '.join(f'{self.aggregate(visible)} AS a{at}' for at in range(3))}\nFROM {source}"

    def listed(self):
        source, visible = self.source()
        columns = list(dict.fromkeys(f"{self.one(visible)}.{self.one([*ANY, 'l'])}" for _ in range(3)))
        outputs = ", ".join(f"{column} AS c{at}" for at, column in enumerate(columns))
        distinct = "DISTINCT " if self.chance(0.4) else ""
        ends = self.one(["", "\nORDER BY ALL LIMIT 40", "\nORDER BY ALL DESC NULLS LAST LIMIT 40 OFFSET 5"])
        return f"SELECT {distinct}{outputs}\nFROM {source}{ends or chr(10) + 'ORDER BY ALL LIMIT 500'}"

    def windowed(self):
        source, visible = self.source()
        alias = self.one(visible)
        by = self.one(["", f"PARTITION BY {alias}.{self.one(KEYS)} "])
        order = ", ".join(f"{name}.id {self.one(['', 'DESC NULLS LAST'])}" for name in visible)
        order += "".join(f", {name}.{column}" for name in visible for column in ("k", "g", "n", "x", "f", "d"))
        frame = self.one(["", " ROWS BETWEEN 2 PRECEDING AND CURRENT ROW"])
        function = self.one([f"sum({alias}.n)", f"count({alias}.k)", f"max({alias}.x)", "count(*)"])
        ranked = self.one(["rank()", "dense_rank()", f"lag({alias}.id)", f"first_value({alias}.id)"])
        outputs = f"{alias}.id AS i, {alias}.k AS k, {function} OVER ({by}ORDER BY {order}{frame}) AS w"
        outputs += f", {ranked} OVER ({by}ORDER BY {order}) AS r"
        return f"SELECT * FROM (SELECT {outputs}\nFROM {source}) q ORDER BY ALL LIMIT 200"

    def combined(self):
        column = self.one(ANY)
        sides = []
        for _ in range(self.one([2, 2, 3])):
            source, visible = self.source()
            sides.append(f"(SELECT {self.one(visible)}.{column} AS v\nFROM {source})")
        operations = ["UNION", "UNION ALL", "INTERSECT", "EXCEPT", "INTERSECT ALL", "EXCEPT ALL"]
        text = sides[0]
        for side in sides[1:]:
            text = f"({text}\n{self.one(operations)}\n{side})"
        return f"SELECT v, count(*) AS n FROM {text} u GROUP BY v ORDER BY v LIMIT 100"

    def shared(self):
        source, visible = self.source()
        key = self.one(KEYS)
        body = f"SELECT {visible[0]}.{key} AS v, count(*) AS n, sum({visible[0]}.x) AS x\nFROM {source}\nGROUP BY 1"
        kind = self.one(["", "MATERIALIZED "])
        other = self.one(["p.v = q.v", "p.v IS NOT DISTINCT FROM q.v", "p.n < q.n"])
        tail = f"SELECT p.v, p.n, count(q.v) AS m, max(q.x) AS x FROM w p {self.one(JOINS[:7])} w q ON {other} GROUP BY ALL"
        return f"WITH w AS {kind}(\n{body}\n)\n{tail}"

    def query(self):
        makers = [self.grouped] * 4 + [self.total, self.listed, self.listed, self.windowed, self.combined, self.shared]
        return self.one(makers)()


def make(count, seed):
    """[(name, SQL)]: the same for the same seed; the first of more are those of fewer."""
    return [(f"nulls{seed}_{at}", Maker(f"{seed}/{at}").query()) for at in range(count)]
