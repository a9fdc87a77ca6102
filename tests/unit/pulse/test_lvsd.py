"""What pulse does with configurations, health and other people's changes, over a kernel in memory."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from lvs.errors import InvalidConfig, KernelError, ParseError, RouterError, StaleSerial
from lvs.nanny.programs import FOLDER
from lvs.pulse import announcer
from lvs.pulse.lvsd import Lvsd
from lvs.router.memory import MemoryKernel, MemoryLedger
from lvs.router.state import Destination, DestinationKey, Service, ServiceKey
from tests.unit.pulse.world import World, lvs_cf, play, until

S1, S2, S3 = (ip_address(f"10.0.0.{number}") for number in (1, 2, 3))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def members(world: World) -> dict[str, int]:
    """Each real server in the kernel's table to its weight."""
    return {
        str(key.address): destination.weight
        for destinations in world.kernel.destinations.values()
        for key, destination in destinations.items()
    }


def levels(lvsd: Lvsd, level: str) -> list[str]:
    return [event.text for event in lvsd.keeper.events if event.level == level]


def test_without_a_file_pulse_is_idle_and_says_so(world: World) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            found = await lvsd.status()
            assert found["serial"] is None
            assert "does not exist yet: nothing is balanced" in found["problems"][0]
            with pytest.raises(RouterError, match="does not exist yet"):
                await lvsd.running_text()
        assert not world.kernel.written

    play(story())


def test_an_install_builds_the_table_with_what_passed_its_first_check(world: World) -> None:
    async def story() -> None:
        world.network.down = {S2}
        async with world.pulse() as lvsd:
            result = await lvsd.install(lvs_cf(serial=5))
            assert members(world) == {"10.0.0.1": 1}
            assert result["serial"] == 5
            assert result["refused"] == []
            assert any(change.startswith("add real server s1") for change in result["changes"])
            assert world.installation.read() == lvs_cf(serial=5)
            assert (await lvsd.running_text())["lvs_cf"] == lvs_cf(serial=5)
            found = await lvsd.status()
            (web,) = found["virtual_servers"]
            assert [(one["name"], one["health"], one["weight"]) for one in web["real_servers"]] == [
                ("s1", "healthy", 1),
                ("s2", "failed", None),
            ]
            assert web["real_servers"][1]["reason"] == "connect: refused"
            assert found["addresses"] == [
                {"address": "192.0.2.80", "interface": "eth0", "label": "eth0:1", "present": True}
            ]
            assert (found["node"], found["role"], found["last_change"]["cause"]) == (
                "primary",
                "active",
                "install of serial 5",
            )

    play(story())


def test_the_same_install_again_changes_nothing(world: World) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf())
            written = len(world.kernel.written)
            assert (await lvsd.install(lvs_cf()))["changes"] == []
            assert len(world.kernel.written) == written

    play(story())


@pytest.mark.parametrize(
    ("text", "kind"),
    [("virtual {", ParseError), (lvs_cf().replace("192.0.2.80 eth0:1", "0.0.0.0 eth0:1"), InvalidConfig)],
)
def test_a_bad_configuration_changes_nothing_and_says_where(
    world: World, text: str, kind: type[InvalidConfig]
) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf())
            written = len(world.kernel.written)
            with pytest.raises(kind) as refused:
                await lvsd.install(text)
            assert all(problem.line for problem in refused.value.problems)
            assert len(world.kernel.written) == written
            assert world.installation.read() == lvs_cf()
            assert (await lvsd.plan(text))["changes"] == []
            assert (await lvsd.plan(text))["problems"][0]["severity"] == "error"

    play(story())


def test_text_that_utf8_has_not_is_refused(world: World) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            with pytest.raises(ParseError, match="none that UTF-8 has"):
                await lvsd.install("# \ud800\n")

    play(story())


