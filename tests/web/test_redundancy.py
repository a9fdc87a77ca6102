"""REDUNDANCY: the form's fields, the pair as it is now, Switch now and the cluster's key."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest
from django.test import Client

from lvs import models, store
from lvs.config.model import Redundancy
from lvs.sent import orders
from tests.conftest import RedisServer
from tests.web.answering import answering
from tests.web.conftest import CONFIG
from tests.web.pages import fields_of, text_of
from tests.web.redundant import link, part, peer, redundant
from tests.web.reports import report, status

REDUNDANCY = Redundancy(
    backup_active=True,
    backup=IPv4Address("192.168.26.8"),
    backup_private=IPv4Address("10.11.12.8"),
    keepalive=0.1,
    deadtime=0.3,
)


@pytest.fixture(autouse=True)
def _running(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every page here has its Redis, and none waits long for a router that is not there."""
    monkeypatch.setattr(orders, "ORDER_SECONDS", 0.5)


@pytest.fixture
def revision(cluster: models.Cluster) -> models.Revision:
    """What both routers run: a pair."""
    settings = replace(CONFIG.global_settings, primary_private=IPv4Address("10.11.12.9"))
    store.save(cluster, replace(CONFIG, global_settings=settings, redundancy=REDUNDANCY))
    made = store.freeze(cluster, author="anna", message="")
    for deployment in made.deployments.all():
        deployment.end(models.Deployment.State.APPLIED)
    return made


def both_report(revision: models.Revision, of: dict[str, Any] | None = None, **second: Any) -> None:
    """r1 active, r2 standby; of: changes of r1's view, second: of r2's report."""
    same = {"serial": revision.number, "sha256": revision.sha256}
    report("r1", redundant("active", of=of, **same))
    report("r2", redundant("standby", **{**same, **second}))


def test_every_field_of_redundancy_is_saved(administrator: Client, revision: models.Revision) -> None:
    fields = fields_of(administrator, "/redundancy")
    assert (fields["keepalive"], fields["failback"], fields["check_gateway"]) == ("0.1", "0", "")
    fields |= {
        "failback": "7.5",
        "check_gateway": "192.168.26.1",
        "syncdaemon": "on",
        "syncd_iface": "eth1",
        "syncd_group": "224.0.0.99",
        "syncd_port": "8850",
        "syncd_ttl": "2",
        "syncd_maxlen": "1400",
    }

    response = administrator.post("/redundancy", fields)

    assert response.status_code == 302, text_of(response)
    saved = store.load(revision.cluster).redundancy
    assert saved == replace(
        REDUNDANCY,
        failback=7.5,
        check_gateway=IPv4Address("192.168.26.1"),
        syncdaemon=True,
        syncd_iface="eth1",
        syncd_group=IPv4Address("224.0.0.99"),
        syncd_port=8850,
        syncd_ttl=2,
        syncd_maxlen=1400,
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [("syncd_group", "192.168.26.1"), ("failback", "-1"), ("check_gateway", "192.168.26.9")],
)
def test_a_senseless_redundancy_setting_is_refused_at_its_field(
    administrator: Client, revision: models.Revision, field: str, value: str
) -> None:
    fields = fields_of(administrator, "/redundancy") | {field: value, "syncdaemon": "on"}

    response = administrator.post("/redundancy", fields)

    assert field in response.context["form"].errors
    assert store.load(revision.cluster).redundancy == REDUNDANCY


def test_a_folded_field_in_error_is_unfolded(administrator: Client, revision: models.Revision) -> None:
    fields = fields_of(administrator, "/redundancy") | {"syncd_ttl": "many"}
    assert '<details class="more" open>' in text_of(administrator.post("/redundancy", fields))


@pytest.mark.parametrize("address", ["/redundancy", "/redundancy/live", "/"])
def test_who_is_active_since_when_and_why_stands_on_the_panel_and_on_control(
    administrator: Client, revision: models.Revision, address: str
) -> None:
    both_report(revision, of={"links": [link(), link("private", alive=False, lost=5, received=95)]})

    page = text_of(administrator.get(address))

    assert "partner dead: activating lvs" in page
    assert "standby, fit, lvs.cf 1, 1 of 2 real servers healthy" in page
    assert "5 (5.0 %)" in page
    assert "silent" in page
    assert "Switch now…" in page


def test_a_router_that_is_not_fit_or_not_heard_says_so(
    administrator: Client, revision: models.Revision
) -> None:
    both_report(
        revision,
        of={"peer": peer(alive=False), "fit": False, "unfit": ["its checks do not run"], "peer_holds": True},
        redundancy=part("standby", peer=None),
    )
    page = text_of(administrator.get("/redundancy"))
    assert "not fit: its checks do not run" in page
    assert "yet its machine answers for a floating address" in page
    assert "never heard" in page


def test_before_the_first_apply_of_a_pair_it_is_said_that_nothing_would_fail_over(
    administrator: Client, revision: models.Revision
) -> None:
    report("r1", status())
    report("r2", status("standby"))
    assert "nothing would fail over" in text_of(administrator.get("/redundancy"))


def test_with_the_backup_disabled_there_is_no_pair_to_look_at(
    administrator: Client, cluster: models.Cluster
) -> None:
    report("r1", status())
    page = text_of(administrator.get("/redundancy"))
    assert 'id="pair"' not in page
    assert "does not fail over by itself" not in page


