"""The set-up of a real server, its scripts, and *Check this real server*."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from django.test import Client

from lvs import models, store
from lvs.config.model import Forwarding
from lvs.realservers import setups
from lvs.sent import orders
from piranha_web.setting_up import methods, parts
from piranha_web.templatetags.remarks import code
from tests.conftest import RedisServer
from tests.web.answering import answering
from tests.web.pages import text_of
from tests.web.reports import report, status

CHECK = "/real-servers/check"
WEB2 = {"target": "shop/web2"}


def remark(level: str = "error", **changes: str) -> dict[str, str]:
    """A remark as a router makes it."""
    return {
        "level": level,
        "about": "real server",
        "what": "10.11.12.2 answers ARP for 192.168.26.10.",
        "why": "Clients on its segment find it past the router.",
        "remedy": "Set `arp_ignore` to 1: the way direct does it.",
        "evidence": "52:54:00:00:00:02 said so",
        **changes,
    }


def examination(*remarks: dict[str, str]) -> dict[str, Any]:
    """What a router answers to `examine`."""
    return {
        "remarks": list(remarks),
        "tried": [
            {"what": "who has 192.168.26.10", "good": False, "said": "52:54:00:00:00:02"},
            {"what": "TCP to port 80", "good": True, "said": "SYN-ACK after 0.4 ms"},
            {"what": "the path's MTU", "good": None, "said": "silence"},
        ],
        "seconds": 1.52,
    }


@pytest.fixture
def running(redis_server: RedisServer, cluster: models.Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both routers report, and none is waited for long."""
    monkeypatch.setattr(orders, "EXAMINE_SECONDS", 0.5)
    monkeypatch.setattr(orders, "EXPLAIN_SECONDS", 0.5)
    report("r1", status())
    report("r2", status("standby", name="r2"))


def page_of(client: Client, row: models.RealServer) -> str:
    return unescape(text_of(client.get(f"/real-servers/{row.pk}/set-up")))


def test_the_page_has_every_way_with_what_to_copy_and_what_to_download(
    administrator: Client, web1: models.RealServer
) -> None:
    page = page_of(administrator, web1)
    for setup in setups(store.load(web1.virtual_server.cluster), None, web1.value()):
        assert setup.title in page
        assert f"/real-servers/{web1.pk}/script?way={setup.way}" in page
        assert setup.file_name in page
    assert (
        '<pre class="border rounded p-2 mb-0"><code>ip route replace default via 10.11.12.10</code>' in page
    )
    assert "One of these is enough" in page
    assert "<code>networkctl status</code>" in page


def test_the_page_is_for_all_virtual_servers_that_name_the_machine(
    administrator: Client, cluster: models.Cluster, web1: models.RealServer
) -> None:
    config = store.load(cluster)
    other = models.VirtualServer(
        cluster=cluster, position=1, name="mail", address="192.168.26.11", device="eth0:2"
    )
    other.save()
    models.MonitoringScript(virtual_server=other).save()
    models.RealServer(virtual_server=other, position=0, name="mx", address="10.11.12.1").save()
    other.forwarding = "direct"
    other.save()

    page = page_of(administrator, web1)

    assert len(config.virtual_servers) == 1
    assert "<strong>shop</strong>, <strong>mail</strong>" in page
    assert "NAT: answers go back" in page
    assert "Direct routing: it takes the virtual address" in page
    assert "192.168.26.11" in page


def test_each_script_is_downloaded_as_it_is_under_a_safe_name(
    administrator: Client, web1: models.RealServer
) -> None:
    web1.name = 'we/b "1" ../x'
    web1.save()
    for setup in setups(store.load(web1.virtual_server.cluster), None, web1.value()):
        response = administrator.get(f"/real-servers/{web1.pk}/script", {"way": setup.way})
        assert response["Content-Type"] == "text/x-shellscript; charset=utf-8"
        name = re.fullmatch(r'attachment; filename="([A-Za-z0-9._-]+\.sh)"', response["Content-Disposition"])
        assert name, response["Content-Disposition"]
        assert name[1] == setup.file_name
        assert text_of(response) == setup.script


def test_a_way_that_is_none_is_not_found(administrator: Client, web1: models.RealServer) -> None:
    for way in ("", "nonsense", "../nat"):
        assert administrator.get(f"/real-servers/{web1.pk}/script", {"way": way}).status_code == 404


def test_another_clusters_machine_is_not_found(administrator: Client, web1: models.RealServer) -> None:
    other = store.create_cluster("another", "x1")
    administrator.post("/clusters/choose", {"cluster": other.pk})
    for what in ("set-up", "script?way=nat"):
        assert administrator.get(f"/real-servers/{web1.pk}/{what}").status_code == 404


def test_a_real_server_without_address_is_given_one_first(
    administrator: Client, web1: models.RealServer
) -> None:
    web1.address = None
    web1.active = False
    web1.save()
    assert "It has no address yet" in page_of(administrator, web1)


def test_names_are_text_in_the_set_up_too(administrator: Client, web1: models.RealServer) -> None:
    web1.name = "<b>web</b>"
    web1.save()
    assert "<b>web</b>" not in text_of(administrator.get(f"/real-servers/{web1.pk}/set-up"))


