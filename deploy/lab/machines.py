"""The lab's machines at work: made, used by tests and by `make run`, and removed without a trace."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from deploy.lab import network, webserver
from deploy.lab.namespaces import batch, exists, inside, write_sysctls

PROJECT = Path(__file__).resolve().parents[2]
MODULES = ("bridge", "veth", "ipip", "ip6_tunnel", "ip_vs")
STATE = Path("/run/piranha-lab")  # there: the lab is ours and up, or half so
START_SECONDS = 60.0
# The ports that clients come from, each in its turn: IPVS remembers a connection for two minutes and longer,
# and one from a port drawn by lot would now and then be taken for an old one, and go where that went.
CLIENT_PORTS = itertools.cycle(range(20_000, 32_000))


class LabError(Exception):
    """The lab cannot be had; the message says what to do."""


class Lab:
    """The namespaces and the web servers in them. Routers come without any configuration."""

    def __init__(self) -> None:
        self.servers: dict[str, subprocess.Popen[bytes]] = {}

    def up(self) -> None:
        """Makes the lab; returns once every web server answers. Raises LabError, leaving nothing behind."""
        taken = [name for name in network.NAMESPACES if exists(name)]
        if taken or STATE.exists():
            raise LabError(
                f"there is a lab already ({', '.join(taken)}); end it with: deploy/lab/lab.py down"
            )
        STATE.mkdir(mode=0o700)
        try:
            self._wire()
            self.start_servers(*network.REAL_SERVERS)
        except (RuntimeError, OSError, LabError) as error:
            self.down()
            raise LabError(f"the lab did not come up: {error}") from error

    def _wire(self) -> None:
        for module in MODULES:
            done = subprocess.run(["modprobe", module], capture_output=True, text=True)
            if done.returncode != 0 and module == "ip_vs":
                raise LabError(
                    f"this kernel has no IPVS ({done.stderr.strip()}); run: deploy/lab/guest vm -- ..."
                )
        batch([f"netns add {name}" for name in network.NAMESPACES])
        for name in network.NAMESPACES:
            write_sysctls(name, network.sysctls_before(name))
        batch(network.creation())
        batch(network.switch(), network.SWITCH)
        for name in network.NAMESPACES:
            batch(network.machine(name), name)
            for version in (4, 6):
                if rules := network.rules(name, version):
                    batch(rules, name, version=version)
            write_sysctls(name, network.sysctls_after(name))

    def down(self) -> None:
        """Removes the lab: the processes in its namespaces, the namespaces, the management link."""
        if not STATE.exists():
            return
        for name in filter(exists, network.NAMESPACES):
            found = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True).stdout
            for pid in map(int, found.split()):
                if pid != os.getpid():
                    with contextlib.suppress(ProcessLookupError):  # it ended by itself
                        os.kill(pid, signal.SIGKILL)
        for process in self.servers.values():
            process.kill()
            process.wait()
        self.servers.clear()
        subprocess.run(["ip", "link", "delete", network.ROOT_LINK], capture_output=True)
        for name in filter(exists, network.NAMESPACES):
            batch([f"netns delete {name}"])
        shutil.rmtree(STATE)

    def start_servers(self, *names: str) -> None:
        """Starts the web servers of these real servers and waits until they answer."""
        if not names:
            return
        for name in names:
            self.stop_server(name)
        before = {self.servers.pop(name) for name in names if name in self.servers}
        for process in before - set(self.servers.values()):  # it serves no other name
            process.kill()
            process.wait()
        process = subprocess.Popen(
            [sys.executable, str(PROJECT / "deploy/lab/webserver.py"), *names],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.servers.update(dict.fromkeys(names, process))
        deadline = time.monotonic() + START_SECONDS
        for name in names:
            while not answers(name):
                if time.monotonic() > deadline or process.poll() is not None:
                    raise LabError(f"the web server of {name} did not start")
                time.sleep(0.02)

    def stop_server(self, name: str) -> None:
        """Ends the web server of a real server; its machine stays."""
        found = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True).stdout
        for pid in map(int, found.split()):
            if b"webserver.py" in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + START_SECONDS
        while answers(name):
            if time.monotonic() > deadline:
                raise LabError(f"the web server of {name} did not end")
            time.sleep(0.02)

    def clear_addresses(self, name: str) -> None:
        """Takes away every address that the lab did not give to this machine."""
        given = {link.interface: link.addresses for link in network.links() if link.namespace == name}
        deletions = []
        for shown in json.loads(self.run(name, ["ip", "-json", "address", "show"])):
            interface = shown["ifname"]
            for one in shown["addr_info"] if interface in given else ():
                address = f"{one['local']}/{one['prefixlen']}"
                if one["scope"] != "link" and address not in given[interface]:
                    deletions.append(f"address delete {address} dev {interface}")
        if deletions:
            batch(deletions, name)

    def run(
        self, namespace: str, command: str | Sequence[str], *, check: bool = True, text: str | None = None
    ) -> str:
        """Runs a command (words, or one line split as a shell would) there; what it printed on both outputs.

        text: its standard input. Raises LabError with its output when it fails, unless check is False.
        """
        words = shlex.split(command) if isinstance(command, str) else list(command)
        with inside(namespace):  # the child is born there; `ip netns exec` would cost ten times as much
            done = subprocess.run(
                words,
                input=text,
                text=True,
                stdin=subprocess.DEVNULL if text is None else None,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        if check and done.returncode != 0:
            raise LabError(f"{namespace}: {shlex.join(words)}: exit status {done.returncode}: {done.stdout}")
        return done.stdout

    def spawn(self, namespace: str, command: str | Sequence[str]) -> subprocess.Popen[str]:
        """Starts a command there, its output (both) and input as pipes of text; down() ends it."""
        words = shlex.split(command) if isinstance(command, str) else list(command)
        with inside(namespace):
            return subprocess.Popen(
                words,
                text=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )

    def client_get(
        self, url: str, n: int = 1, *, source: str | None = None, seconds: float = 5.0
    ) -> Counter[str]:
        """n requests by the client, each over a new connection: how often each real server answered.

        url: http://ADDRESS[:PORT]/, IPv6 addresses in brackets. source: which of the client's addresses.
        A request that fails counts under the name of its error (TimeoutError, ConnectionRefusedError ...).
        """
        seen: Counter[str] = Counter()
        for _ in range(n):
            try:
                seen[self.client_line(url, source=source, seconds=seconds).split()[0]] += 1
            except OSError as error:
                seen[type(error).__name__] += 1
        return seen

    def client_line(self, url: str, *, source: str | None = None, seconds: float = 5.0) -> str:
        """One request by the client; it gets server's name, client's address, port. Raises OSError."""
        parts = urlsplit(url)
        with inside(network.CLIENT):
            connection = http.client.HTTPConnection(
                parts.hostname or "",
                parts.port or 80,
                timeout=seconds,
                source_address=(source or "", next(CLIENT_PORTS)),
            )
            try:
                connection.request("GET", parts.path or "/", headers={"Connection": "close"})
                return connection.getresponse().read().decode()
            except http.client.HTTPException as error:
                raise ConnectionError(str(error)) from error
            finally:
                connection.close()

    def client_echo(self, address: str, n: int = 1, *, seconds: float = 2.0) -> Counter[str]:
        """n UDP datagrams, each from a port of its own, to port 5353: who answered, or TimeoutError."""
        seen: Counter[str] = Counter()
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        for _ in range(n):
            with inside(network.CLIENT):
                sock = socket.socket(family, socket.SOCK_DGRAM)
            with sock:
                sock.settimeout(seconds)
                try:
                    sock.bind(("", next(CLIENT_PORTS)))
                    sock.connect((address, webserver.UDP_PORT))
                    sock.send(b"ping")
                    seen[sock.recv(2048).split()[0].decode()] += 1
                except OSError as error:
                    seen[type(error).__name__] += 1
        return seen


def answers(name: str) -> bool:
    """Whether the web server in this namespace takes connections on its last port."""
    with inside(name), socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", webserver.PORTS[-1])) == 0
