# SPDX-License-Identifier: MIT
"""FROM clauses made up: tables, nested statements, joins of all kinds; and conditions with subqueries."""

from wild_expressions import Expressions, Item
from wild_templates import KEYS, LITERALS

JOINS = ["JOIN"] * 5 + ["LEFT JOIN"] * 4 + ["RIGHT JOIN"] * 2 + ["FULL JOIN"] * 2 + ["SEMI JOIN", "ANTI JOIN"]
JOINS += ["CROSS JOIN", "USING", "NATURAL", "ASOF", "LATERAL", "UNNEST", "COMMA"]


class Relations(Expressions):
    """FROM clauses and conditions. Nested statements come from select(), which Queries has."""

    def __init__(self, schema, seed):
        super().__init__(seed)
        self.tables, self.ctes = schema.tables, []

    # ---- relations ----

    def base(self):
        table = self.one(self.tables)
        return table.name, [(column.quoted, column.family) for column in table.columns]

    def relation(self, depth, outer=()):
        """(text without alias, [(name, family)])"""
        kind = self.random.random()
        if depth < 3 and kind < 0.10 + 0.08 * (depth == 0):
            inner = self.select(depth + 1, outer)
            return f"({inner.sql})", inner.columns
        if self.ctes and kind < 0.45:
            name, columns = self.one(self.ctes)
            return name, columns
        if kind > 0.98:
            rows = ", ".join(
                f"({self.literal('int')}, {self.literal('str')}, {self.literal('date')})" for _ in range(3)
            )
            return f"(SELECT * FROM (VALUES {rows}) v(k, g, day))", [("k", "int"), ("g", "str"), ("day", "date")]
        if kind > 0.965:
            return "(SELECT range AS k FROM range(5))", [("k", "int")]
        return self.base()

    def aliased(self, depth, outer=()):
        text, columns = self.relation(depth, outer)
        alias = self.alias()
        return f"{text} {alias}", [Item(f"{alias}.{name}", family) for name, family in columns]

    def pair(self, left, right):
        """Two columns that may be compared, one of each side; None if there are none."""
        found = [(a.text, b.text) for a in left for b in right if a.family == b.family and a.family in KEYS]
        if not found:
            return None
        same = [pair for pair in found if pair[0].split(".")[-1] == pair[1].split(".")[-1]]
        return self.one(same) if same and self.chance(0.6) else self.one(found)

    def join_condition(self, left, right):
        pair = self.pair(left, right)
        if not pair:
            return f"{self.condition(right, 2)}"
        kind = self.random.randrange(12)
        if kind == 0:
            text = f"{pair[0]} IS NOT DISTINCT FROM {pair[1]}"
        elif kind == 1:
            text = f"{pair[0]} {self.one(['<', '<=', '>', '>=', '<>'])} {pair[1]}"
        elif kind == 2:
            text = f"{self.value('int', left, 1)} = {self.value('int', right, 1)}"
        elif kind == 3:
            low, high = self.column(right, ["int"])[0], self.column(right, ["int"])[0]
            text = f"{self.column(left, ['int'])[0]} BETWEEN {low} AND {high}"
        else:
            text = f"{pair[0]} = {pair[1]}"
            if self.chance(0.25) and (more := self.pair(left, right)):
                text += f" AND {more[0]} {self.one(['=', '=', '<', '<>', 'IS NOT DISTINCT FROM'])} {more[1]}"
        if self.chance(0.2):
            text += (
                f" {self.one(['AND', 'AND', 'AND', 'OR'])} {self.condition(self.one([left, right, left + right]), 1)}"
            )
        return text

    def source(self, depth, outer=(), most=3):
        """(FROM clause, items in sight)"""
        text, scope = self.aliased(depth, outer)
        for _ in range(self.one([0, 0, 1, 1, 1, 2, 2, 3][: 2 + 2 * most])):
            joined = self.joined(self.one(JOINS), text, scope, depth)
            if joined:
                text, scope = joined
        return text, scope

    def joined(self, kind, text, scope, depth):
        if kind == "UNNEST":
            lists = [item for item in scope if item.family in ("li", "ls", "lst")]
            if not lists:
                return None
            item, alias = self.one(lists), self.alias()
            if self.chance(0.3):
                family = {"li": "int", "ls": "str", "lst": "st"}[item.family]
                items = [Item(f"{alias}.e", family), Item(f"{alias}.o", "int")]
                return f"{text}, UNNEST({item.text}) WITH ORDINALITY {alias}(e, o)", scope + items
            join = self.one(
                [
                    f", UNNEST({item.text}) {alias}(e)",
                    f"\n  LEFT JOIN LATERAL (SELECT UNNEST({item.text}) AS e) {alias} ON true",
                ]
            )
            return text + join, scope + [Item(f"{alias}.e", {"li": "int", "ls": "str", "lst": "st"}[item.family])]
        if kind == "LATERAL":
            inner, columns = self.lateral(scope, depth)
            alias = self.alias()
            join = self.one(
                [f"\n  LEFT JOIN LATERAL ({inner}) {alias} ON true", f"\n  CROSS JOIN LATERAL ({inner}) {alias}"]
            )
            return text + join, scope + [Item(f"{alias}.{name}", family) for name, family in columns]
        if kind == "ASOF":
            return self.asof(text, scope)
        if kind in ("USING", "NATURAL"):
            return self.by_name(kind, text, scope)
        other, items = self.aliased(depth + 1)
        if kind == "CROSS JOIN":
            return (
                f"{text}\n  CROSS JOIN (SELECT * FROM {other} ORDER BY ALL LIMIT 3) {items[0].text.split('.')[0]}",
                scope + items,
            )
        if kind == "COMMA":
            return f"{text}\n  JOIN {other} ON true AND ({self.join_condition(scope, items)})", scope + items
        text += f"\n  {kind} {other} ON {self.join_condition(scope, items)}"
        return text, scope if kind in ("SEMI JOIN", "ANTI JOIN") else scope + items

    def lateral(self, scope, depth):
        other, items = self.aliased(depth + 2)
        pair = self.pair(scope, items)
        where = f"{pair[0]} = {pair[1]}" if pair else self.condition(items, 2)
        if self.chance(0.6):
            value, family = self.aggregate(items, is_exact=True)
            return f"SELECT {value} AS e0, count(*) AS e1 FROM {other} WHERE {where}", [("e0", family), ("e1", "int")]
        value, family = self.column(items, KEYS)
        return f"SELECT {value} AS e0 FROM {other} WHERE {where} ORDER BY 1 LIMIT 2", [("e0", family)]

    def asof(self, text, scope):
        table = self.one(self.tables)
        family = self.one(["int", "date", "ts"])
        name = self.one([column.quoted for column in table.columns if column.family == family] or ["id"])
        mine = self.columns(scope, "int" if name == "id" else family)
        keys = self.columns(scope, "int")
        if not mine or not keys or name == "k":
            return None
        alias, inner = self.alias(), self.alias()
        right = f"(SELECT {inner}.k, {inner}.{name} AS a, max({inner}.id) AS i FROM {table.name} {inner} GROUP BY ALL)"
        # Not NULL: DuckDB lets it match or not by how many rows there are.
        value = f"coalesce({self.one(mine)}, {LITERALS['int' if name == 'id' else family][0]})"
        where = f"{self.one(keys)} = {alias}.k AND {value} {self.one(['>=', '>', '<', '<='])} {alias}.a"
        items = [
            Item(f"{alias}.k", "int"),
            Item(f"{alias}.a", family if name != "id" else "int"),
            Item(f"{alias}.i", "int"),
        ]
        return f"{text}\n  ASOF {self.one(['', 'LEFT '])}JOIN {right} {alias} ON {where}", scope + items

    def by_name(self, kind, text, scope):
        if "JOIN" in text:
            return None  # the name would be ambiguous
        mine = {item.text.split(".", 1)[-1]: item.family for item in scope}
        table = self.one(self.tables)
        columns = {column.quoted: column.family for column in table.columns}
        shared = [name for name in mine if columns.get(name) == mine[name] and mine[name] in KEYS]
        if not shared:
            return None
        names = self.random.sample(shared, min(len(shared), self.random.randint(1, 2)))
        alias, side = self.alias(), self.one(["", "LEFT ", "RIGHT ", "FULL "])
        items = [Item(name, mine[name]) for name in names]
        if kind == "USING":
            items += [item for item in scope if item.text.split(".", 1)[-1] not in names]
            items += [Item(f"{alias}.{name}", family) for name, family in columns.items() if name not in names]
            return f"{text}\n  {side}JOIN {table.name} {alias} USING ({', '.join(names)})", items
        others = [name for name in columns if name not in mine][:2]
        items += [Item(f"{alias}.{name}", columns[name]) for name in others]
        inner = f"(SELECT {', '.join(names + others)} FROM {table.name})"
        return f"{text}\n  NATURAL {side}JOIN {inner} {alias}", items + [
            i for i in scope if i.text.split(".", 1)[-1] not in names
        ]

    # ---- conditions with subqueries ----

    def where(self, scope, depth):
        found = []
        for _ in range(self.one([0, 0, 0, 0, 1, 1, 2] if depth == 0 else [0, 0, 0, 0, 1])):
            found.append(self.subquery(scope, depth) if depth < 2 and self.chance(0.35) else self.condition(scope))
        return "\nWHERE " + "\n  AND ".join(f"({condition})" for condition in found) if found else ""

    def subquery(self, scope, depth):
        other, items = self.source(depth + 2, most=1)
        value, family = self.column(scope, KEYS)
        inner = self.column(items, [family])[0]
        pair = self.pair(scope, items)
        rest = f" AND {self.condition(items, 1)}" if self.chance(0.6) else ""
        link = (
            f"{pair[0]} {self.one(['=', '=', '=', '<', '<>', 'IS NOT DISTINCT FROM'])} {pair[1]}{rest}"
            if pair
            else f"true{rest}"
        )
        kind = self.random.randrange(8)
        if kind < 2:
            return f"{value} {self.one(['IN', 'NOT IN'])} (SELECT {inner} FROM {other} WHERE true{rest})"
        if kind == 2:
            return f"{value} {self.one(['IN', 'NOT IN'])} (SELECT {inner} FROM {other} WHERE {link})"
        if kind < 5:
            return f"{self.one(['', 'NOT '])}EXISTS (SELECT 1 FROM {other} WHERE {link})"
        if kind == 5:
            operator = self.one(["=", "<>", "<", ">=", ">", "<="])
            return f"{value} {operator} {self.one(['ANY', 'ALL'])} (SELECT {inner} FROM {other} WHERE true{rest})"
        if kind == 6 and pair:
            return f"({value}, {pair[0]}) {self.one(['IN', 'NOT IN'])} (SELECT {inner}, {pair[1]} FROM {other} WHERE true{rest})"
        return f"{self.value('int', scope, 2)} {self.one(['<', '>=', '=', '<>'])} {self.scalar(scope, depth)[0]}"

    def scalar(self, scope, depth):
        """A subquery of one value, correlated or not: (text, family)"""
        other, items = self.source(depth + 2, most=1)
        pair = self.pair(scope, items) if self.chance(0.7) else None
        where = f"{pair[0]} = {pair[1]}" if pair else self.condition(items, 1)
        if self.chance(0.7):
            return (
                f"(SELECT {self.fill(self.one(['count(*)', 'max({int})', 'sum({int})', 'count(DISTINCT {key})']), items, 2)} FROM {other} WHERE {where})",
                "int",
            )
        value = self.value("int", items, 2)
        return (
            f"(SELECT {value} FROM {other} WHERE {where} ORDER BY 1 {self.one(['', 'DESC '])}NULLS LAST LIMIT 1{self.one(['', ' OFFSET 1'])})",
            "int",
        )
