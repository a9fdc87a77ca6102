"""Asking somebody at a terminal: a line, a choice, a password; the same again where the answer is odd."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable
from typing import Protocol, TypeVar

from lvs.errors import LvsError
from lvs.pulse.terminal import harmless

T = TypeVar("T")
MOST_TRIES = 20  # odd answers in a row; then it is no human being


class NobodyAnswers(LvsError):
    """There is no terminal, or whoever sat there has gone."""


class Asked(Protocol):
    """Somebody who can be told things, and asked."""

    def say(self, text: str = "") -> None:
        """A line."""

    def line(self, prompt: str) -> str:
        """What they type; NobodyAnswers."""

    def secret(self, prompt: str) -> str:
        """The same without showing it."""


def shown(text: str) -> str:
    """A text of ours for the terminal, with what strangers wrote into it made harmless, line by line.

    Notes of the list of networks, names in a backup, what a server answered: the site's user, or somebody
    else, wrote them, and root reads.
    """
    return "\n".join(harmless(line) for line in text.split("\n"))


def say(text: str) -> None:
    """Lines to whoever sits at the terminal; stdout is for what is to be taken on."""
    sys.stderr.write(f"{shown(text)}\n")
    sys.stderr.flush()


class Terminal:
    """Whoever sits at the terminal."""

    def say(self, text: str = "") -> None:
        say(text)

    def line(self, prompt: str) -> str:
        sys.stderr.write(shown(prompt))
        sys.stderr.flush()
        typed = sys.stdin.readline()
        if not typed:
            sys.stderr.write("\n")
            raise NobodyAnswers("The question was left unanswered.")
        return typed.strip()

    def secret(self, prompt: str) -> str:
        try:
            return getpass.getpass(prompt)
        except EOFError as error:
            raise NobodyAnswers("The question was left unanswered.") from error


def is_terminal() -> bool:
    """Whether somebody can be asked: what is typed comes from a terminal, and what is asked is seen there."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def until_understood(whom: Asked, prompt: str, understand: Callable[[str], T]) -> T:
    """Asks until the answer is understood; understand raises ValueError with what to write instead."""
    for _ in range(MOST_TRIES):
        try:
            return understand(whom.line(prompt))
        except ValueError as error:
            whom.say(f"  {error}")
    raise NobodyAnswers(f"{MOST_TRIES} answers in a row were none.")
