"""Ten thousand firewall marks replaced in one transaction, and what packets meet meanwhile.

On this machine's kernel, in a network of its own: .venv/bin/python -m tests.bench.rules (as root). The same
in a guest with nftables: deploy/lab/guest vm -- .venv/bin/python -m tests.bench.rules
"""

from __future__ import annotations

import itertools
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory

from deploy.lab.namespaces import batch
from lvs.config.model import PortRange, Protocol
from lvs.router import netfilter
from lvs.router.state import MarkRule, Netfilter
from tests.bench.report import RUNS, Row, best, compared, machine
from tests.kernel.namespace import fresh_network

VIRTUAL_SERVERS, PORTS = 100, 100  # port sets of each
FIRST = ip_address("10.20.0.1")
ASKED, PORT, FWMARK = FIRST, 1000, 1  # what the traffic asks for
MEANWHILE = 5  # replacements under traffic
# Counts what went by pulse's table, and what went by without getting its mark.
WATCH = f"""table ip watch {{
	counter passed {{ }}
	counter unmarked {{ }}
	chain output {{
		type filter hook output priority filter; policy accept;
		ip daddr {ASKED} udp dport {PORT} counter name passed
		ip daddr {ASKED} udp dport {PORT} meta mark != {FWMARK} counter name unmarked
	}}
}}
"""


def rule_set(last: int = 0) -> Netfilter:
    """All port sets; last: moves the last one, so that two sets differ."""
    addresses = [FIRST + number for number in range(VIRTUAL_SERVERS)]
    marks = [
        MarkRule(address, Protocol.UDP, PortRange(port, port + 1), number + 1)
        for number, address in enumerate(addresses)
        for port in range(PORT, PORT + 2 * PORTS, 2)
    ]
    marks[-1] = replace(marks[-1], ports=PortRange(20000 + last, 20001 + last))
    return Netfilter(tuple(marks))


def rows() -> Iterator[Row]:
    """The figures, in a network of their own."""
    sets = itertools.cycle([rule_set(number) for number in range(RUNS + 1)])
    count = VIRTUAL_SERVERS * PORTS
    with TemporaryDirectory() as folder:
        file = Path(folder) / "piranha.nft"
        file.write_text(netfilter.replacing(rule_set()))
        plain = best(lambda: subprocess.run(["nft", "-f", str(file)], check=True))
    ours = best(lambda: netfilter.replace(next(sets)))
    yield compared(f"{count:,} marks replaced, without a gap, counts kept", ours, plain, "nft -f", 3)
    yield Row(
        "the same in seconds",
        "(all new ones come in one transaction, the rules change over in another)",
        ours,
        1,
        " s",
    )
    yield Row(f"{count:,} marks read", "", best(netfilter.read), 1, " s")
    yield Row(f"{count:,} marks read with their counts", "", best(netfilter.read_counted), 1, " s")
    with traffic():
        for _ in range(MEANWHILE):
            netfilter.replace(next(sets))
    passed, unmarked = counted("passed"), counted("unmarked")
    how = f"({MEANWHILE} replacements, {passed:,} packets meanwhile)"
    yield Row("packets that met no rule while it was replaced", how, unmarked, 0)
    if passed < 1000:
        sys.exit(f"only {passed} packets went by: that shows nothing")


@contextmanager
def traffic() -> Iterator[None]:
    """Datagrams to one of the virtual servers, as fast as they go."""
    subprocess.run(["nft", "-f", "-"], input=WATCH, text=True, check=True)
    stop = threading.Event()

    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            while not stop.is_set():
                sender.sendto(b"?", (str(ASKED), PORT))

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield
    finally:
        stop.set()
        sender.join()


def counted(name: str) -> int:
    """The packets of a counter of WATCH."""
    listing = subprocess.run(
        ["nft", "-j", "list", "counter", "ip", "watch", name], check=True, capture_output=True, text=True
    )
    found = (thing["counter"] for thing in json.loads(listing.stdout)["nftables"] if "counter" in thing)
    return int(next(found)["packets"])


def main() -> None:
    print(f"{VIRTUAL_SERVERS} virtual servers with {PORTS} port sets each; {machine()}", flush=True)
    with fresh_network():
        # One end of a cable at which nobody listens, and nobody is asked for his address.
        batch(["link add eth0 type veth peer name far0", "link set eth0 arp off up", "link set far0 up"])
        batch(["address add 10.0.0.1/8 dev eth0"])
        for row in rows():
            print(row, flush=True)


if __name__ == "__main__":
    main()
