"""Remarks on firewall marks that do not come together: services without rules, rules without services. Pure.

pulse writes the rules for the marks of lvs.cf itself. Whoever followed Piranha's guide has some of iptables,
made by hand, which go on setting the same marks beside them; and what somebody else has in IPVS under a mark
gets nothing where no rule sets it. Marks are also what policy routing, VPNs and container networks use, so a
rule whose mark no service uses is no more than worth a look.

A rule counts by what it sets: a number, or those of a map. What is worked out from something else (another
mark, bits of it) is not followed, and nobody is accused of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lvs.config.model import LvsConfig
from lvs.router import plan
from lvs.router.judges.network import active_ones
from lvs.router.judges.words import some
from lvs.router.seen import About, Level, Remark, Seen
from lvs.router.state import ServiceKey

Thing = Mapping[str, Any]

LEGACY = frozenset({"ip mangle", "ip6 mangle"})  # tables of iptables-legacy that may set marks
WRITTEN = re.compile(r"^meta mark set (0x[0-9a-fA-F]+|\d+)$")  # iptables' own, as nft puts it
SAVED_RULES = "/etc/iptables/rules.v4, /etc/sysconfig/iptables or wherever they are saved"


@dataclass(frozen=True, slots=True)
class Setting:
    """A rule that sets a mark. fwmarks: those that it may set; None: nobody can say."""

    place: tuple[str, str, str]  # family, table, chain
    number: int
    handle: int
    fwmarks: frozenset[int] | None

    def __str__(self) -> str:
        family, table, chain = self.place
        return f"rule {self.number} in chain {chain} of table {family} {table}"

    @property
    def removal(self) -> str:
        """The command that takes it out."""
        family, table, chain = self.place
        if (family, table) in (("ip", "mangle"), ("ip6", "mangle")):
            return f"{'iptables' if family == 'ip' else 'ip6tables'} -t mangle -D {chain} {self.number}"
        return f"nft delete rule {family} {table} {chain} handle {self.handle}"


@dataclass(frozen=True, slots=True)
class Marks:
    """What rules do with marks. asked: marks that some rule looks for, so that they have a use."""

    settings: tuple[Setting, ...]
    asked: frozenset[int]

    @property
    def given(self) -> frozenset[int]:
        return frozenset(mark for each in self.settings for mark in each.fwmarks or ())

    @property
    def unclear(self) -> tuple[Setting, ...]:
        return tuple(each for each in self.settings if each.fwmarks is None)


def marks(seen: Seen, config: LvsConfig) -> Iterator[Remark]:
    """Marks without a rule, rules without a use, and rules that set what is pulse's to set."""
    found = marks_of(seen.rules)
    ours: dict[int, list[str]] = {}  # whose marks pulse sets
    for each in active_ones(config):
        if each.fwmark and each.address:
            ours.setdefault(each.fwmark, []).append(each.name)
    yield from _services(seen, config, found, ours)
    yield from _beside_ours(found, ours)
    services = seen.ipvs.services if seen.ipvs else frozenset()
    if services or ours:
        yield from _unused(found, {key.fwmark for key in services} | {*ours})


def _services(seen: Seen, config: LvsConfig, found: Marks, ours: Mapping[int, list[str]]) -> Iterator[Remark]:
    """What IPVS has, or shall have, under marks that nothing sets."""
    wanted = {plan.service_key(each) for each in active_ones(config)}
    foreign = seen.ipvs.services - seen.owned.services if seen.ipvs else frozenset()
    keys = {key for key in (*wanted, *foreign) if key and key.fwmark}
    without = sorted((key for key in keys if key.fwmark not in {*ours, *found.given}), key=str)
    if not without:
        return
    legacy = LEGACY & set(seen.old_tables)
    unclear = [
        *map(str, found.unclear),
        *(f"the rules of iptables-legacy ({each})" for each in sorted(legacy)),
    ]
    doubt = f" What is set by {some(unclear)} cannot be followed here, though." if unclear else ""
    one = len(without) == 1
    yield Remark(
        Level.NOTE if unclear else Level.WARNING,
        About.FIREWALL,
        f"No rule that can be seen here sets the firewall mark of the IPVS service{'' if one else 's'} "
        f"{some(without)}.",
        f"Nothing reaches {'it' if one else 'them'} without the mark.{doubt}",
        "Put that virtual server into lvs.cf with its address, ports and mark, and pulse sets it; else have "
        "a rule in prerouting set it, or take the service out if nobody needs it: "
        + "; ".join(map(_taken_out, without[:3])),
        "ipvsadm -Ln; nft list ruleset",
    )


def _taken_out(key: ServiceKey) -> str:
    return f"ipvsadm -D -f {key.fwmark}" + (" -6" if key.family == "inet6" else "")


