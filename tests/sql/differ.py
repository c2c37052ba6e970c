# SPDX-License-Identifier: MIT
"""One set of tables on plain DuckDB and on a stack, and whether a statement means the same on both: also in failing."""

import copy
import shutil
import tempfile
import threading
from pathlib import Path

import duckdb

from harness.cases import Problem
from harness.compare import TooHeavy, compare
from harness.plain import Plain
from harness.stack import QueryError

PLAIN_LIMIT_S, OUR_LIMIT_S, MOST_ROWS = 2, 60, 4000
TRIES_ON_A_BROKEN_ENGINE = 5
# Plans that plain DuckDB would make on other days: where its answers differ, there is no one right answer.
OTHER_PLANS = (
    "SET threads = 1",
    "SET threads = 4; SET preserve_insertion_order = false",
    "SET disabled_optimizers = 'join_order,top_n'",
    "SET disabled_optimizers = 'filter_pushdown,statistics_propagation,join_filter_pushdown'",
)


class Undetermined(Exception):
    """Plain DuckDB gives different answers on one thread and on several: the statement has no one right answer."""


class PlainBroke(Exception):
    """Plain DuckDB has an internal error over this very statement, so there is nothing to compare with. `outcome` is what
    became of it here: "both refuse" or "ours answers"."""

    def __init__(self, text, outcome=None):
        super().__init__(text)
        self.outcome = outcome


class Difference:
    """`kind` is what stays the same while a case is reduced."""

    def __init__(self, kind, text, reference=None, answer=None):
        self.kind, self.text, self.reference, self.answer = kind, text, reference, answer

    def __str__(self):
        return self.text


class TableData:
    """Rows as SQL literals, file by file."""

    def __init__(self, name, columns, files):
        self.name, self.columns, self.files = name, columns, files  # [(quoted name, type)], [[(literal, …), …], …]

    @property
    def row_count(self):
        return sum(map(len, self.files))

    def ddl(self):
        return f"CREATE TABLE {self.name} ({', '.join(f'{name} {kind}' for name, kind in self.columns)})"

    def inserts(self):
        """One statement a file."""
        texts = [", ".join("(" + ", ".join(row) + ")" for row in rows) for rows in self.files if rows]
        return [f"INSERT INTO {self.name} VALUES {text}" for text in texts]


