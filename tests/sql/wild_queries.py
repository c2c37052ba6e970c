# SPDX-License-Identifier: MIT
"""Queries made up from a seed over the tables of wild_data.py: joins of all kinds, groups, windows, subqueries, set
operations, CTEs, nested values. What they answer depends on no order that the statement does not give."""

from wild_expressions import Item
from wild_relations import Relations
from wild_templates import KEYS, LITERALS

SETS = [
    "UNION",
    "UNION ALL",
    "UNION ALL",
    "INTERSECT",
    "EXCEPT",
    "INTERSECT ALL",
    "EXCEPT ALL",
    "UNION BY NAME",
    "UNION ALL BY NAME",
]
ORDERABLE = [family for family in LITERALS if family != "mp"]
FRAMES = [
    "", "", "ROWS BETWEEN 2 PRECEDING AND CURRENT ROW", "ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING", "ROWS BETWEEN 1 PRECEDING AND 3 FOLLOWING",
    "GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING", "RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW", "ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING",
    "ROWS BETWEEN 3 PRECEDING AND 1 PRECEDING", "RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING EXCLUDE CURRENT ROW", "GROUPS BETWEEN 2 PRECEDING AND CURRENT ROW EXCLUDE TIES",
]  # fmt: skip


class Select:
    """A statement, and (name, family) of its columns."""

    def __init__(self, sql, columns):
        self.sql, self.columns = sql, columns