def test_an_older_serial_is_refused_unless_it_takes_back_the_installed_one(world: World) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf(serial=5))
            with pytest.raises(StaleSerial, match="serial_no 4 is older than the installed 5"):
                await lvsd.install(lvs_cf(serial=4))
            with pytest.raises(StaleSerial):
                await lvsd.install(lvs_cf(serial=3), back_from=4)
            assert (await lvsd.install(lvs_cf(serial=4), back_from=5))["serial"] == 4

    play(story())


def test_a_plan_takes_new_real_servers_as_healthy_and_changes_nothing(world: World) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf(reals=("10.0.0.1",)))
            written = len(world.kernel.written)
            plan = await lvsd.plan(lvs_cf(reals=("10.0.0.1", "10.0.0.3"), scheduler="rr"))
            assert len(plan["changes"]) == 2
            assert "scheduler" in plan["changes"][0]
            assert plan["changes"][1].startswith("add real server s3 10.0.0.3:443 to web")
            assert plan["changes"][1].endswith(", once its check passes")
            assert len(world.kernel.written) == written
            assert S3 not in world.network.asked

    play(story())


def test_a_failing_real_server_leaves_the_table_and_comes_back(world: World) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf())
            world.network.down = {S1}
            await until(lambda: members(world) == {"10.0.0.2": 1})
            world.network.down = set()
            await until(lambda: members(world) == {"10.0.0.1": 1, "10.0.0.2": 1})
            assert levels(lvsd, "warning")[-1] == (
                "[inactive] shutting down 10.0.0.1:443 due to connection failure (web/s1: connect: refused)"
            )
            assert "[ active ] making 10.0.0.1:443 available (web/s1: connected)" in levels(lvsd, "info")

    play(story())


def test_a_quiesced_real_server_stays_with_weight_zero_also_over_a_restart(world: World) -> None:
    async def story() -> None:
        text = lvs_cf(more="  quiesce_server = 1\n", reentry=1000)
        async with world.pulse() as lvsd:
            await lvsd.install(text)
            world.network.down = {S1}
            await until(lambda: members(world) == {"10.0.0.1": 0, "10.0.0.2": 1})
        world.network.down = set()
        written = len(world.kernel.written)
        async with world.pulse() as lvsd:
            asked = world.network.asked.count(S1)
            await until(lambda: world.network.asked.count(S1) >= asked + 1)
            assert len(world.kernel.written) == written

    play(story())


def test_a_restart_adopts_what_it_finds_and_changes_nothing(world: World) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf())
        written = len(world.kernel.written)
        world.network.hanging = {S1, S2}  # no check has ended yet, and still they are in service
        async with world.pulse() as lvsd:
            assert len(world.kernel.written) == written
            assert members(world) == {"10.0.0.1": 1, "10.0.0.2": 1}
            found = await lvsd.status()
            assert found["virtual_servers"][0]["real_servers"][0]["reason"] == "found in the kernel's table"
            assert found["serial"] == 1

    play(story())


def test_what_fails_after_a_restart_still_goes_out(world: World) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf())
        world.network.down = {S2}
        async with world.pulse():
            await until(lambda: members(world) == {"10.0.0.1": 1})

    play(story())


def test_a_bad_file_at_start_leaves_the_kernel_alone_and_waits_for_a_good_one(world: World) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf())
        written = len(world.kernel.written)
        world.installation.path.write_text("scheduler\n")
        async with world.pulse() as lvsd:
            assert "is not valid, so the kernel is left as it is" in (await lvsd.status())["problems"][0]
            assert len(world.kernel.written) == written
            await lvsd.install(lvs_cf())
            assert len(world.kernel.written) == written
            assert (await lvsd.status())["problems"] == []

    play(story())


