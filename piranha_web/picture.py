"""The cluster as a picture: clients, virtual addresses, routers, real servers, each with its state.

Only puts together; `piranha_web.drawing` lays it out, `control/_picture.html` draws it. What an active
router does not say now is unknown here, whatever it said before. A large cluster is drawn as its worst parts,
the rest is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from django.urls import reverse

from lvs import models
from lvs.dispatch import ClusterState, RouterState, duration
from lvs.reported.standing import WORST_FIRST, server_state, standing_of
from piranha_web.drawing import UNKNOWN, Picture, Scene, Thing, drawn
from piranha_web.servers import Server, server_of
from piranha_web.states import RANKS, state_of
from piranha_web.templatetags.piranha import STATES

MOST_ADDRESSES, MOST_MACHINES = 12, 24
MOST_FACTS = 12  # lines that pointing at a box shows


def picture_of(cluster: models.Cluster, now: ClusterState, shown: RouterState | None) -> Picture | None:
    """The cluster by the word of shown; None: it has no router yet."""
    if not now.routers:
        return None
    active = [one for one in now.routers if one.is_current and one.role == "active"]
    speaks = len(active) > 0 and shown is not None and shown.is_current
    parts: Sequence[Mapping[str, Any]] = shown.pulse["virtual_servers"] if shown and shown.pulse else ()
    summary = shown.pulse.get("summary") if shown and shown.pulse else None
    rows = {
        row.name: row
        for row in cluster.virtual_servers.filter(name__in=[part["name"] for part in parts]).only(
            "name", "address", "port", "cluster"
        )
    }
    addresses, left_addresses = virtual_addresses(parts, rows, speaks)
    machines, left_machines = machines_of(shown, parts, speaks) if shown else ([], 0)
    if summary is not None:
        left_addresses += summary["virtual_servers"] - len(parts)
        left_machines += summary["real_servers"] - sum(len(part["real_servers"]) for part in parts)
    return drawn(
        Scene(
            addresses=addresses,
            routers=[router_thing(one) for one in now.routers],
            machines=machines,
            more_addresses=more(left_addresses, "virtual server", reverse("virtual-server-list")),
            more_machines=more(left_machines, "real server", reverse("machine-list")),
            alarm=alarm_of(now, len(active)),
        )
    )


def more(left: int, what: str, address: str) -> tuple[str, str] | None:
    """The words for what is left out."""
    return (f"and {left:,} more {what}{'' if left == 1 else 's'}", address) if left > 0 else None


def alarm_of(now: ClusterState, active: int) -> str:
    """What the roles say of the pair: nobody may be active only while somebody is not heard."""
    if active > 1:
        return "More than one router is active"
    if active == 0:
        silent = any(not one.is_current for one in now.routers)
        return "No router is known to be active" if silent else "No router is active"
    return ""


def router_thing(one: RouterState) -> Thing:
    """A router with its role."""
    name = one.router.name
    facts = [one.sentence] + ([f"heard {duration(one.age)} ago"] if one.age is not None else ["never heard"])
    if one.pulse:
        facts.append(f"node {one.router.node}, serial_no {one.pulse['serial'] or 'none'}")
        facts += list(one.pulse["problems"])[:3]
    state, sign, colour, word = "unknown", "?", "secondary", "unknown: it is not heard"
    if one.is_current:
        is_active = one.role == "active"
        state, word = str(one.role), str(one.role)
        sign, colour = ("✔", "success") if is_active else ("◌", "body")
        if one.level != "success":
            sign, colour, word = "!", one.level, f"{one.role}, look at it"
    return Thing(
        key=f"router-{one.router.pk}",
        head=name,
        word=word,
        state=state,
        sign=sign,
        colour=colour,
        facts=tuple(facts),
        address=reverse("router", args=[one.router.pk]),
        is_on=one.is_current and one.role == "active",
        why=one.sentence.removeprefix(f"{one.role}, ") if one.is_current and one.level != "success" else "",
    )


def virtual_addresses(
    parts: Sequence[Mapping[str, Any]], rows: Mapping[str, models.VirtualServer], speaks: bool
) -> tuple[list[Thing], int]:
    """A thing for each virtual address, the worst first; and how many virtual servers have none."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for part in parts:
        groups.setdefault(address_of(part, rows.get(part["name"])), []).append(part)
    found = []
    for address, members in groups.items():
        states = [state_of(standing_of(part)) if speaks else UNKNOWN for part in members]
        worst = min(states, key=lambda state: RANKS[state])
        thing = of_state(worst, f"vip-{address}", address)
        names = ", ".join(str(part["name"]) for part in members)
        found.append(
            replace(
                thing,
                word=f"{thing.word}: {names}",
                facts=few(
                    f"{part['name']} ({part['key']}): {STATES[state][2]}"
                    for part, state in zip(members, states, strict=True)
                ),
                address=list_address(address, members, rows),
                is_on=worst not in ("failed", UNKNOWN),
            )
        )
    found.sort(key=lambda thing: RANKS[thing.state])
    left = sum(len(groups[thing.head]) for thing in found[MOST_ADDRESSES:])
    return found[:MOST_ADDRESSES], left


