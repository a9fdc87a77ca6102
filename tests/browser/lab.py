"""What tests do in the tool's lab, and what its clients see."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from deploy.start.place import PROJECT
from tests.browser.conftest import Tool

ANSWER_SECONDS = 30  # on a slow machine; a request that was lost is not answered at all
PACE_SECONDS = 0.1  # between two requests of a client: the lab has one slow processor
MOST_STREAMS = 6  # until round robin has come to every real server
# The brackets keep the shell, whose words have the pattern in them, from finding itself.
END_WEB = """\
for pid in $(ip netns pids {0}); do
    if grep -q [w]ebserver.py /proc/$pid/cmdline; then kill -9 $pid; fi
done
"""
START_WEB = "setsid {1} {2}/deploy/lab/webserver.py {0} </dev/null >/dev/null 2>&1 &"


def in_lab(tool: Tool, machine: str, *words: str) -> str:
    """Runs a command on a machine of the tool's lab; what it printed."""
    argv = [sys.executable, "deploy/lab/lab.py", "exec", machine, *words]
    environment = {**os.environ, "PIRANHA_VAR": str(tool.var)}
    return subprocess.run(
        argv, cwd=PROJECT, env=environment, check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def end_web_server(tool: Tool, machine: str) -> None:
    """The web server of a real server dies; its machine stays, and refuses connections."""
    in_lab(tool, machine, "sh", "-c", END_WEB.format(machine))


def start_web_server(tool: Tool, machine: str) -> None:
    """It is started again; whoever waits for it sees when it answers."""
    in_lab(tool, machine, "sh", "-c", START_WEB.format(machine, sys.executable, PROJECT))


def request(tool: Tool) -> str:
    """The name of the real server that answered one request through the virtual address; a new connection."""
    with urllib.request.urlopen(f"http://127.0.0.1:{tool.vip_port}/", timeout=ANSWER_SECONDS) as answer:
        return str(answer.read().split()[0].decode())


def answers(tool: Tool, count: int = 6) -> Counter[str]:
    """Which real servers answered so many requests."""
    return Counter(request(tool) for _ in range(count))


def is_answered(tool: Tool) -> bool:
    """Whether the virtual address answers: the first election may not be over yet."""
    try:
        return bool(request(tool))
    except OSError:
        return False


def is_answered_by(tool: Tool, names: Sequence[str]) -> bool:
    """Whether these real servers answer now, each of them and no other."""
    return set(answers(tool, 2 * len(names))) == set(names)


class Client:
    """Somebody who asks again and again. seen: who answered; failures: what went wrong, in words."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.failures: list[str] = []
        self._stop = threading.Event()

    def ask(self, tool: Tool) -> None:
        """Asks until it is told to stop."""
        while not self._stop.wait(PACE_SECONDS):
            try:
                self.seen[request(tool)] += 1
            except OSError as error:
                self.failures.append(f"after {self.seen.total()} answers: {error!r}")

    def stop(self) -> None:
        """Ends with the request that is under way."""
        self._stop.set()


@contextmanager
def asking(tool: Tool) -> Iterator[Client]:
    """A client that asks all the while."""
    client = Client()
    thread = threading.Thread(target=client.ask, args=(tool,))
    thread.start()
    try:
        yield client
    finally:
        client.stop()
        thread.join()


@contextmanager
def streaming(tool: Tool, name: str) -> Iterator[socket.socket]:
    """A connection on which this real server sends something all the time."""
    with ExitStack() as others:
        for _ in range(MOST_STREAMS):
            one = others.enter_context(socket.create_connection(("127.0.0.1", tool.vip_port), ANSWER_SECONDS))
            one.sendall(b"GET /stream HTTP/1.1\r\nHost: lab\r\n\r\n")
            head = b""
            while head.count(b"\n") < 5:  # the status line, two fields, a blank line, the first line
                head += one.recv(4096)
            if head.partition(b"\r\n\r\n")[2].startswith(name.encode()):
                break
        else:
            raise AssertionError(f"{name} got none of {MOST_STREAMS} connections")
        yield one
