# SPDX-License-Identifier: MIT
"""Scans that are planned by the server: what is answered, and that clients read the same rows through it."""

import json
import sys
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "iceberg"))
from harness.cases import Skip, check  # noqa: E402
from harness.objects import iceberg_properties  # noqa: E402
from harness.s3 import s3_server  # noqa: E402
from tool import Tool  # noqa: E402

PAGE = 20000  # PAGE_TASKS of src/api/iceberg_scan.c


def catalogs(client):
    from pyiceberg.catalog import load_catalog

    return [load_catalog(f"planned by {who}", type="rest", uri=client.uri, **iceberg_properties(), **{"scan-planning-mode": who})
            for who in ("server", "client")]


def same_rows(client, name, filters, what):
    server, own = (catalog.load_table(name) for catalog in catalogs(client))
    for condition in filters:
        ours, theirs = (table.scan(condition).to_arrow().to_pylist() for table in (server, own))
        ours, theirs = (sorted(map(str, rows)) for rows in (ours, theirs))
        check(ours == theirs, f"{what}, {condition}: {len(ours)} rows, not {len(theirs)}")
        ours, theirs = ({task.file.file_path for task in table.scan(condition).plan_files()} for table in (server, own))
        # Files that do not say how many NaN they have may have some; PyIceberg thinks that they have none.
        is_right = ours >= theirs if "price" in condition else ours == theirs
        check(is_right, f"{what}, {condition}: {len(ours)} files, not {len(theirs)}")


def plans_scans_for_pyiceberg(client):
    import pyarrow as pa

    catalog = client.pyiceberg()
    catalog.create_namespace("planned")
    # No city is null: PyIceberg does not read null partition values of a plan.
    rows = pa.table({"id": pa.array(range(300), pa.int64()), "city": [["Oslo", "Bergen", "Rom"][i % 3] for i in range(300)],
                     "price": [None if i % 50 == 0 else i / 7 for i in range(300)]})
    table = catalog.create_table("planned.sales", schema=rows.schema)
    with table.update_spec() as update:
        update.add_identity("city")
    for start in range(0, 300, 100):
        table.append(rows.slice(start, 100))
    table.delete("id == 5")
    same_rows(client, "planned.sales", (
        "id >= 0", "city == 'Oslo'", "price is null", "city != 'Oslo'", "id < 120 and city == 'Bergen'",
        "id in (3, 250) or price > 42.5", "not (id > 20)", "city like 'B%'", "id == 5", "price is not nan"), "PyIceberg")


def plans_deletes_for_pyiceberg(client):
    """Rows that stock DuckDB deleted (position deletes) in a table of serves_stock_duckdb."""
    if client.send("GET", "namespaces/duck/tables/numbers")[0] == 404:
        raise Skip("needs the table of serves_stock_duckdb")
    same_rows(client, "duck.numbers", ("n >= 0", "n > 50", "t == 'x7'"), "after DuckDB's deletes")
    answer = client.need(200, "POST", "namespaces/duck/tables/numbers/plan", {})
    check(answer["delete-files"] and answer["file-scan-tasks"][0]["delete-file-references"] == [0], str(answer)[:500])
    check(answer["delete-files"][0]["content"] == "position-deletes", str(answer["delete-files"]))


