"""What somebody can do to the pages who may write to Redis, or has taken a router over: nothing but lie."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.utils import timezone

from lvs import dispatch, models, store
from lvs.reported import answers, report_shape, reports
from lvs.reported.report_parts import report_key, servers_key, states_key
from lvs.sent import asking, orders
from tests.conftest import RedisServer
from tests.mutations import GONE, MARK, VALUES, Place, at, places, with_other
from tests.unit.reported.test_shape import whole
from tests.web.answering import answering
from tests.web.explaining import explanation, trial
from tests.web.looking import preflight, remark, rules
from tests.web.pages import text_of
from tests.web.reports import hand, report
from tests.web.test_attacks_markup import QUERIES
from tests.web.test_every_address import EVERY

# The pages and parts of pages that show what routers report; all others show the status line besides.
SHOWN = (
    "control",
    "router",
    "redundancy",
    "virtual-server",
    "real-server",
    "status-line",
    "review",
    "history",
)
TARGETS = {"target": "shop/web2", "order": "drain", "address": "10.11.12.2"}
ROUTERS = ("r1", "r2")
SHOWING = ("/", "/routers", "/virtual-servers", "/redundancy", "/status-line")
# Each with the kinds of its values, so that what is combined is what might have been there.
ANSWERS: dict[str, dict[str, Any]] = {
    "explain": explanation(test=trial(), hand=hand("maintenance")),
    "preflight": preflight(remark(), remark("error")),
    "rules": rules(drift=["a chain"]),
    "plan": {"changes": ["add"], "problems": [{"line": None, "severity": "error", "message": "no"}]},
    "running": {"lvs_cf": "primary = 1.2.3.4\n", "sha256": "1" * 64, "serial": 1},
}


@pytest.fixture
def shown(redis_server: RedisServer, cluster: models.Cluster, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A cluster of which every page shows something; nobody waits for a router."""
    for name in [name for name in dir(orders) if name.endswith("_SECONDS")]:
        monkeypatch.setattr(orders, name, 0.05)
    monkeypatch.setattr(dispatch, "DRY_RUN_SECONDS", 0.05)
    revision = store.freeze(cluster, author="anna", message="", confirm_within=60)
    for one in revision.deployments.all():
        one.wait(timezone.now())
    return cluster


def written(name: str, document: Any) -> None:
    """A router's report as it stands in Redis, whatever it is, and all that goes with it."""
    client = dispatch.broker()
    now = reports.seconds(client.time())
    client.set(report_key(name), json.dumps({"at": now, "pulse": document, "problem": None}))
    brief = {"at": now, "answers": True, "role": "active", "serial": 1, "sha256": "0" * 64}
    client.set(reports.brief_key_of(name), json.dumps(brief))
    parts = document.get("virtual_servers") if isinstance(document, dict) else None
    for one in parts if isinstance(parts, list) else ():
        client.hset(servers_key(name), "shop", json.dumps(one))
    client.set(states_key(name), json.dumps({"shop": ["in_service", {"healthy": 1}]}))


def pages() -> Iterator[str]:
    """Every address that shows something, with what makes it show more."""
    for name, address in EVERY:
        if name.startswith(SHOWN):
            yield f"{address}?{urlencode(QUERIES.get(name, {}) | TARGETS)}"


def all_shown(client: Client) -> None:
    """Every page comes, and nothing of what somebody wrote is more than text in it."""
    for address in pages():
        response = client.get(address)
        assert response.status_code < 500, address
        if response.headers.get("Content-Type", "").startswith("text/html"):
            assert MARK not in response.content.decode(errors="replace"), address


def batches(document: Any, kind: Any, name: str) -> Iterator[Any]:
    """The document with that value wherever it fits: at all ends, then at all inner places of each depth."""
    value = VALUES[name]
    fitting: dict[int, list[Place]] = {}
    for place in places(document):
        if value is GONE and isinstance(place[-1], int):
            continue
        if kind(with_other(document, (place, value))):
            depth = len(place) if isinstance(at(document, place), dict | list) else 0
            fitting.setdefault(depth, []).append(place)
    for group in fitting.values():
        yield with_other(document, *((place, value) for place in group))


