# SPDX-License-Identifier: MIT
"""S3 servers of our own on loopback, with TLS and signatures checked: versitygw and MinIO, as deps/fetch builds them.

    with S3Server("versitygw") as server:
        stack = Stack(store_url=server.url("lake"), environment=server.environment())

With PUFFINDB_TEST_S3=versitygw (or minio) in the environment, every stack of a suite has its lake there.

A server has one certificate authority, made with openssl for each run, and one bucket."""

import atexit
import datetime
import hashlib
import hmac
import http.client
import os
import shutil
import ssl
import subprocess
import tempfile
import time
import urllib.parse
from pathlib import Path

from .cases import Problem
from .environment import ROOT, free_port

KINDS = ("versitygw", "minio")
KEY, SECRET, REGION, BUCKET = "puffintest", "puffinsecret123", "us-east-1", "puffin-test"
START_LIMIT_S = 60


def tool(name):
    made = subprocess.run([ROOT / "deps/fetch", "--tool", name], stdout=subprocess.PIPE, text=True, check=False)
    if made.returncode:
        raise Problem(f"deps/fetch --tool {name} failed")
    return made.stdout.strip()


def make_certificates(folder):
    """ca.pem, and server.pem with server.key for 127.0.0.1 and localhost."""
    folder.mkdir(parents=True, exist_ok=True)

    def openssl(*arguments):
        subprocess.run(["openssl", *map(str, arguments)], cwd=folder, check=True, capture_output=True)

    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
            "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=puffin test authority")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", "server.key",
            "-out", "server.csr", "-subj", "/CN=127.0.0.1")
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n", encoding="ascii")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
            "-extfile", "names", "-out", "server.pem")


def signature_headers(method, host, path, query="", key=KEY, secret=SECRET, now=None):
    """SigV4 over an empty body, written anew: what the C code signs is judged by the servers, not by this."""
    now = now or datetime.datetime.now(datetime.timezone.utc)
    stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    empty = hashlib.sha256(b"").hexdigest()
    canonical = f"{method}\n{path}\n{query}\nhost:{host}\nx-amz-content-sha256:{empty}\nx-amz-date:{stamp}\n\n"
    canonical += f"host;x-amz-content-sha256;x-amz-date\n{empty}"
    scope = f"{day}/{REGION}/s3/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    derived = ("AWS4" + secret).encode()
    for part in (day, REGION, "s3", "aws4_request"):
        derived = hmac.new(derived, part.encode(), hashlib.sha256).digest()
    signature = hmac.new(derived, text.encode(), hashlib.sha256).hexdigest()
    return {
        "Host": host,
        "X-Amz-Date": stamp,
        "X-Amz-Content-Sha256": empty,
        "Authorization": f"AWS4-HMAC-SHA256 Credential={key}/{scope}, "
        f"SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature={signature}",
    }


_shared = []


def s3_server():
    """The server that all stacks of this process share, if PUFFINDB_TEST_S3 asks for one; else None."""
    kind = os.environ.get("PUFFINDB_TEST_S3")
    if kind and not _shared:
        _shared.append(S3Server(kind).start())
        atexit.register(_shared[0].stop)
    return _shared[0] if kind else None


class S3Server:
    def __init__(self, kind="versitygw", is_tls=True, folder=None):
        self.kind, self.is_tls, self.port = kind, is_tls, free_port()
        self.folder = Path(folder or tempfile.mkdtemp(prefix="puffindb-s3-"))
        self.is_folder_ours = folder is None
        self.process = None

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    @property
    def endpoint(self):
        return f"{'https' if self.is_tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def ca_path(self):
        return self.folder / "tls/ca.pem"

    def url(self, prefix=""):
        return f"s3://{BUCKET}/{prefix}".rstrip("/")

    def environment(self, **more):
        """What a client needs in its environment, and nothing else of this machine's AWS settings."""
        found = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": REGION,
                 "AWS_EC2_METADATA_DISABLED": "true", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
                 "AWS_CONFIG_FILE": "/nonexistent", "PUFFINDB_S3_ENDPOINT": self.endpoint}
        if self.is_tls:
            found["PUFFINDB_S3_CA_FILE"] = str(self.ca_path)
        return {**found, **more}

    def command(self):
        data, tls, address = self.folder / "data", self.folder / "tls", f"127.0.0.1:{self.port}"
        data.mkdir(parents=True, exist_ok=True)
        if self.kind == "versitygw":
            certificates = ["--cert", tls / "server.pem", "--key", tls / "server.key"] if self.is_tls else []
            return [tool("versitygw"), "--port", address, "--region", REGION, *certificates, "--quiet", "--keep-alive",
                    "posix", data]
        if self.is_tls:
            shutil.copy(tls / "server.pem", tls / "public.crt")
            shutil.copy(tls / "server.key", tls / "private.key")
        return [tool("minio"), "server", "--quiet", "--address", address, "--console-address", "127.0.0.1:0",
                "--certs-dir", tls if self.is_tls else self.folder / "none", data]

    def start(self):
        if self.is_tls:
            make_certificates(self.folder / "tls")
        environment = dict(os.environ, ROOT_ACCESS_KEY=KEY, ROOT_SECRET_KEY=SECRET, MINIO_ROOT_USER=KEY,
                           MINIO_ROOT_PASSWORD=SECRET, MINIO_UPDATE="off", MINIO_BROWSER="off", HOME=str(self.folder))
        with open(self.folder / "server.log", "ab") as log:
            self.process = subprocess.Popen(list(map(str, self.command())), env=environment, cwd=self.folder,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + START_LIMIT_S
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise Problem(f"{self.kind} ended with status {self.process.returncode}: {self.log()}")
            try:
                if self.ask("PUT", f"/{BUCKET}") in (200, 409):
                    return self
            except OSError:
                pass
            time.sleep(0.05)
        self.stop()
        raise Problem(f"{self.kind} does not answer within {START_LIMIT_S} s: {self.log()}")

    def ask(self, method, path, query=""):
        """The status of a signed request without a body."""
        host = f"127.0.0.1:{self.port}"
        if self.is_tls:
            context = ssl.create_default_context(cafile=self.ca_path)
            connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=10, context=context)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            target = urllib.parse.quote(path) + (f"?{query}" if query else "")
            connection.request(method, target, headers=signature_headers(method, host, path, query))
            return connection.getresponse().status
        finally:
            connection.close()

    def log(self):
        return (self.folder / "server.log").read_text(errors="replace")[-2000:]

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None
        if self.is_folder_ours and "PUFFINDB_TEST_KEEP" not in os.environ:
            shutil.rmtree(self.folder, ignore_errors=True)
