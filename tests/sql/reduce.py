# SPDX-License-Identifier: MIT
"""Makes a failing case small: clauses, columns and tables of the statement, then columns, files, rows and values of the
tables, as long as the difference stays of the same kind. Works on DuckDB's own syntax tree (json_serialize_sql), so it
knows no grammar: lists lose items, optional parts go, nodes give way to their children."""

import copy
import json
import time

from differ import PlainBroke, TableData, TooHeavy, Undetermined

SQL_LIMIT_S, DATA_LIMIT_S = 60, 90
# Lists of which items are dropped, parts that are set to nothing.
LISTS = {"select_list", "modifiers", "children", "values", "case_checks", "arguments", "expr_list"}
OPTIONAL = {
    "where_clause": None,
    "having": None,
    "qualify": None,
    "filter": None,
    "filter_expr": None,
    "else_expr": None,
    "sample": None,
}


def reduced(bench, tables, sql, difference):
    """The smallest case found within the time, as text to paste."""
    small = reduce_sql(bench, sql, difference.kind)
    used = [table for table in tables if table.name in small]
    used = reduce_data(bench, used, small, difference.kind)
    last = same_kind(bench, small, difference.kind) or difference
    return "\n".join([case_text(used, small), *answers_text(last)])


def case_text(tables, sql):
    lines = []
    for table in tables:
        lines.append(table.ddl() + ";")
        lines += [f"{statement};" for statement in table.inserts()]
        if len(table.files) > 1:
            lines.append(f"-- {table.name}: one file for each INSERT")
    return "\n".join([*lines, sql + ";"])


def answers_text(difference):
    yield f"-- {difference}"
    for who, side in (("plain DuckDB", difference.reference), ("ours", difference.answer)):
        if side is not None:
            rows = [str(tuple(row)) for row in side.rows[:8]] + (["…"] if len(side.rows) > 8 else [])
            yield f"-- {who}, {len(side.rows)} rows: {' '.join(rows)}"


def same_kind(bench, sql, kind):
    """The difference, if there still is one of this kind."""
    try:
        difference, _ = bench.difference(sql)
    except (PlainBroke, TooHeavy, Undetermined):
        return None
    return difference if difference and difference.kind == kind else None


# ---- the statement ----


def reduce_sql(bench, sql, kind, limit_s=SQL_LIMIT_S):
    connection, end = bench.plain.connection.cursor(), time.monotonic() + limit_s
    (text,) = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchone()
    tree = json.loads(text)
    if tree.get("error") or not same_kind(bench, printed(connection, tree) or "", kind):
        return sql  # the syntax tree does not come back as it went: nothing to work on
    progress = True
    while progress and time.monotonic() < end:
        progress = False
        tried = set()
        for smaller in candidates(tree):
            if time.monotonic() > end:
                break
            text = printed(connection, smaller)
            if not text or text in tried:
                continue
            tried.add(text)
            if weight(smaller) < weight(tree) and same_kind(bench, text, kind):
                tree, progress = smaller, True
                break
    return printed(connection, tree)


def weight(tree):
    return len(json.dumps(tree))


def printed(connection, tree):
    try:
        return connection.execute("SELECT json_deserialize_sql(?::JSON)", [json.dumps(tree)]).fetchone()[0]
    except Exception:  # pylint: disable=broad-except
        return None


def candidates(tree):
    """Smaller trees, those that promise most first."""
    root = tree["statements"][0]["node"]
    for node in sorted(inner_nodes(root), key=weight):
        yield with_root(tree, node)
    for path, value in walk(root, ()):
        yield from (with_root(tree, replaced(root, path, new)) for new in simpler(value))


def with_root(tree, node):
    changed = {**tree, "statements": [{**tree["statements"][0], "node": node}]}
    return changed


def is_query(value):
    return isinstance(value, dict) and str(value.get("type", "")).endswith("_NODE")


def inner_nodes(root):
    return [value for path, value in walk(root, ()) if path and is_query(value)]


def walk(value, path):
    """(path, value) of all below, outer before inner."""
    yield path, value
    if isinstance(value, dict):
        for key, item in value.items():
            yield from walk(item, (*path, key))
    elif isinstance(value, list):
        for at, item in enumerate(value):
            yield from walk(item, (*path, at))


def replaced(value, path, new):
    if not path:
        return new
    changed = copy.copy(value)
    changed[path[0]] = replaced(value[path[0]], path[1:], new)
    return changed