def cut(rows, parts):
    return [rows[len(rows) * part // parts : len(rows) * (part + 1) // parts] for part in range(parts)]


def read_tables(connection, names, file_counts):
    """TableData of tables of a DuckDB connection."""
    tables = []
    for name, files in zip(names, file_counts):
        shape = connection.execute(f"SELECT column_name, column_type FROM (DESCRIBE {name})").fetchall()
        columns = [('"' + column.replace('"', '""') + '"', kind) for column, kind in shape]
        texts = ", ".join(f"CAST({column} AS VARCHAR)" for column, _ in columns)
        rows = connection.execute(f"SELECT {texts} FROM {name}").fetchall()
        tables.append(TableData(name, columns, cut([tuple(map(literal, row)) for row in rows], files)))
    return tables


def literal(text):
    return "NULL" if text is None else "'" + text.replace("'", "''") + "'"


class Bench:
    """Tables on both sides. `stack` may be anything with query, load and stop."""

    def __init__(self, stack, route, threads=2):
        self.stack, self.route = stack, route
        self.plain, self.threads = Plain(threads=threads), threads
        self.files = {}
        self.folder = Path(tempfile.mkdtemp(prefix="puffindb-differ-"))
        self.version = 0

    def close(self):
        self.plain.connection.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def set_table(self, table, replace=False):
        """Makes the files of a table, a view on them for plain DuckDB, and a table of the stack, one load a file. No Bloom
        filters: DuckDB 1.5 finds no BLOB by them whose bytes are not ASCII."""
        self.version += 1
        folder = self.folder / f"{table.name}.{self.version}"
        folder.mkdir()
        scratch = duckdb.connect(config={"threads": 1})
        files = []
        for at, rows in enumerate(table.files or [[]]):
            scratch.execute(table.ddl().replace("CREATE TABLE", "CREATE OR REPLACE TABLE"))
            for statement in TableData(table.name, table.columns, [rows]).inserts():
                scratch.execute(statement)
            files.append(folder / f"{at}.parquet")
            scratch.execute(f"COPY {table.name} TO '{files[-1]}' (FORMAT parquet, WRITE_BLOOM_FILTER false)")
        scratch.close()
        self.files[table.name] = files
        self.plain.define(table.name, files)
        for at, file in enumerate(files):
            self.stack.load(table.name, file, *(["--replace"] if replace and at == 0 else []))

    def on_thread(self):
        """The same for use by another thread, with a DuckDB of its own."""
        other = copy.copy(self)
        other.plain = Plain(threads=self.threads)
        for name, files in self.files.items():
            other.plain.define(name, files)
        return other

    def reference(self, sql):
        """(reference, shape) or the text of an error; TooHeavy, PlainBroke."""
        timer = threading.Timer(PLAIN_LIMIT_S, self.plain.connection.interrupt)
        timer.start()
        try:
            reference, shape = self.plain.reference(sql)
        except duckdb.InterruptException:
            raise TooHeavy from None
        except Exception as failure:  # pylint: disable=broad-except
            text = str(failure).splitlines()[0]
            if is_internal(failure):
                self.open_plain_again()
                raise PlainBroke(text) from None
            if "closed pending query result" in text:
                raise TooHeavy from None  # what else an interrupt may look like
            return None, text
        finally:
            timer.cancel()
        if len(reference.rows) > MOST_ROWS:
            raise TooHeavy
        return reference, shape

    def open_plain_again(self):
        """After an internal error DuckDB lets no statement of that instance run any more."""
        self.plain = Plain(threads=self.threads)
        for name, files in self.files.items():
            self.plain.define(name, files)

    def ask(self, sql, route=None):
        """Our answer. A statement that ran where another one broke DuckDB is told to try again, and does."""
        for attempt in range(TRIES_ON_A_BROKEN_ENGINE):
            try:
                return self.stack.query(sql, route or self.route, OUR_LIMIT_S)
            except QueryError as failure:
                is_last = attempt + 1 == TRIES_ON_A_BROKEN_ENGINE
                if is_last or not failure.error.get("retryable") or "invalidated" not in failure.message:
                    raise
        raise AssertionError("no attempt was made")

    def ask_alone(self, sql, broke, route):
        """Ours, where plain DuckDB broke: raises PlainBroke with the outcome, or returns what is wrong with ours."""
        try:
            self.ask(sql, route)
        except QueryError as failure:
            is_refused = failure.code in ("INVALID", "UNSUPPORTED") or (
                failure.code == "BUG" and "INTERNAL Error" in failure.message
            )
            if is_refused:
                raise PlainBroke(str(broke), "both refuse") from None
            return Difference("ours fails otherwise", f"{failure}; plain DuckDB: {broke}"), failure
        except Problem as failure:
            return Difference("ours fails otherwise", f"{failure}; plain DuckDB: {broke}"), failure
        raise PlainBroke(str(broke), "ours answers")

    def difference(self, sql, route=None):
        """(Difference or None, our answer or the QueryError); raises TooHeavy, Undetermined, PlainBroke."""
        try:
            reference, shape = self.reference(sql)
        except PlainBroke as broke:
            return self.ask_alone(sql, broke, route)
        try:
            answer = self.ask(sql, route)
        except QueryError as failure:
            is_alike = failure.code not in ("BUG", "REMOTE", "TIMEOUT") or str(shape) in failure.message
            if reference is None and is_alike:
                return None, failure
            if reference is not None and failure.code == "INVALID":
                self.check_error_is_ours(sql, failure.message)
            told = f"; plain DuckDB: {shape}" if reference is None else ""
            return (
                Difference(f"ours fails {failure.code} {failure.message[:24]}", f"{failure}{told}", reference),
                failure,
            )
        except Problem as failure:
            return Difference(f"ours fails {str(failure)[:30]}", str(failure), reference), failure
        if reference is None:
            return Difference("plain fails", f"plain DuckDB fails, ours does not: {shape}", None, answer), answer
        problem = compare(self.plain, sql, reference, shape, answer)
        if problem is None:
            return None, answer
        self.check_determined(sql, reference, shape)
        return Difference("differs", problem, reference, answer), answer

    def other_plans(self, sql):
        """What plain DuckDB makes of it with other threads, order and optimizers: (reference, None) or (None, its error)."""
        for settings in OTHER_PLANS:
            try:
                self.plain.connection.execute(settings)
                yield self.plain.reference(sql)[0], None
            except duckdb.Error as failure:
                if is_internal(failure):
                    self.open_plain_again()
                else:
                    yield None, str(failure).splitlines()[0]
            finally:
                self.plain.connection.execute(
                    f"SET threads = {self.threads}; SET preserve_insertion_order = true; SET disabled_optimizers = ''"
                )

    def check_determined(self, sql, reference, shape):
        """Does plain DuckDB agree with itself?"""
        for again, _ in self.other_plans(sql):
            if again is not None and compare(self.plain, sql, reference, shape, Plainly(again)) is not None:
                raise Undetermined

    def check_error_is_ours(self, sql, message):
        """An expression that overflows where its value is not needed: whether it is evaluated is up to the plan. Only if
        plain DuckDB has the very same error with another plan of its own."""
        for _, failure in self.other_plans(sql):
            if failure and failure in message:
                raise Undetermined


def is_internal(failure):
    return str(failure).startswith(("INTERNAL", "FATAL"))


class Plainly:
    """A Reference in the place of an Answer."""

    def __init__(self, reference):
        self.columns = [(name, str(kind)) for name, kind in reference.columns]
        self.rows = reference.rows