def test_a_hand_edited_file_is_taken_up_on_reread_and_a_bad_one_is_not(world: World) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf(serial=5))
            world.installation.path.write_text(lvs_cf(serial=2, scheduler="rr"))
            await lvsd.reread()
            (service,) = world.kernel.services.values()
            assert service.scheduler == "rr"
            world.installation.path.write_text("scheduler")
            await lvsd.reread()
            assert (await lvsd.running_text())["serial"] == 2
            assert "is not valid" in (await lvsd.status())["problems"][0]
            assert "rereading configuration file" in levels(lvsd, "info")

    play(story())


def test_a_file_that_was_cut_off_inside_a_block_is_not_taken_up(world: World) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf(serial=5))
            table = members(world)
            whole = lvs_cf(serial=6).rstrip().splitlines()
            opened = next(number for number, line in enumerate(whole) if line.startswith("virtual"))
            for length in range(opened + 1, len(whole)):
                world.installation.path.write_text("\n".join(whole[:length]) + "\n")
                await lvsd.reread()
                assert (await lvsd.running_text())["serial"] == 5, length
                assert members(world) == table
            assert "the file ends inside a block" in (await lvsd.status())["problems"][0]
            with pytest.raises(ParseError, match="ends inside a block"):
                await lvsd.install("\n".join(whole[:-1]))

    play(story())


def test_what_an_old_file_has_without_effect_is_said_at_the_install_and_is_no_lasting_problem(
    tmp_path: Path,
) -> None:
    async def story() -> None:
        world = World(tmp_path)
        old = "debug_level = NONE\nrsh_command = ssh\nbackup_shared = disk\n"
        async with world.pulse() as lvsd:
            result = await lvsd.install(old + lvs_cf(serial=1))
            said = [problem["message"] for problem in result["problems"]]
            assert len([each for each in said if "has no effect" in each]) == 3
            assert (await lvsd.status())["problems"] == []

    play(story())


def test_a_refusal_by_the_kernel_takes_the_whole_install_back(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path, MemoryKernel(schedulers={"wlc"}))
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf(serial=1))
            state = dict(world.kernel.services), members(world)
            with pytest.raises(KernelError, match=r"install serial 2 \(refused; what was in force before is"):
                await lvsd.install(lvs_cf(serial=2, scheduler="mh", reals=("10.0.0.2", "10.0.0.3")))
            assert (dict(world.kernel.services), members(world)) == state
            assert world.installation.read() == lvs_cf(serial=1)
            found = await lvsd.status()
            assert (found["serial"], found["problems"]) == (1, [])
            assert (await lvsd.install(lvs_cf(serial=2, reals=("10.0.0.2",))))["serial"] == 2

    play(story())


def test_a_module_that_this_kernel_lacks_is_said_and_the_install_stays(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path, MemoryKernel(loadable=()))
        async with world.pulse() as lvsd:
            result = await lvsd.install(lvs_cf(port=21).replace("network = direct", "network = nat"))
            assert "ip_vs_ftp" in result["refused"][0]["change"]
            assert members(world) == {"10.0.0.1": 1, "10.0.0.2": 1}
            found = await lvsd.status()
            assert found["serial"] == 1
            assert any(said.startswith("Refused: load the kernel module") for said in found["problems"])

    play(story())


def test_a_refused_first_install_leaves_nothing_behind(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path, MemoryKernel(interfaces={"lo"}))
        async with world.pulse() as lvsd:
            with pytest.raises(KernelError, match="eth0"):
                await lvsd.install(lvs_cf())
            assert world.kernel.services == {}
            assert world.kernel.addresses == set()
            assert world.installation.read() is None
            assert (await lvsd.status())["serial"] is None

    play(story())


def test_what_the_kernel_refused_all_along_does_not_block_a_later_install(tmp_path: Path) -> None:
    async def story() -> None:
        world = World(tmp_path, MemoryKernel())
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf(serial=1))
        world.kernel.interfaces = {"lo"}
        world.kernel.addresses.clear()  # the interface went, and its addresses with it
        async with world.pulse() as lvsd:
            assert lvsd.keeper.account.refused
            result = await lvsd.install(lvs_cf(serial=2, reals=("10.0.0.2",)))
            assert members(world) == {"10.0.0.2": 1}
            assert "eth0" in result["refused"][0]["change"]
            found = await lvsd.status()
            assert found["addresses"][0]["present"] is False
            assert any(problem.startswith("Refused: add address") for problem in found["problems"])

    play(story())


