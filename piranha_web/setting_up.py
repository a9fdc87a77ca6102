"""The set-up of a real server (`lvs.realservers`) as its page shows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from lvs.config.model import Forwarding
from lvs.realservers import Setup

INDENT = " " * 4  # what stands before a line to copy
METHODS = {
    Forwarding.NAT: "NAT: answers go back through the router",
    Forwarding.DIRECT: "Direct routing: it takes the virtual address, and is silent about it",
    Forwarding.TUNNEL: "Tunneling: it unpacks what the router sends",
}
BESIDES = "Besides"


@dataclass(frozen=True, slots=True)
class Part:
    """A paragraph, or lines to copy."""

    text: str
    is_copied: bool


@dataclass(frozen=True, slots=True)
class Way:
    """One way to set the machine up."""

    setup: Setup
    parts: tuple[Part, ...]

    @property
    def persists(self) -> bool:
        """Whether its script has to be told to last over a restart of the machine."""
        return "--at-boot" not in self.setup.when


@dataclass(frozen=True, slots=True)
class Method:
    """The ways for one forwarding method, of which one is enough; or what comes besides."""

    title: str
    ways: tuple[Way, ...]
    is_choice: bool


def methods(setups: Sequence[Setup]) -> Iterator[Method]:
    """The ways gathered by forwarding method, in their order; FTP's by itself."""

    def kind(setup: Setup) -> tuple[Forwarding | None, bool]:
        return setup.forwarding, setup.way.startswith("ftp")

    for (forwarding, is_ftp), group in groupby(setups, kind):
        ways = tuple(Way(setup, tuple(parts(setup.text))) for setup in group)
        title = BESIDES if forwarding is None or is_ftp else METHODS[forwarding]
        yield Method(title, ways, is_choice=title is not BESIDES and len(ways) > 1)


def parts(text: str) -> Iterator[Part]:
    """The paragraphs of a set-up's text; those of which every line is indented are to copy."""
    for paragraph in text.strip("\n").split("\n\n"):
        lines = paragraph.split("\n")
        if all(line.startswith(INDENT) for line in lines):
            yield Part("\n".join(line.removeprefix(INDENT) for line in lines), is_copied=True)
        else:
            yield Part(" ".join(line.strip() for line in lines), is_copied=False)
