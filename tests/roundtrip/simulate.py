# SPDX-License-Identifier: MIT
"""Runs the stages of a plan on one plain DuckDB: tasks one after another, datasets as temporary tables.

What a task reads is cut down to its share, and a scan to what its predicates leave, as the real runner would."""

import json
import re

from harness.cases import Problem, check

SPLITS = 3
MAX_VALUES = 20  # so that both lists and bare ranges occur
OPERATORS = ("=", "<>", "<", "<=", ">", ">=", "IN", "IS NULL", "IS NOT NULL")


def table_of(scan_name):
    return "w.main." + re.fullmatch(r"main\.(\w+)@1", scan_name).group(1)


def without_stages(sql):
    """A printed plan over the tables of the world."""
    return re.sub(r"lake_scan\('([^']+)'\)", lambda found: table_of(found.group(1)), sql)


def predicate_sql(predicate):
    column, kind, *values = predicate
    texts = [f"CAST('{text.replace(chr(39), chr(39) * 2)}' AS {type_})"
             for type_, text in zip(values[::2], values[1::2])]
    operator = OPERATORS[kind]
    return f'"{column}" {operator} ' + (f"({', '.join(texts)})" if operator == "IN" else "".join(texts))


class Simulation:
    def __init__(self, world, name, options):
        self.world, self.datasets, self.stages, self.reason = world, {}, 0, ""
        self.tool = world.tools.start(world.plans, name, world.facts, options)

    def run(self):
        """The SQL of the last fragment; None if the plan runs in one place."""
        try:
            while True:
                step = self.next_step()
                if step["kind"] != "stages":
                    self.reason = step["reason"]
                    return None if step["kind"] == "one_place" else self.fill(step, None)
                for stage in step["stages"]:
                    self.run_stage(stage)
        finally:
            self.tool.stdin.close()  # ends it, wherever it is
            self.tool.stdout.close()
            self.tool.wait()

    def next_step(self):
        self.tool.stdin.flush()
        line = self.tool.stdout.readline()
        if not line.startswith("{"):
            raise Problem(f"planner_tool run: {line}{self.tool.stdout.read()[-2000:]}")
        return json.loads(line)

    def run_stage(self, stage):
        self.stages += 1
        execute = self.world.connection.execute
        for number, share in enumerate(self.shares(stage)):
            sql = self.fill(stage, share)
            partition = "" if stage["partitions"] > 1 else "0::USMALLINT AS p, "
            head = f"CREATE OR REPLACE TEMP TABLE d{stage['id']} AS" if number == 0 else f"INSERT INTO d{stage['id']}"
            execute(f"{head} SELECT {number} AS producer, {partition}* FROM ({sql})")
        columns = [row[0] for row in execute(f"SELECT column_name FROM (DESCRIBE temp.d{stage['id']})").fetchall()][2:]
        rows, highest = execute(f"SELECT count(*), coalesce(max(p), 0) FROM d{stage['id']}").fetchone()
        check(highest < stage["partitions"], f"stage {stage['id']}: partition {highest} of {stage['partitions']}")
        self.datasets[stage["id"]] = {"partitions": stage["partitions"], "columns": columns}
        keys = [self.keys_of(stage["id"], number, columns[number]) for number in stage["keys"]]
        told = {"id": stage["id"], "partitions": stage["partitions"], "rows": rows, "bytes": rows * 8 * len(columns)}
        self.tool.stdin.write(json.dumps({**told, "keys": [key for key in keys if key]}) + "\n")

    def keys_of(self, stage_id, number, column):
        """What the exchange would have noted of a key column."""
        table, execute = f"temp.d{stage_id}", self.world.connection.execute
        type_ = execute(f"SELECT column_type FROM (DESCRIBE SELECT {column} FROM {table})").fetchone()[0]
        is_text = type_ == "VARCHAR"
        if not is_text and not re.fullmatch(r"U?(TINY|SMALL)INT|U?INTEGER|BIGINT|DATE|TIMESTAMP|DECIMAL.*", type_):
            return None
        values = [row[0] for row in execute(
            f"SELECT DISTINCT {column}::VARCHAR FROM {table} WHERE {column} IS NOT NULL LIMIT {MAX_VALUES + 1}"
        ).fetchall()]
        is_listed = len(values) <= MAX_VALUES
        if is_text and not is_listed:
            return None
        told = {"column": number, "type": type_, "min": "", "max": ""}
        if not is_text and values:
            lowest, highest = execute(f"SELECT min({column})::VARCHAR, max({column})::VARCHAR FROM {table}").fetchone()
            if "infinity" in lowest + highest:
                return None
            told |= {"min": lowest, "max": highest}
        return {**told, "values": values} if is_listed else told

    def shares(self, stage):
        roles = [found["role"] for found in stage["inputs"]]
        if stage["spread"] == "splits":
            check(roles.count("driving") == 1 and "aligned" not in roles, f"stage {stage['id']}: inputs {roles}")
            return [("driving", number, SPLITS) for number in range(SPLITS)]
        if stage["spread"] == "partitions":
            check("driving" not in roles and "aligned" in roles, f"stage {stage['id']}: inputs {roles}")
            split = next((at for at, found in enumerate(stage["inputs"]) if found["may_split"]), None)
            count, shares = stage["input_partitions"], []
            for number in range(count):  # every other partition is shared by two tasks, where that is allowed
                pieces = 2 if split is not None and number % 2 else 1
                shares += [("aligned", number, count, split, piece, pieces) for piece in range(pieces)]
            return shares
        check(set(roles) <= {"whole"}, f"stage {stage['id']}: inputs {roles}")
        return [None]

    def fill(self, fragment, share):
        return re.sub(r"\$\{(\d+)\}", lambda found: self.input_sql(fragment["inputs"], int(found.group(1)), share),
                      fragment["sql"])

    def input_sql(self, inputs, at, share):
        given, conditions = inputs[at], []
        if "scan" in given:
            columns, table = "*", table_of(given["scan"])
            conditions += [predicate_sql(predicate) for predicate in given.get("predicates", [])]
            if given["role"] == "driving":
                conditions.append(f"rowid % {share[2]} = {share[1]}")
        else:
            dataset = self.datasets[given["stage"]]
            columns, table = ", ".join(dataset["columns"]), f"d{given['stage']}"
            if given["role"] == "driving":
                check(dataset["partitions"] == 1, "a driving dataset with partitions")
                conditions.append(f"producer % {share[2]} = {share[1]}")
            elif given["role"] == "aligned":
                check(dataset["partitions"] == share[2], "aligned inputs with different numbers of partitions")
                conditions.append(f"p = {share[1]}")
                if share[5] > 1 and share[3] == at:
                    conditions.append(f"producer % {share[5]} = {share[4]}")
        return f"(SELECT {columns} FROM {table}{' WHERE ' if conditions else ''}{' AND '.join(conditions)})"
