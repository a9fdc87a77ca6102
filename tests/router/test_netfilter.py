from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from ipaddress import ip_address

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lvs.config.model import Address, PortRange, Protocol
from lvs.errors import KernelError
from lvs.router import netfilter, nft, sysctl
from lvs.router.apply import LinuxKernel
from lvs.router.netfilter import moments
from lvs.router.state import MarkRule, Netfilter
from tests.conftest import eventually
from tests.router.conftest import Namespace

pytestmark = pytest.mark.root


def mark(address: str, first: int, last: int, fwmark: int, protocol: Protocol = Protocol.TCP) -> MarkRule:
    return MarkRule(ip_address(address), protocol, PortRange(first, last), fwmark)


SHOP = Netfilter(
    marks=(
        mark("10.0.0.100", 80, 80, 7),
        mark("10.0.0.100", 443, 443, 7),
        mark("10.0.0.100", 10000, 20000, 21),
        mark("10.0.0.100", 53, 53, 8, Protocol.UDP),
        mark("fd00::100", 80, 80, 7),
        mark("fd00::100", 0, 65535, 9, Protocol.SCTP),
    ),
    masquerade=(ip_address("10.1.0.11"), ip_address("10.1.0.12"), ip_address("fd01::11")),
)
VALUES = [
    SHOP,
    Netfilter(),
    Netfilter(marks=SHOP.marks[:1]),
    Netfilter(marks=(mark("fd00::100", 80, 80, 0xFFFFFFFF),)),
    Netfilter(masquerade=SHOP.masquerade[:1]),
    Netfilter(masquerade=SHOP.masquerade[2:]),
]


def listing(router: Namespace) -> str:
    return router.run("nft", "list", "table", "inet", "piranha")


def refusal() -> str:
    """What a client hears that asks a UDP port on which nobody listens."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.3)
        client.connect(("127.0.0.1", 9))
        client.send(b"?")
        try:
            client.recv(1)
        except (ConnectionRefusedError, TimeoutError) as error:
            return type(error).__name__
        return "an answer"


def test_no_refusal_is_heard_while_it_is_asked_for_and_every_one_afterwards(router: Namespace) -> None:
    def story() -> list[str]:
        heard = [refusal()]
        with netfilter.no_refusals():
            heard.append(refusal())
        return [*heard, refusal()]

    router.run("ip", "link", "set", "lo", "up")
    assert router.call(story) == ["ConnectionRefusedError", "TimeoutError", "ConnectionRefusedError"]
    assert netfilter.HUSH not in router.run("nft", "list", "tables")


def test_what_a_killed_pulse_left_is_taken_away(router: Namespace) -> None:
    router.call(lambda: nft.run(f"table {netfilter.HUSH} {{}}\n", "left over"))
    router.call(netfilter.let_refusals_out)
    assert netfilter.HUSH not in router.run("nft", "list", "tables")


FLOATING = [ip_address("10.0.0.100"), ip_address("fd00::100")]
OWN = [ip_address("10.0.0.9"), ip_address("fd00::9")]


def heard_from(address: Address, kind: socket.SocketKind) -> str:
    """What a client hears that asks a port of this address on which nobody listens."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, kind) as client:
        client.settimeout(0.3)
        try:
            client.connect((str(address), 9))
            client.send(b"?")
            client.recv(1)
        except (ConnectionRefusedError, TimeoutError) as error:
            return type(error).__name__
        return "an answer"


def heard(addresses: list[Address]) -> set[str]:
    kinds = (socket.SOCK_STREAM, socket.SOCK_DGRAM)
    return {heard_from(address, kind) for address in addresses for kind in kinds}


@pytest.fixture
def both(router: Namespace) -> Namespace:
    """A router with the addresses FLOATING and OWN."""
    for address in (*FLOATING, *OWN):
        router.run("ip", "address", "add", f"{address}", "dev", "lo", *["nodad"] * (address.version == 6))
    return router


