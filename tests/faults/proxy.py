# SPDX-License-Identifier: MIT
"""A proxy between our processes and Redis that does harm on demand.

It listens on a Unix socket, so the kernel tells who connects: workers and coordinators are treated differently. It
splits both directions into messages of RESP, the protocol of Redis; what it may do with them:

  slow       each message waits a little
  cut        the next reply of each connection ends in its middle, and so does the connection
  refuse     connections are closed, new ones too
  duplicate  each script call arrives twice, its second reply is dropped
  corrupt    now and then a reply has another byte

A watcher sees each command before Redis does, and may take its time: so a fault can happen at one exact point of a
query."""

import contextlib
import os
import random
import socket
import struct
import threading
import time
from collections import deque
from pathlib import Path

SLOW_S = 0.015
CORRUPT_EVERY = 6
MOST_CORRUPTED = 4  # in a row of replies that a query needs, so that its tries are not all used up


def frame_end(data, at=0):
    """Where the message that begins at `at` ends; None if it is not complete."""
    line = data.find(b"\r\n", at)
    if line < 0:
        return None
    kind, end = data[at : at + 1], line + 2
    if kind in (b"$", b"="):
        length = int(data[at + 1 : line])
        end = end if length < 0 else end + length + 2
        return end if end <= len(data) else None
    if kind in (b"*", b"%", b"~", b">"):
        count = int(data[at + 1 : line]) * (2 if kind == b"%" else 1)
        for _ in range(max(0, count)):
            end = frame_end(data, end)
            if end is None:
                return None
    return end


class Link:
    """One connection: two threads, one a direction."""

    def __init__(self, proxy, client, side):
        self.proxy, self.client, self.side = proxy, client, side
        self.server = socket.socket(socket.AF_UNIX)
        self.server.connect(proxy.target)
        self.drops = deque()  # one a command that was sent: is its reply to be dropped?
        self.is_cut = False
        for run in (self.carry_commands, self.carry_replies):
            threading.Thread(target=self.guard, args=(run,), daemon=True).start()

    def guard(self, run):
        with contextlib.suppress(OSError, ValueError):
            run()
        self.close()

    def close(self):
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self.proxy.forget(self)

    def messages(self, source):
        data = b""
        while piece := source.recv(1 << 16):
            data += piece
            while data and (end := frame_end(data)) is not None:
                yield data[:end]
                data = data[end:]

    def carry_commands(self):
        for command in self.messages(self.client):
            self.proxy.watch(self.side, command)
            mode = self.proxy.modes.get(self.side)
            if mode == "slow":
                time.sleep(SLOW_S)
            self.drops.append(False)
            if mode == "duplicate" and b"\r\nEVALSHA\r\n" in command[:40]:
                self.drops.append(True)
                command += command
            self.server.sendall(command)

    def carry_replies(self):
        for reply in self.messages(self.server):
            if self.drops and self.drops.popleft():
                continue
            mode = self.proxy.modes.get(self.side)
            if mode == "slow":
                time.sleep(SLOW_S)
            if mode == "corrupt":
                reply = self.proxy.corrupt(reply)
            if self.is_cut:
                self.client.sendall(reply[: len(reply) // 2])
                return
            self.client.sendall(reply)


class Proxy:
    def __init__(self, path, target):
        self.path, self.target = str(path), str(target)
        self.modes = {}  # side -> what is done to it
        self.on_command = None
        self.links, self.lock = set(), threading.Lock()
        self.random = random.Random(1)
        self.replies = self.corrupted = 0
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(256)
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        self.listener.close()
        with contextlib.suppress(OSError):
            os.unlink(self.path)
        self.cut_all()

    @staticmethod
    def side_of(client):
        pid = struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            line = b""
        return "worker" if b"\0function" in line else "coordinator"

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            side = self.side_of(client)
            if self.modes.get(side) == "refuse":
                client.close()
                continue
            try:
                link = Link(self, client, side)
            except OSError:  # Redis is not there
                client.close()
                continue
            with self.lock:
                self.links.add(link)

    def forget(self, link):
        with self.lock:
            self.links.discard(link)

    def watch(self, side, command):
        watcher = self.on_command
        if watcher:
            watcher(side, command)

    def corrupt(self, reply):
        with self.lock:
            self.replies += 1
            if self.replies % CORRUPT_EVERY or self.corrupted >= MOST_CORRUPTED or len(reply) < 8:
                return reply
            self.corrupted += 1
        at = self.random.randrange(4, len(reply) - 2)
        return reply[:at] + bytes([reply[at] ^ (1 << self.random.randrange(7))]) + reply[at + 1 :]

    def of_sides(self, sides):
        with self.lock:
            return [link for link in self.links if link.side in sides]

    def cut(self, sides):
        """The next reply ends in its middle."""
        for link in self.of_sides(sides):
            link.is_cut = True

    def cut_all(self, sides=("worker", "coordinator")):
        for link in self.of_sides(sides):
            link.close()

    def set(self, sides, mode):
        for side in sides:
            self.modes[side] = mode
        if mode == "refuse":
            self.cut_all(sides)

    def heal(self):
        self.modes.clear()
        self.on_command = None
        self.replies = self.corrupted = 0