def address_of(part: Mapping[str, Any], row: models.VirtualServer | None) -> str:
    """The virtual address; that of a firewall mark is in the candidate alone."""
    kind, _, place = str(part["key"]).partition(" ")
    if kind == "fwmark":
        return row.address if row and row.address else f"mark {place}"
    return place.rpartition(":")[0].strip("[]") or place


def list_address(
    address: str, members: Sequence[Mapping[str, Any]], rows: Mapping[str, models.VirtualServer]
) -> str:
    """The page of what the box stands for: the virtual server, or a list of them."""
    row = rows.get(members[0]["name"])
    if len(members) == 1 and row is not None:
        return reverse("real-server-list", args=[row.pk])
    return f"{reverse('virtual-server-list')}?q={quote(address)}"


def machines_of(
    shown: RouterState, parts: Sequence[Mapping[str, Any]], speaks: bool
) -> tuple[list[Thing], int]:
    """A thing for each machine that serves, the worst first; and how many real servers have none.

    A machine behind several virtual servers is one box, in the worst of its states.
    """
    groups: dict[str, list[tuple[str, str, Server | None]]] = {}
    for part in parts:
        for one in part["real_servers"]:
            state = server_state(one) if speaks else UNKNOWN
            entry = (state, f"{part['name']} / {one['name']}", server_of(shown, part["name"], one))
            groups.setdefault(str(one["address"]), []).append(entry)
    found = [machine_thing(address, members, speaks) for address, members in groups.items()]
    found.sort(key=lambda thing: server_rank(thing.state))
    left = sum(len(groups[thing.key.removeprefix("rs-")]) for thing in found[MOST_MACHINES:])
    return found[:MOST_MACHINES], left


def machine_thing(address: str, members: Sequence[tuple[str, str, Server | None]], speaks: bool) -> Thing:
    """One machine with all that it serves."""
    state, _, server = min(members, key=lambda each: server_rank(each[0]))
    names = sorted({each.name for _, _, each in members if each})
    thing = of_state(state, f"rs-{address}", names[0] if len(names) == 1 else address)
    lines = few(
        f"{label}: {STATES.get(each, STATES[UNKNOWN])[2]}"
        + (f", {of.words}" if of and of.words and speaks else "")
        for each, label, of in members
    )
    target = f"{reverse('real-server-explained')}?target={quote(server.target, safe='')}" if server else ""
    return replace(
        thing,
        word=f"{thing.word}, {address}",
        facts=lines,
        address=target,
        why=server.words if server and speaks and thing.colour != "success" else "",
        is_on=bool(server and speaks and any(of and of.is_serving for _, _, of in members)),
    )


def server_rank(state: str) -> int:
    """Where a state of a real server stands, the worst first."""
    return WORST_FIRST.index(state) if state in WORST_FIRST else len(WORST_FIRST)


def of_state(state: str, key: str, head: str) -> Thing:
    """A thing in one of the states that pages know; any other is unknown."""
    name = state if state in STATES else UNKNOWN
    sign, colour, word = STATES[name]
    return Thing(key=key, head=head, word=word, state=name, sign=sign, colour=colour)


def few(lines: Iterable[str]) -> tuple[str, ...]:
    """The first of these lines, and how many more there are."""
    every = list(lines)
    left = len(every) - MOST_FACTS
    return (*every[:MOST_FACTS], *((f"and {left} more",) if left > 0 else ()))
