"""The table is replaced under traffic, on this machine's kernel."""

from __future__ import annotations

import json
import socket
import threading

import pytest

from lvs.config.model import Protocol
from lvs.router import netfilter
from lvs.router.state import Netfilter
from tests.router.conftest import Namespace
from tests.router.test_netfilter import mark

pytestmark = pytest.mark.root

ADDRESS, PORT, FWMARK = "10.0.0.100", 5000, 7
ASKED = mark(ADDRESS, PORT, PORT, FWMARK, Protocol.UDP)
TO_IT = f"ip daddr {ADDRESS} udp dport {PORT}"
WATCH = (
    "table ip watch { counter passed { }; counter unmarked { }; "
    "chain output { type filter hook output priority filter; "
    f"{TO_IT} counter name passed; {TO_IT} meta mark != {FWMARK} counter name unmarked; }}; }}"
)


def counted(router: Namespace, name: str) -> int:
    listing = json.loads(router.run("nft", "-j", "list", "counter", "ip", "watch", name))
    return next(int(thing["counter"]["packets"]) for thing in listing["nftables"] if "counter" in thing)


def test_no_packet_meets_a_moment_without_the_table_while_it_is_replaced(router: Namespace) -> None:
    def story() -> None:
        stop = threading.Event()

        def send() -> None:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                while not stop.is_set():
                    sender.sendto(b"?", (ADDRESS, PORT))

        sending = threading.Thread(target=send)
        sending.start()
        try:
            for number in range(20):
                others = tuple(mark(f"10.0.1.{each}", 80, 80 + number, 9) for each in range(50))
                netfilter.replace(Netfilter((ASKED, *others)))
        finally:
            stop.set()
            sending.join()

    router.run("ip", "address", "add", f"{ADDRESS}/32", "dev", "lo")
    router.call(netfilter.replace, Netfilter((ASKED,)))
    router.run("nft", WATCH)
    router.call(story)
    assert counted(router, "passed") > 100
    assert counted(router, "unmarked") == 0
