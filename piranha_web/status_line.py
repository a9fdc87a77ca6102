"""The line below the frame of every page: who is active, what is wrong, what waits for somebody."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from django.urls import reverse

from lvs.dispatch import ClusterState, RouterState, speaking
from lvs.reported.witness import Alarm
from lvs.sent import orders
from piranha_web.servers import COUNTED, counts

WORST_FIRST = {"danger": 0, "warning": 1, "success": 2}
MOST_ALARMS = 3  # the page of the rest is one click away
# What a sentence says before it explains: "r1: The private link is silent" of "r1: The private link is
# silent; look at …", "line 5: weight 0 keeps new connections away" of "line 5: weight 0 keeps …: write 1".
FIRST_CLAUSE = re.compile(r"(?:(?:line )?\w[\w.-]*: )?.+?(?=[:;,.](?:\s|$)|\s\(|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One thing to know. level: success, warning or danger; address: the page that says more.

    whole: all of what text begins. is_alarm: it turns the line red.
    """

    level: str
    text: str
    address: str
    whole: str = ""
    is_alarm: bool = False


@dataclass(frozen=True, slots=True)
class StatusLine:
    """What every page says, worst first. is_waiting: seconds count down in it."""

    items: tuple[Item, ...]
    is_waiting: bool

    @property
    def is_red(self) -> bool:
        """Whether something is wrong with the pair itself, or undoes itself soon."""
        return any(item.is_alarm for item in self.items)


def status_line(
    now: ClusterState, waiting: orders.Waiting | None, *, applying: bool, certificate: str = ""
) -> StatusLine:
    """The line for this moment. applying: a change is on its way, so that the routers may differ.

    certificate: what must be known of the one that these pages are served with; "": nothing.
    """
    control = reverse("control")
    items = []
    if now.problem:
        items.append(Item(level="danger", text=now.problem, address=control, is_alarm=True))
    else:
        items += [of_router(router) for router in now.routers]
        if now.manager_problem:
            items.append(Item(level="danger", text=now.manager_problem, address=control, is_alarm=True))
    items += [of_alarm(one, control, applying=applying) for one in now.alarms[:MOST_ALARMS]]
    more = len(now.alarms) - MOST_ALARMS
    if more > 0:
        items.append(Item(level="warning", text=f"{more} more to look at", address=control))
    if waiting:
        items.append(of_waiting(waiting))
    if certificate:
        found = FIRST_CLAUSE.match(certificate)
        text = found[0] if found else certificate
        items.append(Item(level="warning", text=text, address=control, whole=certificate))
    speaker = speaking(now)
    items += of_servers(speaker, control) if speaker else []
    return StatusLine(
        items=tuple(sorted(items, key=lambda item: WORST_FIRST[item.level])), is_waiting=waiting is not None
    )


def of_servers(state: RouterState, address: str) -> list[Item]:
    """How many real servers are out, held in, or in the administrator's hand, by the active router's word."""
    found = counts(state)
    return [
        Item(
            level=level,
            text=f"{found[name]} {words.format(s='s' if found[name] > 1 else '')}",
            address=address,
        )
        for name, (level, words) in COUNTED.items()
        if found[name]
    ]


def of_router(state: RouterState) -> Item:
    """What a router is and does; one whose lvs.cf was changed outside leads to its difference."""
    whole = f"{state.router.name}: {state.sentence}"
    if state.is_outside:
        address = reverse("router-outside", args=[state.router.pk])
        return Item(level=state.level, text=first_clauses(whole), address=address, whole=whole)
    return Item(
        level=state.level,
        text=shortened(whole, state.pulse["problems"] if state.pulse else ()),
        address=reverse("control"),
        whole=whole,
        is_alarm=state.level == "danger",
    )


def shortened(whole: str, problems: Sequence[str]) -> str:
    """A sentence about a router that ends with one of pulse's problems, of which only the first clause."""
    if not problems or not whole.endswith(problems[0]):
        return whole
    found = FIRST_CLAUSE.match(problems[0])
    more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
    return f"{whole.removesuffix(problems[0])}{found[0] if found else problems[0]}{more}"


def of_alarm(alarm: Alarm, address: str, *, applying: bool) -> Item:
    """Something wrong with the pair, shortly; the page that it leads to has all of it."""
    found = FIRST_CLAUSE.match(alarm.sentence)
    return Item(
        level=alarm.level,
        text=found[0] if found else alarm.sentence,
        address=address,
        whole=alarm.sentence,
        is_alarm=alarm.level == "danger" or not applying,
    )


def first_clauses(sentence: str) -> str:
    """A sentence about a router up to what explains it."""
    name, _, said = sentence.partition(": ")
    return f"{name}: {said.partition(': ')[0]}"


def of_waiting(waiting: orders.Waiting) -> Item:
    """A revision that takes itself back unless somebody confirms it."""
    number = waiting.revision.number
    return Item(
        level="danger",
        text=f"revision {number} waits for confirmation",
        address=reverse("revision", args=[number]),
        is_alarm=True,
    )
