"""`piranha server …`: the administrator's hand on real servers, and what is known of them, at a terminal.

Like all of `lvs.pulse.terminal` it asks this router's pulse and needs nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from lvs.config.address import host
from lvs.errors import RouterError
from lvs.nanny.hand import Order
from lvs.pulse.client import PulseClient
from lvs.pulse.moments import length, moment
from lvs.pulse.terminal import STATUS_SECONDS, attempted, say, say_document, span

MOST_MEANT = 3  # names that an error suggests
ORDER_SECONDS = 30
TEST_SECONDS = 120  # the longest time limit of a check, and some more

Document = Mapping[str, Any]
Pair = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a command line asks for.

    names: VIRTUAL SERVER/REAL SERVER each; address: that machine in every virtual server. until: a time;
    within: a length of time (one of the two at most, None: neither).
    """

    names: Sequence[str] = ()
    address: str | None = None
    reason: str = ""
    until: str | None = None
    within: str | None = None


def list_command(socket: Path, *, as_json: bool) -> int:
    """Prints each active real server in a line, or the virtual servers of the status document as JSON."""

    def work() -> None:
        status = PulseClient(socket, STATUS_SECONDS).status()
        if as_json:
            say_document(status["virtual_servers"])
        else:
            say(listed(status))

    return attempted(work)


def order_command(socket: Path, order: Order, wanted: Wanted) -> int:
    """Gives an order, and prints a sentence for each real server."""

    def work() -> None:
        client = PulseClient(socket, ORDER_SECONDS)
        targets = chosen(client.status(), wanted)
        until = _until(wanted)
        say(client.server(targets, order.value, reason=wanted.reason, until=until)["changed"])

    return attempted(work)


def test_command(socket: Path, name: str) -> int:
    """Has the check of a real server made now, and prints what was said; 1 also when it fails."""
    passed = True

    def work() -> None:
        nonlocal passed
        client = PulseClient(socket, TEST_SECONDS)
        found = client.explain(*the_one(client, name), test=True)
        passed = found["test"]["ok"]
        say(tested(found))

    return attempted(work) or int(not passed)


def history_command(socket: Path, name: str) -> int:
    """Prints why a real server is as it is, and its check's last results."""

    def work() -> None:
        client = PulseClient(socket, STATUS_SECONDS)
        say(explained(client.explain(*the_one(client, name)), time.time()))

    return attempted(work)


# ---- which ones


def chosen(status: Document, wanted: Wanted) -> list[Pair]:
    """The real servers that are meant, by their names; RouterError when none is."""
    known = {
        f"{of['name']}/{one['name']}": (of["name"], one["name"])
        for of in status["virtual_servers"]
        for one in of["real_servers"]
    }
    targets = [known.get(name) or _halves(name, known) for name in wanted.names]
    if wanted.address is not None:
        of_machine = [
            (of["name"], one["name"])
            for of in status["virtual_servers"]
            for one in of["real_servers"]
            if one["address"] == wanted.address
        ]
        if not of_machine:
            raise RouterError(f"No active real server has the address {wanted.address}.")
        targets += of_machine
    if not targets:
        raise RouterError("Name a real server as VIRTUAL_SERVER/REAL_SERVER, or a machine with --address.")
    return list(dict.fromkeys(targets))


def _halves(name: str, known: Mapping[str, Pair]) -> Pair:
    virtual_server, slash, real_server = name.partition("/")
    if not (slash and virtual_server and real_server):
        meant = [whole for whole, pair in known.items() if name in pair][:MOST_MEANT]
        of = f", such as {' or '.join(meant)}" if meant else ""
        raise RouterError(f"{name!r} names no real server: write VIRTUAL_SERVER/REAL_SERVER{of}.")
    return virtual_server, real_server


def the_one(client: PulseClient, name: str) -> Pair:
    """The real server of that name, by both its names; RouterError says what is meant instead."""
    return chosen(client.status(), Wanted(names=[name]))[0]


def _until(wanted: Wanted) -> float | None:
    if wanted.until is not None:
        return moment(wanted.until, time.time())
    return None if wanted.within is None else time.time() + length(wanted.within)


# ---- what is printed


