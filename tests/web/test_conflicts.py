"""What a form says when another administrator saved first, and what it says before anything is saved."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from lvs import models, store
from piranha_web.forms import conflicts
from piranha_web.forms.virtual_servers import VirtualServerForm
from tests.web.conftest import SHOP
from tests.web.pages import fields_in, fields_of, text_of

Fields = dict[str, Any]


@pytest.fixture
def address(shop: models.VirtualServer) -> str:
    """The panel that two people have open."""
    return f"/virtual-servers/{shop.pk}"


def now_of(shop: models.VirtualServer) -> Any:
    """The virtual server as it is in the candidate."""
    return store.load(shop.cluster).virtual_servers[0]


def overtaken(client: Client, address: str, **theirs: str) -> Fields:
    """What the page held before somebody else saved that."""
    mine = fields_of(client, address)
    assert client.post(address, mine | theirs).status_code == 302
    return mine


def test_what_only_they_changed_is_taken_over_and_what_only_i_changed_is_kept(
    administrator: Client, shop: models.VirtualServer, address: str
) -> None:
    mine = overtaken(administrator, address, timeout="7")

    page = text_of(administrator.post(address, mine | {"reentry": "99"}))

    assert "Somebody else saved first" in page
    assert "shop: timeout 10 → 7" in page
    assert now_of(shop).reentry != 99
    fields = fields_in(page)
    assert (fields["timeout"], fields["reentry"]) == ("7", "99")
    assert administrator.post(address, fields).status_code == 302
    assert (now_of(shop).timeout, now_of(shop).reentry) == (7, 99)


@pytest.mark.parametrize(("choice", "kept"), [("own", 9), ("theirs", 7)])
def test_of_a_field_that_both_changed_one_chooses_whose_it_is(
    administrator: Client, shop: models.VirtualServer, address: str, choice: str, kept: int
) -> None:
    mine = overtaken(administrator, address, timeout="7")

    page = text_of(administrator.post(address, mine | {"timeout": "9"}))

    assert "keep 9" in page
    assert "take 7" in page
    fields = fields_in(page)
    assert (fields["timeout"], fields["take-timeout"]) == ("9", "own")
    assert administrator.post(address, fields | {"take-timeout": choice}).status_code == 302
    assert now_of(shop).timeout == kept


def test_a_third_one_who_saves_meanwhile_is_shown_as_well(
    administrator: Client, shop: models.VirtualServer, address: str
) -> None:
    mine = overtaken(administrator, address, timeout="7")
    fields = fields_in(text_of(administrator.post(address, mine | {"timeout": "9"})))
    overtaken(administrator, address, timeout="8")

    page = text_of(administrator.post(address, fields | {"take-timeout": "theirs"}))

    assert "Somebody else saved first" in page
    assert fields_in(page)["timeout"] == "8"
    assert now_of(shop).timeout == 8


def test_the_notice_says_who_it_was_and_what_they_did(
    administrator: Client, shop: models.VirtualServer, address: str
) -> None:
    mine = overtaken(administrator, address, scheduler="rr")

    page = text_of(administrator.post(address, mine))

    assert "<strong" in page
    assert "shop: scheduler wlc → rr" in page
    assert "Round robin (rr)" in page
    assert "you left it: theirs stands below" in page


def test_what_is_in_error_as_well_is_still_there_after_the_notice(
    administrator: Client, shop: models.VirtualServer, address: str
) -> None:
    mine = overtaken(administrator, address, timeout="7")

    page = text_of(administrator.post(address, mine | {"reentry": "many"}))

    assert "Somebody else saved first" in page
    assert fields_in(page)["reentry"] == "many"
    assert "Write a whole number" in page


@pytest.mark.parametrize(
    "said",
    ["", "{", "[]", '{"at": "x", "values": {}}', '{"at": 1e99, "values": {}}', '{"at": 1, "values": 3}'],
)
def test_a_page_that_does_not_say_what_it_showed_is_refused_as_ever(
    administrator: Client, shop: models.VirtualServer, address: str, said: str
) -> None:
    mine = overtaken(administrator, address, timeout="7")

    page = text_of(administrator.post(address, mine | {"opened": said}))

    assert "Somebody changed this after you opened it" in page
    assert now_of(shop).timeout == 7


def test_what_a_browser_sends_of_an_untouched_form_is_what_the_form_says_it_showed(
    administrator: Client, shop: models.VirtualServer, address: str
) -> None:
    fields = fields_of(administrator, address)
    said = json.loads(fields["opened"])["values"]

    form = VirtualServerForm(None, config=store.load(shop.cluster), value=SHOP)
    assert set(said) == set(form.fields) - {"seen"}
    for name, values in said.items():
        assert conflicts.meant([fields.get(name, "")]) == values, name


def test_errors_are_listed_on_top_with_links_to_their_fields(
    administrator: Client, shop: models.VirtualServer, address: str
) -> None:
    mine = fields_of(administrator, address)

    page = text_of(administrator.post(address, mine | {"timeout": "many", "port": "0"}))

    assert '<a class="alert-link" href="#id_timeout">Service timeout</a>' in page
    assert '<a class="alert-link" href="#id_port">Application port</a>' in page


@pytest.mark.parametrize(
    "panel",
    [
        "/global-settings",
        "/redundancy",
        "/virtual-servers/add",
        "/virtual-servers/{}",
        "/virtual-servers/{}/duplicate",
        "/virtual-servers/{}/monitoring",
        "/virtual-servers/{}/real-servers/add",
    ],
)
def test_a_form_that_is_only_to_be_judged_saves_nothing_and_writes_nothing_down(
    administrator: Client, shop: models.VirtualServer, panel: str
) -> None:
    address = panel.format(shop.pk)
    fields = fields_of(administrator, address)
    before, entries = store.load(shop.cluster), models.AuditEntry.objects.count()

    answer = administrator.post(address, fields | {"judge": "on", "name": "other", "tcp_timeout": "77"})

    assert answer.status_code == 200
    assert set(answer.json()) == {"whole", "errors", "warnings"}
    assert store.load(shop.cluster) == before
    assert models.AuditEntry.objects.count() == entries


def test_the_judgement_is_that_of_saving(administrator: Client, address: str) -> None:
    fields = fields_of(administrator, address) | {"judge": "on"}

    assert administrator.post(address, fields).json() == {"whole": [], "errors": {}, "warnings": []}
    assert administrator.post(address, fields | {"port": "0"}).json()["errors"].keys() == {"port"}
    assert "address" in administrator.post(address, fields | {"address": "10.1"}).json()["errors"]


def test_trying_a_check_takes_no_judgement_for_an_answer(
    administrator: Client, shop: models.VirtualServer
) -> None:
    page = f"/virtual-servers/{shop.pk}/monitoring"
    fields = fields_of(administrator, page) | {"judge": "on", "http_status": "many", "kind": "http"}

    assert administrator.post(f"{page}/try", fields).status_code == 200
