"""What a machine's files set its kernel parameters to when it boots (sysctl.d(5), sysctl.conf(5)). Pure.

Of two files of one name the one in the first of `FOLDERS` counts; they are read in the order of their names,
and the last line about a parameter wins, but a line with its name over one with a pattern.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

FOLDERS = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d")
LAST = "/etc/sysctl.conf"  # `sysctl --system` reads it after all others; so does Debian's boot


@dataclass(frozen=True, slots=True)
class Persisted:
    """What a parameter will be set to; place: the file and the line that say so."""

    value: str
    place: str


@dataclass(frozen=True, slots=True)
class _Line:
    pattern: str  # a path below /proc/sys
    value: str | None  # None: such paths are left alone
    place: str


class Settings:
    """The parameters that the files set. files: (path, text) each, in the order in which they are read."""

    def __init__(self, files: Iterable[tuple[str, str]] = ()) -> None:
        self._exact: dict[str, _Line] = {}
        self._patterns: list[_Line] = []
        for path, text in files:
            for line in _lines(path, text):
                if any(sign in line.pattern for sign in "*?["):
                    self._patterns.append(line)
                else:
                    self._exact[line.pattern] = line

    def of(self, path: str) -> Persisted | None:
        """What the parameter at this path below /proc/sys will be; None: no file says."""
        found = self._exact.get(path)
        for line in () if found else reversed(self._patterns):
            if fnmatchcase(path, line.pattern):
                found = line
                break
        return Persisted(found.value, found.place) if found and found.value is not None else None


def in_order(paths: Iterable[str]) -> list[str]:
    """Of all the files in `FOLDERS`, with `LAST`, those that count, in the order in which they are read."""
    chosen: dict[str, str] = {}
    for path in sorted(paths, key=_rank):
        chosen.setdefault(path.rpartition("/")[2], path)
    last = [path for path in chosen.values() if path == LAST]
    return [chosen[name] for name in sorted(chosen) if chosen[name] != LAST] + last


def _rank(path: str) -> int:
    folder = path.rpartition("/")[0]
    return FOLDERS.index(folder) if folder in FOLDERS else len(FOLDERS)


def _lines(path: str, text: str) -> Iterator[_Line]:
    for number, line in enumerate(text.splitlines(), 1):
        words = line.strip()
        if not words or words[0] in "#;":
            continue
        name, sign, value = words.partition("=")
        name = name.strip()
        is_optional = name.startswith("-")
        if not sign and not is_optional:
            continue
        wanted = " ".join(value.split()) if sign else None
        yield _Line(_path(name.removeprefix("-")), wanted, f"{path}:{number}")


def _path(name: str) -> str:
    """net.ipv4.conf.eth0/100.rp_filter and net/ipv4/conf/eth0.100/rp_filter are one (sysctl.d(5))."""
    first = next((sign for sign in name if sign in "./"), "/")
    return name.translate(str.maketrans("./", "/.")) if first == "." else name
