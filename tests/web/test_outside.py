"""A router whose lvs.cf was changed outside: its difference, take it in, put back."""

from __future__ import annotations

import pytest
from django.test import Client

from lvs import models, store
from lvs.sent import orders
from tests.conftest import RedisServer
from tests.web.answering import answering
from tests.web.pages import text_of
from tests.web.reports import report, status

HASH = "1" * 64


@pytest.fixture(autouse=True)
def _running(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every page here has its Redis, and none waits long for a router that is not there."""
    monkeypatch.setattr(orders, "TEXT_SECONDS", 0.5)


@pytest.fixture
def revision(cluster: models.Cluster) -> models.Revision:
    """What r1 should run; what it reports is another text."""
    made = store.freeze(cluster, author="anna", message="")
    for deployment in made.deployments.all():
        deployment.end(models.Deployment.State.APPLIED)
    report("r1", status(serial=made.number, sha256=HASH))
    return made


@pytest.fixture
def address(revision: models.Revision) -> str:
    return f"/routers/{revision.cluster.routers.get(name='r1').pk}"


def by_hand(revision: models.Revision) -> dict[str, object]:
    """What somebody made of the revision on the router."""
    text = revision.lvs_cf.replace("reentry = 180", "reentry = 30")
    assert text != revision.lvs_cf
    return {"lvs_cf": text, "sha256": HASH, "serial": revision.number}


def test_every_page_and_the_history_lead_to_the_difference(
    administrator: Client, revision: models.Revision, address: str
) -> None:
    for page in ("/", "/history", "/help"):
        assert f'href="{address}/outside"' in text_of(administrator.get(page)), page


def test_the_page_shows_what_is_other_there_than_in_the_running_revision(
    administrator: Client, revision: models.Revision, address: str
) -> None:
    with answering("r1", running=by_hand(revision)):
        page = text_of(administrator.get(f"{address}/outside"))
    assert "reentry 180 → 30" in page
    assert "reentry = 30" in page
    assert "Take in as candidate" in page
    assert "Put back revision 1" in page


def test_a_text_with_errors_cannot_be_taken_in_and_says_why(
    administrator: Client, revision: models.Revision, address: str
) -> None:
    broken = {"lvs_cf": "primary = 1.2.3\n", "sha256": HASH, "serial": 1}
    with answering("r1", running=broken):
        page = text_of(administrator.get(f"{address}/outside"))
    assert "It cannot be taken in:" in page
    assert "line 1" in page
    assert "Take in as candidate" not in page
    assert "Put back revision 1" in page


def test_a_router_that_does_not_answer_is_said_not_to(administrator: Client, address: str) -> None:
    page = text_of(administrator.get(f"{address}/outside"))
    assert "could not be fetched: r1 did not answer" in page
    assert "Take in as candidate" not in page


def test_a_router_that_runs_what_was_applied_has_nothing_to_decide(
    administrator: Client, revision: models.Revision, address: str
) -> None:
    report("r1", status(serial=1, sha256=revision.sha256))
    assert "nothing was changed outside" in text_of(administrator.get(f"{address}/outside"))
    report("r1", None, "no socket")
    assert "is not known" in text_of(administrator.get(f"{address}/outside"))


def test_take_in_makes_it_the_candidate_and_leads_to_the_review(
    administrator: Client, revision: models.Revision, address: str
) -> None:
    seen = {"edition": str(revision.cluster.edition), "sha256": HASH}
    revision.cluster.refresh_from_db()
    seen["edition"] = str(revision.cluster.edition)
    with answering("r1", running=by_hand(revision)):
        response = administrator.post(f"{address}/take-in", seen)
    assert response["Location"] == "/review"
    assert store.load(revision.cluster).virtual_servers[0].reentry == 30


@pytest.mark.parametrize("stale", [{"edition": "0"}, {"sha256": "2" * 64}, {"edition": ""}])
def test_what_changed_after_the_page_was_shown_is_not_taken_in_unseen(
    administrator: Client, revision: models.Revision, address: str, stale: dict[str, str]
) -> None:
    revision.cluster.refresh_from_db()
    seen = {"edition": str(revision.cluster.edition), "sha256": HASH, **stale}
    with answering("r1", running=by_hand(revision)):
        response = administrator.post(f"{address}/take-in", seen)
        assert response["Location"] == f"{address}/outside"
        assert "Nothing was taken in" in text_of(administrator.get(f"{address}/outside"))
    assert store.load(revision.cluster).virtual_servers[0].reentry == 180


def test_put_back_leaves_it_to_the_managers_worker_and_shows_it_in_the_history(
    administrator: Client, revision: models.Revision, address: str
) -> None:
    page = text_of(administrator.post(f"{address}/put-back", follow=True))
    assert "r1 gets the running revision again" in page
    errand = orders.errands(revision.cluster).get()
    assert (errand.kind, errand.by) == ("put_back", "piranha")
    assert "in place of what was changed outside" in page


def test_where_nothing_was_ever_applied_the_next_apply_may_be_let_replace_it(
    administrator: Client, cluster: models.Cluster
) -> None:
    report("r1", status(serial=1, sha256=HASH))
    router = cluster.routers.get(name="r1")
    broken = {"lvs_cf": "primary = 1.2.3\n", "sha256": HASH, "serial": 1}
    with answering("r1", running=broken):
        page = text_of(administrator.get(f"/routers/{router.pk}/outside"))
    assert "Let the next Apply replace it" in page
    assert "Put back revision" not in page
    page = text_of(administrator.post(f"/routers/{router.pk}/put-back", follow=True))
    assert "The next Apply replaces the lvs.cf of r1" in page
    router.refresh_from_db()
    assert router.taken_in == HASH


def test_a_router_that_is_not_heard_cannot_be_put_back(
    administrator: Client, revision: models.Revision, address: str
) -> None:
    report("r1", None, "no socket")
    page = text_of(administrator.post(f"{address}/put-back", follow=True))
    assert "Nothing was put back. r1 does not answer" in page
    assert not orders.errands(revision.cluster).exists()


@pytest.mark.parametrize("verb", ["take-in", "put-back"])
def test_the_two_verbs_are_not_done_by_get_and_not_for_another_router(
    administrator: Client, address: str, verb: str
) -> None:
    assert administrator.get(f"{address}/{verb}").status_code == 405
    assert administrator.post(f"/routers/987/{verb}").status_code == 404
    assert administrator.get("/routers/987/outside").status_code == 404