def test_floating_addresses_reset_nobody_while_that_is_held_and_others_do(both: Namespace) -> None:
    def story() -> list[set[str]]:
        said = [heard(FLOATING)]
        netfilter.hold_resets(FLOATING)
        netfilter.hold_resets(FLOATING)
        said += [heard(FLOATING), heard(OWN)]
        netfilter.let_resets_out()
        netfilter.let_resets_out()
        return [*said, heard(FLOATING)]

    refused = {"ConnectionRefusedError"}
    assert both.call(story) == [refused, {"TimeoutError"}, refused, refused]
    assert netfilter.TAKEOVER not in both.run("nft", "list", "tables")


def test_what_a_real_server_sends_in_a_connection_that_nobody_knows_is_held_too(
    namespaces: Callable[[], Namespace],
) -> None:
    client, router, server = namespaces(), namespaces(), namespaces()
    router.join(client, "eth0", "eth0")
    router.join(server, "eth1", "eth0")
    router.run("ip", "address", "add", "192.0.2.9/24", "dev", "eth0")
    router.run("ip", "address", "add", "10.1.0.9/24", "dev", "eth1")
    client.run("ip", "address", "add", "192.0.2.1/24", "dev", "eth0")
    server.run("ip", "address", "add", "10.1.0.11/24", "dev", "eth0")
    server.run("ip", "route", "add", "default", "via", "10.1.0.9")
    router.call(sysctl.write, "net/ipv4/ip_forward", "1")
    router.call(netfilter.replace, Netfilter(masquerade=(ip_address("10.1.0.11"),)))

    def sources(sent: bytes, held: Sequence[str]) -> set[str]:
        """Where the packets come from that reach the client while the server sends this one."""
        router.call(netfilter.hold_resets, [], [ip_address(each) for each in held])
        with client.call(socket.socket, socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP) as heard:
            heard.settimeout(0.3)
            with server.call(socket.socket, socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP) as out:
                out.sendto(sent, ("192.0.2.1", 0))
            found = set()
            with suppress(TimeoutError):
                while True:
                    found.add(heard.recvfrom(1500)[1][0])
            return found

    middle, first = segment("10.1.0.11", "192.0.2.1", 0x10), segment("10.1.0.11", "192.0.2.1", 0x02)
    assert sources(middle, ["10.1.0.11"]) == set()
    assert sources(first, ["10.1.0.11"]) == {"192.0.2.9"}
    assert sources(middle, ["10.1.0.12", "10.1.0.13"]) == {"192.0.2.9"}


def segment(source: str, destination: str, flags: int) -> bytes:
    """A TCP segment without data (RFC 9293, 3.1) from port 80, with these flags."""
    header = struct.pack("!HHIIBBHHH", 80, 40000 + flags, 1, 1, 5 << 4, flags, 1024, 0, 0)
    pseudo = ip_address(source).packed + ip_address(destination).packed + struct.pack("!HH", 6, len(header))
    total = sum(struct.unpack(f"!{len(pseudo + header) // 2}H", pseudo + header))
    total = (total & 0xFFFF) + (total >> 16)
    return header[:16] + struct.pack("!H", ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF) + header[18:]


def test_the_kernel_lets_resets_out_by_itself_when_pulse_does_not(
    both: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moments, "HOLD_SECONDS", 1)
    both.call(netfilter.hold_resets, FLOATING)
    eventually(lambda: both.call(heard, FLOATING) == {"ConnectionRefusedError"}, "resets are let out")


def test_resets_that_a_killed_pulse_held_are_let_out_at_the_next_start(both: Namespace) -> None:
    both.call(netfilter.hold_resets, FLOATING)
    both.call(LinuxKernel().recover)
    assert netfilter.TAKEOVER not in both.run("nft", "list", "tables")


