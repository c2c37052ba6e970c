# SPDX-License-Identifier: MIT
"""A Redis cluster of our own on loopback: three masters, each with a replica, TLS only, with an ACL user that has just
the rights of docs/redis.md. Started with Debian's redis-server, made with redis-cli --cluster.

With PUFFINDB_TEST_REDIS=cluster in the environment, every stack of a suite uses one."""

import atexit
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from .cases import Problem
from .environment import ROOT, free_port

START_LIMIT_S, SETTLE_LIMIT_S, CALL_LIMIT_S = 30, 40, 30
ADMIN, USER, PASSWORD, ADMIN_PASSWORD = "admin", "puffin", "pl:ume@ge", "feather"


def documented_rights():
    """The line of docs/redis.md that an operator copies."""
    text = (ROOT / "docs/redis.md").read_text()
    found = re.search(r"^ACL SETUSER \S+ on >\S+ (.*)$", text, re.MULTILINE)
    if not found:
        raise Problem("docs/redis.md has no line ACL SETUSER")
    return found.group(1)


class Node:
    def __init__(self, cluster, number):
        self.cluster, self.port = cluster, free_port()
        while self.port > 55000:  # the cluster bus is 10000 above
            self.port = free_port()
        self.folder = cluster.folder / str(number)
        self.process = None

    def start(self):
        self.folder.mkdir(exist_ok=True)
        tls = self.cluster.folder
        options = {
            **{"port": 0, "tls-port": self.port, "bind": "127.0.0.1", "dir": self.folder, "save": "''"},
            **{"cluster-enabled": "yes", "cluster-node-timeout": 1500, "cluster-replica-validity-factor": 0},
            **{"tls-cluster": "yes", "tls-replication": "yes", "tls-auth-clients": "no", "logfile": "redis.log"},
            **{"tls-cert-file": tls / "cert.pem", "tls-key-file": tls / "key.pem", "tls-ca-cert-file": tls / "ca.pem"},
            **{"aclfile": tls / "users.acl", "masteruser": ADMIN, "masterauth": ADMIN_PASSWORD},
            **{"repl-diskless-sync-delay": 0, "repl-ping-replica-period": 1, "cluster-allow-replica-migration": "no"},
        }
        (self.folder / "redis.conf").write_text("".join(f"{name} {value}\n" for name, value in options.items()))
        self.process = subprocess.Popen(
            ["redis-server", str(self.folder / "redis.conf")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        if self.process:
            self.process.wait()
        self.process = None

    def call(self, *words):
        return self.cluster.cli("-h", "127.0.0.1", "-p", str(self.port), *map(str, words)).strip()

    def is_settled(self):
        try:
            return "cluster_state:ok" in self.call("cluster", "info")
        except Problem:
            return False

    def facts(self):
        """(id, is it a master?) of this node."""
        line = next(line for line in self.call("cluster", "nodes").splitlines() if "myself" in line)
        return line.split()[0], "master" in line.split()[2]


class RedisCluster:
    def __init__(self, masters=3, replicas=1):
        self.folder = Path(tempfile.mkdtemp(prefix="puffindb-cluster-"))
        self.replicas = replicas
        self.nodes = [Node(self, number) for number in range(masters * (1 + replicas))]

    def __enter__(self):
        try:
            self.make_certificates()
            self.make_users()
            for node in self.nodes:
                node.start()
            self.wait_for("a server answers", START_LIMIT_S, lambda node: self.answers(node))
            addresses = [f"127.0.0.1:{node.port}" for node in self.nodes]
            self.cli("--cluster", "create", *addresses, "--cluster-replicas", str(self.replicas), "--cluster-yes")
            self.settle()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for node in self.nodes:
            node.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- making it ----

    def make_certificates(self):
        def openssl(*words):
            done = subprocess.run(["openssl", *words], cwd=self.folder, capture_output=True, text=True, check=False)
            if done.returncode:
                raise Problem(f"openssl {words[0]}: {done.stderr}")

        new_key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        openssl("req", "-x509", *new_key, "-days", "2", "-subj", "/CN=test", "-keyout", "ca.key", "-out", "ca.pem")
        openssl("req", *new_key, "-subj", "/CN=redis", "-keyout", "key.pem", "-out", "request.pem")
        (self.folder / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        sign = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names")
        openssl("x509", "-req", "-in", "request.pem", *sign, "-out", "cert.pem")

    def make_users(self):
        lines = [
            "user default off",
            f"user {ADMIN} on >{ADMIN_PASSWORD} ~* &* +@all",
            f"user {USER} on >{PASSWORD} {documented_rights()}",
        ]
        (self.folder / "users.acl").write_text("\n".join(lines) + "\n")

    def answers(self, node):
        try:
            return node.call("ping") == "PONG"
        except Problem:
            return False

    def wait_for(self, what, limit_s, is_done, nodes=None):
        end = time.monotonic() + limit_s
        for node in nodes or [node for node in self.nodes if node.process]:
            while not is_done(node):
                if time.monotonic() > end:
                    raise Problem(f"cluster: {what} on port {node.port} is not so within {limit_s} s")
                time.sleep(0.05)

    def settle(self):
        """Every node says that the cluster is well: one alone says so too early."""
        self.wait_for("cluster_state:ok", SETTLE_LIMIT_S, Node.is_settled)

    # ---- using it ----

    def cli(self, *words):
        login = ("--user", ADMIN, "-a", ADMIN_PASSWORD, "--no-auth-warning")
        command = ["redis-cli", "--tls", "--cacert", str(self.folder / "ca.pem"), *login, *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=CALL_LIMIT_S, check=False)
        if done.returncode or done.stdout.startswith("(error)"):
            raise Problem(f"redis-cli {' '.join(words[:4])}: {done.stdout[-500:]}{done.stderr[-500:]}")
        return done.stdout

    def url(self, node=None):
        password = PASSWORD.replace(":", "%3A").replace("@", "%40")
        return f"rediss://{USER}:{password}@127.0.0.1:{(node or self.nodes[0]).port}"

    def options(self):
        return ["--redis-url", self.url(), "--redis-ca", str(self.folder / "ca.pem")]

    def masters(self):
        return [node for node in self.nodes if node.process and node.facts()[1]]

    def master_of(self, key):
        """Who has the key now."""
        alive = next(node for node in self.nodes if node.process)
        slot = int(alive.call("cluster", "keyslot", key))
        for line in alive.call("cluster", "nodes").splitlines():
            words = line.split()
            for part in words[8:]:
                first, _, last = part.partition("-")
                if first.isdigit() and int(first) <= slot <= int(last or first):
                    port = int(words[1].split("@")[0].rsplit(":", 1)[1])
                    return next(node for node in self.nodes if node.port == port)
        raise Problem(f"cluster: nobody has {key}")

    def migrate_slot_of(self, key, pause_s=0.0, halfway=None):
        """Moves the hash slot of the key to another master, key by key, as an operator does. In the pause both have
        a part of it."""
        source = self.master_of(key)
        slot = source.call("cluster", "keyslot", key)
        target = next(node for node in self.masters() if node is not source)
        source_id, target_id = source.facts()[0], target.facts()[0]
        target.call("cluster", "setslot", slot, "importing", source_id)
        source.call("cluster", "setslot", slot, "migrating", target_id)
        moved = 0
        while keys := source.call("cluster", "getkeysinslot", slot, 3).split():
            source.call(
                *("migrate", "127.0.0.1", target.port, "", 0, 5000, "auth2", ADMIN, ADMIN_PASSWORD, "keys", *keys)
            )
            moved += len(keys)
            if halfway:
                halfway()
            time.sleep(pause_s)
        for node in (target, source, *self.masters()):
            node.call("cluster", "setslot", slot, "node", target_id)
        return moved

    def fail_over(self, node):
        """Kills a master; returns when the others say that its replica has its slots."""
        node.kill()

        def knows(other):
            lines = [line.split() for line in other.call("cluster", "nodes").splitlines()]
            return not any(f":{node.port}@" in words[1] and len(words) > 8 for words in lines)

        self.wait_for("another master in place of the dead one", SETTLE_LIMIT_S, knows)
        self.settle()

    def keys(self, pattern="*"):
        return [key for node in self.masters() for key in node.call("keys", pattern).split()]


_shared = []


def redis_cluster():
    """The cluster that all stacks of this process share."""
    if not _shared:
        _shared.append(RedisCluster())
        _shared[0].__enter__()
        atexit.register(_shared[0].__exit__)
    return _shared[0]


def is_installed():
    return all(shutil.which(program) for program in ("redis-server", "redis-cli", "openssl"))


def stop_for(process_id, seconds):
    os.kill(process_id, signal.SIGSTOP)
    time.sleep(seconds)
    os.kill(process_id, signal.SIGCONT)
