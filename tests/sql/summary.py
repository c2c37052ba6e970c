# SPDX-License-Identifier: MIT
"""What a run of benchmark queries was like, without times: docs/equality.md is made of it."""

HEAD = (
    "query",
    "stages",
    "tasks",
    "several tasks",
    "repartition",
    "broadcast",
    "gather",
    "exchanged MB",
    "in one place",
)
SUMS = (
    "suite",
    "queries",
    "equal",
    "on the fleet",
    "stages",
    "tasks",
    "with a repartition",
    "with a broadcast",
    "exchanged MB",
)
# Reasons of a last fragment that has nothing left to spread.
NATURAL = (None, "", "asked for", "the result is put together here", "the result is sorted here")
INTRODUCTION = """# Equality

Each query ran on the fleet, over HTTP, and on plain DuckDB over the same Parquet files: names and types of columns, rows, and their
order as far as the query gives one, are equal. What equal means, and how a difference would be found, is in
[testing.md](testing.md). Made by

```
{command}
```

*Several tasks*: stages that ran as more than one. *Repartition*, *broadcast*, *gather*: stages by what became of their output. *In one place*: what
the planner could not spread, with its reason; sorting and limiting what is left at the end always runs where the coordinator is and is
not listed.
"""


class Summary:
    def __init__(self, title):
        self.title, self.rows, self.failed, self.count = title, [], 0, 0

    def add(self, name, answer, stages):
        self.count += 1
        kinds = [
            sum(stage["exchange"].startswith(kind) for stage in stages)
            for kind in ("repartition", "broadcast", "gather")
        ]
        reasons = {stage.get("one_place_because", "") for stage in stages} - {"", "little to read"}
        if answer.route != "fleet" or answer.stats.get("reason") not in NATURAL:
            reasons.add(str(answer.stats.get("reason")))
        tasks = sum(stage["tasks"] for stage in stages)
        several = sum(stage["tasks"] > 1 for stage in stages)
        megabytes = answer.stats.get("exchanged_bytes", 0) / 1e6
        is_spread = answer.route == "fleet"
        self.rows.append((name, len(stages), tasks, several, *kinds, megabytes, "; ".join(sorted(reasons)), is_spread))

    def add_failure(self, name):
        self.count += 1
        self.failed += 1
        self.rows.append((name, "**differs**", "", "", "", "", "", 0.0, "", False))

    def sums(self):
        numbers = [row for row in self.rows if isinstance(row[1], int)]
        return (
            *(self.title, self.count, self.count - self.failed, sum(row[9] for row in numbers)),
            *(sum(row[1] for row in numbers), sum(row[2] for row in numbers)),
            *(sum(row[4] > 0 for row in numbers), sum(row[5] > 0 for row in numbers)),
            f"{sum(row[7] for row in numbers):.0f}",
        )

    def lines(self):
        yield f"## {self.title}"
        yield ""
        yield from table(HEAD, [(*row[:7], f"{row[7]:.1f}", row[8]) for row in self.rows])
        yield ""


def table(head, rows):
    yield "| " + " | ".join(head) + " |"
    yield "|" + " --- |" * len(head)
    for row in rows:
        yield "| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |"


def summary_page(summaries, command):
    lines = [INTRODUCTION.format(command=command), *table(SUMS, [summary.sums() for summary in summaries]), ""]
    for summary in summaries:
        lines += summary.lines()
    return "\n".join(lines).rstrip() + "\n"
