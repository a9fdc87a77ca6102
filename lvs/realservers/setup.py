"""What the set-up of a real server is: one way of it, to read and to run."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lvs.config.model import Forwarding


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """One way to set a real server up for one forwarding method (or for FTP).

    way: a word that names it among those of one real server ("direct-netplan"). when: whom it suits and what
    it costs, a sentence or two. text: to read and to copy; lines that begin with four blanks are commands or
    lines of a file. script: for /bin/sh, "" where there is only text; file_name: to download it as, "" then
    too. files: the paths that the script writes. warnings: what in the configuration will be in the way.
    """

    way: str
    title: str
    when: str
    text: str
    script: str = ""
    file_name: str = ""
    files: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    forwarding: Forwarding | None = None  # None: whatever the method


def plain(name: str) -> str:
    """A name as it may stand in a comment of any file: one line, printable, no backslash at its end."""
    return "".join(char if char.isprintable() and char != "\\" else "?" for char in name)


def file_name(name: str, way: str, suffix: str = "sh") -> str:
    """What to download a script as: letters, digits, dots, underscores and dashes only."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-")[:60]
    return f"{safe or 'real-server'}-{way}.{suffix}"


def commands(*lines: str) -> str:
    """Lines to copy, as Setup.text has them."""
    return "\n".join(f"    {line}".rstrip() for line in lines)


def text(*paragraphs: str) -> str:
    """Paragraphs and commands with an empty line between, those that are empty left out."""
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph) + "\n"