def test_what_others_change_is_put_back_and_said(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf())
            (key,) = world.kernel.services
            world.kernel.services[key] = replace(world.kernel.services[key], scheduler="rr")
            await until(lambda: world.kernel.services[key].scheduler == "wlc")
            await until(lambda: levels(lvsd, "warning")[-1].startswith("was changed outside, put back: "))
            found = await lvsd.status()
            assert found["last_change"]["cause"] == "changed outside"

    monkeypatch.setattr("lvs.pulse.keeping.KEEP_SECONDS", 0.05)
    play(story())


def test_foreign_services_are_shown_and_left_alone(world: World) -> None:
    async def story() -> None:
        key = ServiceKey(
            **{"family": "inet", "protocol": "tcp", "address": ip_address("192.0.2.99"), "port": 25}
        )
        place = DestinationKey(S3, 25)
        world.kernel.services[key] = Service("rr")
        world.kernel.destinations[key] = {place: Destination("nat", 3)}
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf())
            (foreign,) = (await lvsd.status())["foreign"]
            assert (foreign["key"], foreign["real_servers"][0]["weight"]) == ("tcp 192.0.2.99:25", 3)
            assert world.kernel.destinations[key] == {place: Destination("nat", 3)}

    play(story())


def test_a_backup_has_the_table_and_not_the_addresses(world: World) -> None:
    async def story() -> None:
        world.local = set()
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf())
            assert len(members(world)) == 2
            assert world.kernel.addresses == set()
            found = await lvsd.status()
            assert found["role"] == "standby"
            assert found["problems"][0].startswith("Not primary (192.0.2.1)")

    play(story())


def test_raised_addresses_are_announced_five_times(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf())
            await until(lambda: "gratuitous lvs arps finished" in levels(lvsd, "info"))
            assert len(world.kernel.announced) == announcer.ROUNDS

    monkeypatch.setattr("lvs.pulse.announcer.INTERVAL", 0.01)
    play(story())


