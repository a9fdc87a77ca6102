"""The kinds of value that a directive of lvs.cf can have.

A kind knows everything about its values: how they are read from words and written, how they stand in the
JSON document, and which of them are out of range (`faults`, for lvs.config.rules). Which directive has which
kind is in lvs.config.keywords. What cannot be read raises `BadValue`, a sentence that ends in a remedy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from math import isfinite
from typing import Any

from lvs.config.model import PortRange, Protocol, StatusRange
from lvs.config.services import port_of
from lvs.config.text import BadValue, bare, quoted, shown, text_faults

MAX_PORT = 65535

_WHOLE = re.compile(r"([+-]?)(0[xX][0-9a-fA-F]+|[0-9]+)")
_DECIMAL = re.compile(r"[0-9]{1,9}\.[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Context:
    """What the rest of the block says that a value depends on.

    protocol: whose port names count. family: 4 or 6, for masks; None when the block's address is unknown.
    notes: warnings about values that were understood, collected by the reader.
    """

    protocol: Protocol = Protocol.TCP
    family: int | None = 4
    notes: list[str] = field(default_factory=list)


def parse_whole(word: str, notes: list[str]) -> int:
    """A whole number as C's strtol with base 0 takes it, which is what Piranha did: 010 is 8, 0x12 is 18."""
    if word.isdigit() and word.isascii() and word[0] != "0" and len(word) < 20:
        return int(word)
    match = _WHOLE.fullmatch(word)
    if match is None or len(word) > 20:
        raise BadValue(f"{shown(word)} is not a whole number: write digits only")
    digits = match[2]
    if digits[:2] in ("0x", "0X"):
        value = int(digits, 16)
        notes.append(f"{word} is hexadecimal and was taken as {value}: write {value}")
    elif digits[0] == "0" and len(digits) > 1:
        if "8" in digits or "9" in digits:
            raise BadValue(f"{shown(word)} has a leading zero: write {digits.lstrip('0')}")
        value = int(digits, 8)
        if value != int(digits):
            notes.append(
                f"{word} begins with a zero, so it was taken as octal, {value}, as Piranha did: "
                f"write {value}, or {int(digits)} if that is meant"
            )
    else:
        value = int(digits)
    return -value if match[1] == "-" else value


def want(value: object, kind: type, words: str) -> Any:
    """The value, if JSON gave it this type."""
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise BadValue(f"{words} is expected here, not a value of type {type(value).__name__}")
    return value


class Kind:
    """What all kinds can do. words: how many follow the equals sign; None means any number."""

    words: int | None = 1

    @property
    def says(self) -> str:
        """The values of this kind, for docs and messages."""
        raise NotImplementedError

    def parse(self, words: Sequence[str], context: Context) -> Any:
        """The value of the words after the equals sign; None: as if the directive were not there."""
        raise NotImplementedError

    def format(self, value: Any, context: Context) -> str:
        """What the writer puts after the equals sign."""
        return str(value)

    def to_json(self, value: Any, context: Context) -> Any:
        """The value as JSON has it."""
        return str(value)

    def from_json(self, value: object, context: Context) -> Any:
        """The value of a JSON document."""
        return self.parse([want(value, str, "text")], context)

    def faults(self, value: Any, context: Context) -> Iterator[str]:
        """What is out of range; each begins with a verb, so that the directive can stand before it."""
        return iter(())


class Flag(Kind):
    says = "0 or 1"

    def parse(self, words: Sequence[str], context: Context) -> bool:
        word = words[0]
        if word.lstrip("0") in ("", "1") and word:
            return word[-1] == "1"
        raise BadValue(f"{shown(word)} is neither 0 nor 1: write 1 for yes, 0 for no")

    def format(self, value: bool, context: Context) -> str:
        return "1" if value else "0"

    def to_json(self, value: bool, context: Context) -> bool:
        return value

    def from_json(self, value: object, context: Context) -> bool:
        return bool(want(value, bool, "true or false"))