@pytest.mark.thorough
@pytest.mark.parametrize("name", VALUES)
def test_no_value_that_fits_breaks_a_page(administrator: Client, shown: models.Cluster, name: str) -> None:
    for made in batches(whole(), report_shape.STATUS, name):
        assert report_shape.STATUS(made)
        written("r1", made)
        written("r2", {**made, "role": "standby"})
        all_shown(administrator)


@pytest.mark.thorough
def test_what_does_not_fit_breaks_no_page_either(administrator: Client, shown: models.Cluster) -> None:
    document = whole()
    refused = [
        with_other(document, (place, value))
        for place, (name, value) in zip(places(document), itertools.cycle(VALUES.items()), strict=False)
        if not (value is GONE and isinstance(place[-1], int))
    ]
    for made in (one for one in refused if not report_shape.STATUS(one)):
        for name in ROUTERS:
            written(name, made)
        for address in SHOWING:
            response = administrator.get(address)
            assert response.status_code == 200, address
            assert MARK not in response.content.decode(errors="replace")


def test_a_report_that_is_not_understood_is_said_so_with_its_router(
    administrator: Client, shown: models.Cluster
) -> None:
    report("r2", whole("standby"))
    written("r1", with_other(whole(), (("redundancy", "links", 0, "sent"), "many")))

    page = text_of(administrator.get("/"))

    assert "its report is not understood" in page
    assert ".pulse.redundancy.links[0].sent is" in page
    states = {one.router.name: one for one in dispatch.state(shown).routers}
    assert (states["r1"].is_current, states["r2"].is_current) == (False, True)
    assert states["r1"].level == "danger"


BODIES: dict[str, bytes] = {
    "nothing": b"{}",
    "no JSON": b"x",
    "no text": b"\xff\xfe\x00\x80",
    "deep": b"[" * 100_000,
    "digits": b'{"at": ' + b"9" * 5000 + b"}",
    "a list": b"[1, 2]",
    "null": b"null",
}


@pytest.mark.parametrize("body", BODIES)
def test_whatever_stands_in_a_routers_keys_the_pages_come(
    administrator: Client, shown: models.Cluster, body: str
) -> None:
    client = dispatch.broker()
    report("r2", whole("standby"))
    report("r1", whole())
    for key in [key for key in client.keys("piranha:*r1*") if client.type(key) == "string"]:
        client.set(key, BODIES[body])
    client.hset(servers_key("r1"), "shop", BODIES[body])
    client.hset("piranha:refused:r1", mapping={"forged": BODIES[body], "forged.at": BODIES[body]})

    for address in SHOWING:
        assert administrator.get(address).status_code == 200, address
    assert dispatch.state(shown).problem is None
    assert {name: brief.answers for name, brief in reports.briefs(client, ROUTERS).items()}["r2"] is True


@pytest.mark.parametrize("kind", ["hash", "list", "set", "string", "stream"])
def test_whatever_type_a_routers_keys_have_the_pages_come(
    administrator: Client, shown: models.Cluster, kind: str
) -> None:
    client = dispatch.broker()
    report("r2", whole("standby"))
    report("r1", whole())
    kinds = ["brief", "report", "refused", "traffic", "looked"]
    keys = {*client.keys("piranha:*r1*"), *(f"piranha:{word}:r1" for word in kinds)}
    for key in keys:
        client.delete(key)
        if kind == "hash":
            client.hset(key, "x", "y")
        elif kind == "list":
            client.rpush(key, "x")
        elif kind == "set":
            client.sadd(key, "x")
        elif kind == "stream":
            client.xadd(key, {"x": "y"})
        else:
            client.set(key, "x")

    for address in SHOWING:
        assert administrator.get(address).status_code == 200, address
    now = dispatch.state(shown)
    assert now.problem is None
    assert {one.router.name: one.is_current for one in now.routers} == {"r1": False, "r2": True}


