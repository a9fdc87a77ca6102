"""A picture of a cluster laid out: boxes in four columns, and the ways of the traffic between them. Pure.

A screen too narrow for the columns shows the same things as stages, one below the other.

`piranha_web.picture` says what there is to draw, `control/_picture.html` draws it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

ONE_COLUMN = 9  # machines that still stand one below the other
# In units of the drawing: about a pixel on a wide screen.
TOP, ROW, GAP = 24, 46, 10
CLIENTS_X, CLIENTS_WIDTH = 0, 90
ADDRESSES_X, ADDRESSES_WIDTH = 150, 225
ROUTERS_X, ROUTERS_WIDTH = 450, 205
MACHINES_X, MACHINES_WIDTH, COLUMN_GAP = 730, 205, 14
SIGNS_IN_A_BOX = 27
SIGNS_IN_HALF = 17  # of the width of a phone
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """What gets a box. word: its state in words; facts: what pointing at it says, a line each.

    state: a key of STATES, or a level. key: of its box among all, the same from one update to the next.
    """

    key: str
    head: str
    word: str
    state: str
    sign: str
    colour: str
    facts: tuple[str, ...] = ()
    address: str = ""
    is_on: bool = True  # whether traffic passes through it
    why: str = ""  # the reason for its state, where nobody can point at it


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A thing at its place."""

    thing: Thing
    x: float
    y: float
    width: float

    @property
    def head(self) -> str:
        return cut(f"{self.thing.sign} {self.thing.head}", SIGNS_IN_A_BOX)

    @property
    def word(self) -> str:
        return cut(self.thing.word, SIGNS_IN_A_BOX + 3)

    @property
    def said(self) -> str:
        """All of it in one line, for a screen reader."""
        return ". ".join((f"{self.thing.head}: {self.thing.word}", *self.thing.facts))

    @property
    def facts(self) -> str:
        """The same in lines, for who points at it."""
        return "\n".join((f"{self.thing.head}: {self.thing.word}", *self.thing.facts))

    @property
    def text_x(self) -> float:
        return self.x + 10

    @property
    def head_y(self) -> float:
        return self.y + 19

    @property
    def word_y(self) -> float:
        return self.y + 36

    @property
    def middle(self) -> float:
        return self.y + ROW / 2


@dataclass(frozen=True, slots=True)
class Way:
    """A line between two boxes. kind: flow, idle or off."""

    path: str
    kind: str


@dataclass(frozen=True, slots=True)
class Note:
    """Words below a column that lead to the rest."""

    text: str
    address: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Head:
    """What a column shows."""

    text: str
    x: float