@dataclass(frozen=True, slots=True)
class Whole(Kind):
    """A whole number from low to high. unit: for the reader of docs and messages."""

    low: int
    high: int
    unit: str = ""

    @property
    def says(self) -> str:
        return f"{self.unit or 'number'}, {self.low} to {self.high}"

    def parse(self, words: Sequence[str], context: Context) -> int:
        return parse_whole(words[0], context.notes)

    def to_json(self, value: int, context: Context) -> int:
        return value

    def from_json(self, value: object, context: Context) -> int:
        return int(want(value, int, "a whole number"))

    def faults(self, value: int, context: Context) -> Iterator[str]:
        if not self.low <= value <= self.high:
            yield f"is out of range: write {self.low} to {self.high}" + (f" {self.unit}" if self.unit else "")


@dataclass(frozen=True, slots=True)
class Port(Whole):
    """A port number, or in lvs.cf the name of a service."""

    low: int = 1
    high: int = MAX_PORT

    @property
    def says(self) -> str:
        return "port number or service name"

    def parse(self, words: Sequence[str], context: Context) -> int:
        return _port(words[0], context)


def _port(word: str, context: Context) -> int:
    if not word[:1].isalpha():
        return parse_whole(word, context.notes)
    port = port_of(word, context.protocol)
    if port is None:
        raise BadValue(
            f"{shown(word)} is not a {context.protocol} service known here: write the port's number"
        )
    return port


class Seconds(Kind):
    """Seconds that may have decimals, down to milliseconds (Piranha: whole ones only)."""

    says = "seconds, decimals allowed"
    low, high = 0.01, 86400

    def parse(self, words: Sequence[str], context: Context) -> float:
        word = words[0]
        return float(word) if _DECIMAL.fullmatch(word) else parse_whole(word, context.notes)

    def format(self, value: float, context: Context) -> str:
        if not isfinite(value) or value == int(value):
            return str(int(value) if isfinite(value) else value)
        return format(Decimal(repr(value)), "f")

    def to_json(self, value: float, context: Context) -> float:
        return int(value) if isfinite(value) and value == int(value) else value

    def from_json(self, value: object, context: Context) -> float:
        if isinstance(value, float):
            return value
        return int(want(value, int, "a number of seconds"))

    def faults(self, value: float, context: Context) -> Iterator[str]:
        if not self.low <= value <= self.high:
            yield f"is out of range: write {self.low} to {self.high} seconds"
        elif round(value, 3) != value:
            yield "is finer than a millisecond: write at most three decimals"


@dataclass(frozen=True, slots=True)
class Choice(Kind):
    """One word of a fixed set."""

    options: type[StrEnum]

    @property
    def says(self) -> str:
        return ", ".join(self.options)

    def parse(self, words: Sequence[str], context: Context) -> StrEnum:
        try:
            return self.options(words[0])
        except ValueError:
            raise BadValue(f"{shown(words[0])} is not possible here: write one of {self.says}") from None


@dataclass(frozen=True, slots=True)
class Choices(Kind):
    """Several words of a fixed set, with commas."""

    options: type[StrEnum]
    words = None

    @property
    def says(self) -> str:
        return f"{', '.join(self.options)} (several: with commas)"

    def parse(self, words: Sequence[str], context: Context) -> tuple[StrEnum, ...]:
        choice = Choice(self.options)
        return tuple(dict.fromkeys(choice.parse([word], context) for word in _comma_list(words)))

    def format(self, value: tuple[StrEnum, ...], context: Context) -> str:
        return ",".join(value)

    def to_json(self, value: tuple[StrEnum, ...], context: Context) -> list[str]:
        return [str(option) for option in value]

    def from_json(self, value: object, context: Context) -> tuple[StrEnum, ...]:
        return self.parse(_texts(value), context)


