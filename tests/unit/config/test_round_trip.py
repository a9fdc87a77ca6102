"""Properties of reader, writer, document and diff over the whole model."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import HealthCheck as Health
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lvs.config.check import check
from lvs.config.diff import differences
from lvs.config.document import from_document, to_document
from lvs.config.keywords import GLOBAL, SERVER, VIRTUAL
from lvs.config.model import LvsConfig, Severity
from lvs.config.reader import decode, read
from lvs.config.rules import problems
from lvs.config.writer import write
from lvs.errors import ParseError
from tests.unit.config.strategies import configs

pytestmark = pytest.mark.thorough

thorough = settings(
    max_examples=40, deadline=None, suppress_health_check=[Health.too_slow, Health.data_too_large]
)


@thorough
@given(configs())
def test_strategies_give_only_configurations_that_the_rules_accept(config):
    assert [str(p) for p in problems(config) if p.severity is Severity.ERROR] == []


@thorough
@given(configs())
def test_what_is_written_reads_back_as_the_same_configuration(config):
    reading = read(write(config))
    assert [str(p) for p in reading.problems if p.severity is Severity.ERROR] == []
    assert reading.config == config


@thorough
@given(configs())
def test_a_document_reads_back_as_the_same_configuration_even_through_json_text(config):
    assert from_document(json.loads(json.dumps(to_document(config)))) == config


@thorough
@given(configs(), configs())
def test_there_are_differences_exactly_when_something_but_serial_number_and_comments_differs(one, other):
    assert differences(one, one) == ()
    assert differences(one, from_document(json.loads(json.dumps(to_document(one))))) == ()
    assert bool(differences(one, other)) == (without_notes(one) != without_notes(other))


def without_notes(config):
    def services(blocks):
        return tuple(
            replace(
                block,
                comments=(),
                real_servers=tuple(replace(server, comments=()) for server in block.real_servers),
            )
            for block in blocks
        )

    return replace(
        config,
        global_settings=replace(config.global_settings, serial_no=0),
        comments=(),
        virtual_servers=services(config.virtual_servers),
        failover_services=services(config.failover_services),
    )


_names = [keyword.name for keyword in (*GLOBAL, *VIRTUAL, *SERVER)]
_blocks = ["virtual a {", "failover b {", "server c {", "server d{", "virtual", "server", "}", "{", "[ a ]"]
_marks = [
    "=",
    " = ",
    '"',
    "'",
    "#",
    "# x",
    "\0",
    "\ufeff",
    "\r",
    "\n",
    "\n",
    "\n",
    " ",
    "\t",
    "expect_program = x",
]
_values = [
    "0",
    "1",
    "010",
    "0x10",
    "10.0.0.1",
    "10.0.0.1 eth0:1",
    "255.255.0.0",
    "/24",
    "::1",
    "http",
    "443,9:20",
]
_words = st.sampled_from([*_names, *_blocks, *_marks, *_values])
_files = st.lists(_words, max_size=60).map("".join) | st.lists(_words, max_size=60).map(" ".join)


@settings(thorough, max_examples=400)
@given(st.text() | _files | st.binary().map(lambda raw: decode(raw)[0]))
@example("\x1f")
@example("virtual a {\nserver b {\nvirtual c {\n")
@example("virtual a {\n}\nvirtual a {\n}\nvirtual a-2 {\n}\n")
@example("# c1\n\n# c2\nserial_no = 1\n")
@example("primary = 10.0.0.1\n# c1\n\n# c2\nserial_no = 1\n")
@example("backup = 0.0.0.0\n# above\nbackup = 0.0.0.0\nkeepalive = 3")
@example("\n\n#x\n\nserial_no=1 #y\n")
def test_no_text_makes_the_reader_fail_and_what_it_read_is_written_stably(text):
    reading = check(text)
    once = write(reading.config)
    again = read(once)
    if reading.ok:
        assert again.ok, (once, again.problems)
        assert write(again.config) == once


@thorough
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from([*_names, "name", "virtual", "server", "comments"]), inner, max_size=6
            )
        ),
    )
)
def test_no_document_makes_from_document_fail_otherwise_than_with_parse_error(document):
    with suppress(ParseError):
        config = from_document(document)
        assert isinstance(config, LvsConfig)
        problems(config)
        write(config)
