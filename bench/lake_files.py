# SPDX-License-Identifier: MIT
"""The data files of a table of a lake, as its Iceberg metadata lists them."""

import json

from pyiceberg.table import StaticTable


def files_of(store, table):
    """Paths, for a table of namespace main."""
    folder = store / "main" / table / "metadata"
    pointer = json.loads((folder / "pointer.json").read_text(encoding="utf-8"))
    static = StaticTable.from_metadata(pointer["metadata-location"])
    return sorted(task.file.file_path.removeprefix("file://") for task in static.scan().plan_files())
