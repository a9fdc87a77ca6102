"""REDIRECT: the kernel of a directly routed real server turns what comes for a virtual address to itself."""

from __future__ import annotations

from collections.abc import Iterator

from lvs.config.model import Address, PortRange
from lvs.realservers.needs import Need
from lvs.realservers.setup import Setup, commands
from lvs.realservers.shell import BOOT, FILES, NFTABLES, Recipe, setup

TABLE = "piranha_redirect"
CHAIN = "PIRANHA-REDIRECT"

_WHY = (
    "The machine does not have the virtual address, so there is nothing that it could answer ARP for. What "
    "the router sends on is turned to the machine's own address as it comes in, and the answers are turned "
    "back."
)
_WHEN = (
    "Where addresses and ARP parameters cannot be touched. What it costs: the kernel follows every "
    "connection (conntrack); programs must listen on the machine's own address or on all, so no two virtual "
    "addresses can have a program each on one port; a new port of the virtual server needs the script run "
    "again; FTP's passive mode needs pasv_address. Gone at the next start, unless run with --at-boot "
    "(systemd)."
)
_BODY = f"""
look() {{
    for address in $ADDRESSES; do
        on=$(interfaces_of "$address" | sed -n 1p)
        [ -z "$on" ] || refuse "This machine has $address on $on. Is this a router? If not, take it away \\
first (another of these scripts: --undo)."
    done
    if command -v nft >/dev/null; then
        TOOL=nft
    elif command -v iptables >/dev/null; then
        TOOL=iptables
    else
        refuse "Neither nft nor iptables is here: install the package nftables, or take another way."
    fi
}}
apply() {{ "with_$TOOL"; }}
with_nft() {{
@NFT@
}}
with_iptables() {{
@IPTABLES@
}}
# A chain of our own, so that it can be filled anew without touching others' rules.
fresh_chain() {{ # PROGRAM
    command -v "$1" >/dev/null || fail "The program $1 is missing: install the package iptables."
    note "chain $1"
    "$1" -w -t nat -N {CHAIN} 2>/dev/null || "$1" -w -t nat -F {CHAIN}
    "$1" -w -t nat -C PREROUTING -j {CHAIN} 2>/dev/null || "$1" -w -t nat -A PREROUTING -j {CHAIN}
}}
out_chain() {{
    "$1" -w -t nat -D PREROUTING -j {CHAIN} 2>/dev/null || :
    "$1" -w -t nat -F {CHAIN} 2>/dev/null || :
    "$1" -w -t nat -X {CHAIN} 2>/dev/null || :
    say "The chain {CHAIN} of $1 is gone."
}}
"""


def way(need: Need, warnings: tuple[str, ...]) -> Setup:
    """REDIRECT for every virtual address, protocol and port of the real server."""
    versions = [one for one in (4, 6) if any(_of(need, one))]
    tables = {version: _table(need, version) for version in versions}
    rules = {version: list(_iptables(need, version)) for version in versions}
    body = _BODY.replace("@NFT@", "\n".join(_loaded(one, tables[one]) for one in versions))
    body = body.replace("@IPTABLES@", "\n".join(_filled(one, rules[one]) for one in versions))
    by_hand = [
        commands(*(f"{_program(one)} -t nat -A PREROUTING {rule}" for rule in rules[one])) for one in versions
    ]
    recipe = Recipe(
        way=need.way("direct-redirect"),
        title="Without the virtual address: REDIRECT",
        when=_WHEN,
        by_hand=(
            _WHY,
            "For `nft -f`:",
            *(commands(*table.splitlines()) for table in tables.values()),
            "Or with iptables:",
            *by_hand,
        ),
        body=body,
        pieces=(FILES, NFTABLES, BOOT),
    )
    return setup(need, recipe, {"ADDRESSES": " ".join(map(str, need.virtual_addresses))}, warnings)


def _of(need: Need, version: int) -> Iterator[Address]:
    return (one for one in need.virtual_addresses if one.version == version)


def _family(version: int) -> str:
    return "ip6" if version == 6 else "ip"


def _program(version: int) -> str:
    return "ip6tables" if version == 6 else "iptables"


def _table(need: Need, version: int) -> str:
    family = _family(version)
    rules = [
        f"        {family} daddr {address} {protocol} dport {_set(ports)} redirect"
        for address in _of(need, version)
        for protocol, ports in need.ports_at(address)
    ]
    lines = [
        f"table {family} {TABLE}",
        f"delete table {family} {TABLE}",
        f"table {family} {TABLE} {{",
        "    chain prerouting {",
        "        type nat hook prerouting priority -100; policy accept;",
        *rules,
        "    }",
        "}",
    ]
    return "\n".join(lines)


def _set(ports: tuple[PortRange, ...]) -> str:
    return "{ " + ", ".join(str(one).replace(":", "-") for one in ports) + " }"


def _loaded(version: int, table: str) -> str:
    """Shell: the nftables table in place of what it was, in one transaction."""
    name = f"{_family(version)} {TABLE}"
    return f"""    note "nft {name}"
    nft -f - <<'END'
{table}
END
    say "The nftables table {name} is in place.\""""


def _iptables(need: Need, version: int) -> Iterator[str]:
    for address in _of(need, version):
        for protocol, ranges in need.ports_at(address):
            for ports in ranges:
                yield f"-p {protocol} -d {address} --dport {ports} -j REDIRECT"


def _filled(version: int, rules: list[str]) -> str:
    program = _program(version)
    lines = [
        f"fresh_chain {program}",
        *(f"{program} -w -t nat -A {CHAIN} {rule}" for rule in rules),
        f'say "The chain {CHAIN} of {program} is filled."',
    ]
    return "\n".join(f"    {line}" for line in lines)
