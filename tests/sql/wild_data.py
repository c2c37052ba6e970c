# SPDX-License-Identifier: MIT
"""Tables made up from a seed: which columns, of which types, with which rows, in how many files.

Columns have a family: what may be done with their values so that every answer is the only right one. Sums of `dbl` are
exact (quarters); `big` and `odd` hold the ends of their ranges, NaN and infinities, and are compared but not reckoned with.
"""

import random

# family: types that hold it
TYPES = {
    "int": ["INTEGER", "BIGINT", "INTEGER"],
    "big": ["BIGINT", "INTEGER"],
    "dec": ["DECIMAL(9,2)", "DECIMAL(18,4)", "DECIMAL(4,1)", "DECIMAL(38,10)"],
    "dbl": ["DOUBLE", "FLOAT"],
    "odd": ["DOUBLE", "FLOAT"],
    "str": ["VARCHAR"],
    "date": ["DATE"],
    "ts": ["TIMESTAMP"],
    "tz": ["TIMESTAMP WITH TIME ZONE"],
    "time": ["TIME"],
    "bool": ["BOOLEAN"],
    "uuid": ["UUID"],
    "blob": ["BLOB"],
    "li": ["INTEGER[]", "BIGINT[]"],
    "ls": ["VARCHAR[]"],
    "st": ["STRUCT(a INTEGER, b VARCHAR)"],
    "lst": ["STRUCT(a INTEGER, b VARCHAR)[]"],
    "mp": ["MAP(VARCHAR, INTEGER)"],
}
WORDS = [
    "",
    "a",
    "b",
    "A",
    "ab",
    "ä",
    "x y",
    "puffin",
    "日本",
    "null",
    "0",
    "it''s",
    "%_",
    "long enough to be no inline text",
    "12",
]
NAMES = ["v", "w", "x", "y", "z", "amount", "Label", "order", "ñ", "two words", "day", "q"]
ROWS = [0, 1, 7, 40, 40, 40, 150, 150, 150, 400, 400, 400, 1000]


class Column:
    def __init__(self, name, family, kind):
        self.name, self.family, self.kind = name, family, kind

    @property
    def quoted(self):
        return (
            self.name
            if self.name.isascii() and self.name.islower() and self.name not in ("order", "two words")
            else f'"{self.name}"'
        )


class Table:
    def __init__(self, name, columns, rows, files):
        self.name, self.columns, self.rows, self.files = name, columns, rows, files
        self.is_skewed = False

    def ddl(self):
        return f"CREATE TABLE {self.name} ({', '.join(f'{column.quoted} {column.kind}' for column in self.columns)})"


class Schema:
    def __init__(self, seed):
        self.seed, self.random, self.tables = seed, random.Random(f"schema/{seed}"), []
        names = self.random.sample(NAMES, 9)
        families = ["int", "str"] + self.random.choices(list(TYPES), k=7)
        shared = list(zip(names, families))
        for at in range(self.random.randint(3, 5)):
            self.tables.append(self.make_table(at, shared))

    def make_table(self, at, shared):
        one = self.random.choice
        columns = [
            Column("id", "int", one(["BIGINT", "INTEGER"])),
            Column("k", "int", one(["INTEGER", "INTEGER", "BIGINT"])),
        ]
        columns.append(Column("g", "str", "VARCHAR"))
        for name, family in shared:
            if self.random.random() < 0.7:
                columns.append(Column(name, family, one(TYPES[family])))
        rows = one(ROWS)
        table = Table(f"w{self.seed}_{'abcde'[at]}", columns, rows, max(1, min(self.random.randint(1, 5), rows)))
        table.is_skewed = at == 0
        return table

    def statements(self):
        """SQL that makes the tables."""
        for table in self.tables:
            yield table.ddl()
            values = ", ".join(self.value(table, column) for column in table.columns)
            yield f"INSERT INTO {table.name} SELECT {values} FROM range({table.rows}) r(i)"

    def value(self, table, column):
        number = self.random.randrange(1 << 30)
        draw = f"(hash(i, {number}) % {{}})::BIGINT"
        if column.name == "id":
            return f"i::{column.kind}"
        if column.name == "k":
            text = f"{draw.format(self.random.choice([3, 12, 60]))}::INTEGER"
            if table.is_skewed:
                text = f"CASE WHEN hash(i, {number + 1}) % 10 < 9 THEN 1 ELSE {text} END"
        else:
            text = value_of(column.family, draw, number)
        share = self.random.choice([0, 0, 1, 1, 2, 5])
        if share and column.name != "id":
            text = f"CASE WHEN hash(i, {number + 2}) % 10 >= {share} THEN {text} END"
        if column.name != "k" and self.random.random() < 0.04:
            text = "NULL"
        return f"({text})::{column.kind}"


def value_of(family, draw, number):
    words = "[" + ", ".join(f"'{word}'" for word in WORDS) + "]"
    word = f"{words}[1 + {draw.format(len(WORDS))}]"
    extremes = ["-2147483648", "2147483647", "0", "1", "-1", "1000000000"]
    odd = ["'nan'", "'inf'", "'-inf'", "'0'", "'1.5'", "'-1e30'", "'1e-30'", "'3'"]
    if family == "int":
        return f"{draw.format([5, 40, 900][number % 3])}::INTEGER - {[0, 10, 400][number % 3]}"
    if family == "big":
        return f"[{', '.join(extremes)}][1 + {draw.format(len(extremes))}]"
    if family in ("dec", "dbl"):
        return f"({draw.format(400)}::INTEGER - 150) * 0.25"
    if family == "odd":
        return f"[{', '.join(odd)}][1 + {draw.format(len(odd))}]::DOUBLE"
    if family == "str":
        return word
    if family == "date":
        return f"DATE '1969-12-20' + {draw.format([10, 60, 20000][number % 3])}::INTEGER"
    if family in ("ts", "tz"):
        return f"TIMESTAMP '1969-12-30 22:30:00.5' + INTERVAL 90 MINUTE * {draw.format(80)}::INTEGER"
    if family == "time":
        return f"TIME '00:00:00' + INTERVAL 1000001 MICROSECOND * {draw.format(80000)}::INTEGER"
    if family == "bool":
        return f"{draw.format(2)} = 0"
    if family == "uuid":
        return f"('00000000-0000-4000-8000-00000000000' || {draw.format(9)})::UUID"
    if family == "blob":
        return f"encode({word}) || '\\x00\\xFF'::BLOB"
    if family == "li":
        return f"list_transform(range({draw.format(4)}), lambda e: CASE WHEN e <> 2 THEN e * 3 END)"
    if family == "ls":
        return f"list_transform(range({draw.format(3)}), lambda e: {words}[1 + (e + {draw.format(11)}) % 11])"
    if family == "st":
        return f"{{'a': {draw.format(4)}::INTEGER, 'b': {word}}}"
    if family == "lst":
        return f"list_transform(range({draw.format(3)}), lambda e: {{'a': e::INTEGER, 'b': {word}}})"
    return f"MAP {{'one': {draw.format(5)}::INTEGER, {word} || '2': NULL}}"
