# SPDX-License-Identifier: MIT
import os
import sys

from driver import rows_of_arrow, serve, settings

given = settings()
sys.path.insert(0, given["folder"])
os.environ.update(
    SAIL_MODE="local-cluster",
    SAIL_CLUSTER__WORKER_INITIAL_COUNT=str(given["threads"]),
    SAIL_CLUSTER__WORKER_MAX_COUNT=str(given["threads"]),
    SAIL_EXECUTION__DEFAULT_PARALLELISM=str(given["threads"]),
)

import pysail  # noqa: E402
from pysail.spark import SparkConnectServer  # noqa: E402
from pyspark.sql import SparkSession  # noqa: E402

server = SparkConnectServer("127.0.0.1", 0)
server.start(background=True)
_, port = server.listening_address
session = SparkSession.builder.remote(f"sc://127.0.0.1:{port}").getOrCreate()
for name, files in given["tables"].items():
    session.read.parquet(*files).createOrReplaceTempView(name)
serve(pysail.__version__, lambda sql: rows_of_arrow(session.sql(sql).toArrow()))
