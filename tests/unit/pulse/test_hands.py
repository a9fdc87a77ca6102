"""The administrator's hand as pulse keeps it: orders, the file, the other router, the end of an order."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lvs.errors import RouterError
from lvs.nanny.hand import KEPT_SECONDS, LONGEST_REASON, MOST_ENTRIES, Hand, Order, to_wire
from lvs.pulse import hands
from lvs.pulse.events import Events
from lvs.pulse.hands import Hands
from lvs.pulse.kernel_work import KernelWork
from lvs.pulse.running import understood
from lvs.router.memory import MemoryKernel, MemoryLedger
from tests.unit.pulse.world import lvs_cf

CONFIG = understood(lvs_cf()).config
S1, S2 = ("web", "s1"), ("web", "s2")


class Router:
    """One router's hands, and the clock on its wall."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = 1_000_000.0
        self.work = KernelWork(MemoryKernel(), MemoryLedger())
        self.changes = 0
        self.restart()

    def restart(self) -> None:
        self.events = Events(lambda: self.now)
        self.hands = Hands(self.folder, self.work, self.events, self._changed, lambda: self.now)
        asyncio.run(self.hands.load())

    def _changed(self) -> None:
        self.changes += 1

    def order(self, order: Order, *targets: tuple[str, str], **more: Any) -> list[str]:
        given: dict[str, Any] = {"by": "anna", "reason": "", "until": None} | more
        return self.hands.order(CONFIG, targets or (S1,), order, **given)

    def save(self) -> None:
        asyncio.run(self.hands.save())

    @property
    def orders(self) -> dict[tuple[str, str], Order]:
        return {names: entry.order for names, entry in self.hands.in_force(self.now).items()}

    @property
    def said(self) -> list[str]:
        return [event.text for event in self.events]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[[], Router]]:
    made: list[Router] = []

    def one() -> Router:
        folder = tmp_path / f"r{len(made) + 1}"
        folder.mkdir()
        made.append(Router(folder))
        return made[-1]

    yield one
    for router in made:
        router.work.close()


@pytest.fixture
def router(make: Callable[[], Router]) -> Router:
    return make()


def test_an_order_is_in_force_at_once_and_said_with_who_and_why(router: Router) -> None:
    said = router.order(Order.MAINTENANCE, S1, S2, reason="new disk", until=router.now + 1800)
    assert said == [f"web/{name}: in maintenance by anna, 30 min left: new disk" for name in ("s1", "s2")]
    assert router.orders == {S1: Order.MAINTENANCE, S2: Order.MAINTENANCE}
    assert router.said == [f"by hand: {sentence}" for sentence in said]
    assert router.changes == 1


def test_orders_survive_a_restart_in_a_file_for_nobody_else(router: Router) -> None:
    router.order(Order.DRAIN, reason="old")
    router.order(Order.DOWN, S2)
    router.save()
    path = router.folder / hands.NAME
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    router.restart()
    assert router.orders == {S1: Order.DRAIN, S2: Order.DOWN}
    assert router.said == []


def test_an_order_ends_by_itself_and_that_is_said_once(router: Router) -> None:
    router.order(Order.DOWN, until=router.now + 60)
    router.hands.tick(CONFIG)
    router.now += 61
    router.hands.tick(CONFIG)
    router.hands.tick(CONFIG)
    assert router.orders == {}
    assert router.said[1:] == ["by hand: web/s1: left to its checks, forced down by anna until 1 s ago"]


def test_auto_leaves_a_real_server_to_its_checks_and_says_where_it_was_so_already(router: Router) -> None:
    router.order(Order.DRAIN)
    said = router.order(Order.AUTO, S1, S2, by="bert")
    assert said == ["web/s1: left to its checks by bert", "web/s2: was left to its checks already"]
    assert router.orders == {}
    assert router.hands.entries.keys() == {S1}


