# SPDX-License-Identifier: MIT
"""What the drivers share. A driver runs under the interpreter of its peer: it gets its settings as JSON in argv[1], says
{"ready": version} on its first line, and then answers each line {"sql"} with {"seconds", "row_count", "rows"} or
{"error"}. The clock runs from the statement to the last row in the client's hands; rows are sent back only if there is
one, since more are only counted."""

import json
import os
import sys
import time


answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)  # what engines print goes to the log


def settings():
    return json.loads(sys.argv[1])


def say(message):
    answers.write(json.dumps(message, default=str) + "\n")
    answers.flush()


def serve(version, run):
    """`run(sql)` returns the rows, as a list of sequences, and is all that is timed."""

    say({"ready": version})
    for line in sys.stdin:
        started = time.perf_counter()
        try:
            rows = run(json.loads(line)["sql"])
        except Exception as failure:  # whatever the engine raises is its answer
            say({"error": f"{type(failure).__name__}: {failure}"[:500]})
            continue
        seconds = time.perf_counter() - started
        say({"seconds": seconds, "row_count": len(rows), "rows": [list(row) for row in rows] if len(rows) == 1 else []})


def rows_of_arrow(table):
    """Rows as Python values: what a client that wants them would do."""
    columns = [column.to_pylist() for column in table.columns]
    return list(zip(*columns))
