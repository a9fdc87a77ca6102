"""What becomes of a packet in the rules of a firewall, as far as that can be told from their listing. Pure.

Reads what nft lists as JSON (libnftables-json(5)); iptables-nft's rules are in it too. What a packet is like
is known only in part, and some of what rules ask is not followed (named sets, counts, rates, iptables'
matches): each match is true, false or uncertain, and a packet has all the fates that it may have.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from lvs.router.ruleset_matches import Packet, matches, picked

Thing = Mapping[str, Any]
Place = tuple[str, str, str]  # family, table, chain

MOST_STEPS = 200_000  # rules looked at for all questions to one ruleset: some tenths of a second
DEEPEST = 16  # jumps; the kernel takes as many (NFT_JUMP_STACK_SIZE, include/net/netfilter/nf_tables.h)

# Statements that end a packet's way here, and what they do to it; also iptables' targets of these names.
ENDING = {
    "accept": "accept",
    "drop": "drop",
    "reject": "drop",
    "synproxy": "drop",
    "dnat": "divert",
    "redirect": "divert",
    "tproxy": "divert",
    "queue": "divert",
    "nfqueue": "divert",
}
# Those that change or count something and let the rule go on.
WITHOUT_SAY = frozenset(
    (
        *("counter", "log", "mangle", "comment", "notrack", "flow", "continue", "snat", "masquerade"),
        *("mark", "connmark", "tcpmss"),  # iptables' targets
    )
)
# What a target of iptables that has no name in the listing may do, by the name of iptables' table.
NAMELESS = {"nat": "divert", "filter": "drop"}


class Fate(StrEnum):
    PASSES = "passes"
    DROPPED = "dropped"
    DIVERTED = "diverted"  # sent to another address or program


@dataclass(frozen=True, slots=True)
class End:
    """Where a packet's way through the rules may end. where: the chain, and which rule or its policy."""

    fate: Fate
    where: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What keeps a packet from its way; sure: it meets that; else it may."""

    end: End
    sure: bool


@dataclass(frozen=True, slots=True)
class BaseChain:
    """A chain that the kernel itself calls (nft(8)). device: of an ingress hook."""

    place: Place
    kind: str
    hook: str
    priority: int
    policy: str
    device: str = ""

    def __str__(self) -> str:
        family, table, chain = self.place
        return f"chain {chain} of table {family} {table}"


class _TooMuch(Exception):
    """The rules are more than anybody wants to wait for."""


class Ruleset:
    """A ruleset that questions are asked of. things: of nft's listing."""

    def __init__(self, things: Iterable[Thing]) -> None:
        self._rules: dict[Place, list[tuple[int, list[Any]]]] = defaultdict(list)
        chains: list[BaseChain] = []
        for thing in things:
            ((kind, content),) = thing.items()
            if kind == "rule":
                rules = self._rules[content["family"], content["table"], content["chain"]]
                rules.append((len(rules) + 1, content.get("expr", [])))
            elif kind == "chain" and "hook" in content:
                chains.append(_base_chain(content))
        self.chains = tuple(sorted(chains, key=lambda chain: chain.priority))
        self._steps = 0

    @property
    def has_rules(self) -> bool:
        return any(self._rules.values())

    def has_rules_in(self, hook: str) -> bool:
        """Whether anything but an empty chain that accepts waits there."""
        return any(
            chain.hook == hook and (chain.policy == "drop" or self._rules.get(chain.place))
            for chain in self.chains
        )

    def obstacle(self, hook: str, packet: Packet, *, below: int | None = None) -> Outcome | None:
        """What keeps the packet from getting past this hook, None: nothing does.

        below: only chains with a lower priority. Chains of one hook are asked one after the other, and one
        that accepts says nothing for the next (nft(8), "verdict statements").
        """
        doubt: Outcome | None = None
        for chain in self.chains:
            if (
                chain.hook != hook
                or not _is_met(chain, packet)
                or (below is not None and chain.priority >= below)
            ):
                continue
            try:
                ends = self._ends(chain, packet)
            except _TooMuch:
                end = End(Fate.DROPPED, f"{chain} (there are too many rules to follow)")
                return doubt or Outcome(end, sure=False)
            bad = next((end for end in ends if end.fate is not Fate.PASSES), None)
            if bad is None:
                continue
            if all(end.fate is not Fate.PASSES for end in ends):
                return Outcome(bad, sure=True)
            doubt = doubt or Outcome(bad, sure=False)
        return doubt

    def _ends(self, chain: BaseChain, packet: Packet) -> list[End]:
        ends, goes_on = self._walk(chain.place, packet, 0)
        if goes_on:
            fate = Fate.DROPPED if chain.policy == "drop" else Fate.PASSES
            ends.append(End(fate, f"the policy {chain.policy} of {chain}"))
        return ends

    def _walk(self, place: Place, packet: Packet, depth: int) -> tuple[list[End], bool]:
        """The ends that a packet may meet in a chain, and whether it may come back from it."""
        ends: list[End] = []
        comes_back = False
        if depth > DEEPEST:
            raise _TooMuch
        for number, expressions in self._rules.get(place, ()):
            self._steps += 1
            if self._steps > MOST_STEPS:
                raise _TooMuch
            for sure, name, target in _verdicts(expressions, place[1], packet):
                if name == "return":
                    comes_back = True
                    if sure:
                        return ends, True
                elif name in ("jump", "goto"):
                    inner, falls = self._walk((*place[:2], target), packet, depth + 1)
                    ends += inner
                    comes_back = comes_back or (name == "goto" and falls)
                    if sure and (name == "goto" or not falls):
                        return ends, comes_back
                else:
                    ends.append(
                        End(_FATES[name], f"rule {number} in chain {place[2]} of table {' '.join(place[:2])}")
                    )
                    if sure:
                        return ends, comes_back
        return ends, True


