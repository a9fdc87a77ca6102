"""active_cmd and inactive_cmd: which programs are run, and what becomes of those that do not end well."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path

import pytest

from lvs.config.model import GlobalSettings, LvsConfig
from lvs.pulse.commands import Commands, refusal
from lvs.pulse.events import Events
from lvs.router.state import Role
from tests.unit.pulse.world import play


def config(**settings: str) -> LvsConfig:
    return LvsConfig(global_settings=GlobalSettings(**settings))


def script(folder: Path, text: str, name: str = "cmd") -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


async def ran(commands: Commands) -> None:
    running = asyncio.create_task(commands.run())
    await commands.finish()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


def test_each_role_has_its_command_with_its_words_and_no_shell(tmp_path: Path) -> None:
    async def story() -> None:
        out = tmp_path / "out"
        program = script(tmp_path, f'printf "%s|" "$@" >> {out}')
        both = config(active_cmd=f'{program} up "two words" $HOME', inactive_cmd=f"{program} down")
        events = Events()
        commands = Commands(events, tmp_path)
        commands.entered(Role.STANDBY, both)
        commands.entered(Role.ACTIVE, both)
        await ran(commands)
        assert out.read_text() == "down|up|two words|$HOME|"
        assert commands.problems == ()
        assert next(event.text for event in events) == f"inactive_cmd ended with status 0: {program} down"

    play(story())


def test_what_fails_or_cannot_be_started_is_a_problem_until_it_runs_again(tmp_path: Path) -> None:
    async def story() -> None:
        program = script(tmp_path, f"test -e {tmp_path}/fine")
        given = config(active_cmd=str(program))
        commands = Commands(Events(), tmp_path)
        commands.entered(Role.ACTIVE, given)
        await ran(commands)
        (problem,) = commands.problems
        assert problem.startswith(f"active_cmd = {program}: it ended with status 1")
        (tmp_path / "fine").touch()
        commands.entered(Role.ACTIVE, given)
        await ran(commands)
        assert commands.problems == ()

    play(story())


def test_one_that_does_not_end_is_killed_with_all_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        pids = tmp_path / "pids"
        program = script(tmp_path, f"sleep 1000 & echo $! > {pids}; wait")
        commands = Commands(Events(), tmp_path)
        commands.entered(Role.ACTIVE, config(active_cmd=str(program)))
        await ran(commands)
        assert "it was killed, since it had not ended after" in commands.problems[0]
        child = int(pids.read_text())
        async with asyncio.timeout(20):
            while alive(child):
                await asyncio.sleep(0.01)

    monkeypatch.setattr("lvs.pulse.commands.LONGEST", 0.5)
    play(story())


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.root
def test_only_what_root_alone_can_have_written_is_run(tmp_path: Path) -> None:
    program = script(tmp_path, "true")
    (tmp_path / "folder").mkdir()
    assert refusal(program, tmp_path) is None
    assert "needs an absolute path" in str(refusal(Path("reboot"), tmp_path))
    assert "No such file" in str(refusal(tmp_path / "absent", tmp_path))
    assert "not a file" in str(refusal(tmp_path / "folder", tmp_path))
    program.chmod(0o775)
    assert "could be changed by others" in str(refusal(program, tmp_path))
    program.chmod(0o755)
    os.chown(program, 65534, 0)
    assert "could be changed by others" in str(refusal(program, tmp_path))


def test_nothing_outside_the_folder_of_commands_is_run(tmp_path: Path) -> None:
    folder = tmp_path / "commands"
    folder.mkdir()
    (folder / "more").mkdir()
    for path in (
        "/bin/sh",
        f"{folder}/../cmd",
        f"{folder}/more/cmd",
        f"{folder}/..",
        str(folder),
        f"{folder}x/cmd",
    ):
        assert str(refusal(Path(path), folder)).startswith(f"only programs in {folder} are run")


@pytest.mark.root
def test_a_program_in_a_folder_or_behind_a_link_of_another_user_is_not_run(tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    program, link = script(folder, "true"), tmp_path / "link"
    link.symlink_to(program)
    assert refusal(program, folder) is refusal(link, tmp_path) is None
    os.chown(link, 65534, 65534, follow_symlinks=False)
    assert f"may change {link}," in str(refusal(link, tmp_path))
    os.chown(link, 0, 0, follow_symlinks=False)
    folder.chmod(0o777)
    assert f"may change {folder}," in str(refusal(program, folder))
    assert f"may change {folder}," in str(refusal(link, tmp_path))
    folder.chmod(0o1777)
    assert refusal(program, folder) is None
    os.chown(folder, 65534, 65534)
    assert "let only root change it" in str(refusal(program, folder))


@pytest.mark.parametrize(
    ("command", "problem"),
    [('/bin/true "', "cannot be split"), ("''", "needs an absolute path"), (" ", "it is empty")],
)
def test_a_command_that_is_none_is_said(tmp_path: Path, command: str, problem: str) -> None:
    async def story() -> None:
        commands = Commands(Events(), tmp_path)
        commands.entered(Role.ACTIVE, config(active_cmd=command))
        await ran(commands)
        assert problem in commands.problems[0]

    play(story())
