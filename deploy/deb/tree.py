"""The commands of `piranha` as argparse knows them: what manual pages and completions are made of."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

from lvs.pulse.__main__ import parser as pulse_parser
from piranha_web.cli import parser as whole_parser


@dataclass(frozen=True, slots=True)
class Command:
    """words: without `piranha`; help: one line; parser: what it takes; verbs: commands below it."""

    words: tuple[str, ...]
    help: str
    parser: argparse.ArgumentParser
    verbs: tuple[Command, ...] = ()

    @property
    def options(self) -> list[argparse.Action]:
        """What begins with a dash and is no secret."""
        return [
            one for one in self.parser._actions if one.option_strings and one.help is not argparse.SUPPRESS
        ]

    @property
    def places(self) -> list[argparse.Action]:
        """What does not, but for verbs."""
        return [
            one
            for one in self.parser._actions
            if not one.option_strings and not isinstance(one, argparse._SubParsersAction)
        ]


def commands() -> list[Command]:
    """Those of the first level, by name."""
    return sorted(below(whole_parser(), ()), key=lambda one: one.words)


def below(parser: argparse.ArgumentParser, words: tuple[str, ...]) -> Iterator[Command]:
    """The commands right below that one."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {one.dest: one.help or "" for one in action._choices_actions}
            for name, sub in action.choices.items():
                own = (*words, name)
                # pulse reads its command line itself.
                read = pulse_parser() if own == ("pulse",) else sub
                yield Command(own, helps.get(name, ""), read, tuple(below(sub, own)))
