"""What is remembered of unchanged virtual servers is what would be worked out anew."""

from __future__ import annotations

import gc
import json
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace

import pytest
from hypothesis import HealthCheck as Health
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lvs.config import document as documents
from lvs.config import reader
from lvs.config.check import check
from lvs.config.document import from_document, to_document
from lvs.config.memo import Last, Memo, Turns
from lvs.config.model import Forwarding, VirtualServer
from lvs.config.rules import problems
from lvs.config.writer import write
from lvs.errors import ParseError
from tests.unit.config.strategies import configs

pytestmark = pytest.mark.thorough

thorough = settings(
    max_examples=25, deadline=None, suppress_health_check=[Health.too_slow, Health.data_too_large]
)


@contextmanager
def nothing_remembered():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "_blocks", Turns())
        patch.setattr(documents, "_blocks", Turns())
        yield


# ---- the two kinds of memory


def test_a_result_is_worked_out_once_for_a_virtual_server_and_again_for_other_circumstances():
    asked = []

    def work(virtual_server, number):
        asked.append((virtual_server.name, number))
        return virtual_server.name * number

    memo, web = Memo(work), VirtualServer(name="web")
    assert [memo(web, 1), memo(web, 1), memo(web, 2), memo(web, 2), memo(web, 1)] == [
        "web",
        "web",
        "webweb",
        "webweb",
        "web",
    ]
    assert asked == [("web", 1), ("web", 2), ("web", 1)]


def test_equal_virtual_servers_are_not_taken_for_each_other():
    memo = Memo(lambda virtual_server: object())
    one, other = VirtualServer(name="web"), VirtualServer(name="web")
    assert memo(one) is not memo(other)
    assert memo(one) is memo(one)


def test_a_result_goes_with_its_virtual_server():
    memo = Memo(lambda virtual_server: virtual_server.name)
    kept, gone = VirtualServer(name="kept"), VirtualServer(name="gone")
    memo(kept), memo(gone), memo(gone)
    assert len(memo) == 2
    del gone
    gc.collect()
    assert len(memo) == 1
    assert memo(kept) == "kept"


def test_a_turn_recalls_the_turn_before_and_what_that_did_not_use_is_forgotten():
    turns = Turns()
    first = turns.begin()
    first.keep("a", 1)
    first.keep("b", 2)
    turns.end(first)
    second = turns.begin()
    assert second.recall("a") == 1
    turns.end(second)
    third = turns.begin()
    assert (third.recall("a"), third.recall("b")) == (1, None)


# ---- the reader

_BLOCKS = [
    "virtual a {\n active = 1\n address = 10.0.0.1 eth0:1\n}",
    "virtual a {\n active = 1\n address = 10.0.0.1 eth0:1\n server s {\n  active = 0\n }\n}",
    "virtual b {\n active = 0\n # inside\n}",
    "virtual c {\n active = 0\n port = seventeen\n}",
    "failover a {\n active = 0\n}",
    "virtual d {\n active = 0\n}\n# behind",
    "virtual e {\n active = 0\n }\nvirtual f {\n active = 0\n}",
    "virtual = {\n}",
    "virtual g {\n active = 0",
    "x {\n virtual a {\n active = 0\n}\n}",
    'virtual "h" {\n active = 0\n}',
]
_BETWEEN = [
    "",
    "\n",
    "# a comment",
    "# one\n\n# two",
    "serial_no = 1",
    "primary = 10.0.0.9",
    "}",
    "{",
    "-A -t x",
]
_texts = st.lists(st.sampled_from(_BLOCKS + _BETWEEN), max_size=9).map("\n".join)


@settings(thorough, max_examples=300)
@given(_texts, _texts)
@example("# head\n\n# b\n" + _BLOCKS[0], "serial_no = 1\n# b\n" + _BLOCKS[0])
@example(_BLOCKS[0] + "\n" + _BLOCKS[0], _BLOCKS[0])
@example("\n" + _BLOCKS[0], "# head\n\n" + _BLOCKS[0])
@example(_BLOCKS[2], "virtual \n" + _BLOCKS[2])
def test_a_text_says_the_same_whatever_was_read_before(before, text):
    with nothing_remembered():
        check(text)
        check(before)
        check(before + "\n" + text)
        again = check(text)
    with nothing_remembered():
        first = check(text)
    assert (again.config, again.problems, again.complete) == (first.config, first.problems, first.complete)
    assert dict(again.lines) == dict(first.lines)


@thorough
@given(configs())
def test_a_written_configuration_reads_the_same_the_second_time_with_its_virtual_servers_the_same(config):
    text = write(config)
    with nothing_remembered():
        once, twice = check(text), check(text)
    assert (once.config, once.problems, dict(once.lines)) == (
        twice.config,
        twice.problems,
        dict(twice.lines),
    )


def test_an_unchanged_block_is_the_same_virtual_server_and_its_lines_are_counted_from_where_it_stands():
    one, other = _BLOCKS[1], _BLOCKS[2]
    before = check(f"{other}\n{one}\n")
    after = check(f"serial_no = 5\n\n{one}\n\n{other}\n")
    assert after.config.virtual_servers[0] is before.config.virtual_servers[1]
    assert after.lines[("virtual", "a"), None] == 3
    assert after.lines[("virtual", "a", "server", "s"), "active"] == 7
    assert before.lines[("virtual", "a", "server", "s"), "active"] == 9


# ---- the document


def test_an_unchanged_block_of_a_document_gives_the_same_virtual_server():
    document = {"virtual": [{"name": "a", "active": True}, {"name": "b", "active": True}]}
    changed = {"virtual": [{"name": "a", "active": True}, {"name": "b", "active": False}]}
    before, after = from_document(document), from_document(changed)
    assert after.virtual_servers[0] is before.virtual_servers[0]
    assert (before.virtual_servers[1].active, after.virtual_servers[1].active) == (True, False)


def test_a_number_is_no_flag_even_after_the_flag_that_equals_it():
    from_document({"virtual": [{"name": "a", "active": True}]})
    with pytest.raises(ParseError, match="true or false"):
        from_document({"virtual": [{"name": "a", "active": 1}]})


def test_a_malformed_block_is_malformed_every_time():
    for _ in range(2):
        with pytest.raises(ParseError, match="whole number"):
            from_document({"virtual": [{"name": "a", "timeout": "soon"}]})


# ---- what follows from virtual servers


@thorough
@given(configs(), st.sampled_from(Forwarding), st.booleans())
def test_rules_and_writer_say_of_known_virtual_servers_what_they_say_of_new_ones(config, forwarding, sync):
    problems(config), write(config)
    changed = replace(
        config,
        global_settings=replace(config.global_settings, forwarding=forwarding),
        redundancy=replace(config.redundancy, syncdaemon=sync),
        failover_services=(),
    )
    assert problems(changed) == problems(deepcopy(changed))
    assert write(changed) == write(deepcopy(changed))
    assert problems(config) == problems(deepcopy(config))


@thorough
@given(configs(), configs())
def test_a_document_says_the_same_whatever_came_before(before, config):
    document = json.loads(json.dumps(to_document(config)))
    from_document(document)
    from_document(to_document(before))
    assert from_document(document) == config


def test_the_last_result_is_found_again_for_an_equal_argument_only():
    asked = []
    doubled = Last(lambda numbers: asked.append(numbers) or [*numbers, *numbers])
    assert doubled((1, 2)) is doubled((1, 2))
    assert [doubled((3,)), doubled((1, 2))] == [[3, 3], [1, 2, 1, 2]]
    assert asked == [(1, 2), (3,), (1, 2)]
