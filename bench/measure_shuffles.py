# SPDX-License-Identifier: MIT
"""Shuffles over each medium: the same queries with all data between stages in Redis, all in S3, by policy, and in a folder
of this host. Times, requests, bytes, and what they cost at list prices.

The S3 server is versitygw on loopback, which answers in about a millisecond. So each request for an object of the
exchange is delayed, by what S3 takes to its first byte: through a proxy in front of the server."""

import os
import statistics

from harness.cases import Problem
from harness.compare import compare
from harness.lake import chosen_queries, make_lake, query_files
from harness.plain import Plain
from harness.s3 import S3Server
from harness.s3_proxy import Proxy
from harness.stack import Stack

LIMIT_S = 600
MEDIA = [
    ("all in Redis", ("--exchange-url", "store", "--exchange-redis", "all")),
    ("all in S3", ("--exchange-url", "store", "--exchange-redis", "none")),
    ("by policy", ("--exchange-url", "store")),
    ("folder, by policy", ("--exchange-url", "folder")),
]


def run(scale, workers, rounds, wanted, delay_ms):
    queries = chosen_queries(query_files("tpch"), wanted or "9,18")
    lake, plain = make_lake("tpch", scale), Plain()
    plain.define_lake(lake)
    with S3Server("versitygw", is_tls=False) as server, Proxy(server.port, lambda r: late(r, delay_ms)) as proxy:
        environment = server.environment(PUFFINDB_S3_ENDPOINT=proxy.endpoint)
        stacks = [
            Stack(workers=workers, options=options, environment=environment, store_url=server.url("lake"))
            for _, options in MEDIA
        ]
        try:
            stacks[0].start().load_lake(lake)
            for stack in stacks[1:]:
                stack.start()
            seconds, uses = measure(stacks, queries, rounds, plain)
        finally:
            for stack in stacks:
                stack.stop()
                stack.remove()
    return result_of(scale, workers, rounds, delay_ms, queries, seconds, uses)


def late(request, delay_ms):
    is_object = "/temporary/" in request.target and request.method in ("GET", "PUT")
    return ("delay", delay_ms / 1000) if is_object and delay_ms else None


def measure(stacks, queries, rounds, plain):
    """The first round warms the caches and is checked against plain DuckDB; the others take turns in their order."""
    seconds, uses = {}, {}
    for name, sql in queries:
        reference, shape = plain.reference(sql)
        for number in range(rounds + 1):
            order = range(len(stacks)) if number % 2 else reversed(range(len(stacks)))
            for at in order:
                answer = stacks[at].query(sql, "fleet", LIMIT_S)
                problem = compare(plain, sql, reference, shape, answer)
                if problem:
                    raise Problem(f"{name}, {MEDIA[at][0]}: wrong answer: {problem}")
                if number:
                    seconds.setdefault((name, at), []).append(answer.seconds)
                    uses[name, at] = answer.stats["exchange"]
        for at in range(len(stacks)):
            print(f"{name}  {MEDIA[at][0]:18} {statistics.median(seconds[name, at]) * 1e3:7.0f} ms  "
                  f"${float(uses[name, at]['dollars']):.7f}", flush=True)
    return seconds, uses


def row(name, at, seconds, use):
    redis, store, folder = use["redis"], use["store"], use["folder"]

    def cells(medium):
        return [medium["objects"], f"{medium['written_bytes'] / 1e6:.2f}", medium["reads"], f"{medium['read_bytes'] / 1e6:.2f}"]

    local = f"{folder['objects']} files, {folder['written_bytes'] / 1e6:.1f} MB" if folder["objects"] else ""
    return [name, MEDIA[at][0], f"{statistics.median(seconds) * 1e3:.0f}", *cells(redis), *cells(store), local,
            f"{float(use['dollars']) * 1e6:.2f}"]


def result_of(scale, workers, rounds, delay_ms, queries, seconds, uses):
    table = [row(name, at, seconds[name, at], uses[name, at]) for name, _ in queries for at in range(len(MEDIA))]
    values = {}
    for at, (title, _) in enumerate(MEDIA[:3]):
        values[title] = sum(float(uses[name, at]["dollars"]) for name, _ in queries)
    text = (
        f"TPC-H SF{scale:g} on S3 (versitygw, {delay_ms:g} ms more for each request of the exchange), {workers} workers, "
        f"median of {rounds} runs "
        f"with warm caches; a million runs of {' and '.join(name for name, _ in queries)} cost for the exchange alone "
        f"${values['by policy'] * 1e6:.1f} by policy, ${values['all in Redis'] * 1e6:.1f} all in Redis, "
        f"${values['all in S3'] * 1e6:.1f} all in S3"
    )
    return {
        "text": text,
        "head": ["query", "exchange", "ms", "Redis strings", "MB in", "ranges", "MB out", "S3 PUTs", "MB in", "GETs", "MB out",
                 "folder", "$ per million queries"],
        "table": table,
        "notes": [
            f"The last minute's load on this machine was {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores: where it is far above them, "
            "requests, bytes and dollars count, times hardly. *folder* is for comparison: what workers on one host do."
        ],
        "values": values,
        "is_complete": True,
    }
