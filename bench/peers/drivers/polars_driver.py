# SPDX-License-Identifier: MIT
import polars
from driver import serve, settings

given = settings()
context = polars.SQLContext({name: polars.scan_parquet(files) for name, files in given["tables"].items()})
serve(polars.__version__, lambda sql: context.execute(sql).collect(engine="streaming").rows())
