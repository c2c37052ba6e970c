# SPDX-License-Identifier: MIT
"""TPC-H: each query on our stack and on plain DuckDB, alternating, over the same Parquet files."""

import math
import os

from harness.cases import Problem
from harness.compare import compare
from harness.lake import chosen_queries, files_of, make_lake, query_files
from harness.plain import Plain
from harness.stack import Stack

LIMIT_S = 600


def run(scale, route, workers, rounds, wanted, kept):
    workers = workers or os.cpu_count()
    folder = make_lake("tpch", scale)
    queries = chosen_queries(query_files("tpch"), wanted)
    with Stack(workers=workers, options=("--result-cache", "0"), folder=kept) as stack:
        lake = stack.load_lake(folder)
        plain = Plain(threads=workers)
        for table in lake["tables"]:
            plain.define(table, files_of(stack, table))
        ours, theirs, routes = alternate(stack, plain, queries, route, rounds)
        is_right(stack, plain, queries, route)
    return result_of(scale, route, workers, queries, ours, theirs, routes)


def alternate(stack, plain, queries, route, rounds):
    """Seconds by query and round, for both sides. Round 0 is the first time that either side sees the data."""
    ours, theirs, routes = ([{} for _ in range(rounds)] for _ in range(3))
    for number in range(rounds):
        for at, (name, sql) in enumerate(queries):
            sides = [(lambda n=name, s=sql: ask(stack, s, route, n)), (lambda s=sql: plain.seconds(s))]
            order = (0, 1) if (at + number) % 2 == 0 else (1, 0)
            taken = {side: sides[side]() for side in order}
            ours[number][name], routes[number][name] = taken[0]
            theirs[number][name] = taken[1]
            if number == rounds - 1:
                show(name, ours, theirs, routes[number][name])
    return ours, theirs, routes[-1]


def ask(stack, sql, route, name):
    try:
        answer = stack.query(sql, route, LIMIT_S)
    except Problem as problem:
        raise Problem(f"{name}: {problem}") from None
    return answer.seconds, answer.route


def is_right(stack, plain, queries, route):
    """A fast wrong answer is worth nothing: all rows once more, compared."""
    for name, sql in queries:
        reference, shape = plain.reference(sql)
        problem = compare(plain, sql, reference, shape, stack.query(sql, route, LIMIT_S))
        if problem:
            raise Problem(f"{name}: wrong answer: {problem}")


def best(seconds, name):
    """Of the rounds after the first."""
    return min(taken[name] for taken in (seconds[1:] or seconds))


def show(name, ours, theirs, route):
    warm, plain_warm = best(ours, name), best(theirs, name)
    cells = [f"{value * 1e3:8.0f}" for value in (ours[0][name], theirs[0][name], warm, plain_warm)]
    print(
        f"{name}  first {cells[0]} ms against {cells[1]}   again {cells[2]} ms against {cells[3]}   "
        f"ratio {warm / plain_warm:5.2f}  {route}",
        flush=True,
    )


def result_of(scale, route, workers, queries, ours, theirs, routes):
    names = [name for name, _ in queries]
    first, plain_first = sum(ours[0].values()), sum(theirs[0].values())
    again, plain_again = (sum(best(side, name) for name in names) for side in (ours, theirs))
    ratios = [best(ours, name) / best(theirs, name) for name in names]
    geometric = math.exp(sum(map(math.log, ratios)) / len(ratios))
    text = (
        f"TPC-H SF{scale:g}, route {route}, {workers} workers, {len(names)} queries: first {first:.2f} s against "
        f"{plain_first:.2f} s ({first / plain_first:.2f}×), again {again:.2f} s against {plain_again:.2f} s "
        f"({again / plain_again:.2f}×, geometric mean {geometric:.2f}×)"
    )
    print(text)
    table = [
        [
            name,
            routes[name],
            *(f"{value * 1e3:.0f}" for value in (ours[0][name], theirs[0][name], best(ours, name), best(theirs, name))),
            f"{best(ours, name) / best(theirs, name):.2f}",
        ]
        for name in names
    ]
    return {
        "text": text,
        "head": ["query", "route", "first ms", "DuckDB ms", "again ms", "DuckDB ms", "ratio"],
        "table": table,
        "values": {"first_ratio": first / plain_first, "again_ratio": again / plain_again, "geometric": geometric},
        "is_complete": len(names) == 22,
    }
