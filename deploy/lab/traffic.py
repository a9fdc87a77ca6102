"""The lab's clients: new connections to a virtual server at an even rate, and what came of them."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections import Counter
from collections.abc import Callable

from deploy.lab import network
from deploy.lab.namespaces import open_socket

ANSWER_SECONDS = 3.0
MAX_UNDER_WAY = 200
CLIENTS = ("192.168.26.100", *(address for address in network.ELSEWHERE if ":" not in address))


async def request(address: str, port: int, source: str | None = None) -> str:
    """One request over a connection of its own, from the namespace `client`; the name of who answered.

    Raises OSError or TimeoutError when nobody did.
    """
    sock = open_socket(network.CLIENT, socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        if source is not None:
            sock.bind((source, 0))
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(ANSWER_SECONDS):
            await loop.sock_connect(sock, (address, port))
            await loop.sock_sendall(sock, b"GET / HTTP/1.0\r\nHost: lab\r\n\r\n")
            answer = b""
            while chunk := await loop.sock_recv(sock, 65536):
                answer += chunk
    finally:
        sock.close()
    body = answer.partition(b"\r\n\r\n")[2].decode(errors="replace").split()
    if not body:
        raise ConnectionError("the connection ended without an answer")
    return body[0]


class Traffic:
    """A generator that a rate switches on and off. seen: answers by server's name, failures by kind."""

    def __init__(self, address: str = network.NAT_VIP, port: int = 80) -> None:
        self.address = address
        self.port = port
        self.seen: Counter[str] = Counter()
        self.under_way: set[asyncio.Task[None]] = set()

    async def run(self, rate: Callable[[], float]) -> None:
        """Asks rate() connections a second until cancelled; rate() is looked at for every one. 0: none."""
        async with asyncio.TaskGroup() as group:
            for source in itertools.cycle(CLIENTS):
                now = rate()
                if now <= 0:
                    await asyncio.sleep(0.5)
                    continue
                if len(self.under_way) < MAX_UNDER_WAY:
                    task = group.create_task(self.one(source))
                    self.under_way.add(task)
                    task.add_done_callback(self.under_way.discard)
                await asyncio.sleep(1 / now)

    async def one(self, source: str) -> None:
        """One connection, counted."""
        try:
            self.seen[await request(self.address, self.port, source)] += 1
        except (OSError, TimeoutError) as error:
            self.seen[type(error).__name__] += 1
