# SPDX-License-Identifier: MIT
"""Iceberg's REST Compatibility Kit (iceberg_kit.xml) against any server of the protocol."""

import os
import re
import subprocess
from pathlib import Path

from .cases import check

HERE = Path(__file__).resolve().parent
COUNT = re.compile(r"\[\s*(\d+) tests (found|skipped|started|aborted|successful|failed)\s*\]")


def run_maven(*arguments, limit_s=600):
    command = ["mvn", "-q", "-B", "--strict-checksums", *map(str, arguments)]
    made = subprocess.run(command, capture_output=True, text=True, timeout=limit_s, check=False)
    check(made.returncode == 0, f"{' '.join(command)} failed:\n{made.stdout[-3000:]}{made.stderr[-1000:]}")


def run_kit(uri, folder, properties=(), variables=None, temporary=None):
    """Counts by outcome. `folder`: where the kit's jars go; `temporary`: where its tests put tables of their own."""
    run_maven("-f", HERE / "iceberg_kit.xml", "dependency:copy-dependencies", f"-DoutputDirectory={folder}")
    command = ["java", "-cp", f"{folder}/*", "-Drck.local=false", "-Drck.purge-test-namespaces=true",
               *[f"-Drck.{name}" for name in properties], *([f"-Djava.io.tmpdir={temporary}"] if temporary else []),
               "-Dorg.slf4j.simpleLogger.defaultLogLevel=off", "org.junit.platform.console.ConsoleLauncher", "execute",
               "--select-class", "org.apache.iceberg.rest.RESTCompatibilityKitSuite", "--details=tree",
               "--disable-banner", "--disable-ansi-colors"]
    judged = subprocess.run(command, capture_output=True, text=True, timeout=1200, check=False,
                            env=os.environ | {"CATALOG_URI": uri} | (variables or {}))
    counts = {what: int(count) for count, what in COUNT.findall(judged.stdout)}
    check(counts, f"the kit gave no result:\n{judged.stdout[-2000:]}{judged.stderr[-2000:]}")
    details = judged.stdout[judged.stdout.find("Failures ("):]
    check(counts["failed"] == 0, f"{counts}\n{details[:4000]}")
    return counts


def shown(counts):
    return f"{counts['successful']} of {counts['found']} passed, {counts['aborted']} aborted, {counts['skipped']} skipped"