def _beside_ours(found: Marks, ours: Mapping[int, list[str]]) -> Iterator[Remark]:
    """Rules that others made for what pulse does."""
    for each in found.settings:
        same = sorted((each.fwmarks or frozenset()) & ours.keys())
        if not same:
            continue
        whose = some(name for mark in same for name in ours[mark])
        yield Remark(
            Level.WARNING,
            About.FIREWALL,
            f"{_capital(str(each))} sets firewall mark {some(same)}, which is that of {whose}.",
            "pulse sets it itself now, for the ports in lvs.cf. That rule gives the virtual server whatever "
            "else it matches, and stays as it is when lvs.cf changes.",
            f"Take that rule out: {each.removal}; and out of {SAVED_RULES}.",
            _evidence(each),
        )
    if ours and found.unclear:
        yield Remark(
            Level.NOTE,
            About.FIREWALL,
            f"{_capital(some(found.unclear))} set{'s' if len(found.unclear) == 1 else ''} a firewall mark "
            "that cannot be followed here.",
            "pulse sets the marks of lvs.cf itself; a rule made by hand for them is needed no more.",
            f"If it sets {some(sorted(ours))}, take it out: {found.unclear[0].removal}.",
            _evidence(found.unclear[0]),
        )


def _unused(found: Marks, used: set[int]) -> Iterator[Remark]:
    """Rules whose marks nobody seems to look for."""
    for each in found.settings:
        # 0 takes a mark away.
        lost = sorted((each.fwmarks or frozenset()) - used - found.asked - {0})
        if lost:
            yield Remark(
                Level.NOTE,
                About.FIREWALL,
                f"{_capital(str(each))} sets firewall mark {some(lost)}, which no IPVS service uses and no "
                "other rule asks for.",
                "It may be left over from a virtual server; or routing rules (ip rule) or another program "
                "use it.",
                f"If it was for a virtual server, take it out: {each.removal}. Else nothing need be done.",
                _evidence(each),
            )


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _evidence(setting: Setting) -> str:
    return f"nft -a list chain {' '.join(setting.place)}"


# ---- reading rules


def marks_of(things: Iterable[Thing]) -> Marks:
    """What listed rules do with marks (libnftables-json(5))."""
    things = list(things)
    maps = {
        (kept["family"], kept["table"], f"@{kept['name']}"): kept.get("elem")
        for kept in (thing["map"] for thing in things if "map" in thing)
    }
    settings: list[Setting] = []
    asked: set[int] = set()
    numbers: dict[tuple[str, str, str], int] = {}
    for rule in (thing["rule"] for thing in things if "rule" in thing):
        place = rule["family"], rule["table"], rule["chain"]
        numbers[place] = numbers.get(place, 0) + 1
        for statement in rule.get("expr", ()):
            asked |= _asked(statement)
            value = _set(statement)
            if value is not None:
                fwmarks = _numbers(value, lambda name, at=place[:2]: maps.get((*at, name)))
                if fwmarks != frozenset():
                    settings.append(Setting(place, numbers[place], rule.get("handle", 0), fwmarks))
    return Marks(tuple(settings), frozenset(asked))


def _set(statement: Any) -> Any:
    """What a statement makes the mark, as the listing has it; None: it makes it nothing."""
    if isinstance(statement, str):
        written = WRITTEN.match(statement)
        if written:
            return int(written[1], 0)
        return "unknown" if statement.lstrip("# ").startswith("xt_MARK") else None
    if not isinstance(statement, dict):
        return None
    mangle = statement.get("mangle")
    if mangle is not None:
        return mangle["value"] if mangle["key"] == {"meta": {"key": "mark"}} else None
    target = statement.get("xt")
    is_mark = isinstance(target, dict) and (target.get("type"), target.get("name")) == ("target", "MARK")
    return "unknown" if is_mark else None


def _numbers(value: Any, elements: Any) -> frozenset[int] | None:
    """The marks that a value may be; empty: it is worked out from something else; None: nobody can say.

    elements: those of a named map, by its name; None where they were not listed.
    """
    if type(value) is int:
        return frozenset({value})
    if value == "unknown":
        return None
    if isinstance(value, dict) and "map" in value:
        given = value["map"].get("data")
        pairs = elements(given) if isinstance(given, str) else (given or {}).get("set")
        if pairs is None:
            return None
        return frozenset(each[1] for each in pairs if len(each) == 2 and type(each[1]) is int)
    return frozenset()


def _asked(statement: Any) -> set[int]:
    """The marks that a statement looks for."""
    if not isinstance(statement, dict):
        return set()
    if "match" in statement and _is_mark(statement["match"].get("left")):
        return _all_numbers(statement["match"].get("right"))
    if "vmap" in statement and _is_mark(statement["vmap"].get("key")):
        return _all_numbers(statement["vmap"].get("data"))
    return set()


def _is_mark(left: Any) -> bool:
    """Whether it is the packet's mark, or bits of it, or it and something else."""
    if isinstance(left, dict):
        return left == {"meta": {"key": "mark"}} or any(map(_is_mark, left.values()))
    return isinstance(left, list) and any(map(_is_mark, left))


def _all_numbers(value: Any) -> set[int]:
    if type(value) is int:
        return {value}
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return {number for each in inner for number in _all_numbers(each)}
