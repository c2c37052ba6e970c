# SPDX-License-Identifier: MIT
"""Files of the lake and of the exchange that are not what they should be. Each case has a table of its own, so that
nothing of it is in a cache."""

import json
import os
import random
import time
from pathlib import Path

from harness.cases import Problem, check
from harness.lake import make_lake
from harness.stack import QueryError, Stack, patience

SUM = "SELECT count(*) AS n, sum(o_totalprice) AS total, min(o_comment) AS first FROM {table}"
FEW = 3  # slices; their tasks run again fewer times than is allowed
BAD_CODES = ("CORRUPT", "NOT_FOUND", "INVALID", "REMOTE")


# ---- kinds of damage ----


def flip(path):
    """Bytes in the middle."""
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    for at in range(middle, min(middle + 256, len(data))):
        data[at] ^= 0xA5
    path.write_bytes(data)


def flip_end(path):
    """Bytes near the end: a Parquet file's footer, an Avro file's last block."""
    data = bytearray(path.read_bytes())
    for at in range(max(0, len(data) - 200), max(0, len(data) - 40)):
        data[at] ^= 0xA5
    path.write_bytes(data)


def truncate(path):
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])


def empty(path):
    path.write_bytes(b"")


def remove(path):
    path.unlink()


def garbage(path):
    path.write_bytes(random.Random(7).randbytes(max(64, len(path.read_bytes()))))


def other_json(path):
    path.write_text(json.dumps({"unexpected": [1, 2, {"three": None}]}), encoding="ascii")


def text_in_json(path):
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"current-snapshot-id":', '"current-snapshot-id":"x', 1), encoding="utf-8")


# what is damaged: (name, pattern below the table's folder, damages)
PARTS = [
    ("data file", "data/**/*.parquet", (flip, flip_end, truncate, empty, remove, garbage)),
    ("manifest", "metadata/*-m*.avro", (flip, flip_end, truncate, empty, remove, garbage)),
    ("manifest list", "metadata/snap-*.avro", (flip, truncate, empty, remove, garbage)),
    ("metadata", "metadata/*.metadata.json", (text_in_json, other_json, truncate, empty, remove, garbage)),
    ("pointer", "metadata/pointer.json", (other_json, truncate, empty, garbage)),
]


def is_said_clearly(stack, sql, route, names):
    """The query fails in time, with a code for bad data and a message that names the object."""
    try:
        answer = stack.query(sql, route, 30 * patience())
    except QueryError as error:
        check(error.code in BAD_CODES, f"{route}: not a clear error: {error}")
        check(any(name in error.message for name in names), f"{route}: the message names none of {names}: {error}")
        return str(error)
    raise Problem(f"{route}: an answer from damaged data: {answer.rows[:1]}")


def damaged_table(stack, files, number, pattern, damage):
    table = f"damaged_{number}"
    stack.load(table, *files)
    key = stack.table_key(table)
    found = stack.paths(f"{key}/{pattern}")
    check(found, f"no {pattern} below {key}: {[str(path) for path in stack.paths(key + '/**/*')][:9]}")
    victim = found[len(found) // 2]
    damage(victim)
    notes = [
        is_said_clearly(stack, SUM.format(table=table), route, (victim.name, table)) for route in ("fleet", "local")
    ]
    answer = stack.query("SELECT count(*) AS n FROM sound", "fleet", 30 * patience())
    check(answer.rows[0][0] > 0, "a sound table is not readable any more")
    return notes[0]


# ---- the exchange ----


def slices_of(folder):
    """Folders come and go while we look."""
    return [Path(place) / name for place, _, names in os.walk(folder) for name in names if name.endswith(".px")]


def slice_is_damaged(stack, damage, most):
    """While a query runs its slices are damaged as they appear, `most` of them. They are made again; if that never ends
    the query does."""
    sql = (
        "SELECT length(t.l_comment) AS k, count(*) AS n, max(t.c) AS m FROM (SELECT l_orderkey, l_comment, count(*) AS c "
        "FROM lines GROUP BY ALL) t JOIN lines b ON t.l_orderkey = b.l_orderkey AND t.l_comment <> b.l_comment GROUP BY k"
    )
    expected = sorted(stack.query(sql, "local", 60 * patience()).rows)
    running = stack.start_query(sql, "fleet", 60 * patience())
    hits = set()
    while not running.is_over():
        for path in slices_of(stack.folder / "exchange"):
            try:
                if len(hits) < most and path not in hits and path.stat().st_size > 64:
                    damage(path)
                    hits.add(path)
            except OSError:
                pass
        time.sleep(0.001)
    try:
        rows = sorted(running.result(1).rows)
        check(rows == expected, f"a wrong answer from damaged slices: {rows[:2]}, expected {expected[:2]}")
        note = "right answer"
    except QueryError as error:
        check(most > FEW, f"{most} damaged slices are made again: {error}")
        check(error.code in (*BAD_CODES, "BUG") and error.message, f"not a clear error: {error}")
        check(error.code != "BUG", f"damaged slices are no bug of ours: {error}")
        note = str(error)
    check(sorted(stack.query(sql, "fleet", 60 * patience()).rows) == expected, "the next query is wrong")
    check(hits, "no slice was seen: this case tests nothing")
    return f"{len(hits)} slices damaged; {note}"


def run(cases):
    lake = make_lake("tpch", 0.01)
    files = sorted(str(file) for file in (lake / "orders").glob("*.parquet"))
    stack = Stack(workers=2, options=["--lease", "2s"])
    stack.options += ["--exchange-path", str(stack.folder / "exchange")]
    with stack:
        stack.load("sound", *files)
        stack.load("lines", *sorted((make_lake("tpch", 0.1) / "lineitem").glob("*.parquet")))
        stack.load("lines", *sorted((make_lake("tpch", 0.1) / "lineitem").glob("*.parquet")))
        number = 0
        for part, pattern, damages in PARTS:
            for damage in damages:
                number += 1
                name = f"damaged: {part}, {damage.__name__.replace('_', ' ')}"
                cases.run(name, damaged_table, stack, files, number, pattern, damage)
        for damage in (truncate, flip, remove, garbage):
            cases.run(f"damaged: exchange, {damage.__name__}", slice_is_damaged, stack, damage, FEW)
        cases.run("damaged: exchange, always", slice_is_damaged, stack, flip, 10000)
