"""Nothing that a worker, a form or an lvs.cf says becomes a word of nft, iptables or the shell."""

from __future__ import annotations

import re
import shlex
import subprocess
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lvs.config.document import from_document, to_document
from lvs.config.model import (
    FloatingAddress,
    Forwarding,
    GlobalSettings,
    LvsConfig,
    PortRange,
    RealServer,
    VirtualServer,
)
from lvs.config.reader import read
from lvs.config.rules import problems
from lvs.config.writer import write
from lvs.errors import ParseError, RouterError
from lvs.realservers import setups
from lvs.realservers.setup import file_name
from lvs.router import netfilter
from lvs.router.guards import guard_of
from lvs.router.netfilter import iptables
from lvs.router.passing import owners
from lvs.router.plan import wanted
from lvs.router.state import Netfilter, Role

ATTACKS = [
    '" } } table ip evil { chain c { type filter hook input priority 0; policy drop; } } #',
    '"; flush ruleset; include "/etc/shadow"; "',
    "$(touch /evil)",
    "`touch /evil`",
    "'; touch /evil; '",
    "\\",
    '\\" -j ACCEPT',
    "x | tee /evil",
    "--at-boot",
    "../../evil",
    "€ ✔",
]
PIECES = [
    '"',
    "'",
    "\\",
    "}",
    "{",
    ";",
    "#",
    "$(evil)",
    "`evil`",
    "|",
    "&",
    "evil",
    " ",
    "/",
    "*",
    "%",
    ":",
    "\u202e",
]
names = st.lists(st.sampled_from(PIECES), min_size=1, max_size=8).map("".join)


def cluster(name: str, method: Forwarding = Forwarding.NAT) -> LvsConfig:
    """A cluster in which everything has that name, past all rules."""
    real = RealServer(name=name, address=IPv4Address("10.0.0.1"), active=True)
    shop = VirtualServer(
        name=name,
        active=True,
        address=FloatingAddress(address=IPv4Address("192.0.2.80"), device="eth0:1"),
        address_mask=32,
        fwmark=80,
        ports=(PortRange(443, 443),),
        forwarding=method,
        load_monitor=name,
        start_cmd=name,
        real_servers=(real,),
    )
    general = GlobalSettings(
        primary=IPv4Address("192.0.2.1"),
        nat_router=FloatingAddress(address=IPv4Address("10.0.0.254"), device="eth1:1"),
        nat_mask=24,
        active_cmd=name,
    )
    return LvsConfig(global_settings=general, virtual_servers=(shop,))


def rules_of(config: LvsConfig) -> Netfilter:
    found = wanted(config, Role.ACTIVE, {}).netfilter
    assert found is not None
    return found


@settings(max_examples=60, deadline=None)
@given(names)
def test_no_name_of_lvs_cf_stands_in_the_rules(name: str) -> None:
    assert netfilter.text(rules_of(cluster(name))) == netfilter.text(rules_of(cluster("shop")))


@settings(max_examples=60, deadline=None)
@given(names)
def test_a_name_in_iptables_words_stays_one_word(name: str) -> None:
    found = rules_of(cluster(name))
    text = iptables.text(found, owners(cluster(name), found.marks))
    plain = iptables.text(found, owners(cluster("shop"), found.marks))

    assert text.count("\n") == plain.count("\n")
    for line, other in zip(text.splitlines(), plain.splitlines(), strict=True):
        if line != other:
            words, expected = shlex.split(line), shlex.split(other)
            place = expected.index("--comment") + 1
            assert words[:place] + words[place + 1 :] == expected[:place] + expected[place + 1 :]


@pytest.mark.parametrize(
    "network",
    [
        "fe80::1%eth0 } evil",
        'fe80::%x" ; flush ruleset ; "/64',
        "fe80::1%eth0",
        '::1%\n}\ninclude "/etc/shadow"',
        "10.0.0.0/8 } evil",
        "10.0.0.0/8\n",
        "10.0.0.0/8;",
        "{ 10.0.0.1 }",
        "@set",
        "$evil",
        "/etc/shadow",
        "",
        " ",
        "10.0.0.1-10.0.0.9",
        "localhost",
        "0x7f000001",
        "１0.0.0.1",
    ],
)
def test_what_is_no_network_never_comes_to_the_guard(network: str) -> None:
    with pytest.raises(RouterError, match="Nothing was changed"):
        guard_of(3636, [network])


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=30) | st.from_regex(r"(fe80::|::1|10\.0\.0\.)[1%/} \"a-z0-9;]{0,12}", fullmatch=True))
def test_a_network_that_the_guard_takes_is_digits_and_points_in_the_rules(network: str) -> None:
    try:
        guard = guard_of(3636, [network])
    except RouterError:
        return
    lines = netfilter.text(Netfilter(guard=guard)).splitlines()
    inside = lines[lines.index("\t\telements = {") + 1]
    assert re.fullmatch(r"\t\t\t[0-9a-f.:]+/[0-9]+", inside)


@pytest.mark.parametrize("port", ["3636", 3636.0, True, [3636], {"a": 1}, -1, 0, 65536, "3636 accept", None])
def test_a_port_is_a_number_in_the_rules(port: object) -> None:
    if port is None:
        assert guard_of(port, []) is None
        return
    with pytest.raises(RouterError):
        guard_of(port, [])


def test_an_address_of_a_configuration_never_has_a_zone() -> None:
    zoned = IPv6Address('fe80::1%x" } evil')
    shop = replace(
        cluster("shop").virtual_servers[0], address=FloatingAddress(address=zoned, device="eth0:1"), fwmark=0
    )
    config = replace(cluster("shop"), virtual_servers=(shop,))
    assert "a zone" in str([problem.message for problem in problems(config)])
    assert not read(write(config)).ok
    with pytest.raises(ParseError):
        from_document(to_document(config))


@pytest.mark.parametrize("method", Forwarding)
@pytest.mark.parametrize("name", ATTACKS)
def test_no_name_becomes_a_command_of_a_script_for_real_servers(name: str, method: Forwarding) -> None:
    plain = [setup.script for setup in setups(*of(cluster("shop", method)))]
    for setup, other in zip(setups(*of(cluster(name, method))), plain, strict=True):
        assert re.fullmatch(r"[A-Za-z0-9._-]*", setup.file_name)
        if setup.script:
            assert commands_of(setup.script) == commands_of(other)
            ended = subprocess.run(
                ["sh", "-n"], input=setup.script, text=True, capture_output=True, check=False
            )
            assert (ended.returncode, ended.stderr) == (0, "")


def of(config: LvsConfig) -> tuple[LvsConfig, None, RealServer]:
    return config, None, config.virtual_servers[0].real_servers[0]


def commands_of(script: str) -> list[str]:
    """The lines of a script that a shell reads, without file names made of names."""
    return [line for line in script.splitlines() if not line.lstrip().startswith("#") and ".sh" not in line]


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=80))
def test_a_file_name_is_letters_and_digits_whatever_a_server_is_called(name: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*\.sh", file_name(name, "nat"))
