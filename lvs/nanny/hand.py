"""What an administrator's hand says of a real server, whatever its checks say. Pure.

An entry names the real server as lvs.cf does and says one order. The newest entry wins (`at`, then the
order's name), on every router and in whatever order they hear of it, so that two routers that tell each other
all they have end with the same. AUTO is an entry as well, kept for KEPT_SECONDS, or an older order would come
back.

- DRAIN: no new connections; out of the table when none is left, or at `until`; stays out.
- MAINTENANCE: the same, until `until` (None: until somebody says AUTO); then the checks decide.
- DOWN: as if its checks failed. UP: as if they were good. Both until `until`, or for ever.

`at` is a wall clock's time, and the two clocks differ. So a new order is dated after every one that is known
of its real server (`newer`): whoever sees an order can replace it. An order of a far future, which nobody
could replace, is not taken from another router; of one's own, made before the clock was set right, it is
dated back (`tidied`).
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

KEPT_SECONDS = 7 * 86_400.0  # that an AUTO, or an entry of a real server that is gone, is remembered
MOST_ENTRIES = 5_000  # of all real servers; more are refused
LONGEST_REASON = 200  # characters, of reason and of by
LONGEST_ENTRY = 1_000  # bytes as JSON: it goes to the other router in one datagram
MOST_AHEAD = 3_600.0  # seconds that the clock of another router may be ahead
LONGEST = 10 * 366 * 86_400.0  # seconds that an order holds; all that show times can show these

# Unicode's general categories (UAX #44) that would break a line, hide or turn round what is shown.
_UNSHOWN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_NOT_IN_NAMES = frozenset({"Cc", "Cs", "Zl", "Zp"})  # lvs.cf has no such names; a tab it may have


class Order(StrEnum):
    """What the administrator wants of a real server."""

    AUTO = "auto"
    DRAIN = "drain"
    MAINTENANCE = "maintenance"
    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hand:
    """One entry. at, until: seconds since the epoch."""

    virtual_server: str
    real_server: str
    order: Order
    at: float
    by: str = ""
    reason: str = ""
    until: float | None = None

    @property
    def names(self) -> Names:
        return self.virtual_server, self.real_server

    def in_force(self, now: float) -> bool:
        """Whether the checks do not decide alone; a DRAIN whose time is over still keeps it out."""
        if self.order is Order.AUTO:
            return False
        return self.order is Order.DRAIN or self.until is None or now < self.until

    def replaces(self, other: Hand) -> bool:
        """Whether this is the newer of two entries of one real server."""
        return self._rank() > other._rank()

    def _rank(self) -> tuple[float, str, str, str, float]:
        """Orders any two different entries, so that all routers choose the same."""
        until = math.inf if self.until is None else self.until
        return self.at, self.order.value, self.by, self.reason, until


Names = tuple[str, str]  # of the virtual server and of the real server
Entries = Mapping[Names, Hand]  # each under its own names


def merged(first: Entries, second: Entries) -> dict[Names, Hand]:
    """The newest of each real server; the same whatever is merged first, and however often."""
    found = dict(first)
    for names, entry in second.items():
        known = found.get(names)
        if known is None or entry.replaces(known):
            found[names] = entry
    return found


def in_force(entries: Entries, now: float) -> dict[Names, Hand]:
    """Those that say something now: one that is AUTO or has ended is left out, which means the same."""
    return {names: entry for names, entry in entries.items() if entry.in_force(now)}


def newer(at: float, known: Iterable[Hand]) -> float:
    """When to date an order that is given at that time: after each known one of its real server."""
    return max([at, *(entry.at + 0.001 for entry in known)])


def tidied(entries: Entries, now: float, configured: Collection[Names]) -> dict[Names, Hand]:
    """The entries that are still needed, at most MOST_ENTRIES.

    configured: the real servers that lvs.cf has. Forgotten is what has said nothing, or of a real server that
    is gone, for KEPT_SECONDS; dated back to now what comes from too far in the future.
    """
    found = {}
    for names, entry in entries.items():
        if names not in configured or not entry.in_force(now):
            last = entry.at if entry.until is None or entry.order is Order.AUTO else entry.until
            if max(entry.at, last) < now - KEPT_SECONDS:
                continue
        found[names] = entry if entry.at <= now + MOST_AHEAD else replace(entry, at=now)
    if len(found) <= MOST_ENTRIES:
        return found
    newest = sorted(found.values(), key=lambda each: (each.in_force(now), each._rank()))[-MOST_ENTRIES:]
    return {entry.names: entry for entry in newest}


def refusal(hand: Hand, now: float) -> str:
    """Why this entry can be neither kept nor told to the other router, with what to do; "" if it can."""
    if not all(_is_name(name) for name in hand.names):
        return "a virtual or real server's name is empty or not on one line: name them as lvs.cf does"
    for field, text in (("by", hand.by), ("reason", hand.reason)):
        if len(text) > LONGEST_REASON:
            return f"{field} is {len(text)} characters long: shorten it to {LONGEST_REASON}"
        if any(unicodedata.category(char) in _UNSHOWN for char in text):
            return f"{field} has characters that cannot be shown in a line: remove them"
    times = [hand.at] if hand.until is None else [hand.at, hand.until]
    if not all(math.isfinite(each) and each >= 0 for each in times):
        return "at and until must be seconds since the epoch"
    if hand.at > now + MOST_AHEAD:
        return f"it is dated {_length(hand.at - now)} ahead: set the routers' clocks"
    if hand.until is not None and hand.until > now + LONGEST:
        return "until is more than ten years ahead: leave it out, and the order holds until another one"
    size = len(json.dumps(to_wire(hand), ensure_ascii=False).encode())
    if size > LONGEST_ENTRY:
        return f"names, by and reason take {size} bytes together, {LONGEST_ENTRY} at most: shorten the reason"
    return ""


def fitting(text: str) -> str:
    """What somebody typed as a reason, or is called, made to fit into an entry."""
    shown = "".join(" " if unicodedata.category(char) in _UNSHOWN else char for char in text)
    return shown.strip()[:LONGEST_REASON].rstrip()


def to_wire(hand: Hand) -> dict[str, Any]:
    """The entry as JSON has it (ENTRY in ARCHITECTURE.md)."""
    return asdict(hand) | {"order": hand.order.value}


def from_wire(document: object, now: float, *, own: bool = False) -> Hand:
    """The entry of such a document; ValueError, with the reason, for one that is not to be acted on.

    own: out of this router's own file, in which a date of the future is taken as now: what an administrator
    ordered here must not be lost when the clock is set right. Fields that a newer version may add are passed
    over.
    """
    if not isinstance(document, dict):
        raise ValueError("an entry must be an object")
    try:
        order = Order(_text(document, "order"))
    except ValueError:
        known = ", ".join(Order)
        raise ValueError(f"order is none of {known}") from None
    at = _seconds(document, "at")
    hand = Hand(
        virtual_server=_text(document, "virtual_server"),
        real_server=_text(document, "real_server"),
        order=order,
        at=now if own and at > now + MOST_AHEAD else at,
        by=_text(document, "by"),
        reason=_text(document, "reason"),
        until=None if document.get("until", 0) is None else _seconds(document, "until"),
    )
    refused = refusal(hand, now)
    if refused:
        raise ValueError(refused)
    return hand


def sentence(hand: Hand, now: float) -> str:
    """The entry in words, for a log or a terminal: "in maintenance by anna, 25 min left: new disk".

    Lengths of time, since no clock's zone is known here; a page has the entry's own times.
    """
    by = f" by {hand.by}" if hand.by else ""
    because = f": {hand.reason}" if hand.reason else ""
    left = None if hand.until is None else hand.until - now
    if hand.order is Order.AUTO:
        return f"left to its checks{by}{because}"
    if hand.order is Order.DRAIN:
        if left is None:
            return f"draining{by}{because}"
        if left <= 0:
            return f"drained{by}{because}"
        return f"draining{by}, out in {_length(left)} at the latest{because}"
    does = {Order.MAINTENANCE: "in maintenance", Order.UP: "forced up", Order.DOWN: "forced down"}[hand.order]
    if left is None:
        return f"{does}{by}{because}"
    if left <= 0:
        return f"left to its checks, {does}{by} until {_length(-left)} ago{because}"
    return f"{does}{by}, {_length(left)} left{because}"


def _is_name(text: str) -> bool:
    return bool(text) and all(
        char == "\t" or unicodedata.category(char) not in _NOT_IN_NAMES for char in text
    )


def _text(document: Mapping[str, object], field: str) -> str:
    found = document.get(field)
    if not isinstance(found, str):
        raise ValueError(f"{field} must be a text")
    return found


def _seconds(document: Mapping[str, object], field: str) -> float:
    found = document.get(field)
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise ValueError(f"{field} must be a number of seconds")
    try:
        return float(found)
    except OverflowError as error:  # JSON has whole numbers of any length
        raise ValueError(f"{field} must be seconds since the epoch") from error


def _length(seconds: float) -> str:
    """A length of time for reading: 8 s, 5 min, 3 h, 2 d."""
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{round(seconds / size)} {unit}"
    return f"{max(0, round(seconds))} s"