@dataclass(frozen=True, slots=True)
class Stage:
    """A column for a narrow screen. kind: of the way to it; more: what is left out, with where it is."""

    head: str
    things: tuple[Thing, ...]
    kind: str
    more: tuple[str, str] | None = None

    @property
    def is_wide(self) -> bool:
        """Whether a half of a phone is too narrow for what its boxes say."""
        words = (word for one in self.things for word in (one.head, *one.word.split()))
        return any(len(word) > SIGNS_IN_HALF for word in words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """All of it. alarm: what is wrong with the pair, "": nothing; said: the picture in a sentence."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    ways: tuple[Way, ...]
    notes: tuple[Note, ...]
    heads: tuple[Head, ...]
    stages: tuple[Stage, ...]
    alarm: str
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What there is to draw, the worst first. more_…: what is left out, with where it is."""

    addresses: Sequence[Thing] = ()
    routers: Sequence[Thing] = ()
    machines: Sequence[Thing] = ()
    more_addresses: tuple[str, str] | None = None
    more_machines: tuple[str, str] | None = None
    alarm: str = ""


def cut(text: str, most: int) -> str:
    """So many signs at most."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def drawn(scene: Scene) -> Picture:
    """The scene laid out: four columns, each in the middle of the height."""
    in_one = len(scene.machines) <= ONE_COLUMN
    rows = -(-len(scene.machines) // (1 if in_one else 2))
    highest = max(len(scene.addresses), len(scene.routers), rows, 1)
    height = TOP + highest * (ROW + GAP)
    clients = Thing(key="clients", head="Clients", word="", state="", sign="", colour="body")
    (origin,) = column([clients], CLIENTS_X, CLIENTS_WIDTH, height)
    addresses = column(scene.addresses, ADDRESSES_X, ADDRESSES_WIDTH, height)
    routers = column(scene.routers, ROUTERS_X, ROUTERS_WIDTH, height)
    first = scene.machines[:rows]
    machines = column(first, MACHINES_X, MACHINES_WIDTH, height)
    second_x = MACHINES_X + MACHINES_WIDTH + COLUMN_GAP
    machines += column(scene.machines[rows:], second_x, MACHINES_WIDTH, height, beside=rows)
    notes = [
        Note(words[0], words[1], x, height + 14)
        for words, x in ((scene.more_addresses, ADDRESSES_X), (scene.more_machines, MACHINES_X))
        if words
    ]
    return Picture(
        width=(MACHINES_X if in_one else second_x) + MACHINES_WIDTH + 2,
        height=height + (22 if notes else 4),
        boxes=(origin, *addresses, *routers, *machines),
        ways=tuple(ways(origin, addresses, routers, machines, to_each=in_one)),
        notes=tuple(notes),
        heads=(
            Head("Virtual addresses", ADDRESSES_X),
            Head("Routers", ROUTERS_X),
            Head("Real servers", MACHINES_X),
        ),
        stages=stages(scene),
        alarm=scene.alarm,
        said=sentence(scene),
    )


def stages(scene: Scene) -> tuple[Stage, ...]:
    """The same one below the other, in the order in which the traffic passes them."""
    addresses, routers, machines = scene.addresses, scene.routers, scene.machines
    passes = any(one.is_on for one in addresses) and any(one.is_on for one in routers)
    return (
        Stage("Virtual addresses", tuple(addresses), kind_to(addresses), scene.more_addresses),
        Stage("Routers", tuple(routers), "flow" if passes else "idle"),
        Stage(
            "Real servers",
            tuple(machines),
            kind_to(machines) if any(one.is_on for one in routers) else "idle",
            scene.more_machines,
        ),
    )


def kind_to(things: Sequence[Thing]) -> str:
    """How the one way to several things is drawn: the best of the ways to each."""
    kinds = {kind_of(one) for one in things}
    return next((kind for kind in ("flow", "off") if kind in kinds), "idle")


def column(things: Sequence[Thing], x: float, width: float, height: float, beside: int = 0) -> list[Box]:
    """Boxes one below the other. beside: the number of those in the column that they stand beside."""
    tall = (beside or len(things)) * (ROW + GAP) - GAP
    start = TOP + (height - TOP - GAP - tall) / 2
    return [
        Box(thing=thing, x=x, y=start + place * (ROW + GAP), width=width)
        for place, thing in enumerate(things)
    ]


def ways(
    clients: Box, addresses: Sequence[Box], routers: Sequence[Box], machines: Sequence[Box], *, to_each: bool
) -> Iterable[Way]:
    """The ways of the traffic. to_each: to each machine, else to where they begin."""
    for one in addresses:
        yield way(clients, one.x, one.middle, kind_of(one.thing))
        for router in routers:
            on = one.thing.is_on and router.thing.is_on
            yield way(one, router.x, router.middle, "flow" if on else "idle")
    for router in routers:
        if not router.thing.is_on:
            continue
        if to_each:
            for machine in machines:
                yield way(router, machine.x, machine.middle, kind_of(machine.thing))
        elif machines:
            top, bottom = machines[0].y, max(one.y for one in machines) + ROW
            x = MACHINES_X - 12
            yield way(router, x, (top + bottom) / 2, "flow")
            yield Way(f"M{x:g} {top:g}V{bottom:g}", "flow")


def kind_of(thing: Thing) -> str:
    """How the way to a thing is drawn: nothing is said of one whose state is unknown."""
    if thing.state == UNKNOWN:
        return "idle"
    return "flow" if thing.is_on else "off"


def way(start: Box, x: float, y: float, kind: str) -> Way:
    """A curve from the right of a box."""
    left = start.x + start.width
    half = (left + x) / 2
    return Way(f"M{left:g} {start.middle:g}C{half:g} {start.middle:g} {half:g} {y:g} {x:g} {y:g}", kind)


def sentence(scene: Scene) -> str:
    """The picture in words, for who cannot see it."""
    roles = ", ".join(f"{one.head} {one.word}" for one in scene.routers)
    bad = sum(one.colour == "danger" for one in scene.machines)
    said = f"{len(scene.addresses)} virtual addresses, routers {roles}, {len(scene.machines)} machines"
    return f"{f'{scene.alarm}. ' if scene.alarm else ''}{said}, {bad} of them failed."
