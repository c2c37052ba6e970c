# SPDX-License-Identifier: MIT
"""Is an answer right? Column names and types, rows as a multiset, and their order as far as the statement orders them.

Whole numbers, decimals and text must be equal; floating point may differ by one part in 10^9, since its sums depend on
their order. Rows that tie on the order keys may swap. Under a LIMIT that cuts a group of ties, another choice among
the ties is right too: then the rows are looked up in the answer without the limit."""

import math

import duckdb

from .plain import canonical

RELATIVE_TOLERANCE = 1e-9
MOST_UNLIMITED_ROWS = 500_000


class TooHeavy(Exception):
    """The comparison needs an answer that is too large for Python."""


def difference(plain, sql, answer):
    """What is wrong with `answer` (columns, rows), or None; and the Reference it was held against."""
    reference, shape = plain.reference(sql)
    return compare(plain, sql, reference, shape, answer), reference


def compare(plain, sql, reference, shape, answer):
    problem = columns_difference(plain, reference.columns, answer.columns)
    if problem:
        return problem
    kinds = [kind for _, kind in reference.columns]
    rows = [canonical_row(row, kinds) for row in answer.rows]
    expected = [canonical_row(row, kinds) for row in reference.rows]
    if len(rows) != len(expected):
        return f"{len(rows)} rows, expected {len(expected)}"
    keys = reference.keys
    partners, problem = matched(rows, expected)
    if problem and shape.has_limit:
        (count,) = plain.connection.execute(f"SELECT count(*) FROM ({shape.unlimited_sql}\n) AS answer").fetchone()
        if count > MOST_UNLIMITED_ROWS:
            raise TooHeavy(f"{count} rows without the limit")
        whole, _ = plain.reference(sql, is_unlimited=True)
        partners, another = matched(rows, [canonical_row(row, kinds) for row in whole.rows])
        keys, problem = whole.keys, another and problem
    if problem or reference.keys is None:
        return problem
    for at, partner in enumerate(partners):
        if not is_equal(list(keys[partner]), list(reference.keys[at])):
            return f"row {at}: out of order: keys {keys[partner]}, expected {reference.keys[at]}"
    return None


def columns_difference(plain, expected, found):
    names, wanted = [name for name, _ in found], [name for name, _ in expected]
    if names != wanted:
        return f"columns {names}, expected {wanted}"
    for (name, kind), (_, wanted_kind) in zip(found, expected):
        if kind != str(wanted_kind) and not is_same_type(plain, kind, wanted_kind):
            return f"column {name}: type {kind}, expected {wanted_kind}"
    return None


def is_same_type(plain, text, kind):
    """Other spellings of one type are fine: TIMESTAMPTZ, TIMESTAMP WITH TIME ZONE."""
    try:
        return plain.connection.sql(f"SELECT CAST(NULL AS {text}) AS x").types[0] == kind
    except duckdb.Error:
        return False


def canonical_row(row, kinds):
    return [canonical(value, kind) for value, kind in zip(row, kinds)]


# ---- rows ----


def matched(rows, expected):
    """For each row the index of its partner in `expected`, each used once; or None and what is wrong."""
    groups = {}
    for at, row in enumerate(expected):
        groups.setdefault(exact_part(row), []).append(at)
    partners = []
    for at, row in enumerate(rows):
        candidates = groups.get(exact_part(row), [])
        place = next((p for p, candidate in enumerate(candidates) if is_equal(row, expected[candidate])), None)
        if place is None:
            return None, f"row {at}: {shown(row)} {nearest(row, at, expected)}"
        partners.append(candidates.pop(place))
    return partners, None


def exact_part(value):
    """A key that equal rows share: floating point left out."""
    if isinstance(value, float):
        return "number" if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        return tuple((name, exact_part(item)) for name, item in value.items())
    if isinstance(value, (list, tuple)):
        return tuple(exact_part(item) for item in value)
    return value


def is_equal(one, other):
    if isinstance(one, float) and isinstance(other, float):
        if math.isnan(one) or math.isnan(other):
            return math.isnan(one) and math.isnan(other)
        return math.isclose(one, other, rel_tol=RELATIVE_TOLERANCE, abs_tol=0.0)
    if isinstance(one, dict):
        return isinstance(other, dict) and list(one) == list(other) and all(is_equal(one[k], other[k]) for k in one)
    if isinstance(one, (list, tuple)):
        same_length = isinstance(other, (list, tuple)) and len(one) == len(other)
        return same_length and all(is_equal(a, b) for a, b in zip(one, other))
    return type(one) is type(other) and one == other


def nearest(row, at, expected):
    """Words on the row that comes nearest to one that was not expected."""
    alike = max(expected, key=lambda other: sum(is_equal(a, b) for a, b in zip(row, other)), default=None)
    if alike is None:
        return "is not expected"
    places = [place for place, (a, b) in enumerate(zip(row, alike)) if not is_equal(a, b)]
    if not places:
        return "comes more often than expected"
    return f"is not expected; nearest is {shown(alike)}, which differs in column {', '.join(map(str, places))}"


def shown(row):
    text = "(" + ", ".join("NULL" if value is None else str(value) for value in row) + ")"
    return text if len(text) <= 300 else text[:297] + "…"
