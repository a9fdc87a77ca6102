"""Real servers as the pages show them: state, words, age, what needs attention. Only puts together.

Everything comes out of a router's report (ARCHITECTURE.md, the status document). A router whose pulse is
older than this site leaves the newer fields out. Ages are by the router's own clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, unquote

from django.utils import timezone

from lvs.dispatch import ClusterState, RouterState, speaking
from lvs.nanny.hand import Order
from lvs.reported.standing import BY_HAND, UNSERVED, WORST_FIRST, server_state, service_state
from piranha_web.pair import ago, moment

Target = tuple[str, str]  # the names of virtual and real server

# What the second line counts, and in which words.
COUNTED = {
    "unserved": ("danger", "virtual server{s} served by no real server"),
    "failed": ("danger", "real server{s} failed"),
    "protected": ("danger", "failed real server{s} kept in by pool protection"),
    "flapping": ("warning", "flapping"),
    "draining": ("warning", "draining"),
    "drained": ("warning", "drained"),
    "forced_up": ("warning", "forced up"),
    "forced_down": ("warning", "forced down"),
    "maintenance": ("warning", "in maintenance"),
}
NO_MEMBERS = "it has no active real server"
AT_ONCE = 60.0  # seconds: what fails within this time of a change may fail because of it
NEAR = timedelta(hours=12)  # within which a time of day says enough
MOST_ROWS = 200  # of what needs attention; the rest is counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Hand:
    """The administrator's order, when there is one. until: None: for ever."""

    order: Order
    by: str
    reason: str
    at: datetime | None
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """One real server of a virtual server, by a router's last word.

    state: a key of the template tag `state`. reason: the last check's own words. held: seconds in this state.
    connections, inactive: None when it is not in the table. weight: in the table; None: not there.
    """

    virtual_server: str
    name: str
    address: str
    port: int
    state: str
    health: str
    reason: str
    since: datetime | None = None
    held: float | None = None
    connections: int | None = None
    inactive: int | None = None
    weight: int | None = None
    configured_weight: int = 0
    why: str = ""
    hand: Hand | None = None
    flapping: bool = False
    warning: str = ""
    check: str = ""

    @property
    def target(self) -> str:
        """How addresses of pages name it."""
        return target_text((self.virtual_server, self.name))

    @property
    def words(self) -> str:
        """What there is to say of its state besides the state."""
        if self.hand is None:
            return self.reason or ("" if self.state == "healthy" else "no check has ended yet")
        return hand_words(self.hand, left(self) if self.state in ("draining", "maintenance") else "")

    @property
    def is_serving(self) -> bool:
        """Whether new connections reach it."""
        return bool(self.weight)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """Something that the administrator should look at. server: None where it is a whole virtual server.

    advice: what to do, where there is more to say than of its state. pk: of a whole virtual server, its row
    in the candidate, once somebody has looked it up.
    """

    virtual_server: str
    name: str
    address: str
    state: str
    words: str
    since: datetime | None = None
    held: float | None = None
    server: Server | None = None
    advice: str = ""
    pk: int | None = None

    @property
    def target(self) -> str:
        """How addresses of pages name it; "": it is a whole virtual server."""
        return target_text((self.virtual_server, self.name)) if self.name else ""


def target_text(target: Target) -> str:
    """A real server's name in an address or a field: shop/web1, whatever the names have in them."""
    return "/".join(quote(name, safe="") for name in target)


def target_of(text: str) -> Target | None:
    """What such a text names; None: nothing."""
    parts = [unquote(part) for part in text.split("/")]
    return (parts[0], parts[1]) if len(parts) == 2 and all(parts) else None


def servers(state: RouterState) -> Iterator[Server]:
    """Every active real server of a router's report, with its state as of that report."""
    for virtual_server in state.pulse["virtual_servers"] if state.pulse else ():
        for one in virtual_server["real_servers"]:
            yield server_of(state, virtual_server["name"], one)


def server_of(state: RouterState, virtual_server: str, one: Mapping[str, Any]) -> Server:
    """A real server of the status document."""
    hand = hand_of(one.get("hand"))
    counters = one["counters"]
    name = server_state(one)
    since = one["hand"]["at"] if hand and name in (*BY_HAND.values(), "drained") else one["since"]
    return Server(
        virtual_server=virtual_server,
        name=one["name"],
        address=one["address"],
        port=one["port"],
        state=name,
        health=one["health"],
        reason=one["reason"] or "",
        since=moment(since),
        held=ago(state, since),
        connections=counters["active"] if counters else None,
        inactive=counters["inactive"] if counters else None,
        weight=one["weight"],
        configured_weight=one["configured_weight"],
        why=one.get("why") or "",
        hand=hand,
        flapping=bool(one.get("flapping")),
        warning=one.get("warning") or "",
        check=one.get("check") or "",
    )


def hand_of(entry: Mapping[str, Any] | None) -> Hand | None:
    """An entry of the status document that says more than AUTO."""
    if entry is None or entry["order"] not in BY_HAND:
        return None
    return Hand(
        order=Order(entry["order"]),
        by=entry["by"] or "",
        reason=entry["reason"] or "",
        at=moment(entry["at"]),
        until=moment(entry["until"]),
    )


def hand_words(hand: Hand, left: str = "") -> str:
    """By whom, until when and why, in a line."""
    said = [left] if left else []
    said += [f"by {hand.by}"] if hand.by else []
    said += [f"until {clock(hand.until)}"] if hand.until else []
    words = ", ".join(said)
    return f"{words}: {hand.reason}" if hand.reason else words


def left(server: Server) -> str:
    """How many connections one has that gets no new ones."""
    if server.weight is None:
        return "out of the table"
    count = (server.connections or 0) + (server.inactive or 0)
    return f"{count} connection{'' if count == 1 else 's'} left"


