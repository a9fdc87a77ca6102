"""ROUTERS: what stands in the way on each, its kernel's parameters, its rule set; the check before Apply."""

from __future__ import annotations

from html import unescape

import pytest
from django.test import Client

from lvs import models, store
from lvs.config import document
from lvs.sent import orders
from piranha_web.looking import MOST_LINES, MOST_ROWS, has
from tests.conftest import RedisServer
from tests.web.answering import answering
from tests.web.looking import mark, preflight, remark, rules
from tests.web.pages import text_of
from tests.web.reports import report, status


@pytest.fixture(autouse=True)
def _running(redis_server: RedisServer, cluster: models.Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both routers report, and none is waited for long."""
    monkeypatch.setattr(orders, "LOOK_SECONDS", 0.6)
    report("r1", status())
    report("r2", status("standby", name="r2"))


@pytest.fixture
def r1(cluster: models.Cluster) -> str:
    """The address of its page."""
    return f"/routers/{cluster.routers.get(name='r1').pk}"


def page_of(client: Client, address: str, **query: str) -> str:
    return unescape(text_of(client.get(address, query)))


def test_the_list_has_every_router_with_its_role(administrator: Client, r1: str) -> None:
    page = page_of(administrator, "/routers")
    assert f'<a href="{r1}">r1</a>' in page
    assert page.index(">r1</a>") < page.index(">r2</a>")
    assert "active</span>" in page
    assert "standby</span>" in page


def test_the_page_comes_at_once_and_asks_by_htmx_or_by_a_link(administrator: Client, r1: str) -> None:
    page = page_of(administrator, r1)
    assert f'hx-get="{r1}/preflight?of=force" hx-trigger="load"' in page
    assert f'hx-get="{r1}/rules" hx-trigger="load"' in page
    assert page.count("Ask r1 now") == 2
    assert 'href="?look=1' in page


def test_without_scripts_the_page_has_everything(administrator: Client, r1: str) -> None:
    with answering("r1", preflight=preflight(remark()), rules=rules()) as asked:
        page = page_of(administrator, r1, look="1")
    assert asked == [("preflight", []), ("rules", [])]
    assert "The rules of firewalld drop TCP port 80." in page
    assert "192.168.26.10" in page
    assert "Ask r1 now" not in page


def test_remarks_come_worst_first_with_remedy_and_evidence(administrator: Client, r1: str) -> None:
    said = preflight(
        remark("error", what="ip_vs is missing."), remark(), remark("note", what="The clock is right.")
    )
    with answering("r1", preflight=said) as asked:
        page = page_of(administrator, f"{r1}/preflight")
    assert asked == [("preflight", [])]
    assert "<html" not in page
    assert "1 error, 1 warning" in page
    assert page.index("ip_vs is missing.") < page.index("firewalld") < page.index("The clock is right.")
    assert "Open it: <code>firewall-cmd --add-port=80/tcp</code>." in page
    assert "chain filter_IN_public" in page
    assert "As of <time" in page
    assert "Look again" in page


def test_a_router_with_nothing_in_the_way_says_so(administrator: Client, r1: str) -> None:
    with answering("r1", preflight=preflight()):
        assert "Nothing stands in its way." in page_of(administrator, f"{r1}/preflight")


def test_parameters_that_differ_come_first_and_those_left_alone_are_folded(
    administrator: Client, r1: str
) -> None:
    with answering("r1", preflight=preflight()):
        page = page_of(administrator, f"{r1}/preflight")
    order = [page.index(name) for name in ("ip_forward", "vs/absent", "vs/conntrack", "rp_filter")]
    assert order == sorted(order)
    assert "0 in /etc/sysctl.conf; pulse sets its own again" in page
    assert "not there" in page
    assert "1 that it leaves alone, and why" in page
    assert "why of net/ipv4/ip_forward" in page


def test_the_candidate_is_looked_at_when_that_is_asked(
    administrator: Client, r1: str, shop: models.VirtualServer
) -> None:
    candidate = document.to_document(store.load(shop.cluster))
    with answering("r1", preflight=preflight()) as asked:
        page = page_of(administrator, f"{r1}/preflight", of="candidate")
    assert asked == [("preflight", [candidate])]
    assert "the pending candidate" in page
    store.freeze(shop.cluster, author="anna", message="")
    with answering("r1", preflight=preflight()):
        assert "Pending candidate" not in page_of(administrator, f"{r1}/preflight")


def test_the_rule_set_has_marks_counters_masquerade_guard_modules_and_remarks(
    administrator: Client, r1: str
) -> None:
    with answering("r1", rules=rules()):
        page = page_of(administrator, f"{r1}/rules")
    for words in (
        ">443<",
        ">77<",
        "1.0\xa0MB",
        "/var/lib/piranha/piranha.nft",
        "2 real servers: 10.11.12.1, 10.11.12.2; 5 connections of their own",
        "port 3636, for this machine itself, 192.0.2.0/24; 9 packets refused",
        "ip_vs_ftp is not loaded",
        "shop serves FTP by NAT",
        "Mark 81 is set by no rule.",
        "table inet piranha {",
        "--set-mark 80",
    ):
        assert words in page, words
    assert "Somebody changed the table" not in page


def test_a_table_that_was_changed_by_hand_is_an_alarm(administrator: Client, r1: str) -> None:
    with answering("r1", rules=rules(drift=["a chain that is not pulse's: x"])):
        page = page_of(administrator, f"{r1}/rules")
    assert "Somebody changed the table by hand." in page
    assert "a chain that is not pulse's: x" in page


def test_a_router_without_rules_says_so(administrator: Client, r1: str) -> None:
    empty = rules(
        nft="", iptables="", saved=None, marks=[], masquerade=None, guard=None, modules=[], remarks=[]
    )
    with answering("r1", rules=empty):
        page = page_of(administrator, f"{r1}/rules")
    for words in (
        "there is no rule to save",
        "no active NAT real server",
        "not guarded by this router",
        "none needed",
        "No firewall mark is set",
        "no table of pulse's now",
    ):
        assert words in page, words
    assert "Download" not in page


def test_rules_that_are_not_on_disk_are_pointed_out(administrator: Client, r1: str) -> None:
    with answering("r1", rules=rules(saved=None)):
        assert "not on disk" in page_of(administrator, f"{r1}/rules")


def test_of_ten_thousand_marks_a_page_shows_the_first_and_those_that_are_sought(
    administrator: Client, r1: str
) -> None:
    marks = [mark(f"shop {number}", "192.168.26.10", str(number), number) for number in range(1, 10_001)]
    many = rules(marks=marks, nft="x\n" * 10_000)
    with answering("r1", rules=many):
        page = page_of(administrator, f"{r1}/rules")
        sought = page_of(administrator, f"{r1}/rules", q="SHOP 9999")
        none = page_of(administrator, f"{r1}/rules", q="<nothing>")
    assert page.count('data-label="Mark"') == MOST_ROWS
    assert f"The first {MOST_ROWS} of 10000" in page
    assert f"And {10_000 - MOST_LINES} more lines." in page
    assert sought.count('data-label="Mark"') == 1
    assert 'value="SHOP 9999"' in sought
    assert "No mark has “<nothing>”" in none


def test_words_are_sought_anywhere_in_a_row() -> None:
    row = mark("shop", "192.168.26.10", "10000-20000", 21)
    assert has(row, "")
    assert has(row, "10000-20000")
    assert has(row, "10000:20000")
    assert has(row, "21 shop")
    assert not has(row, "shop 22")


@pytest.mark.parametrize(
    ("form", "name", "begins"),
    [("nft", "r1-piranha.nft", "table inet piranha"), ("iptables", "r1-piranha-iptables.txt", "*mangle")],
)
def test_the_rule_set_is_downloaded_whole(
    administrator: Client, r1: str, form: str, name: str, begins: str
) -> None:
    with answering("r1", rules=rules()):
        response = administrator.get(f"{r1}/rules/download", {"form": form})
    assert response["Content-Disposition"] == f'attachment; filename="{name}"'
    assert text_of(response).startswith(begins)


def test_nothing_is_downloaded_from_a_silent_router_or_in_an_unknown_form(
    administrator: Client, r1: str
) -> None:
    response = administrator.get(f"{r1}/rules/download", follow=True)
    assert "There is nothing to download now. r1 did not answer" in text_of(response)
    with answering("r1", rules=rules()):
        response = administrator.get(f"{r1}/rules/download", {"form": "pf"}, follow=True)
    assert "There is nothing to download now." in text_of(response)


def test_a_router_that_does_not_answer_in_time_says_so_plainly(administrator: Client, r1: str) -> None:
    for what in ("preflight", "rules"):
        page = page_of(administrator, f"{r1}/{what}")
        assert "r1 did not answer within" in page
        assert "not known" in page
        assert "Ask again" in page


def test_what_a_router_refuses_is_shown_as_text(administrator: Client, r1: str) -> None:
    with answering("r1", preflight={"refused": "no <b>lvs.cf</b> is installed"}):
        assert "r1: no &lt;b&gt;" in text_of(administrator.get(f"{r1}/preflight"))


def test_another_clusters_router_is_not_found(administrator: Client, r1: str) -> None:
    other = store.create_cluster("another", "x1")
    administrator.post("/clusters/choose", {"cluster": other.pk})
    for what in ("", "/preflight", "/rules", "/rules/download"):
        assert administrator.get(f"{r1}{what}").status_code == 404


def test_before_apply_the_routers_are_checked_when_that_is_asked_and_an_error_is_loud(
    administrator: Client, shop: models.VirtualServer
) -> None:
    assert 'hx-get="/review/routers"' in page_of(administrator, "/review")
    bad = preflight(remark("error", what="ip_vs is missing."), remark("note", what="A note."))
    plan = {"changes": [], "problems": []}
    with (
        answering("r1", preflight=bad, plan=plan) as first,
        answering("r2", preflight=preflight(), plan=plan),
    ):
        page = page_of(administrator, "/review", check="1")
    candidate = document.to_document(store.load(shop.cluster))
    assert ("preflight", [candidate]) in first
    assert "r1 is not ready for this configuration." in page
    assert "ip_vs is missing." in page
    assert "A note." not in page
    assert "1 note, and the kernel's parameters on r1" in page
    assert "Nothing stands in its way." in page
    assert "disabled" not in page[page.index('action="/apply"') :]


def test_before_apply_htmx_gets_the_routers_alone(administrator: Client, shop: models.VirtualServer) -> None:
    with answering("r1", preflight=preflight()):
        page = page_of(administrator, "/review/routers")
    assert "<html" not in page
    assert "r2 did not answer within" in page
    assert "r1 is not ready" not in page
