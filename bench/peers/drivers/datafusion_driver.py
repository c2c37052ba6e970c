# SPDX-License-Identifier: MIT
import os

import datafusion
import pyarrow
from driver import rows_of_arrow, serve, settings

given = settings()
context = datafusion.SessionContext(datafusion.SessionConfig().with_target_partitions(given["threads"]))
for name, files in given["tables"].items():
    folder = os.path.dirname(files[0])  # a folder of data files alone: the registry takes no list
    context.register_parquet(name, folder + "/")


def run(sql):
    made = context.sql(sql)
    return rows_of_arrow(pyarrow.Table.from_batches(made.collect(), schema=made.schema()))


serve(datafusion.__version__, run)
