"""What a change of the table does, for the administrator who reviews it: in words, and line by line. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TypeVar

from lvs.config.address import host
from lvs.config.diff import text_difference
from lvs.config.model import Address, Forwarding, LvsConfig
from lvs.router import passing
from lvs.router.netfilter.table import lines
from lvs.router.state import Guard, MarkRule, Netfilter

NOTHING = Netfilter()
MOST = 200  # sentences

Rule = TypeVar("Rule")


def words(
    old: Netfilter | None,
    new: Netfilter | None,
    before: LvsConfig,
    after: LvsConfig,
    draining: Collection[Address] = (),
) -> tuple[tuple[str, ...], int]:
    """A sentence for each rule that comes or goes: MOST of them, and how many more there are.

    before, after: the configurations that know what the rules are for. draining: deleted real servers whose
    rule stays until they have drained.
    """
    every = tuple(_words(old or NOTHING, new or NOTHING, (before, after), draining))
    return every[:MOST], len(every[MOST:])


def changed_lines(old: Netfilter | None, new: Netfilter | None) -> tuple[tuple[str, str], ...]:
    """The unified difference in nft's language as (kind, line), as of `lvs.config.diff.text_difference`."""
    return text_difference(_text(old), _text(new))


def only_adds(old: Netfilter | None, new: Netfilter | None) -> bool:
    """Whether nobody is masqueraded or let in any less: a mark is asked for by new connections alone.

    The kernel looks for a connection by its addresses before it asks which service a mark means
    (ip_vs_in, net/netfilter/ipvs/ip_vs_core.c).
    """
    was, comes = old or NOTHING, new or NOTHING
    return was.guard == comes.guard and set(was.masquerade) <= set(comes.masquerade)


def _text(netfilter: Netfilter | None) -> str:
    # Without the commas between members: that another one comes behind it changes nothing of a rule.
    return "\n".join(line.removesuffix(",") for each in _lines(netfilter) for line in each.split("\n"))


def _lines(netfilter: Netfilter | None) -> Iterator[str]:
    return iter(()) if netfilter is None else lines(netfilter)


def _words(
    old: Netfilter, new: Netfilter, configs: tuple[LvsConfig, LvsConfig], draining: Collection[Address]
) -> Iterator[str]:
    before, after = configs
    gone, come = _missing(old.marks, new.marks), _missing(new.marks, old.marks)
    named = passing.owners(
        before, gone[:MOST]
    )  # to find whose a rule is, all ports of its mark are looked at
    yield from (f"no longer set {_mark(rule, named)}" for rule in gone)
    named = passing.owners(after, come[:MOST])
    yield from (f"set {_mark(rule, named)}" for rule in come)
    for address in _missing(old.masquerade, new.masquerade):
        when = ", once it has drained" if address in draining else ""
        yield f"no longer masquerade what {_real_server(address, before)} asks of the outside{when}"
    for address in _missing(new.masquerade, old.masquerade):
        yield f"masquerade what {_real_server(address, after)} asks of the outside"
    if old.guard != new.guard:
        yield from _guard(old.guard, new.guard)
    yield from (f"undo what was changed by hand: {drift}" for drift in old.drift)


def _missing(these: Collection[Rule], there: Collection[Rule]) -> list[Rule]:
    """Those that are not there, in their order."""
    known = frozenset(there)
    return [each for each in these if each not in known]


def _mark(rule: MarkRule, named: dict[MarkRule, str]) -> str:
    ports = str(rule.ports).replace(":", "-")
    of = f" ({named[rule]})" if rule in named else ""
    return f"firewall mark {rule.fwmark} for {rule.protocol} {host(rule.address)}:{ports}{of}"


def _real_server(address: Address, config: LvsConfig) -> str:
    """For instance "web1 of shop (10.0.0.11)": by the first virtual server that has it by NAT."""
    for virtual_server in config.virtual_servers:
        if virtual_server.active and config.forwarding_of(virtual_server) is Forwarding.NAT:
            for real_server in virtual_server.real_servers:
                if real_server.active and real_server.address == address:
                    return f"{real_server.name} of {virtual_server.name} ({address})"
    return str(address)


def _guard(old: Guard | None, new: Guard | None) -> Iterator[str]:
    if old is not None and (new is None or new.port != old.port):
        yield f"no longer guard port {old.port} of the panel"
    if new is None:
        return
    if old is None or old.port != new.port:
        yield f"guard port {new.port} of the panel: only this machine gets through, and who is let in"
        old = None
    had = old.networks if old else ()
    yield from (
        f"keep {network} from port {new.port} of the panel" for network in _missing(had, new.networks)
    )
    yield from (
        f"let {network} reach port {new.port} of the panel" for network in _missing(new.networks, had)
    )
