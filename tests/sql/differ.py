# SPDX-License-Identifier: MIT
"""One set of tables on plain DuckDB and on a stack, and whether a statement means the same on both: also in failing."""

import copy
import os
import shutil
import tempfile
import threading
from pathlib import Path

import duckdb

from harness.cases import Problem
from harness.compare import compare
from harness.plain import Plain
from harness.stack import QueryError

PLAIN_LIMIT_S, OUR_LIMIT_S, MOST_ROWS = 2, 60, 4000
PLAIN_BROKE = 70  # exit status of a process whose DuckDB says that it is broken


class TooHeavy(Exception):
    """Plain DuckDB takes too long for it, or answers with too many rows: no test."""


class Undetermined(Exception):
    """Plain DuckDB gives different answers on one thread and on several: the statement has no one right answer."""


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
        """(reference, shape) or the text of an error; TooHeavy."""
        timer = threading.Timer(PLAIN_LIMIT_S, self.plain.connection.interrupt)
        timer.start()
        try:
            reference, shape = self.plain.reference(sql)
        except duckdb.InterruptException:
            raise TooHeavy from None
        except Exception as failure:  # pylint: disable=broad-except
            text = str(failure).splitlines()[0]
            if text.startswith(("INTERNAL", "FATAL")):
                os._exit(PLAIN_BROKE)  # no answer to be had from it any more
            if "closed pending query result" in text:
                raise TooHeavy from None  # what else an interrupt may look like
            return None, text
        finally:
            timer.cancel()
        if len(reference.rows) > MOST_ROWS:
            raise TooHeavy
        return reference, shape

    def difference(self, sql, route=None):
        """(Difference or None, our answer or the QueryError); raises TooHeavy, Undetermined."""
        reference, shape = self.reference(sql)
        try:
            answer = self.stack.query(sql, route or self.route, OUR_LIMIT_S)
        except QueryError as failure:
            is_alike = failure.code not in ("BUG", "REMOTE", "TIMEOUT") or str(shape) in failure.message
            if reference is None and is_alike:
                return None, failure
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

    def check_determined(self, sql, reference, shape):
        """The same once more on plain DuckDB, with other threads and order: does it agree with itself?"""
        cursor = self.plain.connection
        for settings in (
            "SET threads = 1",
            "SET threads = 4; SET preserve_insertion_order = false",
            "SET disabled_optimizers = 'join_order,top_n'",
        ):
            cursor.execute(settings)
            try:
                again, _ = self.plain.reference(sql)
            except duckdb.Error:
                again = None
            finally:
                cursor.execute(
                    f"SET threads = {self.threads}; SET preserve_insertion_order = true; SET disabled_optimizers = ''"
                )
            if again is None:
                continue
            if compare(self.plain, sql, reference, shape, Plainly(again)) is not None:
                raise Undetermined


class Plainly:
    """A Reference in the place of an Answer."""

    def __init__(self, reference):
        self.columns = [(name, str(kind)) for name, kind in reference.columns]
        self.rows = reference.rows
