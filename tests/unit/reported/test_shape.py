"""Judging what routers write: the kinds, the shapes of reports and answers, and what is said of a fault."""

from __future__ import annotations

import time
from typing import Any

import pytest

from lvs.reported import report_shape, shape
from lvs.reported.shape import ABSENT, Kind, Misshapen, fault, parsed
from tests.mutations import GONE, VALUES, at, places, with_other
from tests.web.explaining import explanation, trial
from tests.web.looking import preflight, remark, rules
from tests.web.redundant import redundant
from tests.web.reports import COUNTERS, hand, real_server, shop_with, status

BIG = 10**400
NAN, INFINITE = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (shape.text, ["", "ü", "😀", "x" * 65536], [None, 1, b"x", ["x"], "\ud800", "x" * 65537, ABSENT]),
        (shape.long_text, ["x" * 100_000], [None, "\udfff"]),
        (shape.number, [0, -1, 1.5, 1e15], [True, "1", None, NAN, INFINITE, -INFINITE, BIG, 1e300, ABSENT]),
        (shape.natural, [0, 1, 2**52], [-1, 1.0, True, "1", None, BIG, 2**53]),
        (shape.moment, [0, 1.7e9, 253402214400], [-1, 253402300799, NAN, INFINITE, BIG, True, "0", None]),
        (shape.flag, [True, False], [0, 1, None, "true", ABSENT]),
        (shape.maybe(shape.flag), [None, True], [0, ABSENT]),
        (shape.one_of("a", "b"), ["a", "b"], ["c", None, ["a"], 1]),
        (shape.listed(shape.flag, most=2), [[], [True], [True, False]], [None, {}, (), [1], [True] * 3]),
        (shape.mapped(shape.flag), [{}, {"a": True}], [None, [], {"a": 1}, {"\ud800": True}]),
        (shape.pair(shape.text, shape.flag), [["a", True]], [["a"], ["a", True, 1], [True, "a"], None, "ab"]),
        (
            shape.record({"a": shape.flag}, {"b": shape.text}),
            [{"a": True}, {"a": True, "b": "x"}, {"a": True, "c": object}],
            [{}, {"a": 1}, {"a": True, "b": 1}, {"a": True, "b": None}, [], None],
        ),
        (shape.either(shape.flag, shape.text), [True, "x"], [1, None]),
    ],
)  # fmt: skip
def test_a_kind_takes_what_it_names_and_nothing_else(kind: Kind, good: list[Any], bad: list[Any]) -> None:
    assert [value for value in good if not kind(value)] == []
    assert [value for value in bad if kind(value)] == []


def whole(role: str = "active") -> dict[str, Any]:
    """A status document in which nothing is missing, as a report has it."""
    now = time.time()
    servers = [
        real_server("web1", "10.11.12.1", hand=hand("drain", until=now + 60)),
        real_server("web2", "10.11.12.2", "failed", "connect: refused", protected=True, flapping=True),
    ]
    leaving = {"name": "web9", "address": "10.11.12.9", "port": 80, "until": now + 60, "counters": COUNTERS}
    sorry = {"address": "10.11.12.99", "port": 80, "weight": 1, "counters": COUNTERS}
    shop = shop_with(*servers, departing=[leaving], sorry_server=sorry, protected=1)["virtual_servers"]
    foreign = [{**shop[0], "name": "", "forwarding": None}]
    stranger = {"at": now, "address": "192.168.26.10", "mac": "02:00:00:00:00:01", "interface": "eth0"}
    return redundant(
        role,
        of={"strangers": [stranger], "alarms": ["one"], "unfit": ["two"], "hand_over_refused": ["three"]},
        virtual_servers=shop,
        foreign=foreign,
        last_change={"at": now, "cause": "x", "changes": ["y"], "refused": [{"change": "a", "reason": "b"}]},
        problems=["a problem"],
        unconfirmed={"serial": 1, "seconds_left": 20.5, "back_to": None},
        guard={"port": 3636, "networks": ["10.0.0.0/8"]},
        summary={
            "virtual_servers": 1,
            "real_servers": 2,
            "whole": True,
            "unread": 0,
            "counts": {"failed": 1, "draining": 1},
            "services": {"in_service": 1},
            "attention": 3,
        },
    )


