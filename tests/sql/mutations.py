# SPDX-License-Identifier: MIT
"""Proof that the comparison compares: changed answers must be found, and answers that are as good must pass."""

import copy
import math
from decimal import Decimal

from harness.compare import compare
from harness.plain import Plain, canonical


class Fake:
    """An answer as the stack would give it."""

    def __init__(self, columns, rows):
        self.columns, self.rows = columns, rows


def is_found(plain, sql, reference, shape, answer):
    """Changes one value in the middle of a right answer: does the comparison see it? True for an empty answer."""
    if not answer.rows or not answer.columns:
        return True
    changed = Fake(answer.columns, [list(row) for row in answer.rows])
    row = changed.rows[len(changed.rows) // 2]
    row[-1] = another(row[-1], answer.columns[-1][1])
    return compare(plain, sql, reference, shape, changed) is not None


def another(value, kind):
    """A value near to `value` that is not equal to it."""
    if kind.endswith("]"):
        return [] if value is None else None
    if kind.startswith(("STRUCT", "MAP", "UNION")):
        return {} if value is None else None
    if value is None:
        return "" if kind == "VARCHAR" else 0
    if isinstance(value, bool):
        return not value
    if isinstance(value, Decimal) and kind in ("DOUBLE", "FLOAT"):
        return value * Decimal("1.00000001" if kind == "DOUBLE" else "1.00001") if value else Decimal("0.001")
    if isinstance(value, (int, Decimal)):
        return value + 1
    return "0" if kind in ("DOUBLE", "FLOAT") else value + "x"


TIES = "SELECT * FROM (VALUES (1, 'a', 1.5::DOUBLE), (1, 'b', 2.5), (2, 'c', 3.5), (2, 'd', 4.5)) AS t(k, s, f)"
FIRST = [[1, "a", 1.5], [1, "b", 2.5], [2, "c", 3.5], [2, "d", 4.5]]
COLUMNS = [("k", "INTEGER"), ("s", "VARCHAR"), ("f", "DOUBLE")]


def changed(rows, row, column, value):
    rows = copy.deepcopy(rows)
    rows[row][column] = value
    return rows


def swapped(rows, one, other):
    rows = copy.deepcopy(rows)
    rows[one], rows[other] = rows[other], rows[one]
    return rows


ORDERED, CUT = TIES + " ORDER BY k", TIES + " ORDER BY k LIMIT 3"
# name, statement, columns, rows, is it right
TABLE = [
    ("equal_rows_pass", TIES, COLUMNS, FIRST, True),
    ("any_order_passes_without_order_by", TIES, COLUMNS, FIRST[::-1], True),
    ("ties_may_swap", ORDERED, COLUMNS, swapped(FIRST, 0, 1), True),
    ("rows_that_do_not_tie_may_not", ORDERED, COLUMNS, swapped(FIRST, 1, 2), False),
    ("expressions_order_too", TIES + " ORDER BY -k", COLUMNS, FIRST, False),
    ("expressions_allow_ties", TIES + " ORDER BY -k", COLUMNS, FIRST[2:] + FIRST[1::-1], True),
    ("order_by_all_orders", TIES + " ORDER BY ALL", COLUMNS, swapped(FIRST, 0, 1), False),
    ("a_limit_may_choose_among_ties", CUT, COLUMNS, FIRST[:2] + FIRST[3:], True),
    ("a_limit_may_not_invent", CUT, COLUMNS, FIRST[:2] + [[2, "x", 3.5]], False),
    ("a_limit_may_not_skip", CUT, COLUMNS, FIRST[1:], False),
    ("a_limit_may_not_repeat", CUT, COLUMNS, FIRST[:2] + FIRST[:1], False),
    ("a_limit_may_not_fall_short", CUT, COLUMNS, FIRST[:2], False),
    ("a_missing_row_is_found", TIES, COLUMNS, FIRST[:3], False),
    ("a_doubled_row_is_found", TIES, COLUMNS, FIRST[:3] + FIRST[:1], False),
    ("a_changed_number_is_found", TIES, COLUMNS, changed(FIRST, 2, 0, 3), False),
    ("a_changed_text_is_found", TIES, COLUMNS, changed(FIRST, 2, 1, "C"), False),
    ("a_null_is_not_empty", "SELECT NULL::VARCHAR AS s", [("s", "VARCHAR")], [[""]], False),
    ("a_null_is_a_null", "SELECT NULL::VARCHAR AS s", [("s", "VARCHAR")], [[None]], True),
    ("rounding_passes", TIES, COLUMNS, changed(FIRST, 0, 2, 1.5 * (1 + 1e-12)), True),
    ("more_than_rounding_is_found", TIES, COLUMNS, changed(FIRST, 0, 2, 1.5 * (1 + 1e-8)), False),
    ("nan_is_nan", "SELECT 'nan'::DOUBLE AS x", [("x", "DOUBLE")], [["NaN"]], True),
    ("nan_is_not_null", "SELECT 'nan'::DOUBLE AS x", [("x", "DOUBLE")], [[None]], False),
    ("infinity_has_a_sign", "SELECT 'inf'::DOUBLE AS x", [("x", "DOUBLE")], [["-inf"]], False),
    ("decimals_are_exact", "SELECT 0.10::DECIMAL(38,2) AS x", [("x", "DECIMAL(38,2)")], [[Decimal("0.11")]], False),
    ("a_renamed_column_is_found", "SELECT 1 AS a", [("A", "INTEGER")], [[1]], False),
    ("another_type_is_found", "SELECT 1 AS a", [("a", "BIGINT")], [[1]], False),
    ("another_scale_is_found", "SELECT 1.5 AS a", [("a", "DECIMAL(3,1)")], [[Decimal("1.5")]], False),
    ("spellings_of_a_type_pass", "SELECT NULL::TIMESTAMPTZ AS a", [("a", "TIMESTAMPTZ")], [[None]], True),
    ("dates_are_text", "SELECT DATE '1969-07-20' AS d", [("d", "DATE")], [["1969-07-20"]], True),
    ("nested_values_pass", "SELECT {'a': [1, NULL]} AS n", [("n", "STRUCT(a INTEGER[])")], [[{"a": [1, None]}]], True),
    ("nested_values_count", "SELECT {'a': [1, NULL]} AS n", [("n", "STRUCT(a INTEGER[])")], [[{"a": [1, 2]}]], False),
    ("maps_pass", "SELECT MAP {'k': 1} AS m", [("m", "MAP(VARCHAR, INTEGER)")], [[{"k": 1}]], True),
    ("map_values_count", "SELECT MAP {'k': 1} AS m", [("m", "MAP(VARCHAR, INTEGER)")], [[{"k": 2}]], False),
]


def self_test():
    """Yields (name, problem or None)."""
    plain = Plain(threads=1)
    for name, sql, columns, rows, is_right in TABLE:
        reference, shape = plain.reference(sql)
        problem = compare(plain, sql, reference, shape, Fake(columns, rows))
        if is_right:
            yield name, problem
        else:
            yield name, None if problem else "the comparison did not notice"
    assert math.isnan(canonical("NaN", plain.connection.sql("SELECT 0::DOUBLE").types[0]))
