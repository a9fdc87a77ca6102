"""The table is replaced under traffic, on this machine's kernel."""

from __future__ import annotations

import itertools
import json
import socket
import threading
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from lvs.config.model import Protocol
from lvs.router import netfilter, nft
from lvs.router.netfilter.counts import Counts
from lvs.router.netfilter.exchange import steps
from lvs.router.saved_rules import NAME, SavedRules
from lvs.router.state import Guard, Netfilter
from tests.router.conftest import Namespace
from tests.router.test_netfilter import SHOP, VALUES, mark

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


GUARD = Guard(3636, (ip_network("192.0.2.0/24"),))
WAYS = [*VALUES, Netfilter(SHOP.marks, SHOP.masquerade, guard=GUARD), Netfilter(guard=GUARD)]


def test_every_rule_set_follows_every_other_and_is_read_kept_and_loaded_as_if_it_were_the_first(
    router: Namespace, tmp_path: Path
) -> None:
    saved = SavedRules(tmp_path / NAME)

    def story() -> None:
        for one, other in itertools.permutations(WAYS, 2):
            netfilter.replace(one)
            netfilter.replace(other)
            assert netfilter.read() == other
            saved.keep(other)
            nft.run(saved.path.read_text().partition("\n")[2], "load what was kept")
            assert netfilter.read() == other

    router.call(story)


def handles(router: Namespace) -> dict[str, int]:
    """The maps and sets of the table, by what the kernel calls them."""
    things = router.call(nft.objects, "list table inet piranha", "look", terse=True)
    kept = (thing.get("map") or thing.get("set") for thing in things)
    return {each["name"]: each["handle"] for each in kept if each}


def test_what_does_not_change_is_left_alone_and_what_does_comes_beside_the_old_one(router: Namespace) -> None:
    before = Netfilter(SHOP.marks, SHOP.masquerade, guard=GUARD)
    router.call(netfilter.replace, before)
    first = handles(router)
    router.call(netfilter.replace, replace(before, guard=Guard(3637, GUARD.networks)))
    assert handles(router) == first
    more = (*SHOP.marks, mark("10.0.0.200", 80, 80, 9))
    router.call(netfilter.replace, replace(before, marks=more))
    second = handles(router)
    assert second.keys() - first.keys() == {"marks4b"}
    assert first.keys() - second.keys() == {"marks4"}
    router.call(netfilter.replace, before)
    assert handles(router).keys() == first.keys()
    assert router.call(netfilter.read) == before


def test_a_change_that_stopped_half_way_shows_and_is_put_right(router: Namespace) -> None:
    router.call(netfilter.replace, SHOP)
    things = router.call(nft.objects, "list table inet piranha", "look", counters=True)
    for number in (1, 2, 3):
        for step in steps(things, SHOP, Counts(), VALUES[2])[:number]:
            router.call(nft.run, step, "stop half-way")
        found = router.call(netfilter.read)
        assert found is not None
        assert found.drift
        router.call(netfilter.replace, SHOP)
        assert router.call(netfilter.read) == SHOP
        things = router.call(nft.objects, "list table inet piranha", "look", counters=True)