def simpler(value):
    """What may stand in the place of one value of the tree."""
    if not isinstance(value, dict):
        return
    if value.get("type") == "JOIN":
        yield value["left"]
        yield value["right"]
    if value.get("type") == "SET_OPERATION_NODE":
        yield from (child for key in ("left", "right") if (child := value.get(key)))
        yield from value.get("children", [])
    if value.get("type") == "SUBQUERY" and "subquery" in value and "node" in value["subquery"]:
        inner = value["subquery"]["node"].get("from_table")
        if inner:
            yield {**inner, "alias": value.get("alias") or inner.get("alias", "")}
    yield from without_items(value)
    for key, nothing in OPTIONAL.items():
        if value.get(key):
            yield {**value, key: nothing}
    if value.get("distinct") is True:
        yield {**value, "distinct": False}
    if "class" in value:
        yield from simpler_expression(value)
    if value.get("group_sets") and len(value["group_sets"]) > 1:
        yield {**value, "group_sets": [max(value["group_sets"], key=len)]}
    if value.get("cte_map", {}).get("map"):
        entries = value["cte_map"]["map"]
        for at in range(len(entries)):
            yield {**value, "cte_map": {**value["cte_map"], "map": entries[:at] + entries[at + 1 :]}}


def without_items(value):
    for key in LISTS:
        items = value.get(key)
        if not isinstance(items, list) or (len(items) < 2 and key != "modifiers"):
            continue
        has_limit = any("LIMIT" in item.get("type", "") for item in items if isinstance(item, dict))
        for at, item in enumerate(items):
            if has_limit and isinstance(item, dict) and item.get("type") == "ORDER_MODIFIER":
                continue  # a limit without its order chooses freely
            yield {**value, key: items[:at] + items[at + 1 :]}
    groups = value.get("group_expressions")
    if groups and len(groups) > 1 and len(value.get("group_sets", [])) == 1:
        for at in range(len(groups)):
            yield {
                **value,
                "group_expressions": groups[:at] + groups[at + 1 :],
                "group_sets": [list(range(len(groups) - 1))],
            }


def simpler_expression(value):
    alias = value.get("alias", "")
    for path, child in walk(value, ()):
        if 0 < len(path) <= 4 and isinstance(child, dict) and "class" in child and not is_below_query(value, path):
            yield {**child, "alias": alias}


def is_below_query(value, path):
    for key in path:
        value = value[key]
        if is_query(value):
            return True
    return False


# ---- the tables ----


class DataTrial:
    """Tries other rows; puts the best back."""

    def __init__(self, bench, tables, sql, kind):
        self.bench, self.sql, self.kind = bench, sql, kind
        self.tables = list(tables)
        self.end = time.monotonic() + DATA_LIMIT_S

    def is_over(self):
        return time.monotonic() > self.end

    def keeps(self, at, files):
        """Whether the difference stays with these rows in table `at`; then they are kept."""
        before = self.tables[at]
        after = TableData(before.name, before.columns, files)
        self.bench.set_table(after, replace=True)
        if same_kind(self.bench, self.sql, self.kind):
            self.tables[at] = after
            return True
        return False

    def settle(self, at):
        self.bench.set_table(self.tables[at], replace=True)


def reduce_data(bench, tables, sql, kind):
    trial = DataTrial(bench, tables, sql, kind)
    for at in range(len(tables)):
        reduce_files(trial, at)
    for at in range(len(tables)):
        reduce_rows(trial, at)
    for at in range(len(tables)):
        reduce_values(trial, at)
    return [without_columns(table, sql) for table in trial.tables]


def reduce_files(trial, at):
    rows = [row for file in trial.tables[at].files for row in file]
    if trial.is_over() or trial.keeps(at, [rows[:1]]) or trial.keeps(at, [rows]):
        return
    files = trial.tables[at].files
    for drop in reversed(range(len(files))):
        if len(files) > 1 and not trial.is_over() and trial.keeps(at, files[:drop] + files[drop + 1 :]):
            files = trial.tables[at].files
    trial.settle(at)


def reduce_rows(trial, at):
    """Drops runs of rows, long ones first."""
    for file in range(len(trial.tables[at].files)):
        length = max(1, len(trial.tables[at].files[file]) // 2)
        while length and not trial.is_over():
            first = 0
            while first < len(trial.tables[at].files[file]) and not trial.is_over():
                files = list(trial.tables[at].files)
                files[file] = files[file][:first] + files[file][first + length :]
                if not trial.keeps(at, files):
                    first += length
            length //= 2
    trial.settle(at)


def reduce_values(trial, at):
    """A column all NULL, if that does."""
    for column in range(len(trial.tables[at].columns)):
        if trial.is_over() or trial.tables[at].row_count > 20:
            break
        files = [[(*row[:column], "NULL", *row[column + 1 :]) for row in file] for file in trial.tables[at].files]
        if files != trial.tables[at].files:
            trial.keeps(at, files)
    trial.settle(at)


def without_columns(table, sql):
    """For the text: columns that the statement does not name, and whose values are all NULL, are left out."""
    keep = [
        at
        for at, (name, _) in enumerate(table.columns)
        if name.strip('"') in sql or any(row[at] != "NULL" for file in table.files for row in file)
    ]
    keep = keep or [0]
    files = [[tuple(row[at] for at in keep) for row in file] for file in table.files]
    return TableData(table.name, [table.columns[at] for at in keep], files)