@pytest.mark.parametrize(
    ("order", "targets", "more", "reason"),
    [
        (Order.DRAIN, [("web", "s9"), S1], {}, "no real server web/s9"),
        (Order.DRAIN, [], {}, "Name the real servers"),
        (Order.DOWN, [S1], {"until": 999_999.0}, "a time to come"),
        (Order.AUTO, [S1], {"until": 1_000_001.0}, "a time to come"),
        (Order.DOWN, [S1], {"until": float("inf")}, "seconds since the epoch"),
    ],
)
def test_what_makes_no_sense_changes_nothing(
    router: Router, order: Order, targets: list[tuple[str, str]], more: dict[str, Any], reason: str
) -> None:
    given: dict[str, Any] = {"by": "", "reason": "", "until": None} | more
    with pytest.raises(RouterError, match=reason):
        router.hands.order(CONFIG, targets, order, **given)
    assert not router.hands.entries
    assert router.changes == 0


def test_there_are_only_so_many_entries(router: Router, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hands, "MOST_ENTRIES", 1)
    router.order(Order.DRAIN)
    router.order(Order.UP)  # the same once more
    with pytest.raises(RouterError, match="At most 1 real servers"):
        router.order(Order.DRAIN, S2)
    assert router.orders == {S1: Order.UP}
    assert MOST_ENTRIES > 1


def test_a_long_reason_is_cut_rather_than_refused(router: Router) -> None:
    router.order(Order.DRAIN, reason="x" * 1000, by="a\nb")
    (entry,) = router.hands.entries.values()
    assert (len(entry.reason), entry.by) == (LONGEST_REASON, "a b")


def test_what_the_other_router_said_before_the_file_was_read_is_kept(make: Callable[[], Router]) -> None:
    first, second = make(), make()
    first.order(Order.DRAIN)
    first.save()
    second.order(Order.DOWN, S2)
    restarted = Hands(first.folder, first.work, first.events, lambda: None, lambda: first.now)
    restarted.hear(second.hands.wire)
    asyncio.run(restarted.load())
    assert {names: entry.order for names, entry in restarted.entries.items()} == {
        S1: Order.DRAIN,
        S2: Order.DOWN,
    }


# ---- the file


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"version": 7, "entries": []}', '{"version": 1, "entries": 3}', "[" * 100_000]
)
def test_a_file_that_cannot_be_understood_is_set_aside_and_said(router: Router, text: str) -> None:
    path = router.folder / hands.NAME
    path.write_text(text)
    router.restart()
    assert router.orders == {}
    assert "cannot be understood" in (router.hands.problem or "")
    assert (router.folder / "hand.json.unreadable").read_text() == text
    router.order(Order.DRAIN)
    router.save()
    assert router.hands.problem is None
    router.restart()
    assert router.orders == {S1: Order.DRAIN}


def test_of_a_file_with_one_bad_entry_the_others_are_in_force(router: Router) -> None:
    router.order(Order.DRAIN, S1, S2)
    document = {"version": 1, "entries": [*router.hands.wire, {"order": "perhaps"}]}
    document["entries"][0]["order"] = "burn"
    (router.folder / hands.NAME).write_text(json.dumps(document))
    router.restart()
    assert router.orders == {S2: Order.DRAIN}
    assert "1 orders that can" in (router.hands.problem or "")


def test_of_a_file_with_more_than_there_may_be_the_rest_is_left_and_that_is_said(router: Router) -> None:
    router.order(Order.DRAIN)
    entry = router.hands.wire[0]
    more = [entry | {"virtual_server": f"v{number}"} for number in range(MOST_ENTRIES)]
    (router.folder / hands.NAME).write_text(json.dumps({"version": 1, "entries": [entry, *more]}))
    router.restart()
    assert len(router.hands.entries) == MOST_ENTRIES
    assert "5001 entries, of which only the first 5000 are read" in (router.hands.problem or "")
    assert (router.folder / f"{hands.NAME}.unreadable").exists()


def test_a_full_disk_keeps_nobody_from_draining(router: Router) -> None:
    (router.folder / f".{hands.NAME}.new").mkdir()  # so that nothing can be written there
    router.order(Order.DRAIN)
    router.save()
    router.save()
    assert router.orders == {S1: Order.DRAIN}
    assert "would not be after a restart" in (router.hands.problem or "")
    assert sum("would not be" in text for text in router.said) == 1
    (router.folder / f".{hands.NAME}.new").rmdir()
    router.save()
    assert router.hands.problem is None