_FATES = {"accept": Fate.PASSES, "drop": Fate.DROPPED, "divert": Fate.DIVERTED}


def _verdicts(expressions: list[Any], table: str, packet: Packet) -> Iterator[tuple[bool, str, str]]:
    """What a rule may decide on a packet: (whether it surely does, verdict, chain to go to)."""
    sure = True
    for position, expression in enumerate(expressions):
        kind, content = _statement(expression)
        if kind == "match":
            truth = matches(content or {}, packet)
            if truth is False:
                return
            sure = sure and truth is True
        elif kind == "vmap":
            for certain, verdict in picked(content or {}, packet):
                yield from _verdict(sure and certain, *_statement(verdict))
                if certain:
                    return
        elif kind in ENDING or kind in ("return", "jump", "goto"):
            yield from _verdict(sure, kind, content)
            return
        elif kind == "xt" and position == len(expressions) - 1:
            if table in NAMELESS:
                yield False, NAMELESS[table], ""
        elif kind not in WITHOUT_SAY:
            sure = False  # a condition that is not followed: a rate, a count, a match of iptables


def _statement(expression: Any) -> tuple[str, Any]:
    """What an expression is, and what is in it.

    iptables' own come as an object with their name, as null, or, from nft 1.0.6, as a text in nft's language.
    """
    if isinstance(expression, str):
        return expression.lstrip("# ").partition(" ")[0].removeprefix("xt_").lower() or "xt", None
    if not isinstance(expression, dict):
        return "xt", None
    ((kind, content),) = expression.items()
    if kind == "xt" and isinstance(content, dict) and content.get("name"):
        is_match = content.get("type") == "match"
        return ("condition", None) if is_match else (str(content["name"]).lower(), content)
    return str(kind), content


def _verdict(sure: bool, kind: str, content: Any) -> Iterator[tuple[bool, str, str]]:
    if kind in ENDING:
        yield sure, ENDING[kind], ""
    elif kind == "return":
        yield sure, "return", ""
    elif kind in ("jump", "goto") and isinstance(content, dict):
        yield sure, kind, str(content["target"])


def _base_chain(content: Thing) -> BaseChain:
    device = content.get("dev", "")
    return BaseChain(
        (content["family"], content["table"], content["name"]),
        str(content.get("type", "filter")),
        str(content["hook"]),
        int(content.get("prio", 0)),
        str(content.get("policy", "accept")),
        device if isinstance(device, str) else "",
    )


def _is_met(chain: BaseChain, packet: Packet) -> bool:
    """Whether packets like this one come by a chain at all."""
    family = chain.place[0]
    if chain.device and packet.arrives and chain.device != packet.arrives:
        return False
    return family in ("inet", "netdev", {4: "ip", 6: "ip6"}[packet.version])
