"""A router is set aside for work on its machine, and takes part again: its page, the order, the audit log."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.test import Client

from lvs import models
from lvs.reported import reports
from lvs.reported.shape import LATEST
from lvs.sent import orders
from tests.conftest import RedisServer
from tests.web.answering import answering
from tests.web.pages import text_of
from tests.web.redundant import part, peer, redundant
from tests.web.reports import report, status
from tests.web.test_redundancy import both_report, revision

__all__ = ["revision"]

SAID = {"role": "standby", "message": "takes no part until it is told to"}
ASIDE = {"by": "bob", "reason": "new <disk>", "at": 1_700_000_000.0, "until": None}


@pytest.fixture(autouse=True)
def _running(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "ORDER_SECONDS", 0.5)


@pytest.fixture
def r1(revision: models.Revision) -> int:
    both_report(revision)
    return revision.cluster.routers.get(name="r1").pk


@pytest.fixture
def r2(r1: int, revision: models.Revision) -> int:
    return revision.cluster.routers.get(name="r2").pk


def entries() -> list[tuple[str, str, str]]:
    found = models.AuditEntry.objects.filter(action=models.AuditEntry.Action.SWITCH).order_by("pk")
    return [(one.outcome, one.target, one.text) for one in found]


def test_setting_the_active_router_aside_says_before_what_moves_and_that_nobody_takes_over_then(
    administrator: Client, r1: int
) -> None:
    page = text_of(administrator.get(f"/routers/{r1}/aside"))
    assert "Set r1 aside?" in page
    assert "First it hands over: <strong>r2</strong> becomes active and raises 1 floating address " in page
    assert "3 connections now. What is established goes on" in page
    assert "From then on nobody takes over when r2 fails" in page
    assert 'value="active"' in page


def test_the_order_goes_to_that_router_with_who_why_and_until_when(administrator: Client, r1: int) -> None:
    fields = {"role": "active", "reason": "new disk", "until": "2 h"}
    with answering("r1", set_aside=SAID) as asked:
        response = administrator.post(f"/routers/{r1}/aside", fields, follow=True)
    ((task, (by, reason, until, anyway)),) = asked
    assert (task, by, reason, anyway) == ("set_aside", "piranha", "new disk", False)
    assert 7100 < until - time.time() <= 7200
    assert response.redirect_chain == [(f"/routers/{r1}", 302)]
    assert "r1: takes no part until it is told to" in text_of(response)
    begun, ended = entries()
    assert begun[:2] == ("asked", "r1")
    assert begun[2].startswith("set r1 aside until ")
    assert ended[0] == "done"
    assert ended[2].endswith(": new disk: r1: takes no part until it is told to")


def test_a_refusal_of_the_router_is_said_and_written_down(administrator: Client, r1: int) -> None:
    with answering("r1", set_aside={"refused": "The other router is not fit."}):
        response = administrator.post(f"/routers/{r1}/aside", {"role": "active"}, follow=True)
    assert "r1 did not do it: The other router is not fit." in text_of(response)
    assert entries()[-1][0] == "failed"


def test_a_time_that_is_none_is_said_at_the_field_and_nothing_is_asked(
    administrator: Client, r1: int
) -> None:
    page = text_of(administrator.post(f"/routers/{r1}/aside", {"role": "active", "until": "soon"}))
    assert "Write a length of time" in page
    assert entries() == []


def test_nothing_is_asked_of_a_router_whose_role_has_turned_since_the_page_was_shown(
    administrator: Client, r1: int
) -> None:
    response = administrator.post(f"/routers/{r1}/aside", {"role": "standby"}, follow=True)
    assert "r1 has changed its role meanwhile. Nothing was changed." in text_of(response)
    assert entries() == []


def test_a_standby_is_set_aside_without_touching_a_connection(administrator: Client, r2: int) -> None:
    page = text_of(administrator.get(f"/routers/{r2}/aside"))
    assert "It is standby: no connection is touched. <strong>r1</strong> goes on serving." in page
    assert "<strong>From then on nobody takes over when r1 fails</strong>" in page


def test_a_standby_that_may_be_needed_at_any_moment_cannot_be_set_aside(
    administrator: Client, r2: int, revision: models.Revision
) -> None:
    silent = part("standby", peer=peer("active", alive=False))
    both_report(revision, redundancy=silent)
    page = text_of(administrator.get(f"/routers/{r2}/aside"))
    assert "It does not hear that r1 is active" in page
    assert '<form method="post" class="form-page"' not in page


def test_a_standby_whose_active_partner_is_not_fit_is_set_aside_only_by_who_has_read_that(
    administrator: Client, r2: int, revision: models.Revision
) -> None:
    both_report(revision, redundancy=part("standby", peer=peer("active", fit=False)))
    page = text_of(administrator.get(f"/routers/{r2}/aside"))
    assert "r1 serves, but says that it is not fit: r2 may be needed at any moment." in page
    assert "Set r2 aside anyway" in page


def test_what_differs_can_be_overruled_and_what_is_not_fit_cannot(
    administrator: Client, r1: int, revision: models.Revision
) -> None:
    both_report(revision, of={"hand_over_refused": ["r2 has fewer healthy real servers: 1, here 2"]})
    page = text_of(administrator.get(f"/routers/{r1}/aside"))
    assert "fewer healthy real servers" in page
    assert "Set r1 aside anyway" in page
    with answering("r1", set_aside=SAID) as asked:
        administrator.post(f"/routers/{r1}/aside", {"role": "active", "anyway": "1"})
    assert asked == [("set_aside", ["piranha", "", None, True])]
    unfit = {"hand_over_refused": ["r2 is not fit"], "peer": peer("standby", fit=False)}
    both_report(revision, of=unfit)
    page = text_of(administrator.get(f"/routers/{r1}/aside"))
    assert "so this cannot be overruled" in page
    assert "aside anyway" not in page


def test_a_router_that_works_alone_leads_to_what_ends_service(
    administrator: Client, cluster: models.Cluster
) -> None:
    report("r1", status())
    pk = cluster.routers.get(name="r1").pk
    assert "It works alone: no second router would serve instead." in text_of(
        administrator.get(f"/routers/{pk}")
    )
    page = text_of(administrator.get(f"/routers/{pk}/aside"))
    assert "nobody would serve instead of it" in page
    assert 'href="/virtual-servers"' in page


def test_a_router_whose_partner_does_not_report_is_not_said_to_work_alone(
    administrator: Client, cluster: models.Cluster
) -> None:
    report("r1", redundant("active"))
    page = text_of(administrator.get(f"/routers/{cluster.routers.get(name='r1').pk}/aside"))
    assert "The other router has not reported for long" in page
    assert "nobody would serve instead" not in page


def test_a_router_that_is_not_heard_cannot_be_told(administrator: Client, cluster: models.Cluster) -> None:
    pk = cluster.routers.get(name="r1").pk
    assert "It is not heard now" in text_of(administrator.get(f"/routers/{pk}/aside"))


def aside(revision: models.Revision, **changes: Any) -> None:
    unfit = {"fit": False, "unfit": ["it is set aside by bob: new <disk>"]}
    both_report(revision, redundancy=part("standby", **unfit), aside={**ASIDE, **changes})


def test_who_set_it_aside_why_and_until_when_stands_at_its_name_everywhere(
    administrator: Client, r2: int, revision: models.Revision
) -> None:
    aside(revision, until=1_900_000_000.0)
    for address in ("/", "/routers", f"/routers/{r2}", "/status-line"):
        assert "standby, set aside by bob: new &lt;disk&gt;" in text_of(administrator.get(address)), address
    page = text_of(administrator.get(f"/routers/{r2}"))
    assert "until <time" in page
    assert "Let r2 take part again" in page
    assert "Set aside…" not in page
    aside(revision)
    pair = text_of(administrator.get("/redundancy"))
    assert "Set r1 aside…" in pair
    assert "r2 is set aside…" in pair
    assert "until somebody lets it take part again" in text_of(administrator.get(f"/routers/{r2}"))


def test_that_it_runs_another_revision_hides_not_that_it_is_set_aside(
    administrator: Client, r2: int, revision: models.Revision
) -> None:
    both_report(revision, serial=revision.number + 1, sha256="1" * 64, aside=ASIDE)
    page = text_of(administrator.get("/routers"))
    assert "its lvs.cf was changed outside" in page
    assert ", set aside by bob: new &lt;disk&gt;" in page


def test_a_time_at_the_end_of_the_calendar_can_be_shown_in_every_time_zone(
    administrator: Client, r2: int, revision: models.Revision, settings: Any
) -> None:
    settings.TIME_ZONE = "Pacific/Kiritimati"
    aside(revision, at=0.0, until=float(LATEST))
    assert "9999-12-31 14:00:00" in text_of(administrator.get(f"/routers/{r2}"))


def test_a_router_that_is_switched_off_while_it_is_aside_is_not_said_to_take_part(
    administrator: Client, r2: int, revision: models.Revision, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "SILENT_AFTER", -1.0)
    away = redundant("standby", serial=revision.number, sha256=revision.sha256)
    report("r2", {**away, "aside": ASIDE})
    page = text_of(administrator.get(f"/routers/{r2}"))
    assert "Set aside</strong> by" in page
    assert "So it said last: it is not heard now." in page
    report("r2", away)
    page = text_of(administrator.get(f"/routers/{r2}"))
    assert "whether it takes part is not known" in page
    assert "It takes part" not in page


def test_it_takes_part_again_by_one_button(administrator: Client, r2: int, revision: models.Revision) -> None:
    aside(revision)
    with answering("r2", take_part={"role": "standby", "message": "takes part again"}) as asked:
        response = administrator.post(f"/routers/{r2}/take-part", follow=True)
    assert asked == [("take_part", [])]
    assert "r2: takes part again" in text_of(response)
    assert [one[0] for one in entries()] == ["asked", "done"]


def test_a_viewer_sees_it_and_has_no_button(viewer: Client, r2: int, revision: models.Revision) -> None:
    page = text_of(viewer.get(f"/routers/{r2}"))
    assert "It takes part: it takes over when the other router fails." in page
    assert "Set aside…" not in page
    aside(revision)
    page = text_of(viewer.get(f"/routers/{r2}"))
    assert "Set aside" in page
    assert "take part again</button>" not in page
