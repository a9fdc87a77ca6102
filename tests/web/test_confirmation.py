"""A change that rolls itself back: asking for it, the bar that counts down, Keep it, Roll back now."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from lvs import models, store
from piranha_web.templatetags.piranha import remaining
from tests.conftest import RedisServer
from tests.web.conftest import CONFIG, SHOP
from tests.web.pages import text_of
from tests.web.reports import report, status

State = models.Deployment.State


@pytest.fixture(autouse=True)
def _running(redis_server: RedisServer) -> None:
    """Every page here has its Redis."""


@pytest.fixture
def waiting(cluster: models.Cluster) -> models.Revision:
    """A second revision that both routers run and that waits for its confirmation."""
    first = store.freeze(cluster, author="anna", message="")
    for deployment in first.deployments.all():
        deployment.end(State.APPLIED)
    store.save(cluster, replace(CONFIG, virtual_servers=(replace(SHOP, persistence=60),)))
    second = store.freeze(cluster, author="anna", message="", confirm_within=60)
    for deployment in second.deployments.all():
        deployment.wait(timezone.now() + timedelta(seconds=42))
    return second


def apply(client: Client, cluster: models.Cluster, **fields: str) -> str:
    """Presses Apply; where it leads."""
    cluster.refresh_from_db()
    answer = client.post("/apply", {"edition": str(cluster.edition), "message": "", **fields})
    assert answer.status_code == 302
    return str(answer["Location"])


def test_apply_asks_for_no_confirmation_unless_the_box_is_ticked(
    administrator: Client, cluster: models.Cluster
) -> None:
    assert apply(administrator, cluster, confirm_within="60") == "/history/1"
    assert cluster.revisions.get().confirm_within is None


def test_apply_keeps_the_seconds_with_the_revision_and_offers_them_again(
    administrator: Client, cluster: models.Cluster
) -> None:
    assert apply(administrator, cluster, confirmed="on", confirm_within="90") == "/history/1"
    assert cluster.revisions.get().confirm_within == 90
    store.save(cluster, replace(CONFIG, virtual_servers=()))
    page = text_of(administrator.get("/review"))
    assert 'aria-describedby="confirmed-help" checked' in page
    assert 'name="confirm_within" value="90"' in page


@pytest.mark.parametrize("seconds", ["", "soon", "4", "3601", "-5", "9" * 5000])
def test_seconds_that_make_no_sense_apply_nothing(
    administrator: Client, cluster: models.Cluster, seconds: str
) -> None:
    assert apply(administrator, cluster, confirmed="on", confirm_within=seconds) == "/review"
    assert not cluster.revisions.exists()
    assert "Nothing was applied: write within how many seconds" in text_of(administrator.get("/review"))


def test_a_revision_that_waits_counts_down_and_offers_both_verdicts(
    administrator: Client, waiting: models.Revision
) -> None:
    page = text_of(administrator.get("/history/2"))
    assert "Rolls back by itself in 4" in page
    assert '<progress id="seconds-left" max="60"' in page
    assert "Keep it" in page
    assert "Roll back now" in page
    assert page.count("Keep it") == 1
    assert '<div id="confirm-bar" data-of="2">' in page, (
        "so that no script puts a second pair of buttons there"
    )
    assert "Keep it" not in text_of(administrator.get("/history/1/deployments"))


def test_every_page_has_a_bar_with_the_seconds_left_and_both_verdicts_and_no_script_is_needed_for_them(
    administrator: Client, waiting: models.Revision
) -> None:
    ends = min(one.waits_until for one in waiting.deployments.all() if one.waits_until)
    for address in (
        "/",
        "/redundancy",
        "/virtual-servers",
        "/help",
        "/history",
        "/history/1",
        "/audit",
        "/first/works",
    ):
        page = text_of(administrator.get(f"/{address}"))
        assert "rolls back by itself in <span" in page
        assert f"at {ends:%H:%M:%S} UTC, unless it is kept" in page
        assert page.count('<form method="post" action="/history/2/confirm">') == 1
        assert page.count('<form method="post" action="/history/2/roll-back">') == 1
    page = text_of(administrator.post("/history/2/confirm", follow=True))
    assert "Keep it" not in page


def test_who_may_only_look_sees_the_seconds_and_no_buttons(viewer: Client, waiting: models.Revision) -> None:
    page = text_of(viewer.get("/virtual-servers"))
    assert "rolls back by itself in" in page
    assert "Keep it" not in page
    assert viewer.post("/history/2/confirm").status_code == 403
    assert waiting.verdict is None


def test_only_the_seconds_are_asked_for_again_until_the_bar_has_to_come_or_go(
    administrator: Client, waiting: models.Revision
) -> None:
    answer = administrator.get("/confirmation?of=2")
    assert 'hx-get="/confirmation?of=2"' in text_of(answer)
    assert "Keep it" not in text_of(answer)
    assert "HX-Retarget" not in answer
    answer = administrator.get("/confirmation")
    assert "Keep it" in text_of(answer)
    assert (answer["HX-Retarget"], answer["HX-Reswap"]) == ("#confirm-bar", "outerHTML")
    assert 'data-of="2"' in text_of(administrator.get("/confirmation?of=1"))
    administrator.post("/history/2/confirm")
    answer = administrator.get("/confirmation?of=2")
    assert answer["HX-Retarget"] == "#confirm-bar"
    assert "Revision 2 was kept by piranha." in text_of(answer)
    assert "every" not in text_of(answer)
    assert "Revision" not in text_of(administrator.get("/confirmation?of=soon"))


def test_the_bar_says_how_it_ended(administrator: Client, waiting: models.Revision) -> None:
    for deployment in waiting.deployments.all():
        deployment.end(State.ROLLED_BACK, "It was not confirmed within 60 s.", was_applied=True)
    assert "Nobody kept revision 2 in time" in text_of(administrator.get("/confirmation?of=2"))
    models.Confirmation.objects.create(revision=waiting, keep=False, by="anna")
    assert "is being rolled back: so said anna." in text_of(administrator.get("/confirmation?of=2"))
    assert "does not wait for a confirmation any more" in text_of(administrator.get("/confirmation?of=1"))


def test_the_seconds_left_stand_on_every_page_and_go_on_counting_there(
    administrator: Client, waiting: models.Revision
) -> None:
    for address in ("/", "/redundancy", "/virtual-servers", "/help"):
        page = text_of(administrator.get(address))
        assert "revision 2 waits for confirmation" in page
        assert 'hx-get="/status-line"' in page
        assert "alarmed" in page
    line = text_of(administrator.get("/status-line"))
    assert "waits for confirmation" in line
    assert "<html" not in line


def test_the_buttons_are_replaced_only_when_they_come_or_go(
    administrator: Client, waiting: models.Revision
) -> None:
    live = text_of(administrator.get("/history/2/deployments?verdict=open"))
    assert 'id="verdict"' not in live
    assert 'id="countdown" hx-swap-oob="true"' in live
    assert 'hx-get="/history/2/deployments?verdict=open"' in live
    assert "Keep it" in text_of(administrator.get("/history/2/deployments"))
    models.Confirmation.objects.create(revision=waiting, keep=True, by="anna")
    live = text_of(administrator.get("/history/2/deployments?verdict=open"))
    assert 'id="verdict" hx-swap-oob="true"' in live
    assert "Keep it" not in live


def test_keep_it_writes_down_who_kept_it(administrator: Client, waiting: models.Revision) -> None:
    page = text_of(administrator.post("/history/2/confirm", follow=True))
    assert "Revision 2 stays." in page
    verdict = waiting.verdict
    assert verdict is not None
    assert (verdict.keep, verdict.by) == (True, "piranha")


def test_roll_back_now_leaves_the_changes_pending(administrator: Client, waiting: models.Revision) -> None:
    page = text_of(administrator.post("/history/2/roll-back", follow=True))
    assert "Revision 2 is being rolled back" in page
    verdict = waiting.verdict
    assert verdict is not None
    assert not verdict.keep


@pytest.mark.parametrize("verb", ["confirm", "roll-back"])
def test_a_verdict_that_comes_too_late_or_twice_is_said_to(
    administrator: Client, waiting: models.Revision, verb: str
) -> None:
    assert "does not wait for a confirmation" in text_of(
        administrator.post(f"/history/1/{verb}", follow=True)
    )
    administrator.post("/history/2/confirm")
    assert "confirmed by piranha already" in text_of(administrator.post(f"/history/2/{verb}", follow=True))
    assert administrator.post(f"/history/7/{verb}").status_code == 404
    assert administrator.get(f"/history/2/{verb}").status_code == 405


def test_after_the_time_the_page_says_what_the_routers_put_back_and_where_the_changes_are(
    administrator: Client, waiting: models.Revision
) -> None:
    for deployment in waiting.deployments.all():
        deployment.end(State.ROLLED_BACK, "It was not confirmed within 60 s.", was_applied=True)
    page = text_of(administrator.get("/history/2"))
    assert "Nobody kept this revision within 60 s: r2 and r1 put back revision" in page
    assert "pending again" in page
    assert "hx-trigger" not in page
    assert "1 pending change" in page


def test_a_refusal_is_not_mistaken_for_a_confirmation_that_was_missed(
    administrator: Client, waiting: models.Revision
) -> None:
    first, second = waiting.deployments.order_by("position")
    first.end(State.ROLLED_BACK, "r1 refused this revision", was_applied=True)
    second.end(State.FAILED, "line 3: the reason")
    assert "Nobody kept this revision" not in text_of(administrator.get("/history/2"))


def test_a_router_that_falls_silent_with_the_revision_is_not_said_to_be_unchanged(
    administrator: Client, waiting: models.Revision
) -> None:
    report("r1", status(serial=2, sha256=waiting.sha256))
    page = text_of(administrator.get("/history/2"))
    assert "It has the revision; what it does now is not known." in page
    assert "nothing has changed there" not in page


def test_what_is_left_is_said_in_minutes_where_it_is_long():
    assert [remaining(seconds) for seconds in (41.6, 60, 3598, 4000)] == [
        "42 s",
        "1 min 0 s",
        "59 min 58 s",
        "1 h 6 min",
    ]
