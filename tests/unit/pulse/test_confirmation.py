"""Installs that undo themselves: the wait, what ends it, and that it outlives pulse."""

from __future__ import annotations

from pathlib import Path

import pytest

from lvs.errors import KernelError, RouterError
from lvs.pulse.confirmation import Confirmation
from lvs.pulse.running import understood
from lvs.router import files
from lvs.router.memory import MemoryKernel
from tests.unit.pulse.world import World, lvs_cf, play, until


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


class Clocks:
    """The time of day and the clock that does not step."""

    def __init__(self) -> None:
        self.wall = 1_000_000.0
        self.steady = 500.0

    def confirmation(self, folder: Path) -> Confirmation:
        return Confirmation(folder, folder, wall=lambda: self.wall, clock=lambda: self.steady)


OLD, NEW, NEWER = (understood(lvs_cf(serial, scheduler="rr")) for serial in (1, 2, 3))


def test_the_wait_goes_on_after_a_restart_and_the_wall_clock_cannot_make_it_longer(tmp_path: Path) -> None:
    clocks = Clocks()
    clocks.confirmation(tmp_path).begin(NEW, OLD, 60)
    for step, left in ((20.0, 40.0), (60.0, 0.0), (1e9, 0.0), (-1e6, 60.0)):
        clocks.wall, clocks.steady = 1_000_000.0 + step, 7.0
        after = clocks.confirmation(tmp_path)
        after.load(NEW.sha256)
        assert after.left() == left
        assert after.document() == {"serial": 2, "seconds_left": left, "back_to": 1}
        assert after.confirmed_text() == OLD.text


def test_while_pulse_runs_the_wall_clock_does_not_count(tmp_path: Path) -> None:
    clocks = Clocks()
    waiting = clocks.confirmation(tmp_path)
    waiting.begin(NEW, OLD, 60)
    clocks.wall += 1e6
    assert waiting.left() == 60
    clocks.steady += 59
    assert waiting.left() == 1


def test_a_second_install_that_waits_goes_back_to_what_was_confirmed(tmp_path: Path) -> None:
    waiting = Clocks().confirmation(tmp_path)
    waiting.begin(NEW, OLD, 60)
    waiting.begin(NEWER, NEW, 60)
    assert waiting.confirmed_text() == OLD.text
    assert waiting.document() == {"serial": 3, "seconds_left": 60, "back_to": 1}


def test_what_never_came_into_force_is_not_waited_for(tmp_path: Path) -> None:
    clocks = Clocks()
    clocks.confirmation(tmp_path).begin(NEW, OLD, 60)
    after = clocks.confirmation(tmp_path)
    after.load(OLD.sha256)
    assert after.waiting is None
    again = clocks.confirmation(tmp_path)
    again.load(NEW.sha256)
    assert again.waiting is None


@pytest.mark.parametrize("text", ["", "[]", "{", '{"serial": 1}', '{"serial": 1, "other": 2}'])
def test_a_note_that_makes_no_sense_is_said_and_gone(tmp_path: Path, text: str) -> None:
    (tmp_path / "unconfirmed.json").write_text(text)
    waiting = Clocks().confirmation(tmp_path)
    with pytest.raises(RouterError, match="cannot be understood"):
        waiting.load(OLD.sha256)
    waiting.load(OLD.sha256)
    assert waiting.document() is None


def test_a_confirmed_text_that_is_gone_cannot_be_gone_back_to(tmp_path: Path) -> None:
    waiting = Clocks().confirmation(tmp_path)
    waiting.begin(NEW, OLD, 60)
    (tmp_path / "lvs.cf.confirmed").unlink()
    with pytest.raises(RouterError, match="cannot be put back"):
        waiting.confirmed_text()


def test_what_is_confirmed_stays(world: World) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf(1))
            await lvsd.install(lvs_cf(2, scheduler="rr"), confirm_within=60)
            left = (await lvsd.status())["unconfirmed"]
            assert (left["serial"], left["back_to"]) == (2, 1)
            assert 50 < left["seconds_left"] <= 60
            with pytest.raises(RouterError, match=r"serial 3 cannot be confirmed: .* is serial 2"):
                await lvsd.confirm(3)
            assert await lvsd.confirm(2) == {"serial": 2}
            assert (await lvsd.status())["unconfirmed"] is None
            assert await lvsd.confirm(2) == {"serial": 2}
            assert not (world.folder / "lvs.cf.confirmed").exists()

    play(story())


def test_what_is_not_confirmed_in_time_goes_by_itself(world: World) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf(1, reals=("10.0.0.1", "10.0.0.2")))
            asked = world.network.asked.copy()
            await lvsd.install(lvs_cf(2, reals=("10.0.0.1",), scheduler="rr"), confirm_within=0.1)
            world.network.hanging = {each for each in asked}  # to go back needs no check that may take long
            await until(lambda: lvsd.keeper.running is not None and lvsd.keeper.running.serial == 1)
            await until(lambda: lvsd.confirmation.waiting is None)
            found = await lvsd.status()
            assert world.installation.read() == lvs_cf(1, reals=("10.0.0.1", "10.0.0.2"))
            assert found["last_change"]["cause"] == "not confirmed within 0.1 s"
            assert [one["weight"] for one in found["virtual_servers"][0]["real_servers"]] == [1, 1]
            assert any("serial 2 was not confirmed within 0.1 s" in e["text"] for e in found["events"])

    play(story())


