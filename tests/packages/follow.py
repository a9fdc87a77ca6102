"""Carries out what a page of the guide says, literally: a scene is a row of steps, on one machine or more."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from tests.packages.manual import Block, consoles, fill

SECONDS = 120.0  # for what comes by itself


class Place(Protocol):
    """A machine that commands are typed on."""

    def typed(self, line: str, folder: str, answers: Mapping[str, str] | None) -> tuple[int, str]:
        """A line for a shell in that folder; its status, and all that it prints.

        answers: what somebody at a terminal types at each question (an expression for the end of what is
        shown); None: there is no terminal.
        """


@dataclass(frozen=True, kw_only=True)
class Step:
    """The commands below a heading of a page, one after the other.

    on: the machine. only: those commands alone, as they stand on the page. own: what the reader puts into the
    place of a word; {NAME} in it stands for what was kept. says: an expression that a command's output has in
    it. comes: the same of what takes its time: the command is given until it holds. ends: its status, where
    that is not 0. keeps: by NAME an expression; the group of it is kept for later steps. answers: for those
    that ask at a terminal.
    """

    page: str
    heading: str | None = None
    on: str = ""
    only: Sequence[str] | None = None
    own: Mapping[str, str] = field(default_factory=dict)
    says: Mapping[str, str] = field(default_factory=dict)
    comes: Mapping[str, str] = field(default_factory=dict)
    ends: Mapping[str, int] = field(default_factory=dict)
    keeps: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    answers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    folder: str = "/root"

    @property
    def commands(self) -> list[str]:
        """Those that it carries out. AssertionError: it speaks of one that the page does not have."""
        found = [one for block in consoles(self.page, self.heading) for one in block.commands]
        wanted = found if self.only is None else [one for one in found if one in self.only]
        spoken = {*(self.only or ()), *self.says, *self.comes, *self.ends, *self.keeps, *self.answers}
        assert spoken <= set(wanted), f"{self.page} does not have {sorted(spoken - set(wanted))}"
        return wanted


@dataclass(frozen=True)
class Hand:
    """What the page says in words, or what stands around the scene: done by the test itself."""

    what: str
    do: Callable[[Any], None]  # with the reader of the scene


class Follower:
    """Somebody who reads the guide. machines: by name; kept: what they noted down."""

    def __init__(self, machines: Mapping[str, Place]) -> None:
        self.machines = machines
        self.kept: dict[str, str] = {}

    def follow(self, steps: Iterable[Step | Hand]) -> None:
        """Does one after the other."""
        for step in steps:
            if isinstance(step, Hand):
                step.do(self)
                continue
            for command in step.commands:
                self._carry_out(step, command)

    def _carry_out(self, step: Step, command: str) -> None:
        own = {word: value.format_map(self.kept) for word, value in step.own.items()}
        line = fill(command, own)
        answers = step.answers.get(command)
        give = partial(self.machines[step.on].typed, line, step.folder, answers)
        status, said = give()
        wanted, end = step.ends.get(command, 0), time.monotonic() + SECONDS
        comes = re.compile(step.comes.get(command, ""))
        while command in step.comes and not (status == wanted and comes.search(said)):
            where = f"{step.page}, {step.heading}, on {step.on}: {line}\n{said}"
            assert time.monotonic() < end, f"{comes.pattern} does not come, status {status}: {where}"
            time.sleep(0.2)
            status, said = give()
        where = f"{step.page}, {step.heading}, on {step.on}: {line}\n{said}"
        assert status == wanted, f"it ended with {status}: {where}"
        if (expression := step.says.get(command)) is not None:
            assert re.search(expression, said), f"it does not say {expression}: {where}"
        for name, expression in step.keeps.get(command, {}).items():
            found = re.search(expression, said)
            assert found, f"there is no {name} in it: {where}"
            self.kept[name] = found[1]


def carried_out(scenes: Iterable[Sequence[Step | Hand]]) -> set[tuple[str, str, str]]:
    """Page, heading and text of every command that those scenes carry out."""
    return {
        (block.page, block.heading, command)
        for scene in scenes
        for step in scene
        if isinstance(step, Step)
        for block in consoles(step.page, step.heading)
        for command in commands_of(block, step)
    }


def commands_of(block: Block, step: Step) -> list[str]:
    return [one for one in block.commands if step.only is None or one in step.only]