def test_the_file_follows_by_itself_what_the_other_router_says(make: Callable[[], Router]) -> None:
    first, second = make(), make()
    first.order(Order.DRAIN)

    async def story() -> None:
        keeping = asyncio.create_task(second.hands.run())
        second.hands.hear(first.hands.wire)
        async with asyncio.timeout(10):
            while not (second.folder / hands.NAME).exists():
                await asyncio.sleep(0.005)
        keeping.cancel()

    asyncio.run(story())
    second.restart()
    assert second.orders == {S1: Order.DRAIN}


# ---- the other router


def test_two_routers_end_with_the_same_whoever_was_asked(make: Callable[[], Router]) -> None:
    first, second = make(), make()
    first.order(Order.DRAIN)
    second.now -= 100  # its clock is behind
    second.hands.hear(first.hands.wire)
    assert second.said == ["by hand: web/s1: draining by anna (the other router says so)"]
    second.order(Order.AUTO, by="bert")
    first.hands.hear(second.hands.wire)
    assert first.orders == second.orders == {}
    assert dict(first.hands.entries) == dict(second.hands.entries)
    changes = first.changes
    first.hands.hear(second.hands.wire)  # again, as every few seconds
    assert first.changes == changes


def test_senseless_entries_of_the_other_router_are_said_once_and_left_out(router: Router) -> None:
    router.order(Order.DRAIN)
    entry = dict(router.hands.wire[0])
    for _ in range(3):
        router.hands.hear([entry | {"at": router.now + 86_400}, 7])
        router.hands.hear([entry | {"order": "burn", "at": router.now + 1}])
    assert router.orders == {S1: Order.DRAIN}
    (said,) = router.said[1:]
    assert "is not taken in: it is dated 24 h ahead: set the routers' clocks" in said
    router.now += hands.REFUSED_AGAIN
    router.hands.hear([7])
    assert router.said[-1].endswith("an entry must be an object")


def test_an_old_end_is_not_taken_in_again_when_it_was_forgotten(make: Callable[[], Router]) -> None:
    first, second = make(), make()
    first.order(Order.DRAIN)
    first.order(Order.AUTO)
    second.now += KEPT_SECONDS + 60
    second.hands.hear(first.hands.wire)
    assert not second.hands.entries
    first.now = second.now
    first.hands.tick(CONFIG)
    assert not first.hands.entries


def test_what_is_told_to_the_other_router_is_what_is_known(router: Router) -> None:
    before = router.hands.version
    router.order(Order.UP, S2)
    assert router.hands.version > before
    assert router.hands.wire == [to_wire(entry) for entry in router.hands.entries.values()]


def test_thousands_that_come_in_small_pieces_are_written_out_once(
    router: Router, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Hand] = []

    def counted(entry: Hand) -> dict[str, Any]:
        written.append(entry)
        return to_wire(entry)

    monkeypatch.setattr("lvs.pulse.hands.hand.to_wire", counted)
    entry = {"real_server": "s1", "order": "drain", "at": router.now, "by": "", "reason": "", "until": None}
    for number in range(500):
        router.hands.hear([entry | {"virtual_server": f"v{number}"}])
    assert len(written) == 500  # each was judged by its size
    assert len(router.hands.wire) == len(router.hands.wire) == 500
    assert len(written) == 1000


def test_hundreds_of_orders_at_once_do_not_fill_the_log(router: Router) -> None:
    reals = tuple(f"10.0.1.{number}" for number in range(1, 101))
    config = understood(lvs_cf(reals=reals)).config
    targets = [("web", real.name) for real in config.virtual_servers[0].real_servers]
    said = router.hands.order(config, targets, Order.DRAIN, by="", reason="", until=None)
    assert len(said) == 100
    assert len(router.said) == hands.SAID_BY_ONE + 1
    assert router.said[-1] == "by hand: and 80 more real servers"
