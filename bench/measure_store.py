#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What TPC-H fetches from an S3 server (versitygw on loopback, TLS): requests and bytes of each query, run in order on
one fresh stack, then all once more. Prints a Markdown table.

  bench/measure_store.py [--sf 0.1] [--cache BYTES]"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))
from harness.environment import use_test_python  # noqa: E402

use_test_python()
from harness.lake import make_lake, query_files  # noqa: E402
from harness.s3 import S3Server  # noqa: E402
from harness.stack import Stack  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sf", type=float, default=0.1)
    parser.add_argument("--cache", default="0", help="--cache-memory of a worker")
    options = parser.parse_args()
    rounds = []
    with S3Server("versitygw") as server:
        more = ("--cache-memory", options.cache)
        with Stack(environment=server.environment(), store_url=server.url("lake"), options=more) as stack:
            stack.load_lake(make_lake("tpch", options.sf))
            for _ in range(2):
                rounds.append({name: stack.query(sql, "fleet").stats for name, sql in query_files("tpch")})
    print("| query | files MB | first: requests | first: MB fetched | first: MB kept | again: requests | again: MB fetched |")
    print("|" + " --- |" * 7)
    totals = [0] * 6
    for name, first in rounds[0].items():
        again = rounds[1][name]
        row = [first["scanned_bytes"], first["store_requests"], first["store_bytes"], first["store_kept_bytes"],
               again["store_requests"], again["store_bytes"]]
        totals = [total + value for total, value in zip(totals, row)]
        print_row(name, row)
    print_row("all", totals)


def print_row(name, row):
    files, requests, fetched, kept, again_requests, again = row
    print(f"| {name} | {files / 1e6:.1f} | {requests} | {fetched / 1e6:.2f} | {kept / 1e6:.2f} | {again_requests} | "
          f"{again / 1e6:.2f} |")


if __name__ == "__main__":
    main()