class Queries(Relations):
    # ---- selects: (depth, outer) -> Select; inside others only what is exact ----

    def select(self, depth=0, outer=()):
        makers = (
            [self.listed] * 3
            + [self.grouped] * 5
            + [self.total, self.windowed, self.windowed, self.combined, self.combined, self.distinct_on, self.unnested]
        )
        if depth == 0:
            makers += [
                self.shared,
                self.shared,
                self.recursive,
                self.unpivoted,
                self.erring,
                self.starred,
                self.counted,
            ]
        return self.one(makers)(depth)

    def value_item(self, scope, depth):
        """An output: mostly a column or an expression, now and then a subquery."""
        if depth < 2 and self.chance(0.08):
            return self.scalar(scope, depth)
        text, family = self.column(scope, list(LITERALS))
        return (text, family) if self.chance(0.5) else (self.value(family, scope), family)

    def outputs(self, scope, depth, most=4):
        items = [self.value_item(scope, depth) for _ in range(self.random.randint(1, most))]
        return ", ".join(f"{text} AS c{at}" for at, (text, _) in enumerate(items)), [
            (f"c{at}", family) for at, (_, family) in enumerate(items)
        ]

    def tail(self, columns, depth):
        """ORDER BY and LIMIT that leave no choice; rows that tie are alike."""
        if any(family in ("mp", "any", "apx") for _, family in columns):
            return ""
        kind = self.random.randrange(8 if depth else 6)
        limit = f" LIMIT {self.one([1, 5, 20, 20, 100, 100] if depth or self.chance(0.95) else [0])}{self.one(['', '', ' OFFSET 3'])}"
        limit = self.one([limit] * 8 + [" LIMIT 30%", " OFFSET 2"])
        if kind == 0:
            return "\nORDER BY ALL" + limit
        if kind == 1:
            return "\nORDER BY ALL DESC NULLS LAST" + limit
        if kind == 2 and columns:
            order = self.random.sample([name for name, _ in columns], len(columns))
            return (
                "\nORDER BY "
                + ", ".join(f"{name}{self.one(['', ' DESC', ' NULLS FIRST', ' DESC NULLS LAST'])}" for name in order)
                + limit
            )
        if kind == 3 and depth == 0:
            return f"\nORDER BY {self.random.randint(1, len(columns))}"
        return ""

    def listed(self, depth):
        text, scope = self.source(depth)
        outputs, columns = self.outputs(scope, depth)
        distinct = "DISTINCT " if self.chance(0.3) else ""
        return Select(
            f"SELECT {distinct}{outputs}\nFROM {text}{self.where(scope, depth)}{self.tail(columns, depth)}", columns
        )

    def counted(self, depth):
        """A LIMIT without an order: how many rows it lets through is certain."""
        inner = self.listed(1)
        return Select(
            f"SELECT count(*) AS n FROM (SELECT * FROM ({inner.sql}) LIMIT {self.one([0, 7, 50])}{self.one(['', ' OFFSET 4'])}) q",
            [("n", "int")],
        )

    def group_item(self, scope):
        text, family = self.column(scope, ORDERABLE)
        return (self.value(family, scope, 1), family) if self.chance(0.25) else (text, family)

    def grouped(self, depth):
        text, scope = self.source(depth)
        groups = list(
            {group[0]: group for group in (self.group_item(scope) for _ in range(self.random.randint(1, 3)))}.values()
        )
        groups = [group for group in groups if "." in group[0] or not group[0][:1].isdigit()]
        if not groups:
            return self.total(depth)
        calls = [self.aggregate(scope, is_exact=depth > 0) for _ in range(self.random.randint(1, 3))]
        names = [(f"g{at}", family) for at, (_, family) in enumerate(groups)] + [
            (f"a{at}", family) for at, (_, family) in enumerate(calls)
        ]
        by, sets = ", ".join(group[0] for group in groups), self.random.random()
        if sets < 0.08:
            by = f"ROLLUP ({by})"
        elif sets < 0.14:
            by = f"CUBE ({by})"
        elif sets < 0.2:
            by = f"GROUPING SETS (({by}), ({groups[-1][0]}), ())"
            calls, names = calls + [(f"grouping({groups[0][0]})", "int")], names + [(f"a{len(calls)}", "int")]
        elif sets < 0.35:
            by = "ALL"
        elif sets < 0.42:
            by = ", ".join(str(at + 1) for at in range(len(groups)))
        outputs = ", ".join(f"{value} AS {name}" for (value, _), (name, _) in zip(groups + calls, names))
        having = f"\nHAVING {self.aggregate_condition(scope)}" if self.chance(0.25) else ""
        sql = f"SELECT {outputs}\nFROM {text}{self.where(scope, depth)}\nGROUP BY {by}{having}{self.tail(names, depth)}"
        if self.chance(0.1) and depth == 0 and by[:1] == "t" and not having:
            sql = f"SELECT {outputs}, rank() OVER (ORDER BY count(*)) AS r, sum(count(*)) OVER () AS s\nFROM {text}\nGROUP BY {by}"
            names = names + [("r", "int"), ("s", "int")]
        return Select(sql, names)

    def aggregate_condition(self, scope):
        return self.one(
            [
                "count(*) > 2",
                "count(*) % 2 = 1",
                self.fill("max({int}) > 3", scope, 2),
                self.fill("min({str}) IS NOT NULL", scope, 2),
                self.fill("bool_or({cond})", scope, 2),
            ]
        )

    def total(self, depth):
        text, scope = self.source(depth)
        calls = [self.aggregate(scope, is_exact=depth > 0) for _ in range(self.random.randint(1, 4))]
        outputs = ", ".join(f"{value} AS a{at}" for at, (value, _) in enumerate(calls))
        having = f"\nHAVING {self.aggregate_condition(scope)}" if self.chance(0.1) else ""
        return Select(
            f"SELECT {outputs}\nFROM {text}{self.where(scope, depth)}{having}",
            [(f"a{at}", family) for at, (_, family) in enumerate(calls)],
        )

    def windowed(self, depth):
        """Windows over a subquery of which they order all columns: rows that tie are alike. Two windows may number rows that
        are alike differently, so there is a second one only over rows that all differ."""
        text, scope = self.source(depth + 1)
        scope = [item for item in scope if item.family in ORDERABLE]
        items = [self.group_item(scope) for _ in range(self.random.randint(2, 4))]
        inner = ", ".join(f"{value} AS c{at}" for at, (value, _) in enumerate(items))
        columns = [(f"c{at}", family) for at, (_, family) in enumerate(items)]
        visible = [Item(f"q.{name}", family) for name, family in columns]
        distinct = self.one(["DISTINCT ", "DISTINCT ", ""])
        calls = [self.window_call(visible, depth) for _ in range(self.random.randint(1, 3) if distinct else 1)]
        outputs = ", ".join([name for name, _ in columns] + [f"{call} AS w{at}" for at, (call, _) in enumerate(calls)])
        columns = columns + [(f"w{at}", family) for at, (_, family) in enumerate(calls)]
        sql = f"SELECT {outputs}\nFROM (SELECT {distinct}{inner} FROM {text}{self.where(scope, depth + 1)}) q"
        if distinct and self.chance(0.3):
            call = self.one(["row_number()", "rank()", "dense_rank()", "count(*)"])
            sql += f"\nQUALIFY {call} OVER ({self.window(visible)}) {self.one(['= 1', '<= 3', '% 2 = 0'])}"
        return Select(sql + self.tail(columns, depth), columns)

    def window(self, visible, frame=""):
        order = [
            f"{item.text}{self.one(['', '', ' DESC', ' NULLS FIRST', ' DESC NULLS LAST'])}"
            for item in self.random.sample(visible, len(visible))
        ]
        by = f"PARTITION BY {', '.join({self.one(visible).text for _ in range(1)})} " if self.chance(0.65) else ""
        return f"{by}ORDER BY {', '.join(order)} {frame}".strip()

    def window_call(self, visible, depth):
        window = self.window(visible)
        text, family = self.column(visible, ORDERABLE)
        kind = self.random.randrange(8)
        if kind == 0:
            return f"{self.one(['row_number()', 'rank()', 'dense_rank()', 'ntile(3)'])} OVER ({window})", "int"
        if kind == 1:
            nulls = self.one(["", "", " IGNORE NULLS"])
            return f"{self.one(['lag', 'lead'])}({text}{self.one(['', ', 2'])}{nulls}) OVER ({window})", family
        if kind == 2:
            nulls = self.one(["", " IGNORE NULLS", " RESPECT NULLS"])
            call = self.one(
                [f"first_value({text}{nulls})", f"last_value({text}{nulls})", f"nth_value({text}, 2{nulls})"]
            )
            return f"{call} OVER ({self.window(visible, self.one(FRAMES))})", family
        if kind == 3 and depth == 0:
            call = self.one(["percent_rank()", "cume_dist()", self.fill("avg({int})", visible, 2)])
            return f"{call} OVER ({window})", "apx"
        if kind == 4:
            plain = f"PARTITION BY {self.one(visible).text}" if self.chance(0.6) else ""
            return (
                self.fill(
                    self.one(
                        [
                            "count(*)",
                            "sum({int})",
                            "max({int})",
                            "count(DISTINCT {key})",
                            "sum({int}) FILTER (WHERE {cond})",
                        ]
                    ),
                    visible,
                    2,
                )
                + f" OVER ({plain})",
                "int",
            )
        if kind == 5:
            return f"{self.one(['min', 'max'])}({text}) OVER ({self.window(visible, self.one(FRAMES))})", family
        if kind == 6:
            number = self.column(visible, ["int"])[0]
            frame = f"RANGE BETWEEN {self.random.randrange(4)} PRECEDING AND {self.random.randrange(3)} FOLLOWING"
            return f"count(*) OVER (ORDER BY {number} {frame})", "int"
        call = self.one(["sum({int})", "count({key})", "count(*)", "bit_xor({int})", "sum(DISTINCT {int})"])
        return self.fill(call, visible, 2) + f" OVER ({self.window(visible, self.one(FRAMES))})", "int"

    def combined(self, depth):
        families = [self.one([*KEYS, "int", "int", "str"]) for _ in range(self.random.randint(1, 2))]
        sides = []
        for _ in range(self.one([2, 2, 3])):
            text, scope = self.source(depth + 1, most=1)
            values = ", ".join(f"{self.value(family, scope, 1)} AS c{at}" for at, family in enumerate(families))
            sides.append(f"SELECT {values} FROM {text}{self.where(scope, depth + 1)}")
        text = f"({sides[0]})"
        for side in sides[1:]:
            text = f"({text}\n{self.one(SETS)}\n({side}))"
        columns = [(f"c{at}", family) for at, family in enumerate(families)]
        return Select(f"SELECT * FROM {text} u{self.tail(columns, depth)}", columns)

    def distinct_on(self, depth):
        text, scope = self.source(depth + 1)
        scope = [item for item in scope if item.family in ORDERABLE]
        items = [self.group_item(scope) for _ in range(3)]
        inner = ", ".join(f"{value} AS c{at}" for at, (value, _) in enumerate(items))
        columns = [(f"c{at}", family) for at, (_, family) in enumerate(items)]
        order = f"c0, c1{self.one(['', ' DESC'])}, c2{self.one(['', ' NULLS FIRST'])}"
        return Select(
            f"SELECT DISTINCT ON (c0) c0, c1, c2 FROM (SELECT {inner} FROM {text}{self.where(scope, depth)}) q ORDER BY {order}",
            columns,
        )

    def unnested(self, depth):
        text, scope = self.source(depth)
        family = self.one(["li", "ls", "lst"])
        value = self.value(family, scope)
        rest, columns = self.outputs(scope, 3, 2)
        return Select(
            f"SELECT UNNEST({value}) AS e, {rest}\nFROM {text}{self.where(scope, depth)}",
            [("e", {"li": "int", "ls": "str", "lst": "st"}[family]), *columns],
        )

    # ---- only at the top ----

    def shared(self, depth):
        names = []
        for at in range(self.random.randint(1, 2)):
            inner = self.select(1)
            text = inner.sql
            names.append(f"w{at} AS {self.one(['', 'MATERIALIZED ', 'NOT MATERIALIZED '])}(\n{text}\n)")
            self.ctes += [(f"w{at}", inner.columns)] * 2
        body = self.one([self.grouped, self.listed, self.total, self.combined, self.windowed])(depth)
        return Select(f"WITH {', '.join(names)}\n{body.sql}", body.columns)

    def recursive(self, depth):
        text, scope = self.source(2, most=1)
        table, other = self.one(self.tables), self.alias()
        start = self.column(scope, ["int"])[0]
        union = self.one(["UNION", "UNION", "UNION ALL"])
        kind = self.random.randrange(3)
        if kind == 0:
            body = f"SELECT n + 1, depth + 1 FROM r WHERE depth < {self.random.randint(1, 6)}"
        elif kind == 1 or union == "UNION ALL":
            body, union = (
                f"SELECT ({other}.id % 50)::BIGINT, r.depth + 1 FROM r JOIN {table.name} {other} ON {other}.k = r.n WHERE r.depth < 3",
                "UNION",
            )
        else:
            body = f"SELECT ({other}.k)::BIGINT, r.depth + 1 FROM r JOIN {table.name} {other} ON {other}.id = r.n + 1 WHERE r.depth < 4"
        tail = self.one(
            [
                "SELECT * FROM r",
                "SELECT depth, count(*) AS c, sum(n) AS s FROM r GROUP BY depth",
                f"SELECT r.n, x.id FROM r JOIN {self.one(self.tables).name} x ON x.id = r.n",
            ]
        )
        return Select(
            f"WITH RECURSIVE r(n, depth) AS (\nSELECT DISTINCT ({start})::BIGINT, 0 FROM {text}{self.where(scope, 2)}\n{union}\n{body}\n)\n{tail}",
            [("n", "int")],
        )

    def unpivoted(self, depth):
        table = self.one(self.tables)
        names = [column.quoted for column in table.columns if column.family == "int"]
        chosen = self.random.sample(names, min(len(names), 2))
        if self.chance(0.5):
            return Select(
                f"SELECT n, v, count(*) AS c FROM (SELECT {', '.join(f'{name}::BIGINT AS {name}' for name in chosen)} FROM {table.name}) UNPIVOT {self.one(['', 'INCLUDE NULLS '])}(v FOR n IN ({', '.join(chosen)})) GROUP BY ALL",
                [],
            )
        return Select(
            f"SELECT * FROM (SELECT k, g, id FROM {table.name}) PIVOT (sum(id) AS s, count(*) AS c FOR k IN (1, 2, 3) GROUP BY g)",
            [],
        )

    def starred(self, depth):
        text, scope = self.source(1, most=2)
        star = self.one(["*", "* EXCLUDE (k)", "COLUMNS('^[a-k]')", "t1.*", "* REPLACE (1 AS k)"])
        return Select(f"SELECT {star} FROM {text}{self.where(scope, 1)}", [])

    def erring(self, depth):
        """What may fail on some rows: then it must fail everywhere."""
        text, scope = self.source(1, most=1)
        if self.chance(0.2):
            other, items = self.aliased(3)
            pair = self.pair(scope, items)
            where = f"{pair[0]} = {pair[1]}" if pair else "true"
            return Select(
                f"SELECT {self.one(scope).text} AS c0, (SELECT {self.one(items).text} FROM {other} WHERE {where}) AS c1\nFROM {text}",
                [],
            )
        value = self.risky(scope)
        shape = self.one(
            ["SELECT {} AS c0", "SELECT count({}) AS c0", "SELECT max({}) AS c0", "SELECT list({})[1:0] AS c0"]
        )
        return Select(f"{shape.format(value)}\nFROM {text}{self.where(scope, 2)}", [])


def make(schema, seed, at):
    """One statement: the same for the same schema, seed and number."""
    return Queries(schema, f"{seed}/{at}").select().sql