def clock(at: datetime) -> str:
    """A time for reading: the day only when it is not within half a day of now."""
    is_near = abs(at - timezone.now()) < NEAR
    return timezone.localtime(at).strftime("%H:%M" if is_near else "%Y-%m-%d %H:%M")


def found(now: ClusterState) -> dict[Target, Server]:
    """What the active router says now of each real server; nothing when it does not speak."""
    router = speaking(now)
    if router is None:
        return {}
    return {(one.virtual_server, one.name): one for one in servers(router)}


def departing(state: RouterState) -> Iterator[Attention]:
    """The real servers that were deleted and keep their connections for a while."""
    for virtual_server in state.pulse["virtual_servers"] if state.pulse else ():
        for one in virtual_server.get("departing") or ():
            counters = one["counters"]
            count = counters["active"] + counters["inactive"] if counters else 0
            until = moment(one["until"])
            yield Attention(
                virtual_server=virtual_server["name"],
                name=one["name"],
                address=f"{one['address']}:{one['port']}",
                state="departing",
                words=f"{count} connection{'' if count == 1 else 's'} left"
                + (f", ends {clock(until)}" if until else ""),
            )


def troubled(state: RouterState) -> Iterator[Attention]:
    """The virtual servers in which no real server takes new connections, or some only by pool protection."""
    for virtual_server in state.pulse["virtual_servers"] if state.pulse else ():
        how = service_state(virtual_server)
        kept = virtual_server.get("protected") or 0
        if how not in UNSERVED and not (kept and how == "in_service"):
            continue
        advice, since = of_failing(state, virtual_server["real_servers"])
        yield Attention(
            virtual_server=virtual_server["name"],
            name="",
            address=virtual_server["key"],
            state=how if how in UNSERVED else "holding",
            words=no_server_words(virtual_server, how) if how in UNSERVED else kept_words(kept),
            since=moment(since),
            held=ago(state, since),
            advice=advice,
        )


def no_server_words(virtual_server: Mapping[str, Any], how: str) -> str:
    """What it means that no real server serves a virtual server."""
    nobody = "no real server takes new connections" if virtual_server["real_servers"] else NO_MEMBERS
    sorry = virtual_server["sorry_server"]
    serves = f"the sorry server {sorry['address']} answers" if how == "on_sorry" else "clients get no answer"
    return f"{nobody}: {serves}"


def kept_words(kept: int) -> str:
    """What it means that pool protection holds."""
    them = (
        "1 real server that fails its check" if kept == 1 else f"{kept} real servers that fail their checks"
    )
    return f"{them} stay{'s' if kept == 1 else ''} in, so that clients may get answers"


def of_failing(state: RouterState, real_servers: Sequence[Mapping[str, Any]]) -> tuple[str, float | None]:
    """What to do where all checks fail (of real servers that nobody has in hand), and since when they do."""
    judged = [one for one in real_servers if hand_of(one.get("hand")) is None]
    if not judged or any(one["health"] != "failed" for one in judged):
        return "", None
    since = max((one["since"] for one in judged if one["since"]), default=None)
    fail = "Its check fails" if len(judged) == 1 else f"All {len(judged)} checks fail"
    installed_at = state.pulse["installed_at"] if state.pulse else None
    if state.pulse and since and installed_at and abs(since - installed_at) < AT_ONCE:
        return (
            f"{fail} since revision {state.pulse['serial']} came into force. Is the check right? Test it; "
            "mend it, or take the revision before back.",
            since,
        )
    return f"{fail}. Test it: is it right, and what do they need besides, such as network or database?", since


def attention(state: RouterState) -> list[Attention]:
    """What of a router's report needs attention, worst first."""
    rows = [*troubled(state), *departing(state)]
    for server in servers(state):
        kind = kind_of(server)
        if kind is not None:
            rows.append(
                Attention(
                    virtual_server=server.virtual_server,
                    name=server.name,
                    address=f"{server.address}:{server.port}",
                    state=kind if kind not in ("flapping", "warning") else server.state,
                    words=server.words,
                    since=server.since,
                    held=server.held,
                    server=server,
                )
            )
    return sorted(rows, key=lambda row: (rank(row), row.virtual_server, row.name))


def attention_total(state: RouterState) -> int:
    """How many things need attention in all: a report tells of the worst alone when there are many."""
    summary = state.pulse.get("summary") if state.pulse else None
    return int(summary["attention"]) if summary is not None else len(attention(state))


def kind_of(server: Server) -> str | None:
    """Why a real server needs attention; None: it does not."""
    if server.state != "healthy":
        return server.state
    if server.flapping:
        return "flapping"
    return "warning" if server.warning else None


def rank(row: Attention) -> int:
    """Where a row stands."""
    kind = kind_of(row.server) if row.server else row.state
    return WORST_FIRST.index(kind) if kind in WORST_FIRST else len(WORST_FIRST)


def counts(state: RouterState) -> Counter[str]:
    """How many real servers are in each state that the second line counts; cheap, for every page asks."""
    found: Counter[str] = Counter()
    summary = state.pulse.get("summary") if state.pulse else None
    if summary is not None:
        found.update(summary["counts"])
        found["unserved"] = sum(summary["services"].get(name, 0) for name in UNSERVED)
        return found
    for virtual_server in state.pulse["virtual_servers"] if state.pulse else ():
        for one in virtual_server["real_servers"]:
            found[server_state(one)] += 1
            found["flapping"] += bool(one.get("flapping"))
        found["unserved"] += service_state(virtual_server) in UNSERVED
    return found


def everywhere(places: Mapping[Target, Server], address: str) -> list[Server]:
    """One machine in all virtual servers, by its address."""
    return [server for server in places.values() if server.address == address]