def answers_plans_as_the_protocol_says(client):
    endpoints = client.need(200, "GET", "config")["endpoints"]
    check("POST /v1/{prefix}/namespaces/{namespace}/tables/{table}/plan" in endpoints, str(endpoints))
    client.make_table("plans", "empty")
    plan = "namespaces/plans/tables/empty/plan"
    check(client.need(200, "POST", plan, {}) == {"status": "completed", "file-scan-tasks": []}, "an empty table")
    wrong = {"type": "eq", "term": "nothing", "value": 1}
    client.need(400, "POST", plan, {"filter": wrong}, "IllegalArgumentException")
    client.need(400, "POST", plan, {"filter": {"type": "eq", "term": "ID", "value": 1}}, "IllegalArgumentException")
    client.need(200, "POST", plan, {"filter": {"type": "eq", "term": "ID", "value": 1}, "case-sensitive": False})
    client.need(400, "POST", plan, {"snapshot-id": 77}, "IllegalArgumentException")
    client.need(400, "POST", plan, {"snapshot-id": "x"}, "IllegalArgumentException")
    client.need(400, "POST", plan, {"snapshot-id": 1, "end-snapshot-id": 2}, "IllegalArgumentException")
    client.need(406, "POST", plan, {"start-snapshot-id": 1, "end-snapshot-id": 2}, "UnsupportedOperationException")
    client.need(400, "POST", plan, {"select": "id"}, "IllegalArgumentException")
    client.need(400, "POST", plan, {"stats-fields": [7]}, "IllegalArgumentException")
    client.need(404, "POST", "namespaces/plans/tables/none/plan", {}, "NoSuchTableException")
    client.need(404, "GET", f"{plan}/some-plan", kind="NoSuchPlanIdException")
    client.need(404, "DELETE", f"{plan}/some-plan", kind="NoSuchPlanIdException")
    for task in ("", "x", "{}", json.dumps({"first": 0, "snapshot-id": 1, "schema-id": 0, "request": {}})):
        client.need(404, "POST", "namespaces/plans/tables/empty/tasks", {"plan-task": task}, "NoSuchPlanTaskException")


def make_large_table(client, count):
    """`count` data files, of which none is there; the i-th has i from i * 10 to i * 10 + 9."""
    folder, tool = client.stack.folder / "store/warehouse/plans/large", Tool()
    folder.mkdir(parents=True)
    lines = [("location", f"file://{folder}"), ("uuid", uuid.uuid4()), ("column", "i", "BIGINT")]
    path = tool.change("create", uuid.uuid4(), lines=lines)
    for start in range(0, count, 1000):
        lines = []
        for number in range(start, min(start + 1000, count)):
            lines.append(("file", f"file://{folder}/data/{number:06}.parquet", 1000, 10))
            lines.append(("stats", '"i"', number * 10, number * 10 + 9, 0, 10, 80, "-"))
        path = tool.change("append", path, 4711 + start, uuid.uuid4(), lines=lines)
    client.need(200, "POST", "namespaces/plans/register",
                {"name": "large", "metadata-location": path if path.startswith("file:") else f"file://{path}"})


def goes_on_with_plan_tasks(client):
    if s3_server():
        raise Skip("the table is made in a folder")
    client.send("POST", "namespaces", {"namespace": ["plans"]})
    make_large_table(client, PAGE + 7)
    found, request = [], {"filter": {"type": "gt-eq", "term": "i", "value": 30}, "stats-fields": ["i"]}
    answer = client.need(200, "POST", "namespaces/plans/tables/large/plan", request)
    check(answer["status"] == "completed" and len(answer["plan-tasks"]) == 1, str(answer)[:300])
    check(answer["file-scan-tasks"][0]["data-file"]["value-counts"] == {"keys": [1], "values": [10]}, "no statistics")
    check(answer["file-scan-tasks"][0]["residual-filter"] == request["filter"], "another residual")
    for _ in range(5):
        found += [task["data-file"]["file-path"] for task in answer["file-scan-tasks"]]
        if not answer.get("plan-tasks"):
            break
        answer = client.need(200, "POST", "namespaces/plans/tables/large/tasks", {"plan-task": answer["plan-tasks"][0]})
        check("status" not in answer, "tasks have no status")
    check(len(found) == len(set(found)) == PAGE + 4, f"{len(found)} files")
    one = client.need(200, "POST", "namespaces/plans/tables/large/plan", {"filter": {"type": "eq", "term": "i", "value": 35}})
    check(len(one["file-scan-tasks"]) == 1 and "plan-tasks" not in one, str(one)[:300])


CASES = (plans_scans_for_pyiceberg, plans_deletes_for_pyiceberg, answers_plans_as_the_protocol_says,
         goes_on_with_plan_tasks)
