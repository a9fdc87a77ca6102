"""Tables that are there for a moment only, so that no client is refused while something changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, collapse_addresses

from lvs.config.model import Address
from lvs.router import nft
from lvs.router.netfilter.table import FAMILIES, chain, named

HUSH = "inet piranha_hush"  # see no_refusals
TAKEOVER = "inet piranha_takeover"  # see hold_resets
HOLD_SECONDS = 5  # the other router's last sync messages come within three (IPVS_SYNC_FLUSH_TIME, ip_vs.h)

_HUSH = f"""\
table {HUSH}
delete table {HUSH}
table {HUSH} {{
	chain output {{
		type filter hook output priority filter; policy accept;
		icmp type destination-unreachable icmp code port-unreachable drop
		icmpv6 type destination-unreachable icmpv6 code port-unreachable drop
	}}
}}
"""


@contextmanager
def no_refusals() -> Iterator[None]:
    """Keeps ICMP "port unreachable" from leaving this machine; a client that gets no answer asks again.

    IPVS answers so whenever a service has no scheduler, and ip_vs_edit_service (Linux,
    net/netfilter/ipvs/ip_vs_ctl.c) takes the old scheduler away, waits until no processor uses it, and only
    then binds the new one. A table of its own, so that `inet piranha` stays what it is; KernelError where
    this kernel has no nftables.
    """
    nft.run(_HUSH, "keep clients from being refused while a scheduler changes")
    try:
        yield
    finally:
        let_refusals_out()


def let_refusals_out() -> None:
    """Ends `no_refusals`, also that of a pulse that was killed meanwhile; KernelError without nftables.

    Where there is nothing to end, nothing is written: a restart must leave the kernel as it is.
    """
    _end(HUSH, "let refusals out again")


def hold_resets(addresses: Iterable[Address], real_servers: Iterable[Address] = ()) -> None:
    """Keeps this machine's own TCP resets and "port unreachable" from these addresses in, for five seconds.

    To be called before a router that was handed the active role raises its floating addresses: the other
    router's last sync messages are still on their way, and until they are here, this kernel knows nothing of
    the connections in them and would reset each that sends something. Unanswered, its client sends again.
    What real servers reset is forwarded, not sent from here, and passes.

    real_servers: those that are masqueraded. What they go on sending in such a connection would be
    masqueraded too, as the middle of one of their own, and the client would reset what comes to it from a
    stranger: it is dropped as well, and sent again by them.

    The kernel itself forgets the addresses in time, should pulse die. A table of its own, as for
    `no_refusals`; KernelError without nftables.
    """
    commands = "\n".join(_takeover(list(addresses), list(real_servers))) + "\n"
    nft.run(commands, "keep clients from being reset while connections arrive")


def let_resets_out() -> None:
    """Ends `hold_resets`; fine if there is nothing to end. KernelError without nftables."""
    _end(TAKEOVER, "let resets out again")


def _end(table: str, change: str) -> None:
    tables = nft.objects("list tables inet", change)
    if any(f"inet {thing.get('table', {}).get('name')}" == table for thing in tables):
        nft.run(f"delete table {table}\n", change)


def _takeover(addresses: Sequence[Address], real_servers: Sequence[Address]) -> Iterator[str]:
    yield f"table {TAKEOVER}"
    yield f"delete table {TAKEOVER}"
    yield f"table {TAKEOVER} {{"
    resets, strangers = [], []
    for version, (header, kind) in FAMILIES.items():
        held = [address for address in addresses if address.version == version]
        if held:
            yield from named(f"set floating{version}", kind, _for_seconds(held), "flags timeout")
            icmp = {4: "icmp", 6: "icmpv6"}[version]
            unreachable = f"{icmp} type destination-unreachable {icmp} code port-unreachable"
            for what in ("tcp flags & rst == rst", unreachable):
                resets.append(f"{header} saddr @floating{version} {what} counter drop")
        nets = _nets(real_servers, version)
        if nets:
            yield from named(f"set real{version}", kind, _for_seconds(nets), "flags interval, timeout")
            strangers.append(
                f"{header} saddr @real{version} tcp flags & (syn | rst) == 0x0 ct state new counter drop"
            )
    yield from chain("output", "type filter hook output priority filter; policy accept;", resets)
    if strangers:  # after IPVS, which has given what it knows the floating address for a source at 100
        yield from chain("forward", "type filter hook forward priority 110; policy accept;", strangers)
    yield "}"


def _nets(addresses: Iterable[Address], version: int) -> list[str]:
    """The addresses of one version as nets: ten thousand real servers are mostly a few, and loaded sooner."""
    if version == 4:
        four = [IPv4Network(address) for address in addresses if isinstance(address, IPv4Address)]
        return list(map(str, collapse_addresses(four)))
    six = [IPv6Network(address) for address in addresses if isinstance(address, IPv6Address)]
    return list(map(str, collapse_addresses(six)))


def _for_seconds(elements: Iterable[object]) -> Iterator[str]:
    return (f"{element} timeout {HOLD_SECONDS}s" for element in elements)
