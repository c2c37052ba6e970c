# SPDX-License-Identifier: MIT
"""The data files of a table of a lake, as its Iceberg metadata lists them."""

import json

from pyiceberg.table import StaticTable


def files_of(stack, table):
    """Paths."""
    pointer = json.loads((stack.table_folder(table) / "metadata/pointer.json").read_text(encoding="utf-8"))
    static = StaticTable.from_metadata(pointer["metadata-location"])
    return sorted(task.file.file_path.removeprefix("file://") for task in static.scan().plan_files())
