# SPDX-License-Identifier: MIT
"""Our S3 client beside libcurl alone and Amazon's aws-c-s3, on the same server in one run: see bench/s3/speed.h."""

import json
import os
import statistics
import subprocess

from harness.cases import Problem
from harness.environment import ROOT
from harness.s3 import BUCKET, KEY, SECRET, S3Server
from measure_programs import program

AT_ONCE = 16
KIB, MIB = 1 << 10, 1 << 20
# name, operation, bytes of one, how many, object
WORK = [
    ("ranges of 64 KB", "read", 64 * KIB, 3000, 256 * MIB),
    ("ranges of 1 MB", "read", MIB, 512, 256 * MIB),
    ("ranges of 8 MB", "read", 8 * MIB, 64, 256 * MIB),
    ("256 MB read", "whole", 256 * MIB, 2, 256 * MIB),
    ("256 MB written", "write", 256 * MIB, 1, 256 * MIB),
]
CLIENTS = ("puffindb", "libcurl", "aws-c-s3")
HEAD = ["over", "work", "client", "MB/s", "requests/s", "CPU ns a byte", "CPU µs a request", "CPU, ours = 1", "RSS MB"]


def build_peers():
    """{client: program}"""
    fetched = subprocess.run([ROOT / "deps/fetch", "--sources", "aws-c-s3"], stdout=subprocess.PIPE, text=True, check=False)
    if fetched.returncode:
        raise Problem("the sources of aws-c-s3 can't be had, see above")
    folder = ROOT / "build/bench-s3"
    sources = f"-DAWS_SOURCES={fetched.stdout.strip()}"
    for command in (["cmake", "-G", "Ninja", "-S", ROOT / "bench/s3", "-B", folder, "-DCMAKE_BUILD_TYPE=Release", sources],
                    ["cmake", "--build", folder]):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode:
            raise Problem(f"{' '.join(map(str, command[:3]))}: {done.stdout[-2000:]}")
    return {"puffindb": program("store_speed"), "libcurl": folder / "s3_curl", "aws-c-s3": folder / "s3_crt"}


def one(path, server, operation, size, count, total):
    environment = {**os.environ, **server.environment(), "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
    place = "written" if operation == "write" else "object"
    command = [path, server.endpoint, BUCKET, place, operation, size, count, AT_ONCE, total]
    done = subprocess.run([*map(str, command), str(server.ca_path) if server.is_tls else ""], env=environment,
                          capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        raise Problem(f"{path.name} {operation} {size}: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout)


def measure(server, programs, rounds):
    """{(work, client): results}: clients take turns, and each round begins with another."""
    fill = one(programs["puffindb"], server, "write", 256 * MIB, 1, 256 * MIB)
    (server.folder / "data" / BUCKET / "written").rename(server.folder / "data" / BUCKET / "object")
    results = {}
    for work, *asked in WORK:
        for number in range(rounds):
            for at in range(len(CLIENTS)):
                client = CLIENTS[(at + number) % len(CLIENTS)]
                results.setdefault((work, client), []).append(one(programs[client], server, *asked))
    return results if fill else {}


def row(over, work, client, results, ours):
    def middle(value):
        return statistics.median(value(result) for result in results)

    cpu = middle(lambda r: r["cpu_seconds"] / r["bytes"])
    return [over, work, client, f"{middle(lambda r: r['bytes'] / r['seconds']) / 1e6:.0f}",
            f"{middle(lambda r: r['requests'] / r['seconds']):.0f}", f"{cpu * 1e9:.2f}",
            f"{middle(lambda r: r['cpu_seconds'] / r['requests']) * 1e6:.0f}", f"{cpu / ours:.2f}",
            f"{middle(lambda r: r['rss_kb']) / 1024 - 256:.0f}"]


def run(rounds=5):
    programs, rows, values = build_peers(), [], {}
    for over in ("TLS", "plain HTTP"):
        with S3Server("versitygw", is_tls=over == "TLS") as server:
            results = measure(server, programs, rounds)
        for work, *_ in WORK:
            ours = statistics.median(r["cpu_seconds"] / r["bytes"] for r in results[work, "puffindb"])
            for client in CLIENTS:
                rows.append(row(over, work, client, results[work, client], ours))
                values[f"{over} {work} {client}"] = float(rows[-1][7])
                print("  ".join(map(str, rows[-1])), flush=True)
    text = (f"versitygw on loopback, {AT_ONCE} requests at once, {rounds} rounds, clients by turns, medians; CPU is the client's "
            "alone, user and system; RSS without the 256 MB that the bytes are read to or written from")
    notes = ["puffindb and libcurl send the payload of a write unsigned over TLS; puffindb adds a CRC32C of each part, and over "
             "plain HTTP its SHA-256. `libcurl` is `bench/s3/s3_curl.c` (multi interface, its own signatures, no retries, no checks), "
             "`aws-c-s3` is `bench/s3/s3_crt.c` with its defaults; it delivers parts in order."]
    return {"text": text, "head": HEAD, "table": rows, "values": values, "notes": notes, "is_complete": True}