def test_paragraphs_are_words_and_indented_ones_are_to_copy() -> None:
    found = [
        (one.text, one.is_copied) for one in parts("Do\nthis.\n\n    a\n      b\n\n    c\n\nThen that.\n")
    ]
    assert found == [("Do this.", False), ("a\n  b", True), ("c", True), ("Then that.", False)]


def test_ways_are_gathered_by_method_and_ftp_stands_beside_them(web1: models.RealServer) -> None:
    config = store.load(web1.virtual_server.cluster)
    found = list(methods(setups(config, None, config.virtual_servers[0].real_servers[0])))
    assert [(one.is_choice, one.title[:3]) for one in found] == [(True, "NAT")]
    assert {way.setup.way: way.persists for way in found[0].ways} == {
        "nat": False,
        "nat-networkd": True,
        "nat-netplan": True,
        "nat-ifupdown": True,
        "nat-networkmanager": True,
        "nat-answers": False,
    }
    shop = web1.virtual_server
    shop.port = 21
    shop.forwarding = Forwarding.DIRECT.value
    shop.save()
    config = store.load(shop.cluster)
    found = list(methods(setups(config, None, config.virtual_servers[0].real_servers[0])))
    assert [one.title for one in found][-1] == "Besides"
    assert not found[-1].is_choice


def test_what_is_between_backticks_is_code_and_everything_is_text() -> None:
    assert code("run `a <b>` & `c`") == "run <code>a &lt;b&gt;</code> &amp; <code>c</code>"
    assert code("an odd ` one") == "an odd ` one"


@pytest.mark.usefixtures("running")
def test_a_check_shows_what_is_wrong_what_to_do_and_what_was_tried(administrator: Client) -> None:
    with answering("r1", examine=examination(remark(), remark("note", what="Good to know."))) as asked:
        page = unescape(text_of(administrator.post(CHECK, WEB2)))
    assert asked == [("examine", ["shop", "web2"])]
    for words in (
        "Checked from r1",
        "10.11.12.2 answers ARP for 192.168.26.10.",
        "Set <code>arp_ignore</code> to 1",
        "52:54:00:00:00:02 said so",
        "Good to know.",
        "SYN-ACK after 0.4 ms",
        "cannot tell",
        "It took 1.5 s",
        "Check from r2 too",
    ):
        assert words in page, words
    assert "No fault was found" not in page


@pytest.mark.usefixtures("running")
def test_a_check_without_a_fault_says_so(administrator: Client) -> None:
    with answering("r1", examine=examination()):
        assert "No fault was found in its set-up." in text_of(administrator.post(CHECK, WEB2))


@pytest.mark.usefixtures("running")
def test_htmx_gets_the_result_alone(administrator: Client) -> None:
    with answering("r1", examine=examination(remark())):
        page = text_of(administrator.post(CHECK, WEB2, headers={"HX-Request": "true"}))
    assert "<html" not in page
    assert 'id="checked"' in page


@pytest.mark.usefixtures("running")
def test_the_other_router_is_asked_when_it_is_named(administrator: Client, cluster: models.Cluster) -> None:
    second = cluster.routers.get(name="r2")
    with answering("r2", examine=examination()) as asked:
        page = text_of(administrator.post(CHECK, WEB2 | {"router": second.pk}))
    assert asked == [("examine", ["shop", "web2"])]
    assert "Checked from r2" in page


@pytest.mark.usefixtures("running")
def test_a_router_that_refuses_or_is_silent_says_so_and_finds_no_fault(administrator: Client) -> None:
    with answering("r1", examine={"refused": "this router only plans"}):
        page = text_of(administrator.post(CHECK, WEB2))
    assert "r1: this router only plans" in page
    assert "No fault" not in page
    assert "r1 did not answer within" in text_of(administrator.post(CHECK, WEB2))


@pytest.mark.usefixtures("running")
def test_only_a_real_server_in_service_is_checked(administrator: Client) -> None:
    page = text_of(administrator.post(CHECK, {"target": "shop/web9"}))
    assert "It is not in service" in page
    report("r1", status("standby"))
    assert "The active router does not report now" in text_of(administrator.post(CHECK, WEB2))


def test_a_check_is_a_post_for_a_real_server(administrator: Client, cluster: models.Cluster) -> None:
    assert administrator.get(CHECK, WEB2).status_code == 405
    for target in ("", "shop", "a/b/c"):
        response = administrator.post(CHECK, {"target": target}, follow=True)
        assert "Choose a real server first." in text_of(response)


@pytest.mark.usefixtures("running")
def test_list_page_and_set_up_lead_to_each_other_and_to_the_check(
    administrator: Client, shop: models.VirtualServer
) -> None:
    row = shop.real_servers.get(name="web2")
    rows = text_of(administrator.get(f"/virtual-servers/{shop.pk}/real-servers"))
    assert rows.count(f'action="{CHECK}"') == 2
    assert f"/real-servers/{row.pk}/set-up" in rows
    assert "Check this real server" in page_of(administrator, row)
    explained = text_of(administrator.get("/real-servers/explained", WEB2))
    assert f"/real-servers/{row.pk}/set-up" in explained
    assert f'action="{CHECK}"' in explained


def test_what_is_not_in_service_yet_is_set_up_before_it_is_checked(
    administrator: Client, web1: models.RealServer
) -> None:
    page = page_of(administrator, web1)
    assert "Once it is applied and in service" in page
    assert f'action="{CHECK}"' not in page
