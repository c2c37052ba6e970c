# SPDX-License-Identifier: MIT
"""Iceberg's Java library and Spark judge how we read: long tests, since both take a JVM.

Their packages come from Maven's and PyPI's registries by exact version (deps/java/pom.xml, SPARK below), into the
cache that deps/fetch uses; without mvn or javac the cases are skipped."""

import hashlib
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness.cases import Problem, Skip, check
from harness.environment import ROOT
from harness.stack import Stack

HERE = Path(__file__).resolve().parent
CACHE = Path(os.environ.get("PUFFINDB_DEPS_CACHE") or Path.home() / ".cache/puffindb/deps")
SPARK = "pyspark==4.0.1"
SPARK_RUNTIME = "org.apache.iceberg:iceberg-spark-runtime-4.0_2.13:1.11.0"


def run(*command, **options):
    made = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, **options)
    if made.returncode:
        raise Problem(f"{command[0]} … {command[-1]}: {made.stderr[-2000:]}")
    return made.stdout


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            raise Skip(f"{program} is not installed")


class Java:
    """The judge, compiled; its libraries are fetched once."""

    def __init__(self, folder):
        need("mvn", "javac", "java")
        pom = ROOT / "deps/java/pom.xml"
        self.libraries = CACHE / ("java-" + hashlib.sha256(pom.read_bytes()).hexdigest()[:16])
        if not (self.libraries / "complete").exists():
            run("mvn", "-q", "-B", "-f", pom, "dependency:copy-dependencies", f"-DoutputDirectory={self.libraries}")
            (self.libraries / "complete").touch()
        self.classes = folder / "classes"
        run("javac", "-nowarn", "-cp", f"{self.libraries}/*", "-d", self.classes, HERE / "IcebergJudge.java",
            HERE / "PlanJudge.java")

    def ask(self, *arguments, judge="IcebergJudge"):
        return json.loads(run("java", "-Xmx1500m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp",
                              f"{self.classes}:{self.libraries}/*", judge, *arguments))


# ---- rows ----


def place_pointer(table):
    """Makes a table that lies in the store one of the catalog's."""
    newest = max((table / "metadata").glob("*.metadata.json"), key=lambda p: int(re.match(r"v?(\d+)", p.name)[1]))
    uuid = json.loads(newest.read_text())["table-uuid"]
    (table / "metadata/pointer.json").write_text(json.dumps(
        {"format-version": 1, "table-uuid": uuid, "metadata-location": f"file://{newest}"}))


def plain(value):
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return "NaN" if math.isnan(value) else round(float(value), 9)
    if isinstance(value, str):
        if value.lower() == "nan":
            return "NaN"
        moment = re.match(r"^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(\.\d+)?(Z|\+00)?$", value)
        return f"{moment[1]} {moment[2]}" if moment else value
    return value


def same(got, expected, what):
    got, expected = (sorted(json.dumps(plain(row), sort_keys=True) for row in rows) for rows in (got, expected))
    only, missing = sorted(set(got) - set(expected))[:2], sorted(set(expected) - set(got))[:2]
    check(got == expected, f"{what}: {len(got)} rows, not {len(expected)}; only ours {only}, only theirs {missing}")


def query(program, store, route, sql):
    answer = json.loads(run(program, "sql", "--store-url", f"file://{store}", "--route", route, "--format", "json", sql))
    names = [column["name"] for column in answer["columns"]]
    return [dict(zip(names, row)) if isinstance(row, list) else row for row in answer["rows"]]


def judge_equality(program, java, folder):
    expected = java.ask("equality", folder / "warehouse/t")
    for name, snapshots in expected.items():
        place_pointer(folder / "warehouse/t" / name)
        before = None
        for snapshot, rows in snapshots.items():
            if rows is None:  # this version of Java can't: the rows of before without the dropped column, and 20 more
                rows = [{key: value for key, value in row.items() if key != "s"} for row in before]
                rows += [{"id": number, "p": 0, "d": 0.5} for number in range(20)]
            else:
                before = rows
            for route in ("local", "fleet"):
                same(query(program, folder, route, f"SELECT * FROM t.{name} AT (VERSION => {snapshot})"), rows,
                     f"{name} at {snapshot}, {route}")


