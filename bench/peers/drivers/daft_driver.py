# SPDX-License-Identifier: MIT
import daft
from driver import rows_of_arrow, serve, settings

given = settings()
daft.set_runner_native(num_threads=given["threads"])
tables = {name: daft.read_parquet(files) for name, files in given["tables"].items()}
serve(daft.__version__, lambda sql: rows_of_arrow(daft.sql(sql, **tables).to_arrow()))