def test_a_pulse_that_was_away_when_the_time_was_over_goes_back_at_its_start(world: World) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf(1))
            await lvsd.install(lvs_cf(2, scheduler="rr"), confirm_within=60)
        world.wall += 61
        async with world.pulse() as lvsd:
            await until(lambda: world.installation.read() == lvs_cf(1))
            await until(lambda: [each.scheduler for each in world.kernel.services.values()] == ["wlc"])
        async with world.pulse() as lvsd:
            assert (await lvsd.status())["unconfirmed"] is None

    play(story())


def test_a_first_install_that_nobody_confirms_leaves_nothing(world: World) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf(1), confirm_within=0.1)
            assert len(world.kernel.services) == 1
            await until(lambda: world.installation.read() is None and not world.kernel.services)
            await until(lambda: lvsd.confirmation.waiting is None)
            assert world.kernel.addresses == set()

    play(story())


def test_another_install_or_an_edited_file_ends_the_wait(world: World) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf(1))
            await lvsd.install(lvs_cf(2, scheduler="rr"), confirm_within=60)
            await lvsd.install(lvs_cf(1), back_from=2)
            assert (await lvsd.status())["unconfirmed"] is None
            await lvsd.install(lvs_cf(3, scheduler="rr"), confirm_within=60)
            await lvsd.install(lvs_cf(3, scheduler="rr"))
            assert (await lvsd.status())["unconfirmed"] is None
            await lvsd.install(lvs_cf(4), confirm_within=60)
            world.installation.path.write_text(lvs_cf(5, scheduler="rr"))
            await lvsd.reread()
            assert (await lvsd.status())["unconfirmed"] is None

    play(story())


def test_an_install_that_the_kernel_refuses_leaves_the_wait_before_it_as_it_was(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path, MemoryKernel(schedulers={"wlc", "rr"}))
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf(1))
            with pytest.raises(KernelError):
                await lvsd.install(lvs_cf(2, scheduler="mh"), confirm_within=60)
            assert (await lvsd.status())["unconfirmed"] is None
            await lvsd.install(lvs_cf(3, scheduler="rr"), confirm_within=60)
            with pytest.raises(KernelError):
                await lvsd.install(lvs_cf(4, scheduler="mh"), confirm_within=600)
            left = (await lvsd.status())["unconfirmed"]
            assert (left["serial"], left["back_to"]) == (3, 1)
            assert left["seconds_left"] <= 60

    play(story())


def test_the_same_install_again_waits_anew(world: World) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf(1))
            await lvsd.install(lvs_cf(2, scheduler="rr"), confirm_within=60)
            await lvsd.install(lvs_cf(2, scheduler="rr"), confirm_within=600)
            left = (await lvsd.status())["unconfirmed"]
            assert (left["serial"], left["back_to"]) == (2, 1)
            assert left["seconds_left"] > 60

    play(story())


def test_going_back_is_tried_until_it_succeeds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf(1))
            (world.folder / "lvs.cf").chmod(0o640)
            await lvsd.install(lvs_cf(2, scheduler="rr"), confirm_within=0.05)
            world.kernel.schedulers = {"rr"}
            await until(lambda: any("going back did not succeed" in e.text for e in lvsd.keeper.events))
            world.kernel.schedulers = {"wlc"}
            await until(lambda: lvsd.confirmation.waiting is None)
            assert world.installation.read() == lvs_cf(1)

    monkeypatch.setattr("lvs.pulse.lvsd.AGAIN_SECONDS", 0.05)
    play(story())


def fill_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on there is no room for an lvs.cf."""
    replace = files._replace

    def full(path: Path, content: bytes, *, like: Path | None) -> None:
        if path.name == "lvs.cf":
            raise RouterError(f"cannot write {path}: No space left on device; check the disk and the folder")
        replace(path, content, like=like)

    monkeypatch.setattr(files, "_replace", full)


def test_an_install_that_the_disk_refuses_leaves_the_wait_before_it_as_it_was(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf(1))
            with monkeypatch.context() as patch:
                fill_disk(patch)
                with pytest.raises(RouterError, match="No space left"):
                    await lvsd.install(lvs_cf(2, scheduler="rr"), confirm_within=60)
            assert (await lvsd.status())["unconfirmed"] is None
            await lvsd.install(lvs_cf(3, scheduler="rr"), confirm_within=60)
            with monkeypatch.context() as patch:
                fill_disk(patch)
                with pytest.raises(RouterError, match="No space left"):
                    await lvsd.install(lvs_cf(4), confirm_within=600)
            left = (await lvsd.status())["unconfirmed"]
            assert (left["serial"], left["back_to"]) == (3, 1)
            assert left["seconds_left"] <= 60

    play(story())


def test_a_full_disk_does_not_keep_the_kernel_from_going_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf(1))
            with monkeypatch.context() as patch:
                await lvsd.install(lvs_cf(2, scheduler="rr"), confirm_within=0.05)
                fill_disk(patch)
                await until(lambda: [one.scheduler for one in world.kernel.services.values()] == ["wlc"])
                with pytest.raises(RouterError, match=r"serial 2 cannot be confirmed: .* is serial 1"):
                    await lvsd.confirm(2)
                assert world.installation.read() == lvs_cf(2, scheduler="rr")
            await until(lambda: lvsd.confirmation.waiting is None)
            assert world.installation.read() == lvs_cf(1)

    monkeypatch.setattr("lvs.pulse.lvsd.AGAIN_SECONDS", 0.05)
    play(story())