def test_the_live_part_brings_the_status_line_with_it(
    administrator: Client, revision: models.Revision
) -> None:
    both_report(revision)
    part_of_page = text_of(administrator.get("/redundancy/live"))
    assert "<html" not in part_of_page
    assert 'hx-swap-oob="true"' in part_of_page


def test_switch_now_names_what_moves_before_it_is_done(
    administrator: Client, revision: models.Revision
) -> None:
    both_report(revision)
    page = text_of(administrator.get("/redundancy/switch"))
    assert "Switch from r1 to r2?" in page
    assert "192.168.26.10" in page
    assert "3 connections now. What is established goes on" in page
    assert "finds nothing against it" in page
    both_report(revision, sync=[])
    assert "ends, since no sync daemon copies it" in text_of(administrator.get("/redundancy/switch"))


def test_switch_now_asks_the_active_router_and_says_what_it_answers(
    administrator: Client, revision: models.Revision
) -> None:
    both_report(revision)
    said = {"role": "standby", "message": "r2 is active now"}
    with answering("r1", hand_over=said) as asked:
        response = administrator.post("/redundancy/switch", {"giver": "r1"}, follow=True)
    assert asked == [("hand_over", [False])]
    assert response.redirect_chain == [("/redundancy", 302)]
    assert "r1: r2 is active now" in text_of(response)


def test_a_switch_that_the_router_refuses_is_said_with_its_reason(
    administrator: Client, revision: models.Revision
) -> None:
    both_report(revision)
    with answering("r1", hand_over={"refused": "r2 runs another lvs.cf"}):
        response = administrator.post("/redundancy/switch", {"giver": "r1"}, follow=True)
    assert "r1 did not do it: r2 runs another lvs.cf" in text_of(response)


def test_a_router_that_does_not_answer_is_said_not_to(
    administrator: Client, revision: models.Revision
) -> None:
    both_report(revision)
    response = administrator.post("/redundancy/switch", {"giver": "r1"}, follow=True)
    assert "r1 did not answer" in text_of(response)


def test_a_refusal_that_can_be_overruled_offers_anyway_and_nothing_else(
    administrator: Client, revision: models.Revision
) -> None:
    both_report(revision, of={"hand_over_refused": ["r2 has fewer healthy real servers: 1, here 2"]})
    page = text_of(administrator.get("/redundancy/switch"))
    assert "The pre-check says no:" in page
    assert "fewer healthy real servers" in page
    assert "Switch to r2 anyway" in page
    assert page.count("<button") == 5  # theme, keyboard, its dialog, log out, and this
    with answering("r1", hand_over={"role": "standby", "message": "done"}) as asked:
        administrator.post("/redundancy/switch", {"giver": "r1", "anyway": "1"})
    assert asked == [("hand_over", [True])]


@pytest.mark.parametrize(
    "other",
    [peer(alive=False), peer(fit=False), peer("active"), peer(hears=False), None],
    ids=["silent", "unfit", "active", "deaf", "never heard"],
)
def test_a_refusal_because_the_other_cannot_serve_cannot_be_overruled(
    administrator: Client, revision: models.Revision, other: dict[str, Any] | None
) -> None:
    both_report(revision, of={"peer": other, "hand_over_refused": ["r2 cannot serve"]})
    page = text_of(administrator.get("/redundancy/switch"))
    assert "cannot be overruled" in page
    assert "anyway</button>" not in page


def test_a_second_press_after_the_roles_have_turned_switches_nothing(
    administrator: Client, revision: models.Revision
) -> None:
    both_report(revision)
    response = administrator.post("/redundancy/switch", {"giver": "r2"}, follow=True)
    assert "Nothing was switched" in text_of(response)


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        ("active", "active", "Both routers say that they are active"),
        ("standby", "standby", "none can hand over"),
    ],
)
def test_without_one_active_router_nothing_can_be_switched(
    administrator: Client, revision: models.Revision, first: str, second: str, says: str
) -> None:
    report("r1", redundant(first))
    report("r2", redundant(second))
    for method in (administrator.get, administrator.post):
        assert says in text_of(method("/redundancy/switch", follow=True))


def test_a_router_without_a_heart_cannot_switch(administrator: Client, revision: models.Revision) -> None:
    report("r1", status())
    assert "runs without a second router" in text_of(administrator.get("/redundancy/switch", follow=True))


def test_of_the_key_its_id_is_shown_and_who_has_it(administrator: Client, revision: models.Revision) -> None:
    key = orders.key(revision.cluster)
    both_report(revision, of={"keys": {"newest": key.id, "peer_has_newest": False}})
    page = text_of(administrator.get("/redundancy"))
    assert key.id in page
    assert "r1 has it" in page
    assert revision.cluster.keys.get().hex not in page


def test_a_new_key_is_asked_for_once_and_then_goes_to_both_routers(
    administrator: Client, revision: models.Revision
) -> None:
    old = orders.key(revision.cluster).id
    assert old in text_of(administrator.get("/redundancy/key"))
    assert orders.key(revision.cluster).id == old

    page = text_of(administrator.post("/redundancy/key", follow=True))

    new = orders.key(revision.cluster).id
    assert new != old
    assert f"The key {new} is on its way" in page
    assert orders.errands(revision.cluster).count() == 2
    history = text_of(administrator.get("/history"))
    assert "the cluster&#x27;s key" in history or "the cluster's key" in history

    page = text_of(administrator.post("/redundancy/key", follow=True))
    assert "has not got the last key yet" in page
    assert orders.key(revision.cluster).id == new
