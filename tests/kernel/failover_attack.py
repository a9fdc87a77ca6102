"""Somebody on the public network who sends heartbeats that are none.

    python -m tests.kernel.failover_attack COUNT [PORT]

PORT: where they are sent to, instead of the heart's.

Listens at the switch first, so that it has real heartbeats to replay and to spoil; then sends to both, mostly
in the name of the other router. Prints how many of which kind it sent, as JSON.
"""

from __future__ import annotations

import json
import os
import random
import socket
import struct
import sys
from collections import Counter
from collections.abc import Callable

from deploy.lab import network
from deploy.lab.namespaces import inside

PUBLIC = {"r1": "192.168.26.9", "r2": "192.168.26.8"}
PORT = 539
ETHERNET, IPV4_WORDS = 14, 0x0F
CAPTURED = 20  # real heartbeats to work with
SEED = 539

Kind = Callable[[random.Random, bytes], bytes]


def capture() -> dict[str, list[bytes]]:
    """Real heartbeats, by the address that they go to: what any machine on the network can see."""
    with inside(network.SWITCH):
        opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))  # ETH_P_ALL
    found: dict[str, list[bytes]] = {address: [] for address in PUBLIC.values()}
    with opened:
        opened.settimeout(30)
        while min(map(len, found.values())) < CAPTURED:
            frame = opened.recv(65536)
            if frame[12:14] != b"\x08\x00" or frame[ETHERNET + 9] != socket.IPPROTO_UDP:
                continue
            header = ETHERNET + 4 * (frame[ETHERNET] & IPV4_WORDS)
            target = socket.inet_ntoa(frame[ETHERNET + 16 : ETHERNET + 20])
            _, port, length, _ = struct.unpack_from("!HHHH", frame, header)
            if port == PORT and target in found:
                found[target].append(frame[header + 8 : header + length])
    return found


def forged(dice: random.Random, real: bytes) -> bytes:
    """One bit is another."""
    place = dice.randrange(len(real))
    return real[:place] + bytes([real[place] ^ 1 << dice.randrange(8)]) + real[place + 1 :]


KINDS: dict[str, Kind] = {
    "forged": forged,
    "replayed": lambda dice, real: real,
    "truncated": lambda dice, real: real[: dice.randrange(len(real))],
    "random": lambda dice, real: dice.randbytes(dice.randrange(400)),
    "long": lambda dice, real: real + dice.randbytes(dice.randrange(1, 1000)),
}


def packet(source: tuple[str, int], target: tuple[str, int], payload: bytes) -> bytes:
    """An IPv4 packet with a UDP datagram without checksum, which a receiver must accept (RFC 768)."""
    udp = struct.pack("!HHHH", source[1], target[1], 8 + len(payload), 0) + payload
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, socket.IPPROTO_UDP, 0)
    return head + socket.inet_aton(source[0]) + socket.inet_aton(target[0]) + udp


def main(count: int, to: int = PORT) -> None:
    os.nice(19)  # in truth it is another machine, and takes no time of the processor
    dice = random.Random(SEED)
    real = capture()
    sent: Counter[str] = Counter()
    with inside(network.CLIENT):
        opened = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    targets = tuple(PUBLIC.values())
    with opened:
        for number in range(count):
            target = targets[number % 2]
            source = "192.168.26.100" if dice.random() < 0.1 else targets[1 - number % 2]
            kind = dice.choice(tuple(KINDS))
            # What went to the other router is replayed here as well.
            payload = KINDS[kind](dice, dice.choice(real[dice.choice(targets)]))
            port = PORT if dice.random() < 0.9 else dice.randrange(1024, 65536)
            opened.sendto(packet((source, port), (target, to), payload), (target, 0))
            sent[kind] += 1
    print(json.dumps(sent))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
