# SPDX-License-Identifier: MIT
import duckdb
from driver import serve, settings

given = settings()
connection = duckdb.connect(config={"threads": given["threads"]})
for name, files in given["tables"].items():
    listed = ", ".join("'" + file.replace("'", "''") + "'" for file in files)
    connection.execute(f'CREATE VIEW "{name}" AS FROM read_parquet([{listed}])')
serve(duckdb.__version__, lambda sql: connection.execute(sql).fetchall())
