# SPDX-License-Identifier: MIT
"""A proxy in front of an S3 server (plain HTTP on both sides) that fails as it is told.

    with Proxy(server.port, faults) as proxy: ...

`faults(request)` gets a Request and gives None (pass it on) or one of: ("status", code, S3 code), ("delay", seconds),
("cut", bytes of the body), ("reset",), ("twice",) for a request that arrives twice, ("flip",) for a changed byte, ("date", seconds) for an answer whose Date is off
with status 403. Bytes pass as they are, so signatures stay right."""

import collections
import socket
import struct
import threading
import time
from email.utils import formatdate

Request = collections.namedtuple("Request", "method target number connection")


def read_message(sock, buffer):
    """(head, body, rest): one HTTP message with Content-Length, or None at the end."""
    while b"\r\n\r\n" not in buffer:
        piece = sock.recv(65536)
        if not piece:
            return None
        buffer += piece
    head, _, rest = buffer.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            length = int(value)
    while len(rest) < length:
        piece = sock.recv(min(1 << 20, length - len(rest)))
        if not piece:
            return None
        rest += piece
    return head, rest[:length], rest[length:]


class Proxy:
    def __init__(self, port, faults=lambda request: None):
        self.upstream, self.faults = port, faults
        self.requests, self.lock, self.connections = [], threading.Lock(), 0
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.listener.getsockname()[1]

    def __enter__(self):
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.listener.close()

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(client, self.connections), daemon=True).start()

    def serve(self, client, connection):
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            with socket.create_connection(("127.0.0.1", self.upstream)) as server, client:
                server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                rest, server_rest = b"", b""
                while True:
                    message = read_message(client, rest)
                    if not message:
                        return
                    head, body, rest = message
                    method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
                    with self.lock:
                        request = Request(method, target, len(self.requests), connection)
                        self.requests.append(request)
                        fault = self.faults(request)
                    answer = self.act(client, server, head, body, fault, server_rest)
                    if answer is None:
                        return
                    server_rest = answer
        except OSError:
            pass

    def act(self, client, server, head, body, fault, server_rest):
        kind = fault[0] if fault else None
        if kind == "status":
            text = f"<Error><Code>{fault[2]}</Code><Message>made up</Message></Error>".encode()
            line = f"HTTP/1.1 {fault[1]} Made up\r\nContent-Length: {len(text)}\r\nDate: {formatdate(usegmt=True)}\r\n\r\n"
            client.sendall(line.encode() + text)
            return server_rest
        if kind == "date":
            text = b"<Error><Code>RequestTimeTooSkewed</Code></Error>"
            date = formatdate(time.time() + fault[1], usegmt=True)
            client.sendall(f"HTTP/1.1 403 No\r\nDate: {date}\r\nContent-Length: {len(text)}\r\n\r\n".encode() + text)
            return server_rest
        if kind == "reset":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
            return None
        if kind == "delay":
            time.sleep(fault[1])
        server.sendall(head + b"\r\n\r\n" + body)
        answer = read_message(server, server_rest)
        if not answer:
            return None
        answer_head, answer_body, server_rest = answer
        if kind == "twice":
            server.sendall(head + b"\r\n\r\n" + body)
            second = read_message(server, server_rest)
            if not second:
                return None
            server_rest = second[2]
        if kind == "flip" and answer_body:
            answer_body = answer_body[:-1] + bytes([answer_body[-1] ^ 1])
        if kind == "cut":
            client.sendall(answer_head + b"\r\n\r\n" + answer_body[: fault[1]])
            client.close()
            return None
        client.sendall(answer_head + b"\r\n\r\n" + answer_body)
        return server_rest