def judge_plans(java, folder, tables, scans, seed):
    """Scans of made-up tables: the same files and deletes as Java plans, more only for reasons that are documented."""
    with Stack(workers=1, folder=folder) as stack:
        report = java.ask(f"{stack.url}/iceberg", seed, tables, scans, judge="PlanJudge")
    check(not report["wrong"], f"seed {seed}: {len(report['wrong'])} times wrong: {report['wrong'][:3]}")
    check(report["both"] > tables and report["deletes"] and report["skipped"], f"little was planned: {report}")
    more = {reason: count for reason, count in report["more"].items() if reason.startswith("other")}
    check(not more, f"seed {seed}: files are read that Java skips: {more}")
    return f"seed {seed}: " + json.dumps(report)


def decode_bytes(name, row):
    """Spark shows BINARY in base 64."""
    if name == "transforms" and row["b"] is not None:
        import base64
        row["b"] = base64.b64decode(row["b"]).decode()
    return row


def spark_python():
    python = CACHE / f"spark-{SPARK.replace('==', '-')}/bin/python3"
    if not (python.parent.parent / "complete").exists():
        run(sys.executable, "-m", "venv", python.parent.parent)
        run(python, "-m", "pip", "install", "--quiet", SPARK)
        (python.parent.parent / "complete").touch()
    return python


def judge_spark(program, folder):
    need("mvn", "java")
    jars = CACHE / "spark-jars"
    jar = jars / (SPARK_RUNTIME.split(":")[1] + "-" + SPARK_RUNTIME.split(":")[2] + ".jar")
    if not jar.exists():
        run("mvn", "-q", "-B", "dependency:copy", f"-Dartifact={SPARK_RUNTIME}", f"-DoutputDirectory={jars}", cwd=folder)
    run(spark_python(), HERE / "spark_tables.py", folder, jar)
    expected = json.loads((folder / "expected.json").read_text())
    check(not expected["errors"], f"Spark could not write: {expected['errors']}")
    for name, table in expected["tables"].items():
        place_pointer(folder / "warehouse/t" / name)
        for route in ("local", "fleet"):
            for snapshot, read in table["read"].items():
                sql = f"SELECT * FROM t.{name}" + (f" AT (VERSION => {snapshot})" if snapshot else "")
                rows = [decode_bytes(name, json.loads(row)) for row in read["rows"]]
                same(query(program, folder, route, sql), rows, f"{name} at '{snapshot}', {route}")
            if "lineage" in table:
                rows = [dict(zip(("id", "_row_id", "_last_updated_sequence_number"), row)) for row in table["lineage"]]
                sql = f'SELECT id, _row_id, _last_updated_sequence_number FROM t."{name}$rows"'
                same(query(program, folder, route, sql), rows, f"lineage of {name}, {route}")


def judge(cases, program):
    with tempfile.TemporaryDirectory(prefix="judges_") as folder:
        folder = Path(folder)
        try:
            java = Java(folder)
        except (Problem, Skip) as reason:
            cases.run("Iceberg Java", lambda: (_ for _ in ()).throw(reason))
            return
        (folder / "equality").mkdir()
        (folder / "spark").mkdir()
        (folder / "plans").mkdir()
        cases.run("Java: equality deletes", judge_equality, program, java, folder / "equality")
        tables = int(os.environ.get("PUFFINDB_PLAN_TABLES", "300"))
        seed = int(os.environ.get("PUFFINDB_PLAN_SEED") or time.time())
        cases.run("Java: plans of scans", judge_plans, java, folder / "plans", tables, 10, seed)
        cases.run("Spark: rows of every snapshot", judge_spark, program, folder / "spark")