def test_no_floating_address_at_all_can_be_held(both: Namespace) -> None:
    both.call(netfilter.hold_resets, [])
    assert both.call(heard, FLOATING) == {"ConnectionRefusedError"}


@pytest.mark.parametrize("value", VALUES)
def test_what_was_replaced_is_read_back_exactly(router: Namespace, value: Netfilter) -> None:
    router.call(netfilter.replace, value)
    assert router.call(netfilter.read) == value


def test_no_table_reads_as_none_before_and_after(router: Namespace) -> None:
    assert router.call(netfilter.read) is None
    router.call(netfilter.replace, SHOP)
    router.call(netfilter.remove)
    assert router.call(netfilter.read) is None
    router.call(netfilter.remove)


def test_replacing_by_the_same_gives_the_same_listing(router: Namespace) -> None:
    router.call(netfilter.replace, SHOP)
    before = listing(router)
    router.call(netfilter.replace, Netfilter(SHOP.marks[::-1], SHOP.masquerade[::-1]))
    assert listing(router) == before


def test_replacing_leaves_nothing_of_what_was(router: Namespace) -> None:
    router.call(netfilter.replace, SHOP)
    router.call(netfilter.replace, Netfilter(masquerade=SHOP.masquerade[:1]))
    assert "marks" not in listing(router)
    assert "prerouting" not in listing(router)


def test_other_tables_are_left_alone(router: Namespace) -> None:
    for family in ("inet", "ip"):
        router.run("nft", f"table {family} others {{ chain keep {{ ip daddr 10.0.0.9 counter accept; }}; }}")
    others = [router.run("nft", "list", "table", family, "others") for family in ("inet", "ip")]
    router.call(netfilter.replace, SHOP)
    router.call(netfilter.remove)
    assert [router.run("nft", "list", "table", family, "others") for family in ("inet", "ip")] == others


def test_the_text_that_is_shown_is_the_text_that_nft_takes(router: Namespace) -> None:
    router.call(netfilter.replace, SHOP)
    shown = router.run("nft", "--stateless", "list", "table", "inet", "piranha")
    router.call(netfilter.remove)
    router.run("nft", netfilter.text(SHOP))
    loaded = router.run("nft", "--stateless", "list", "table", "inet", "piranha")
    assert loaded.rstrip("}\n") == shown.partition("\n\tchain fingerprint")[0].rstrip("}\n")


@pytest.mark.parametrize(
    ("command", "drift"),
    [
        ("add rule inet piranha prerouting tcp dport 22 drop", "a rule in chain prerouting is not pulse's"),
        ("flush chain inet piranha prerouting", "was changed by hand"),
        ("add chain inet piranha mine", "chain mine is not pulse's"),
        ("add set inet piranha mine { type ipv4_addr; }", "set mine is not pulse's"),
        ("add counter inet piranha mine", "counter mine is not pulse's"),
        ("add chain inet piranha output { policy drop; }", "was changed by hand"),
        ("flush chain inet piranha fingerprint", "was changed by hand"),
        ("add rule inet piranha fingerprint return", "was changed by hand"),
        (
            "add element inet piranha marks4 { 10.0.0.0/24 . tcp . 22 : 9 }",
            "an element of marks4 is not pulse's",
        ),
        (
            'add element inet piranha masquerade4 { 10.1.0.77 comment "mine" }',
            "an element of masquerade4 is not pulse's",
        ),
    ],
)
def test_what_was_changed_by_hand_shows_as_drift(router: Namespace, command: str, drift: str) -> None:
    router.call(netfilter.replace, SHOP)
    router.run("nft", command)
    found = router.call(netfilter.read)
    assert found is not None
    assert found != SHOP
    assert any(drift in sentence for sentence in found.drift)
    router.call(netfilter.replace, SHOP)
    assert router.call(netfilter.read) == SHOP


