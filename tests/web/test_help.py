"""HELP: right, whole, found by its words, and every link in it leads somewhere."""

from __future__ import annotations

import itertools
import re

import pytest
from django import forms
from django.test import Client
from django.urls import get_resolver

from lvs import models
from lvs.config.keywords import GLOBAL, SERVER, VIRTUAL
from lvs.config.model import CheckKind, Forwarding, Scheduler, SchedulerFlag
from piranha_web.guide.effects import EFFECTS
from piranha_web.guide.fields import PANELS, rows
from piranha_web.guide.links import PLACES
from piranha_web.guide.pages import BY_NAME, OF_ADDRESSES, PAGES, page_for
from piranha_web.guide.search import index, search, words_of
from tests.web.pages import text_of

NAMES = [page.name for page in PAGES]


def page_of(client: Client, name: str) -> str:
    response = client.get(f"/help/{name}")
    assert response.status_code == 200
    return text_of(response)


def text_in(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


READ: dict[str, str] = {}


@pytest.fixture
def pages(administrator: Client, cluster: models.Cluster) -> dict[str, str]:
    """Every page as an administrator sees it, read once: nothing in them depends on the cluster."""
    if not READ:
        READ.update({name: page_of(administrator, name) for name in NAMES})
    return READ


def test_every_link_in_the_help_leads_to_a_place_that_is_there(
    administrator: Client, pages: dict[str, str]
) -> None:
    anchors = {f"/help/{name}": set(re.findall(r'\bid="([^"]+)"', page)) for name, page in pages.items()}
    anchors["/help"] = set(re.findall(r'\bid="([^"]+)"', text_of(administrator.get("/help"))))
    seen: set[str] = set()
    for own, page in [*((f"/help/{name}", page) for name, page in pages.items())]:
        for link in re.findall(r'<a\b[^>]*\bhref="([^"]*)"', page):
            address, _sign, anchor = link.partition("#")
            address = address or own
            if address.startswith("/guide/"):  # built or not: tests/test_guide.py follows these
                continue
            if address not in anchors and address not in seen:
                seen.add(address)
                assert administrator.get(address, follow=True).status_code == 200, (own, link)
            if anchor and address in anchors:
                assert anchor in anchors[address], (own, link)


def test_no_page_has_an_id_twice(pages: dict[str, str]) -> None:
    for name, page in pages.items():
        ids = re.findall(r'\bid="([^"]+)"', page)
        assert len(ids) == len(set(ids)), (name, [one for one in ids if ids.count(one) > 1])


def test_headings_below_the_title_have_an_anchor(pages: dict[str, str]) -> None:
    for name, page in pages.items():
        article = page.partition("<article")[2].partition("</article>")[0]
        assert re.findall(r"<h[23](?! id=)[^>]*>.*", article) == [], name
        assert len(re.findall(r"<h1\b", page)) == 1, name


def test_pages_lead_on_to_each_other_in_order(pages: dict[str, str]) -> None:
    for before, after in itertools.pairwise(NAMES):
        assert f'<a class="ms-auto text-end" href="/help/{after}" rel="next">' in pages[before]
        assert f'<a href="/help/{before}" rel="prev">' in pages[after]
    assert 'rel="prev"' not in pages[NAMES[0]]
    assert 'rel="next"' not in pages[NAMES[-1]]


def test_every_scheduler_method_and_kind_of_check_is_explained(pages: dict[str, str]) -> None:
    for scheduler in Scheduler:
        assert f'<dt id="{scheduler}">' in pages["schedulers"]
        assert f"({scheduler})" in pages["schedulers"]
    for flag in SchedulerFlag:
        assert f"<code>{flag}</code>" in pages["schedulers"]
    for method in Forwarding:
        assert f'<h2 id="{method}">' in pages["forwarding"]
    for kind in CheckKind:
        assert re.search(rf'<dt id="kind-\w+"><code>.*\b{kind}\b', pages["checks"]), kind


def test_every_directive_is_in_the_table_with_its_values_and_default(pages: dict[str, str]) -> None:
    text = text_in(pages["lvs-cf"])
    for block, table in (("global", GLOBAL), ("virtual", VIRTUAL), ("server", SERVER)):
        for keyword in table:
            assert f'id="{block}-{keyword.name}"' in pages["lvs-cf"]
            assert f"{keyword.name} {keyword.kind.says}"[:60] in text.replace("&#x27;", "'"), keyword.name


@pytest.mark.parametrize("panel", PANELS)
def test_the_page_of_a_panel_names_every_field_of_its_form(pages: dict[str, str], panel: str) -> None:
    text = text_in(pages[panel])
    for name, field in PANELS[panel].form.base_fields.items():
        if not isinstance(field.widget, forms.HiddenInput):
            assert f'<dt id="field-{name}">' in pages[panel]
            assert str(field.label) in text


@pytest.mark.parametrize("panel", PANELS)
def test_of_every_field_it_is_said_what_an_apply_does(panel: str) -> None:
    found = list(rows(panel))

    assert {row.name for row in found} == set(EFFECTS[panel])
    assert all(row.effect for row in found)
    assert all(row.directive for row in found if row.name != "name")


def test_defaults_and_what_a_panel_offers_are_told_apart() -> None:
    timeout = next(row for row in rows("virtual-server") if row.name == "timeout")
    assert (timeout.default, timeout.offered) == ("10", "6")
    scheduler = next(row for row in rows("virtual-server") if row.name == "scheduler")
    assert (scheduler.default, scheduler.offered) == ("wlc", "")
    keepalive = next(row for row in rows("redundancy") if row.name == "keepalive")
    assert (keepalive.default, keepalive.offered) == ("2", "6")


def test_every_panel_has_its_own_help(administrator: Client, cluster: models.Cluster) -> None:
    for address, page in (
        ("/", "control"),
        ("/global-settings", "global-settings"),
        ("/redundancy", "redundancy"),
        ("/virtual-servers", "virtual-servers"),
        ("/virtual-servers/add", "virtual-server"),
        ("/review", "review"),
        ("/routers", "routers"),
        ("/history", "history"),
        ("/import", "virtual-servers"),
        ("/accounts", "accounts"),
    ):
        assert f'<a href="/help/{page}">Help</a>' in text_of(administrator.get(address)), address


def test_every_way_into_the_help_leads_to_a_page(pages: dict[str, str]) -> None:
    for page in OF_ADDRESSES.values():
        assert page in BY_NAME
    names = {str(name) for name in get_resolver().reverse_dict if isinstance(name, str)}
    lost = {name for name in names if page_for(name) is None} - {"help", "help-topic"}
    # What no page explains has no page of its own to be explained on.
    for name in sorted(lost):
        assert not name.startswith(("control", "global", "redundancy", "virtual", "real", "review", "router"))
    for place in PLACES.values():
        name, _sign, anchor = place.partition("#")
        assert not anchor or f'id="{anchor}"' in pages[name], place


def test_a_field_leads_to_the_help(administrator: Client, cluster: models.Cluster) -> None:
    page = text_of(administrator.get("/virtual-servers/add"))

    assert '<a href="/help/schedulers" target="_blank" rel="noopener">More' in page
    assert "about Scheduling (in a new tab)" in page


@pytest.mark.parametrize(
    ("question", "page", "sentence"),
    [
        ("maglev", "schedulers", "Maglev"),
        ("persistence", "persistence", "With persistence a client"),
        ("pasv_address", "ftp", "pasv_address"),
        ("sticky sessions", "other-tools", "sticky session"),
        ("forgot my password", "locked-out", "sets a new one"),
        ("dead time", "glossary", "silence"),
        ("gratuitous ARP", "failover", "gratuitous ARP"),
        ("split brain", "both-active", ""),
        ("arp_ignore", "real-servers", "arp_ignore"),
        ("weight_floor", "lvs-cf", "0 to 100"),
        ("where is the VIP", "introduction", "virtual address"),
    ],
)
def test_what_is_sought_is_found_first(question: str, page: str, sentence: str) -> None:
    found = search(question)

    assert page in [one.place.page.name for one in found[:3]], [one.place.page.name for one in found]
    first = next(one for one in found if one.place.page.name == page)
    assert sentence.lower() in "".join(text for text, _is_word in first.pieces).lower()


def test_the_words_are_marked_where_they_stand_and_nothing_else_is_taken_for_markup(
    administrator: Client, cluster: models.Cluster
) -> None:
    page = text_of(administrator.get("/help", {"q": "maglev table"}))
    assert "<mark>Maglev</mark>" in page
    assert "<mark>table</mark>" in page

    page = text_of(administrator.get("/help", {"q": "<script>alert(1)</script>"}))
    assert "<script>alert" not in page


def test_places_with_all_of_the_words_go_before_those_with_some() -> None:
    found = search("drain last connection")
    for one in found:
        whole = (
            f"{one.place.page.title} {one.place.page.words} {one.place.heading} {' '.join(one.place.text)}"
        )
        for word in words_of("drain last connection"):
            assert word in whole.lower()


@pytest.mark.parametrize("question", ["", "   ", "?!", "zzzzunheardof", "(", "[a-", "\\", "a" * 5000])
def test_odd_questions_find_nothing_and_break_nothing(
    administrator: Client, cluster: models.Cluster, question: str
) -> None:
    response = administrator.get("/help", {"q": question})

    assert response.status_code == 200
    if question.strip() and len(question) < 100 and question not in ("(", "[a-", "\\"):
        assert "Nothing about" in text_of(response)


def test_a_page_that_is_not_there_says_so(administrator: Client, cluster: models.Cluster) -> None:
    assert administrator.get("/help/unheard-of").status_code == 404


def test_the_help_is_there_before_there_is_a_cluster(administrator: Client) -> None:
    assert administrator.get("/help").status_code == 200
    assert administrator.get("/help/first-steps").status_code == 200


def test_no_page_writes_the_words_that_this_tool_does_not_use() -> None:
    for place in index():
        if place.page.name in ("other-tools", "glossary"):
            continue
        for sentence in place.text:
            assert not re.search(r"\b(backends?|frontends?|nodes?|slaves?)\b", sentence, re.IGNORECASE), (
                sentence
            )
