# SPDX-License-Identifier: MIT
"""Expressions made up by family (wild_data.py): values, conditions, aggregates. All of them have one right value, bit
for bit, in whatever order rows come; what is right up to rounding only (averages of what is not exact) has the family `apx`,
which queries show but never compare."""

import random

from wild_templates import AGGREGATES, FAMILIES, KEYS, LITERALS, RISKY, VALUES


class Item:
    """A column that an expression may use."""

    def __init__(self, text, family):
        self.text, self.family = text, family


class Expressions:
    """A maker of expressions over the columns in sight."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.aliases = 0

    def one(self, items):
        return items[self.random.randrange(len(items))]

    def chance(self, share):
        return self.random.random() < share

    def alias(self):
        self.aliases += 1
        return f"t{self.aliases}"

    def columns(self, scope, family):
        return [item.text for item in scope if item.family == family]

    def fill(self, template, scope, depth):
        """Puts values in the place of {family}; of {x:family} the same one each time."""
        out, rest, named = "", template, {}
        while rest:
            if rest.startswith(("{{", "}}")):
                out, rest = out + rest[0], rest[2:]
            elif rest[0] == "{":
                word, _, rest = rest[1:].partition("}")
                if ":" in word:
                    if word not in named:
                        named[word] = self.piece(word.partition(":")[2], scope, depth)
                    out += named[word]
                else:
                    out += self.piece(word, scope, depth)
            else:
                out, rest = out + rest[0], rest[1:]
        return out

    def piece(self, word, scope, depth):
        if word == "small":
            return str(self.random.randrange(-4, 9))
        if word == "cond":
            return self.condition(scope, depth + 1)
        if word == "iv":
            return f"({self.value('ts', scope, 9)} - TIMESTAMP '1970-01-01')"
        if word in ("any", "key"):
            return self.column(scope, FAMILIES if word == "any" else KEYS)[0]
        if word.startswith("lit_"):
            return self.one(LITERALS[word[4:]])
        text = self.value(word, scope, depth + 1)
        return f"({text})" if text[0] in "-C" or " " in text else text

    def column(self, scope, families):
        """(text, family) of a column in sight; a literal if there is none."""
        found = [item for item in scope if item.family in families]
        if found:
            item = self.one(found)
            return item.text, item.family
        family = self.one(families)
        return self.one(LITERALS[family]), family

    def value(self, family, scope, depth=0):
        columns = self.columns(scope, family)
        if columns and (depth > 1 or self.chance(0.6)):
            return self.one(columns)
        if depth > 1 or self.chance(0.15):
            return self.one(LITERALS[family])
        return self.fill(self.one(VALUES[family]), scope, depth)

    def literal(self, family):
        return self.one(LITERALS[family])

    # ---- conditions ----

    def condition(self, scope, depth=0):
        kind = self.random.randrange(14)
        text, family = self.column(scope, KEYS)
        if kind == 0:
            return f"{text} IS {self.one(['', 'NOT '])}NULL"
        if kind == 1:
            return f"{text} {self.one(['IN', 'NOT IN'])} ({', '.join(self.literal(family) for _ in range(3))})"
        if kind == 2 and depth < 2:
            return f"({self.condition(scope, depth + 1)} {self.one(['AND', 'OR'])} {self.condition(scope, depth + 1)})"
        if kind == 3 and depth < 2:
            return f"NOT ({self.condition(scope, depth + 1)})"
        if kind == 4:
            return f"{self.value('str', scope, 1)} {self.one(['LIKE', 'NOT LIKE', 'ILIKE', 'SIMILAR TO'])} '{self.one(['a%', '%b%', '_', '%'])}'"
        if kind == 5:
            return f"list_contains({self.value('li', scope, 2)}, {self.value('int', scope, 2)})"
        if kind == 6:
            return f"{text} BETWEEN {self.literal(family)} AND {self.value(family, scope, 2)}"
        if kind == 7:
            columns = self.columns(scope, "bool")
            return f"{self.one(columns)} {self.one(['', 'IS TRUE', 'IS NOT FALSE', '= false'])}" if columns else "1 = 1"
        if kind == 8 and self.chance(0.3):
            return f"{self.value('str', scope, 2)} {self.one(['^@', '~'])} 'a'"
        operator = self.one(["=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"])
        return f"{text} {operator} {self.value(family, scope, depth + 1)}"

    # ---- aggregates ----

    def aggregate(self, scope, is_exact=False):
        """(text, family)"""
        present = [item.family for item in scope if item.family in AGGREGATES]
        family = self.one(present + ["int", "int", "dec", "str", "li"] + ([] if is_exact else ["apx", "apx", "any"]))
        return self.fill(self.one(AGGREGATES[family]), scope, 1), family

    def risky(self, scope):
        return self.fill(self.one(RISKY), scope, 1)