class Ports(Kind):
    """Ports and ranges of ports, with commas, of another protocol after its name: 443,10000:20000,udp/443."""

    words = None
    says = "ports and FIRST:LAST ranges, with commas; of another protocol: PROTOCOL/PORTS"

    def parse(self, words: Sequence[str], context: Context) -> tuple[PortRange, ...]:
        return tuple(self._range(word, context) for word in _comma_list(words))

    @staticmethod
    def _range(word: str, context: Context) -> PortRange:
        name, slash, ports = word.rpartition("/")
        protocol: Protocol | None = None
        if slash:
            protocol = Protocol(Choice(Protocol).parse([name], context))
            context = replace(context, protocol=protocol)
        first, colon, last = ports.partition(":")
        if not first or (colon and not last):
            raise BadValue(f"{shown(word)} is not a range of ports: write one such as 10000:20000")
        low = _port(first, context)
        return PortRange(low, _port(last, context) if colon else low, protocol)

    def format(self, value: tuple[PortRange, ...], context: Context) -> str:
        return ",".join(str(ports) for ports in value)

    def to_json(self, value: tuple[PortRange, ...], context: Context) -> list[str]:
        return [str(ports) for ports in value]

    def from_json(self, value: object, context: Context) -> tuple[PortRange, ...]:
        return self.parse(_texts(value), context)

    def faults(self, value: tuple[PortRange, ...], context: Context) -> Iterator[str]:
        for ports in value:
            if not 1 <= ports.first <= ports.last <= MAX_PORT:
                yield f"has {ports}, out of range: write ports from 1 to {MAX_PORT}, the lower one first"


class Statuses(Kind):
    """HTTP status codes and ranges of them, with commas: 200:299,304."""

    words = None
    says = "status codes and FIRST:LAST ranges, with commas"
    low, high = 100, 599

    def parse(self, words: Sequence[str], context: Context) -> tuple[StatusRange, ...]:
        return tuple(self._range(word, context) for word in _comma_list(words))

    @staticmethod
    def _range(word: str, context: Context) -> StatusRange:
        first, colon, last = word.partition(":")
        if not first or (colon and not last):
            raise BadValue(f"{shown(word)} is not a range of status codes: write one such as 200:399")
        low = parse_whole(first, context.notes)
        return StatusRange(low, parse_whole(last, context.notes) if colon else low)

    def format(self, value: tuple[StatusRange, ...], context: Context) -> str:
        return ",".join(map(str, value))

    def to_json(self, value: tuple[StatusRange, ...], context: Context) -> list[str]:
        return [str(each) for each in value]

    def from_json(self, value: object, context: Context) -> tuple[StatusRange, ...]:
        return self.parse(_texts(value), context)

    def faults(self, value: tuple[StatusRange, ...], context: Context) -> Iterator[str]:
        if not value:
            yield "has no status code: write one such as 200:399"
        for each in value:
            if not self.low <= each.first <= each.last <= self.high:
                yield f"has {each}, out of range: write codes from {self.low} to {self.high}, the lower first"


@dataclass(frozen=True, slots=True)
class Text(Kind):
    """One piece of text of at most `limit` bytes; strings are always written in quotes."""

    limit: int = 255
    string: bool = False

    @property
    def says(self) -> str:
        return "text in quotes" if self.string else "word"

    def parse(self, words: Sequence[str], context: Context) -> str | None:
        return words[0] or None

    def format(self, value: str, context: Context) -> str:
        return quoted(value) if self.string else bare(value)

    def faults(self, value: str, context: Context) -> Iterator[str]:
        yield from text_faults(value, self.limit)


class Words(Kind):
    """A list in brackets: [ a b ]."""

    words = None
    says = "[ WORD ... ]"

    def parse(self, words: Sequence[str], context: Context) -> tuple[str, ...]:
        if len(words) < 2 or words[0] != "[" or words[-1] != "]":
            raise BadValue("a list is expected: write [ WORD WORD ] with blanks around the brackets")
        return tuple(words[1:-1])

    def format(self, value: tuple[str, ...], context: Context) -> str:
        return " ".join(["[", *map(bare, value), "]"])

    def to_json(self, value: tuple[str, ...], context: Context) -> list[str]:
        return list(value)

    def from_json(self, value: object, context: Context) -> tuple[str, ...]:
        return tuple(_texts(value))

    def faults(self, value: tuple[str, ...], context: Context) -> Iterator[str]:
        for word in value:
            yield from text_faults(word, 255)


def _comma_list(words: Sequence[str]) -> list[str]:
    return [word for text in words for word in text.split(",") if word]


def _texts(value: object) -> list[str]:
    return [want(item, str, "text") for item in want(value, list, "a list")]