def listed(status: Document) -> Iterator[str]:
    """The real servers under their virtual servers, one a line."""
    now = status["now"]
    for of in status["virtual_servers"]:
        protected = f", {of['protected']} kept in by pool protection" if of["protected"] else ""
        yield f"{of['name']} ({of['key']}){protected}"
        for one in of["real_servers"]:
            yield f"  {one['name']} {_at(one)}: {'; '.join(_facts(one, now))}"
        for one in of["departing"]:
            left = span(one["until"] - now)
            yield f"  {one['name']} {_at(one)}: deleted, {_open(one)}, {left} left"
        sorry = of["sorry_server"]
        if sorry is not None:
            yield f"  sorry server {_at(sorry)}: {'serves' if sorry['weight'] else 'stands by'}"


def _facts(one: Document, now: float) -> Iterator[str]:
    since = "" if one["since"] is None else f" for {span(now - one['since'])}"
    yield f"{one['health']}{since} ({one['reason']})"
    if one["weight"] is None:
        yield "not in the table"
    else:
        yield f"weight {one['weight']}, {_open(one)}"
    if one["why"]:
        yield str(one["why"])
    if one["hand"] is not None:
        yield _by_hand(one["hand"], now)
    if one["flapping"]:
        yield "flapping"
    if one["warning"]:
        yield f"warning: {one['warning']}"


def _by_hand(entry: Document, now: float) -> str:
    """For instance "maintenance by anna, 25 min left: new disk"."""
    by = f" by {entry['by']}" if entry["by"] else ""
    left = "" if entry["until"] is None else f", {span(entry['until'] - now)} left"
    because = f": {entry['reason']}" if entry["reason"] else ""
    return f"{entry['order']}{by}{left}{because}"


def _at(one: Document) -> str:
    return f"{host(one['address'])}:{one['port']}"


def _open(one: Document) -> str:
    counters = one["counters"]
    count = counters["active"] + counters["inactive"] if counters else 0
    return "1 connection" if count == 1 else f"{count} connections"


def explained(found: Document, now: float) -> Iterator[str]:
    """Verdict, weight and hand, and then the results, newest first."""
    verdict, weight = found["verdict"], found["weight"]
    since = "" if verdict["since"] is None else f" for {span(now - verdict['since'])}"
    yield f"check: {found['check']}, every {found['interval']:g} s"
    yield f"verdict: {verdict['health']}{since}: {verdict['reason']}"
    if verdict["flapping"]:
        yield "it flaps: its return takes longer"
    if verdict["warning"]:
        yield f"warning: {verdict['warning']}"
    wanted = "not in the table" if weight["wanted"] is None else weight["wanted"]
    why = f" ({weight['why']})" if weight["why"] else ""
    yield f"weight: {wanted}{why}, {weight['configured']} configured"
    if found["hand"] is not None:
        yield f"by hand: {_by_hand(found['hand'], now)}"
    if found["load"] is not None:
        factor = found["load"]["factor"]
        percent = 100 if factor is None else round(factor * 100)  # it said none yet: all of the weight
        yield f"load: {found['load']['reason']} ({percent} % of the weight)"
    for run in found["history"]:
        times = "once" if run["count"] == 1 else f"{run['count']} times, until {_clock(run['last'])}"
        state, slowest = "good" if run["ok"] else "bad", f"{run['slowest'] * 1000:.1f} ms at most"
        yield f"{_clock(run['first'])} {state}, {times}, {slowest}: {run['reason']}"


def tested(found: Document) -> Iterator[str]:
    """What was sent and received, and what came of it."""
    test = found["test"]
    yield f"check: {found['check']}"
    for entry in test["transcript"]:
        mark = {"sent": ">", "received": "<"}.get(entry["what"], "*")
        for part in entry["text"].replace("\\n", "\\n\n").splitlines() or [""]:
            yield f"{entry['at'] * 1000:10.1f} ms {mark} {part}"
    verdict = "good" if test["ok"] else "bad"
    yield f"{verdict}: {test['reason']} ({test['duration'] * 1000:.1f} ms)"
    if test["warning"]:
        yield f"warning: {test['warning']}"


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at).astimezone().isoformat(" ", "seconds")