def test_a_rule_edited_with_its_comment_kept_shows_as_drift(router: Namespace) -> None:
    router.call(netfilter.replace, SHOP)
    saved = listing(router)
    router.run("nft", "delete table inet piranha;" + saved.replace('oifname != "lo"', 'oifname != "eth1"'))
    found = router.call(netfilter.read)
    assert found is not None
    assert found.drift == ("the table inet piranha was changed by hand",)


def test_a_table_saved_and_loaded_again_is_the_same(router: Namespace) -> None:
    router.call(netfilter.replace, SHOP)
    saved = listing(router)
    router.run("nft", "delete table inet piranha;" + saved)
    assert router.call(netfilter.read) == SHOP


@pytest.mark.parametrize(
    ("command", "lost", "gained"),
    [
        (
            "delete element inet piranha marks4 { 10.0.0.100 . tcp . 80 }",
            {mark("10.0.0.100", 80, 80, 7)},
            set(),
        ),
        (
            "add element inet piranha marks4 { 10.0.0.100 . udp . 5000-5003 : 9 }",
            set(),
            {mark("10.0.0.100", 5000, 5003, 9, Protocol.UDP)},
        ),
    ],
)
def test_an_element_changed_by_hand_is_read_as_it_is(
    router: Namespace, command: str, lost: set[MarkRule], gained: set[MarkRule]
) -> None:
    router.call(netfilter.replace, SHOP)
    router.run("nft", command)
    found = router.call(netfilter.read)
    assert found is not None
    assert set(found.marks) == set(SHOP.marks) - lost | gained


def test_a_transaction_that_fails_at_its_end_changes_nothing(router: Namespace) -> None:
    router.call(netfilter.replace, SHOP)
    before = listing(router)
    text = f"delete table inet piranha\n{netfilter.text(Netfilter())}\nadd rule inet piranha nowhere accept\n"
    with pytest.raises(KernelError, match=r"nftables: .*No such file or directory"):
        router.call(nft.run, text, "replace the table")
    assert listing(router) == before


def test_conflicting_marks_are_refused_with_both_named_and_nothing_changes(router: Namespace) -> None:
    router.call(netfilter.replace, SHOP)
    conflict = Netfilter(marks=(mark("10.0.0.100", 80, 90, 7), mark("10.0.0.100", 85, 85, 8)))
    with pytest.raises(
        KernelError, match=r"tcp port 85 of 10\.0\.0\.100 would get mark 8 and, with port 80:90, mark 7"
    ):
        router.call(netfilter.replace, conflict)
    assert router.call(netfilter.read) == SHOP


ADDRESSES = st.sampled_from([ip_address(a) for a in ("10.0.0.1", "10.0.0.2", "fd00::1", "::ffff:10.0.0.1")])
PORTS = st.tuples(st.integers(0, 65535), st.integers(0, 65535)).map(
    lambda ends: PortRange(min(ends), max(ends))
)
# One mark for each address and protocol, so that no two ranges disagree.
MARKS = st.lists(st.builds(lambda a, p, r: MarkRule(a, p, r, 7), ADDRESSES, st.sampled_from(Protocol), PORTS))
NETFILTERS = st.builds(Netfilter, MARKS.map(tuple), st.lists(ADDRESSES).map(tuple))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=NETFILTERS)
def test_any_port_sets_are_read_back_exactly(router: Namespace, value: Netfilter) -> None:
    router.call(netfilter.replace, value)
    assert router.call(netfilter.read) == value


def test_a_thousand_marks_are_replaced_within_half_a_second(router: Namespace) -> None:
    marks = (mark(str(ip_address(0x0A000000 + n)), 80, 80 + n % 3, 1 + n) for n in range(1000))
    value = Netfilter(tuple(marks))
    started = time.perf_counter()
    router.call(netfilter.replace, value)
    assert time.perf_counter() - started < 0.5  # some 0.04 s when the machine has nothing else to do
    assert router.call(netfilter.read) == value