def test_a_body_that_is_larger_than_any_report_is_not_read(shown: models.Cluster) -> None:
    client = dispatch.broker()
    client.setrange(report_key("r1"), 20 * 1024 * 1024, "x")

    found = reports.fetch(client, ["r1"])["r1"]

    assert found.problem == "it has more than 4 MiB"
    assert not found.is_understood


# ---- answers


@pytest.mark.thorough
@pytest.mark.parametrize("task", ANSWERS)
def test_no_answer_that_fits_breaks_the_page_that_shows_it(
    administrator: Client, shown: models.Cluster, monkeypatch: pytest.MonkeyPatch, task: str
) -> None:
    for name in [name for name in dir(orders) if name.endswith("_SECONDS")]:
        monkeypatch.setattr(orders, name, 5.0)
    monkeypatch.setattr(dispatch, "DRY_RUN_SECONDS", 5.0)
    report("r1", {**whole(), "sha256": "1" * 64})
    addresses = {
        "explain": "/real-servers/explained?target=shop/web2",
        "preflight": "/routers/1/preflight",
        "rules": "/routers/1/rules",
        "plan": "/review/routers",
        "running": "/routers/1/outside",
    }
    kind = report_shape.RESULTS[f"piranha.{task}"]
    for name in VALUES:
        for made in batches(ANSWERS[task], kind, name):
            with answering("r1", **{**ANSWERS, task: made}):
                response = administrator.get(addresses[task])
            assert response.status_code == 200, (name, made)
            assert MARK not in response.content.decode(errors="replace")


@pytest.mark.parametrize(
    "said",
    [
        b"null",
        b"x",
        b"\xff\xfe",
        b'{"ok": true}',
        b'{"ok": 1, "result": {}}',
        b'{"ok": true, "result": []}',
        b'{"ok": false, "error": "no"}',
        b'{"ok": false, "error": {"kind": "x", "message": 7, "problems": []}}',
        b'{"ok": false, "error": {"kind": "x", "message": "m", "problems": [7]}}',
    ],
)
def test_what_is_no_answer_is_as_good_as_a_refusal_that_says_so(
    redis_server: RedisServer, said: bytes
) -> None:
    client = dispatch.broker()
    client.set(answers.key_of("r1", "t"), said)

    found = answers.take(client, "r1", "t")

    assert found is not None
    assert not found["ok"]
    assert found["error"]["kind"] == answers.NOT_UNDERSTOOD
    assert "what its worker answered is not understood" in found["error"]["message"]


def test_an_answer_under_a_key_of_another_type_is_none_either(redis_server: RedisServer) -> None:
    client = dispatch.broker()
    client.rpush(answers.key_of("r1", "t"), "x")

    found = answers.take(client, "r1", "t")

    assert found is not None
    assert "of another type" in found["error"]["message"]


@pytest.mark.parametrize("result", [{}, {"changes": "abc"}, {"changes": [], "refused": [], "seconds": "x"}])
def test_a_result_of_another_shape_is_a_refusal_with_the_place(result: dict[str, Any]) -> None:
    found = answers.fitting({"ok": True, "result": result}, "piranha.apply")

    assert "result." in found["error"]["message"]
    assert answers.fitting({"ok": True, "result": result}, "piranha.confirm")["ok"]


def test_a_page_says_of_a_router_whose_answer_it_does_not_understand_that_it_does_not(
    administrator: Client, shown: models.Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orders, "LOOK_SECONDS", 5.0, raising=False)
    for name in [name for name in dir(orders) if name.endswith("_SECONDS")]:
        monkeypatch.setattr(orders, name, 5.0)
    report("r1", whole())
    with answering("r1", rules={"nft": 7}):
        page = text_of(administrator.get("/routers/1/rules"))

    assert "r1: what its worker answered is not understood (result.nft is 7)" in page


def test_nothing_of_all_this_is_left_unnamed() -> None:
    assert {name.removeprefix("piranha.") for name in report_shape.RESULTS} >= set(ANSWERS)
    assert math.isnan(VALUES["no number"])
    assert asking.Told().document is None