def test_a_kernel_that_cannot_be_read_is_said_once_and_does_not_end_pulse(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(MemoryKernel):
        broken = True
        reads = 0

        def read(self, *arguments: Any) -> Any:
            self.reads += 1
            if self.broken:
                raise KernelError("open IPVS", "this kernel has no IPVS")
            return super().read(*arguments)

    async def story() -> None:
        world.kernel = kernel = Broken()
        async with world.pulse() as lvsd:
            with pytest.raises(KernelError, match="no IPVS"):
                await lvsd.install(lvs_cf())
            assert world.installation.read() is None
        world.installation.install(lvs_cf())
        async with world.pulse() as lvsd:
            assert "open IPVS: this kernel has no IPVS" in (await lvsd.status())["problems"]
            reads = kernel.reads
            await until(lambda: kernel.reads >= reads + 3)
            assert len(levels(lvsd, "error")) == 1
            kernel.broken = False
            await until(lambda: not list(lvsd.keeper.account.problems()))
            assert (await lvsd.status())["problems"] == []
            assert len(members(world)) == 2

    monkeypatch.setattr("lvs.pulse.keeping.KEEP_SECONDS", 0.02)
    play(story())


def test_a_fault_of_ours_is_a_problem_in_the_status_and_not_the_end(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf())
            world.kernel.read = lambda *_: {}["oops"]  # type: ignore[assignment]
            await until(
                lambda: any("KeyError: 'oops'" in problem for problem in lvsd.keeper.account.problems())
            )
            del world.kernel.read
            await until(lambda: not list(lvsd.keeper.account.problems()))

    monkeypatch.setattr("lvs.pulse.keeping.KEEP_SECONDS", 0.02)
    play(story())
    assert "Traceback" in caplog.text


def test_a_hanging_first_check_holds_an_install_up_for_two_seconds_at_most(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        world.network.hanging = {S2}
        async with world.pulse() as lvsd:
            result = await lvsd.install(lvs_cf(timeout=30, reentry=30))
            assert members(world) == {"10.0.0.1": 1}
            assert result["seconds"] < 1
            (web,) = (await lvsd.status())["virtual_servers"]
            assert web["real_servers"][1]["health"] == "unknown"

    monkeypatch.setattr("lvs.pulse.installing.FIRST_CHECK_SECONDS", 0.1)
    play(story())


def test_a_program_elsewhere_is_a_warning_in_every_answer(world: World) -> None:
    async def story() -> None:
        text = lvs_cf(more='  send_program = "/bin/probe %h"\n  expect = "OK"\n')
        put(world, "probe")
        async with world.pulse() as lvsd:
            warned = [problem["message"] for problem in (await lvsd.plan(text))["problems"]]
            assert any("only programs of the folder checks" in message for message in warned)
            result = await lvsd.install(text)
            assert any("only programs of" in problem["message"] for problem in result["problems"])
            assert any("only programs of" in problem for problem in (await lvsd.status())["problems"])

    play(story())


def test_an_install_whose_check_fails_says_whose_and_how(world: World) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf(1))
            world.network.down = {ip_address("10.0.0.2")}
            changes = (await lvsd.install(lvs_cf(2, more="  check_port = 9\n")))["changes"]
            assert (
                "remove real server s2 10.0.0.2:443 from web: its check fails (connect: refused)" in changes
            )

    play(story())


def put(world: World, program: str) -> None:
    """Have a program in the folder of the checks."""
    folder = world.folder / "checks"
    folder.mkdir(exist_ok=True)
    FOLDER.set(folder)
    (folder / program).write_text("#!/bin/sh\n")
    (folder / program).chmod(0o755)


def test_an_install_whose_program_is_not_there_is_refused_and_planned_as_such(world: World) -> None:
    async def story() -> None:
        put(world, "other")
        text = lvs_cf(2, more='  send_program = "probe %h"\n')
        sentence = (
            "this router cannot run a program of this lvs.cf: probe is not in "
            f"{world.folder}/checks: copy it there, owned by root, mode 0755"
        )
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf(1))
            planned = (await lvsd.plan(text))["problems"]
            assert [(one["severity"], one["message"]) for one in planned] == [("error", sentence)]
            with pytest.raises(RouterError) as refused:
                await lvsd.install(text)
            assert str(refused.value) == f"{sentence}. Nothing was changed."
            assert (await lvsd.running_text())["serial"] == 1
            put(world, "probe")
            assert (await lvsd.install(text))["serial"] == 2

    play(story())


def test_a_program_that_went_away_later_holds_up_no_other_change_no_restart_and_no_way_back(
    world: World,
) -> None:
    async def story() -> None:
        put(world, "probe")
        more = '  send_program = "probe %h"\n'
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf(1, more=more))
            (world.folder / "checks" / "probe").unlink()
            assert (await lvsd.install(lvs_cf(2, more=more, port=8443)))["serial"] == 2
            await lvsd.install(lvs_cf(3))
            assert (await lvsd.install(lvs_cf(2, more=more), back_from=3))["serial"] == 2
        async with world.pulse() as lvsd:
            assert (await lvsd.running_text())["serial"] == 2

    play(story())


def test_a_cleared_ledger_is_never_a_reason_to_remove(world: World) -> None:
    async def story() -> None:
        async with world.pulse() as lvsd:
            await lvsd.install(lvs_cf())
        world.ledger = MemoryLedger()
        written = len(world.kernel.written)
        async with world.pulse():
            assert len(world.kernel.written) == written

    play(story())
