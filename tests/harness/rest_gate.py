# SPDX-License-Identifier: MIT
"""A gate in front of a server of Iceberg's REST protocol: asks who comes, fails as it is told, counts what passes.

    with Gate(port, guard=…, faults=…) as gate: … gate.url …

`guard(request)` gives None or (status, message); `faults(request)` gives None, ("status", code) before the request is
passed on, ("status_after", code) when it was carried out, or ("drop",): the connection ends without an answer."""

import http.client
import json
import threading
import urllib.parse
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Request:
    method: str
    target: str
    headers: dict
    body: bytes
    status: int = 0
    extra: dict = field(default_factory=dict)


class Gate:
    def __init__(self, port, guard=lambda request: None, faults=lambda request: None, tokens=None):
        self.upstream, self.guard, self.faults, self.tokens = port, guard, faults, tokens
        self.requests, self.lock = [], threading.Lock()
        gate = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def handle_any(self):
                gate.handle(self)

            do_GET = do_POST = do_HEAD = do_DELETE = handle_any

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/iceberg"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def count(self, method, part, status=None):
        with self.lock:
            return sum(1 for request in self.requests
                       if request.method == method and part in request.target and status in (None, request.status))

    def handle(self, handler):
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        request = Request(handler.command, handler.path, dict(handler.headers), body)
        with self.lock:
            self.requests.append(request)
        if self.tokens and handler.path.endswith("/v1/oauth/tokens"):
            self.answer(handler, request, *self.tokens(dict(urllib.parse.parse_qsl(body.decode()))))
            return
        refused = self.guard(request)
        if refused:
            self.answer(handler, request, refused[0], error(*refused))
            return
        fault = self.faults(request)
        if fault and fault[0] == "drop":
            handler.close_connection = True
            return
        if fault and fault[0] == "status":
            self.answer(handler, request, fault[1], error(fault[1], "made up"))
            return
        status, headers, text = self.forward(request)
        if fault:
            status, headers, text = fault[1], {}, json.dumps(error(fault[1], "made up")).encode()
        self.reply(handler, request, status, headers, text)

    def forward(self, request):
        connection = http.client.HTTPConnection("127.0.0.1", self.upstream, timeout=60)
        passed = {k: v for k, v in request.headers.items() if k.lower() in ("content-type", "if-none-match", "accept")}
        connection.request(request.method, request.target, request.body or None, passed)
        response = connection.getresponse()
        text = response.read()
        connection.close()
        return response.status, {k: v for k, v in response.headers.items() if k.lower() in ("etag", "content-type")}, text

    def answer(self, handler, request, status, body):
        self.reply(handler, request, status, {"Content-Type": "application/json"}, json.dumps(body).encode())

    @staticmethod
    def reply(handler, request, status, headers, text):
        request.status = status
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        if request.method != "HEAD":
            handler.wfile.write(text)


def error(status, message):
    return {"error": {"message": message, "type": "TestException", "code": status}}