DOCUMENTS: dict[str, tuple[Kind, dict[str, Any]]] = {
    "report": (report_shape.REPORT, {"at": 1.0, "pulse": whole(), "problem": None}),
    "plain report": (report_shape.REPORT, {"at": 1.0, "pulse": status(), "problem": None}),
    "report of silence": (report_shape.REPORT, {"at": 1.0, "pulse": None, "problem": "pulse is away"}),
    "brief": (
        report_shape.BRIEF,
        {"at": 1.0, "answers": True, "role": "active", "serial": 1, "sha256": "0", "knows_confirmation": True,
         "unconfirmed": None, "key": "1f8b08c4", "guard": {"port": 1, "networks": []}},
    ),
    "part": (report_shape.PART, whole()["virtual_servers"][0]),
    "states": (report_shape.STATES, {"shop": ["in_service", {"healthy": 2}]}),
    "explain": (report_shape.RESULTS["piranha.explain"], explanation(test=trial(), hand=hand("drain"))),
    "try_check": (report_shape.RESULTS["piranha.try_check"], {"check": "x", "test": trial()}),
    "preflight": (report_shape.RESULTS["piranha.preflight"], preflight(remark())),
    "rules": (report_shape.RESULTS["piranha.rules"], rules()),
    "refusal": (
        report_shape.ANSWER,
        {"ok": False, "error": {"kind": "RouterError", "message": "no", "problems":
                                [{"line": 3, "severity": "error", "message": "x"}]}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DOCUMENTS)
def test_what_routers_write_has_the_shape_and_so_has_what_a_newer_one_adds(name: str) -> None:
    kind, document = DOCUMENTS[name]

    assert fault(kind, document) == ""
    if name != "states":
        assert kind({**document, "of tomorrow": [1]})


@pytest.mark.thorough
@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.parametrize("other", VALUES)
def test_any_other_value_in_any_place_fits_or_is_named(name: str, other: str) -> None:
    kind, document = DOCUMENTS[name]
    value = VALUES[other]
    for place in places(document):
        if value is GONE and isinstance(place[-1], int):
            continue
        made = with_other(document, (place, value))
        said = fault(kind, made)
        assert kind(made) is (said == "")
        assert said.isascii()
        assert said.isprintable()
        assert len(said) < 250
        found = at(document, place)
        if value is not GONE and not kind(made) and not isinstance(value, dict | list):
            assert str(place[-1]) in said or "ok" in made, (place, said)
        if type(value) is type(found) and kind(made):
            continue
        # What is computed with is a number in bounds, or refused. (A guard has a judge of its own.)
        if "guard" not in place and (value != value or value in (INFINITE, BIG)):
            assert not kind(made), place


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "no JSON"),
        (b"\xff\xfe\xfa", "no JSON"),
        (b"{", "no JSON"),
        (b"1" * 5000, "no JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b"null", "it is None"),
        (b'{"at": NaN}', ".at is nan"),
        (b'{"at": 1e999}', ".at is inf"),
        (b'{"at": 1, "pulse": null}', ".problem is missing"),
        (b'{"at": 1, "pulse": {"name": "\\ud800"}, "problem": null}', r".pulse.name is '\ud800'"),
        ('{"at": "\u202e\x1b"}'.encode(), "no JSON"),
    ],
)
def test_a_body_that_is_no_report_is_refused_with_where(body: bytes, said: str) -> None:
    with pytest.raises(Misshapen) as refused:
        parsed(body, report_shape.REPORT)

    assert said in str(refused.value)
