"""Whatever is written into any text of a configuration stays that text in lvs.cf, or is refused before."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lvs.config.check import load
from lvs.config.document import from_document, to_document
from lvs.config.model import FloatingAddress, GlobalSettings, LvsConfig, RealServer, Severity, VirtualServer
from lvs.config.reader import read
from lvs.config.rules import problems
from lvs.config.writer import write
from lvs.errors import ConfigError, ParseError
from lvs.tasks import rendered

pytestmark = pytest.mark.thorough

Path = tuple[str | int, ...]

CONFIG = LvsConfig(
    global_settings=GlobalSettings(primary=IPv4Address("192.0.2.1")),
    virtual_servers=(
        VirtualServer(
            name="shop",
            active=True,
            address=FloatingAddress(address=IPv4Address("192.0.2.80"), device="eth0:1"),
            dirs=("one",),
            real_servers=(RealServer(name="web1", address=IPv4Address("10.0.0.1"), active=True),),
            comments=(("port", ("# above",)),),
        ),
    ),
    comments=(("global", ("# head",)), ("", ("# end",))),
)
DOCUMENT = to_document(CONFIG)
PLACES = [(), ("virtual", 0), ("virtual", 0, "server", 0)]


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """Where in a document a text is, or could be in the place of null."""
    items: Any = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, each in items:
        yield from paths(each, (*path, key))
    if value is None or isinstance(value, str):
        yield path


EVERY = list(paths(DOCUMENT))
PIECES = [
    '"',
    "'",
    '"\n',
    "'\n",
    "\n",
    "\r",
    "\0",
    "\t",
    " ",
    "#",
    "# ",
    "=",
    " = ",
    "{",
    "}",
    "\n}\n",
    "[",
    "]",
]
PIECES += [
    "\\",
    "\\n",
    "\\\n",
    ",",
    "\x0b",
    "\x0c",
    "\x1c",
    "\x85",
    "\u2028",
    "\u2029",
    "\ufeff",
    "\ud800",
    "x",
]
PIECES += [
    "active_cmd = /evil",
    "send_program = evil",
    "virtual evil {",
    "server evil {",
    "serial_no = 9",
    "äß",
]
attacks = st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join) | st.text(
    min_size=1, max_size=8
)


def written_into(path: Path, text: str) -> Any:
    """The document with the text there."""
    document = copy.deepcopy(DOCUMENT)
    place: Any = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = text
    return document


def test_every_text_of_a_configuration_is_attacked() -> None:
    names = {path[-1] for path in EVERY}
    assert {"name", "device", "send", "expect", "send_program", "active_cmd", "load_monitor"} <= names
    assert len(EVERY) > 40


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(EVERY), attacks)
@example(("active_cmd",), 'x"\nservice = fos')
@example(("virtual", 0, "name"), "shop {\n}\nvirtual evil")
@example(("virtual", 0, "send"), "a' # \"b")
@example(("virtual", 0, "dirs", 0), "] # ")
@example(("virtual", 0, "comments", "port", 0), "# x\nactive_cmd = /evil")
@example(("comments", "global", 0), "#\rserial_no = 9")
@example(("virtual", 0, "comments", "port", 0), "#\x0b")
def test_what_the_rules_accept_reads_back_as_exactly_that_value(path: Path, text: str) -> None:
    try:
        config = from_document(written_into(path, text))
    except ParseError:
        return
    if any(problem.severity is Severity.ERROR for problem in problems(config)):
        return
    reading = read(write(config))
    assert [problem for problem in reading.problems if problem.severity is Severity.ERROR] == []
    assert reading.config == config


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(EVERY), attacks)
@example(("active_cmd",), 'x"\nservice = fos\n# "')
@example(("virtual", 0, "send"), "a'  # \"b")
@example(("virtual", 0, "name"), "shop {\n}\nvirtual evil")
@example(("virtual", 0, "device"), "eth0 # ")
@example(("virtual", 0, "comments", "port", 0), "active = 0")
@example(("comments", "", 0), "#\nactive_cmd = /evil")
def test_a_document_from_redis_cannot_say_more_than_it_says(path: Path, text: str) -> None:
    """What a router's worker makes of it, and pulse of that: the same configuration, or a refusal."""
    document = written_into(path, text)
    try:
        taken = load(rendered(document))
    except ConfigError:
        return
    assert taken == from_document(document)


@pytest.mark.parametrize(
    "name", ["../../bin/sh", "/bin/sh", "..", "x\n", "a/../../b", "x\0y", "-rf", "$(id)", "`id`"]
)
def test_names_are_names_and_lead_nowhere(name: str) -> None:
    config = from_document(written_into(("virtual", 0, "name"), name))
    if not any(problem.severity is Severity.ERROR for problem in problems(config)):
        assert read(write(config)).config.virtual_servers[0].name == name
