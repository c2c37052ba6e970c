# SPDX-License-Identifier: MIT
"""Objects of a stack's store for tests that look at them, damage them, or have others read them: the same in a folder
and on an S3 server (harness/s3.py), where pyarrow fetches and puts them.

    for path in stack.paths("warehouse/main/t/data/*.parquet"): path.write_bytes(path.read_bytes()[:-1])

On a folder these are pathlib's paths; on S3 an S3Path has those of their methods that tests need."""

import fnmatch
import os

from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.table import StaticTable

from .environment import extension_path
from .s3 import KEY, REGION, SECRET, s3_server


def file_system(server):
    # versitygw 1.8.0 loses its place in a connection after a body with a checksum behind it, which Arrow sends unless
    # told, and answers the next request with 400.
    os.environ["AWS_REQUEST_CHECKSUM_CALCULATION"] = "when_required"
    from pyarrow.fs import S3FileSystem

    return S3FileSystem(access_key=KEY, secret_key=SECRET, region=REGION, endpoint_override=server.endpoint,
                        tls_ca_file_path=str(server.ca_path) if server.is_tls else None, allow_delayed_open=True)


class S3Path:
    """One object: s3://bucket/key."""

    def __init__(self, uri, system=None):
        self.uri, self.place = uri, uri.removeprefix("s3://")
        self.system = system or file_system(s3_server())

    def __str__(self):
        return self.uri

    @property
    def name(self):
        return self.uri.rpartition("/")[2]

    def exists(self):
        return s3_server().ask("HEAD", f"/{self.place}") == 200

    def size(self):
        return self.system.get_file_info(self.place).size

    def read_bytes(self):
        with self.system.open_input_file(self.place) as file:
            return file.read()

    def read_text(self, encoding="utf-8"):
        return self.read_bytes().decode(encoding)

    def write_bytes(self, data):
        with self.system.open_output_stream(self.place) as file:
            file.write(bytes(data))

    def write_text(self, text, encoding="utf-8"):
        self.write_bytes(text.encode(encoding))

    def unlink(self):
        self.system.delete_file(self.place)


def s3_paths(url, pattern):
    """Objects below `url` that match, in order of their keys; "**/" stands for any folders, or none."""
    from pyarrow.fs import FileSelector

    system, root = file_system(s3_server()), url.removeprefix("s3://")
    found = system.get_file_info(FileSelector(root, recursive=True, allow_not_found=True))
    names = sorted(info.path[len(root) + 1 :] for info in found if info.type.name == "File")
    wanted = pattern.replace("**/", "*")
    return [S3Path(f"{url}/{name}", system) for name in names if fnmatch.fnmatchcase(name, wanted)]


# ---- outside readers ----


class TlsFileIO(PyArrowFileIO):
    """PyIceberg has no setting for an authority of one's own."""

    def _initialize_s3_fs(self, netloc):
        return file_system(s3_server())


def iceberg_properties():
    return {"py-io-impl": f"{__name__}.TlsFileIO"} if s3_server() else {}


def static_table(metadata):
    """PyIceberg's view of a table, from its metadata file."""
    return StaticTable.from_metadata(str(metadata), iceberg_properties())


def let_duckdb_read(connection):
    """DuckDB with its official extensions reads what the stacks of this process have in their stores."""
    server = s3_server()
    if not server:
        return
    connection.execute(f"LOAD '{extension_path('httpfs')}'")
    connection.execute(f"SET ca_cert_file = '{server.ca_path}'")
    connection.execute(f"CREATE OR REPLACE SECRET (TYPE s3, KEY_ID '{KEY}', SECRET '{SECRET}', REGION '{REGION}', "
                       f"ENDPOINT '127.0.0.1:{server.port}', URL_STYLE 'path', USE_SSL {str(server.is_tls).lower()})")
