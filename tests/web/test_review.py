"""Review, apply, discard; history, compare, take back."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.utils.html import escape

from lvs import models, store
from tests.conftest import RedisServer
from tests.web.answering import answering
from tests.web.conftest import CONFIG, SHOP
from tests.web.pages import text_of
from tests.web.reports import report, status

State = models.Deployment.State


@pytest.fixture(autouse=True)
def _running(redis_server: RedisServer) -> None:
    """Every page here has its Redis."""


def apply(client: Client, cluster: models.Cluster, **fields: str) -> str:
    """Presses Apply with what the review page would send; where it leads."""
    cluster.refresh_from_db()
    answer = client.post("/apply", {"edition": str(cluster.edition), "message": "", **fields})
    assert answer.status_code == 302
    return str(answer["Location"])


def edit(cluster: models.Cluster, **changes: object) -> None:
    store.save(cluster, replace(CONFIG, virtual_servers=(replace(SHOP, **changes),)))  # type: ignore[arg-type]


def test_the_review_lists_the_pending_changes_and_the_difference_of_lvs_cf(
    administrator: Client, cluster: models.Cluster
) -> None:
    page = text_of(administrator.get("/review"))
    assert "shop" in page
    assert "+virtual shop {" in page
    assert "r2, then r1" in page


def test_a_router_that_is_silent_is_not_asked_and_the_page_says_what_follows(
    administrator: Client, cluster: models.Cluster
) -> None:
    page = text_of(administrator.get("/review"))
    assert "has never been heard" in page
    assert "What would change there is not known" in page


def test_the_review_says_what_a_router_would_refuse_and_what_it_warns_of(
    administrator: Client, cluster: models.Cluster
) -> None:
    for name in ("r1", "r2"):
        report(name, status(name=name))
    said = {
        "changes": ["add virtual server shop"],
        "problems": [
            {"line": None, "severity": "error", "message": "this router cannot run x: copy it there"},
            {"line": None, "severity": "warning", "message": "the guard has port 80"},
            {"line": 3, "severity": "warning", "message": "rsh_command has no effect"},
        ],
    }
    with answering("r1", plan=said), answering("r2", plan={"changes": ["add"], "problems": []}):
        page = text_of(administrator.get("/review"))
    assert page.count("would refuse this, and then no router gets it") == 1
    assert "this router cannot run x: copy it there" in page
    assert "the guard has port 80" in page
    assert "rsh_command" not in page


def test_the_review_shows_how_each_routers_rules_of_nftables_would_differ(
    administrator: Client, cluster: models.Cluster
) -> None:
    for name in ("r1", "r2"):
        report(name, status(name=name))
    rules = {
        "words": ["set firewall mark 7 for tcp 192.0.2.80:443 (<shop>)"],
        "more_words": 3,
        "difference": [["place", "@@ -1 +1 @@"], ["add", "+\t\t\t192.0.2.80 . tcp . 443 : 7"]],
        "more_lines": 12,
    }
    plans = [{"changes": ["x"], "problems": [], "netfilter": one} for one in (rules, None)]
    with answering("r1", plan=plans[0]), answering("r2", plan=plans[1]):
        page = text_of(administrator.get("/review"))
    assert page.count("nftables, difference on r1") == 1
    assert "(&lt;shop&gt;)" in page
    assert "and 3 more" in page
    assert '<span class="add">+\t\t\t192.0.2.80 . tcp . 443 : 7</span>' in page
    assert "12 more lines differ" in page
    assert page.count("nftables: no rule of the table inet piranha changes.") == 1
    with (
        answering("r1", plan={"changes": ["x"], "problems": []}),
        answering("r2", plan={**plans[0], "netfilter": {"words": "x"}}),
    ):
        page = text_of(administrator.get("/review"))
    assert page.count("Its pulse is older than this site") == 1
    assert "would refuse it" in page


def test_apply_freezes_a_revision_with_author_and_message(
    administrator: Client, cluster: models.Cluster
) -> None:
    assert apply(administrator, cluster, message="for the sale") == "/history/1"
    revision = cluster.newest_revision()
    assert revision is not None
    assert (revision.author, revision.message) == ("piranha", "for the sale")
    assert [one.router.name for one in revision.deployments.all()] == ["r2", "r1"]
    page = text_of(administrator.get("/history/1"))
    assert "for the sale" in page
    assert "The revision waits for it; nothing has changed there." in page


def test_what_changed_after_the_review_was_shown_is_not_applied_unseen(
    administrator: Client, cluster: models.Cluster
) -> None:
    seen = str(cluster.edition)
    edit(cluster, persistence=60)
    assert apply(administrator, cluster, edition=seen) == "/review"
    assert cluster.newest_revision() is None
    assert "look again" in text_of(administrator.get("/review"))


def test_a_candidate_that_makes_no_sense_cannot_be_applied_and_says_why(
    administrator: Client, cluster: models.Cluster
) -> None:
    edit(cluster, address=None)
    page = text_of(administrator.get("/review"))
    assert "This configuration cannot be applied." in page
    assert apply(administrator, cluster) == "/review"
    assert cluster.newest_revision() is None


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("verb", ["apply", "discard"])
def test_what_was_seen_is_compared_and_done_in_one_transaction_so_that_a_double_click_applies_once(
    administrator: Client, cluster: models.Cluster, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    apply(administrator, cluster)
    edit(cluster, persistence=60)
    looked: list[bool] = []
    find = models.Cluster.standing_revision

    def standing_revision(self: models.Cluster) -> models.Revision | None:
        looked.append(connection.in_atomic_block)
        return find(self)

    monkeypatch.setattr(models.Cluster, "standing_revision", standing_revision)
    cluster.refresh_from_db()
    administrator.post(f"/{verb}", {"edition": str(cluster.edition), "message": ""})
    assert looked[0]


def test_with_nothing_pending_there_is_nothing_to_apply(
    administrator: Client, cluster: models.Cluster
) -> None:
    apply(administrator, cluster)
    assert "Nothing is pending" in text_of(administrator.get("/review"))
    assert apply(administrator, cluster) == "/review"
    assert cluster.revisions.count() == 1


def test_a_revision_that_every_router_refused_leaves_its_changes_pending(
    administrator: Client, cluster: models.Cluster
) -> None:
    apply(administrator, cluster)
    for deployment in models.Deployment.objects.all():
        deployment.end(State.FAILED, "line 3: the reason")
    assert len(store.pending(cluster)) > 0
    page = text_of(administrator.get("/history/1"))
    assert "line 3: the reason" in page


def test_discard_goes_back_to_what_was_applied(administrator: Client, cluster: models.Cluster) -> None:
    apply(administrator, cluster)
    edit(cluster, persistence=60)
    cluster.refresh_from_db()
    administrator.post("/discard", {"edition": str(cluster.edition)})
    assert store.pending(cluster) == ()


def test_history_compares_any_two_revisions_and_takes_one_back_as_candidate(
    administrator: Client, cluster: models.Cluster
) -> None:
    apply(administrator, cluster, message="first")
    edit(cluster, persistence=60)
    apply(administrator, cluster, message="second")
    edit(cluster, persistence=90)
    apply(administrator, cluster, message="third")
    assert "first" in text_of(administrator.get("/history"))
    page = text_of(administrator.get("/history/3?against=1"))
    assert "Changes against revision 1" in page
    assert "persistent = 90" in page
    cluster.refresh_from_db()
    stale = {"edition": str(cluster.edition - 1)}
    assert administrator.post("/history/1/take-back", stale)["Location"] == "/history/1"
    assert store.load(cluster).virtual_servers[0].persistence == 90
    seen = {"edition": str(cluster.edition)}
    assert administrator.post("/history/1/take-back", seen)["Location"] == "/review"
    assert store.load(cluster).virtual_servers[0].persistence == 0
    assert cluster.revisions.count() == 3


def test_the_live_part_asks_again_only_while_something_is_to_come(
    administrator: Client, cluster: models.Cluster
) -> None:
    apply(administrator, cluster)
    assert 'hx-trigger="every 1s"' in text_of(administrator.get("/history/1/deployments"))
    for deployment in models.Deployment.objects.all():
        deployment.end(State.APPLIED)
    assert "hx-trigger" not in text_of(administrator.get("/history/1/deployments"))


@pytest.mark.parametrize("address", ["/history/7", "/history/7/deployments", "/history/7/lvs.cf"])
def test_a_revision_that_is_not_there_is_not_found(
    administrator: Client, cluster: models.Cluster, address: str
) -> None:
    assert administrator.get(address).status_code == 404


def test_words_in_place_of_a_number_to_compare_with_are_ignored(
    administrator: Client, cluster: models.Cluster
) -> None:
    apply(administrator, cluster)
    assert administrator.get("/history/1?against=';--").status_code == 200
    assert administrator.get("/history/1?against=" + "9" * 5000).status_code == 200


@pytest.mark.parametrize("address", ["/apply", "/discard", "/history/1/take-back", "/auto-update"])
def test_verbs_are_not_done_by_get(administrator: Client, cluster: models.Cluster, address: str) -> None:
    apply(administrator, cluster)
    assert administrator.get(address).status_code == 405


def test_a_router_that_runs_an_older_revision_shows_its_serial(
    administrator: Client, cluster: models.Cluster
) -> None:
    apply(administrator, cluster)
    report("r1", status(serial=1))
    assert '<a href="/history/1">1</a>' in text_of(administrator.get("/"))


def test_a_database_that_stays_locked_is_said_with_what_to_do(
    administrator: Client, cluster: models.Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_args: object, **_named: object) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr(store, "freeze", locked)
    answer = administrator.post("/apply", {"edition": str(cluster.edition), "message": ""})
    assert answer.status_code == 503
    assert "Nothing was saved" in text_of(answer)
    assert "database is locked" in text_of(answer)


def test_the_review_says_who_changed_what_since_the_revision_that_runs(
    administrator: Client, cluster: models.Cluster
) -> None:
    apply(administrator, cluster)
    row = cluster.virtual_servers.get(name="shop")
    administrator.post(f"/virtual-servers/{row.pk}/deactivate")

    page = text_of(administrator.get("/review"))

    assert "Who changed what since revision 1" in page
    assert '<strong class="break">piranha</strong>: deactivate virtual server shop' in page


def test_the_history_is_searched_by_message_author_and_number(
    administrator: Client, cluster: models.Cluster
) -> None:
    for persistence, message in ((60, "new disk"), (90, "for the sale")):
        edit(cluster, persistence=persistence)
        store.freeze(cluster, author="anna", message=message)

    def found(words: str) -> list[str]:
        page = text_of(administrator.get("/history", {"q": words}))
        return [number for number in ("1", "2") if f'href="/history/{number}"' in page]

    assert found("") == found("ANNA") == ["1", "2"]
    assert found("sale") == found("2") == ["2"]
    assert found("nothing") == []
    assert "No revision has “nothing”" in text_of(administrator.get("/history", {"q": "nothing"}))


def test_a_revision_leads_to_what_the_audit_log_has_of_its_making(
    administrator: Client, cluster: models.Cluster
) -> None:
    apply(administrator, cluster)
    page = text_of(administrator.get("/history/1"))

    address = page.partition('href="/audit?until=')[2].partition('"')[0]
    answer = administrator.get(f"/audit?until={address}")
    assert "revision 1" in text_of(answer)


def test_one_objects_changes_are_discarded_and_the_others_stay_pending(
    administrator: Client, cluster: models.Cluster
) -> None:
    apply(administrator, cluster)
    web1 = SHOP.real_servers[0]
    edit(cluster, persistence=60, reentry=99, real_servers=(replace(web1, weight=7),))
    cluster.refresh_from_db()
    assert "discard all 2 of it" in text_of(administrator.get("/review"))

    for place, left in (
        (
            ["virtual", "shop"],
            {"web1 of shop: weight 1 → 7", "remove real server web2 10.11.12.2:80 from shop"},
        ),
        (["virtual", "shop", "server", "web2"], {"web1 of shop: weight 1 → 7"}),
        (["virtual", "shop", "server", "web1"], set()),
    ):
        assert f'value="{escape(json.dumps(place))}"' in text_of(administrator.get("/review"))
        cluster.refresh_from_db()
        fields = {"edition": str(cluster.edition), "place": json.dumps(place)}
        assert administrator.post("/discard", fields)["Location"] == "/review"
        assert {one.text for one in store.pending(cluster)} == left

    entry = models.AuditEntry.objects.order_by("-pk").first()
    assert entry is not None
    assert entry.text.startswith("discarded the changes of real server web1 of shop since revision 1")


@pytest.mark.parametrize("place", ["", "x", "[]", "[[]]", '["virtual", "nobody"]', "{}"])
def test_what_is_not_pending_cannot_be_discarded_by_itself(
    administrator: Client, cluster: models.Cluster, place: str
) -> None:
    apply(administrator, cluster)
    edit(cluster, persistence=60)
    cluster.refresh_from_db()

    page = administrator.post("/discard", {"edition": str(cluster.edition), "place": place}, follow=True)

    assert "That is not pending" in text_of(page)
    assert len(store.pending(cluster)) == 1
