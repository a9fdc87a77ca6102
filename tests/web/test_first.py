"""The first set-up: from nothing to a balanced request; each step can be left and taken up again."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest
from django.test import Client

from lvs import models, store
from lvs.config.model import CheckKind, Forwarding
from piranha_web import first
from tests.conftest import RedisServer
from tests.web.answering import answering
from tests.web.conftest import CONFIG, SHOP
from tests.web.looking import preflight
from tests.web.pages import fields_in, fields_of, text_of
from tests.web.reports import report, status

SEEN = preflight() | {
    "interfaces": [
        {"name": "lo", "carries": True, "addresses": ["127.0.0.1/8"]},
        {"name": "eth1", "carries": True, "addresses": ["10.11.12.9/24"]},
        {"name": "eth0", "carries": True, "addresses": ["192.168.26.9/24", "2001:db8::9/64"]},
        {"name": "eth2", "carries": False, "addresses": []},
    ],
    "ways_out": {"4": {"interface": "eth0", "gateway": "192.168.26.254"}, "6": None},
}


@pytest.fixture
def new(administrator: Client) -> models.Cluster:
    """A cluster of one router in which nothing was set up."""
    return store.create_cluster("new", "r1")


def set_up(client: Client) -> None:
    """The steps behind the names, as somebody fills them in."""
    network = {"primary": "192.168.26.9", "forwarding": "direct"}
    assert client.post("/first/network", fields_of(client, "/first/network") | network).status_code == 302
    service = {"name": "shop", "address": "192.168.26.10", "device": "eth0:1", "address1": "192.168.26.11"}
    assert client.post("/first/service", fields_of(client, "/first/service") | service).status_code == 302


def test_the_way_leads_from_no_cluster_to_an_apply(administrator: Client, redis_server: RedisServer) -> None:
    assert administrator.get("/first")["Location"] == "/first/cluster"
    names = fields_of(administrator, "/first/cluster") | {"name": "shop", "primary": "r1", "backup": "r2"}
    assert administrator.post("/first/cluster", names)["Location"] == "/first/network"
    assert administrator.get("/first")["Location"] == "/first/network"

    network = fields_of(administrator, "/first/network") | {
        "primary": "192.168.26.9",
        "backup": "192.168.26.8",
        "primary_private": "10.11.12.9",
        "backup_private": "10.11.12.8",
        "forwarding": "nat",
        "nat_router": "10.11.12.10",
        "nat_mask": "/24",
        "nat_router_device": "eth1:1",
    }
    assert administrator.post("/first/network", network)["Location"] == "/first/pair"
    assert administrator.get("/first")["Location"] == "/first/pair"

    pair = fields_of(administrator, "/first/pair")
    assert (pair["keepalive"], pair["deadtime"], pair["monitor_links"]) == ("1", "3", "on")
    pair |= {"syncd_iface": "eth1"}
    assert administrator.post("/first/pair", pair)["Location"] == "/first/service"

    service = fields_of(administrator, "/first/service") | {
        "name": "shop",
        "address": "192.168.26.10",
        "device": "eth0:1",
        "port": "80",
        "kind": "http",
        "path": "/health",
        "address1": "10.11.12.1",
        "name2": "big",
        "address2": "10.11.12.2",
        "weight2": "3",
    }
    assert administrator.post("/first/service", service)["Location"] == "/first/review"
    assert administrator.get("/first")["Location"] == "/first/review"

    cluster = models.Cluster.objects.get()
    config = store.load(cluster)
    assert config.redundancy.backup_active
    assert config.redundancy.syncdaemon
    shop = config.virtual_servers[0]
    assert (shop.active, shop.check.kind, shop.check.http_path) == (True, CheckKind.HTTP, "/health")
    servers = [(one.name, str(one.address), one.weight, one.active) for one in shop.real_servers]
    assert servers == [("web1", "10.11.12.1", 1, True), ("big", "10.11.12.2", 3, True)]
    assert not cluster.revisions.exists()

    page = administrator.get("/first/review")
    assert "big" in text_of(page)
    applied = fields_in(text_of(page))
    assert applied["message"] == "first set-up"
    assert administrator.post("/first/apply", applied)["Location"] == "/first/works"
    assert cluster.revisions.get().message == "first set-up"
    assert administrator.get("/first")["Location"] == "/first/works"


def test_what_the_router_has_is_found_by_itself(
    administrator: Client, new: models.Cluster, redis_server: RedisServer
) -> None:
    report("r1", status())
    with answering("r1", preflight=SEEN):
        page = text_of(administrator.get("/first/network"))
    fields = fields_in(page)
    assert fields["primary"] == "192.168.26.9"
    assert fields["primary_private"] == "10.11.12.9"
    assert fields["nat_router_device"] == "eth1:1"
    assert fields["nat_mask"] == "/24"
    assert "eth0 of r1" in page
    assert "192.168.26.254" in page
    assert "backup" not in fields
    assert "127.0.0.1" not in page

    with answering("r1", preflight=SEEN):
        assert fields_of(administrator, "/first/service")["device"] == "eth0:1"


def test_what_was_found_is_saved_as_the_page_showed_it(
    administrator: Client, new: models.Cluster, redis_server: RedisServer
) -> None:
    report("r1", status())
    with answering("r1", preflight=SEEN):
        fields = fields_of(administrator, "/first/network")

    sent = fields | {"forwarding": "nat", "nat_router": "10.11.12.10"}
    assert administrator.post("/first/network", sent).status_code == 302
    own = store.load(new).global_settings
    assert (str(own.primary), str(own.primary_private)) == ("192.168.26.9", "10.11.12.9")
    assert own.nat_router
    assert (own.nat_router.device, own.nat_mask) == ("eth1:1", 24)


def test_a_router_that_does_not_answer_is_typed_in(
    administrator: Client, new: models.Cluster, redis_server: RedisServer
) -> None:
    page = text_of(administrator.get("/first/network"))

    assert "r1 cannot be asked" in page
    assert "Type its addresses below" in page


STRANGE = [{"name": "eth0", "carries": True, "addresses": ["no address", "10.0.0.1/99"]}]


@pytest.mark.parametrize(
    "document",
    [
        preflight(),
        preflight() | {"interfaces": [], "ways_out": {"4": None}},
        preflight() | {"interfaces": STRANGE},
    ],
)
def test_a_router_that_tells_of_no_address_is_typed_in(new: models.Cluster, document: dict[str, Any]) -> None:
    machine = first.machine_of(new.routers.get(), first.Told(document))

    assert machine.problem == "r1 told of no address on its machine."
    assert machine.public is None
    assert machine.private is None


def test_what_was_saved_counts_before_what_is_found(
    administrator: Client, new: models.Cluster, redis_server: RedisServer
) -> None:
    set_up(administrator)
    report("r1", status())
    with answering("r1", preflight=SEEN):
        fields = fields_of(administrator, "/first/network")

    assert fields["primary"] == "192.168.26.9"
    assert fields["forwarding"] == "direct"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"primary": ""}, "primary"),
        ({"primary": "not an address"}, "primary"),
        ({"forwarding": "nat", "nat_router": ""}, "nat_router"),
        ({"forwarding": "nat", "nat_router": "10.0.0.1", "nat_router_device": ""}, "nat_router_device"),
        ({"forwarding": "carrier pigeon"}, "forwarding"),
    ],
)
def test_a_network_that_cannot_be_is_refused_at_its_field(
    administrator: Client, new: models.Cluster, redis_server: RedisServer, changes: dict[str, str], field: str
) -> None:
    fields = fields_of(administrator, "/first/network") | {"primary": "192.168.26.9", "forwarding": "direct"}

    response = administrator.post("/first/network", fields | changes)

    assert field in response.context["form"].errors
    assert store.load(new).global_settings.primary is None


def test_without_nat_nothing_of_nat_is_kept(
    administrator: Client, cluster: models.Cluster, redis_server: RedisServer
) -> None:
    fields = fields_of(administrator, "/first/network") | {"backup": "192.168.26.8", "forwarding": "tunnel"}

    assert administrator.post("/first/network", fields).status_code == 302

    own = store.load(cluster).global_settings
    assert (own.forwarding, own.nat_router) == (Forwarding.TUNNEL, None)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"address": ""}, "address"),
        ({"device": ""}, "device"),
        ({"port": "0"}, "port"),
        ({"address1": ""}, "address1"),
        ({"address1": "10.0.0.300"}, "address1"),
        ({"name2": "lonely"}, "address2"),
        ({"name2": "web1", "address2": "192.168.26.12"}, "name2"),
        ({"weight1": "-1"}, "weight1"),
        ({"weight1": "70000"}, "weight1"),
    ],
)
def test_a_virtual_server_that_cannot_be_is_refused_at_its_field(
    administrator: Client, new: models.Cluster, redis_server: RedisServer, changes: dict[str, str], field: str
) -> None:
    fields = fields_of(administrator, "/first/service") | {
        "name": "shop",
        "address": "192.168.26.10",
        "device": "eth0:1",
        "address1": "192.168.26.11",
    }

    response = administrator.post("/first/service", fields | changes)

    assert response.status_code == 200, response["Location"]
    assert field in response.context["form"].errors, response.context["form"].errors
    assert not new.virtual_servers.exists()


def test_more_rows_keep_what_was_typed_and_save_nothing(
    administrator: Client, new: models.Cluster, redis_server: RedisServer
) -> None:
    fields = fields_of(administrator, "/first/service") | {"name": "half", "address3": "192.168.26.13"}

    response = administrator.post("/first/service", fields | {"verb": "more"})

    again = fields_in(text_of(response))
    assert (again["name"], again["address3"], again["rows"]) == ("half", "192.168.26.13", "6")
    assert "address6" in again
    assert not new.virtual_servers.exists()

    whole = again | {"address": "192.168.26.10", "device": "eth0:1", "address6": "192.168.26.16"}
    assert administrator.post("/first/service", whole).status_code == 302
    servers = store.load(new).virtual_servers[0].real_servers
    assert [one.name for one in servers] == ["web3", "web6"]


@pytest.mark.parametrize("rows", ["-1", "many", "99999999999", ""])
def test_a_senseless_number_of_rows_does_no_harm(
    administrator: Client, new: models.Cluster, redis_server: RedisServer, rows: str
) -> None:
    response = administrator.post("/first/service", {"rows": rows, "verb": "more"})

    assert response.status_code == 200
    assert 3 <= response.context["form"].count <= 48


def test_going_back_shows_what_was_saved_and_changes_only_that(
    administrator: Client, new: models.Cluster, redis_server: RedisServer
) -> None:
    set_up(administrator)
    row = new.virtual_servers.get()
    row.persistence = 300
    row.save()

    fields = fields_of(administrator, "/first/service")
    assert (fields["name"], fields["address1"], fields["kind"]) == ("shop", "192.168.26.11", "http")
    administrator.post("/first/service", fields | {"port": "8080", "address2": "192.168.26.12"})

    shop = store.load(new).virtual_servers[0]
    assert (shop.port, shop.persistence) == (8080, 300)
    assert [str(one.address) for one in shop.real_servers] == ["192.168.26.11", "192.168.26.12"]


def test_a_check_that_the_form_does_not_know_stays(
    administrator: Client, cluster: models.Cluster, redis_server: RedisServer
) -> None:
    fields = fields_of(administrator, "/first/service")
    assert fields["kind"] == ""
    administrator.post("/first/service", fields | {"port": "8080"})

    shop = store.load(cluster).virtual_servers[0]
    assert (shop.port, shop.check) == (8080, SHOP.check)


def test_a_page_that_somebody_else_overtook_is_refused(
    administrator: Client, cluster: models.Cluster, redis_server: RedisServer
) -> None:
    for address in ("/first/network", "/first/service"):
        fields = fields_of(administrator, address) | {"backup": "192.168.26.8"}
        changed = replace(
            CONFIG,
            global_settings=replace(CONFIG.global_settings, primary=IPv4Address("192.168.26.7")),
            virtual_servers=(replace(SHOP, port=81),),
        )
        store.save(cluster, changed)

        response = administrator.post(address, fields)

        assert "Somebody changed this after you opened it" in text_of(response)
        assert store.load(cluster).virtual_servers[0].port == 81
        store.save(cluster, CONFIG)


def test_several_virtual_servers_are_left_as_they_are(
    administrator: Client, cluster: models.Cluster, redis_server: RedisServer
) -> None:
    store.save(cluster, replace(CONFIG, virtual_servers=(SHOP, replace(SHOP, name="mail", port=25))))

    page = text_of(administrator.get("/first/service"))

    assert "several virtual servers already" in page
    assert administrator.post("/first/service", {"name": "x"}).status_code == 200
    assert [one.name for one in store.load(cluster).virtual_servers] == ["shop", "mail"]


def test_the_names_can_be_mended_until_the_first_apply(
    administrator: Client, new: models.Cluster, redis_server: RedisServer
) -> None:
    own = new.routers.get().pk
    fields = fields_of(administrator, "/first/cluster")
    assert (fields["name"], fields["primary"], fields["backup"]) == ("new", "r1", "")

    administrator.post("/first/cluster", {"name": "new", "primary": "east", "backup": "west"})
    assert {one.name: one.node for one in new.routers.all()} == {"east": "primary", "west": "backup"}
    assert new.routers.get(name="east").pk == own

    administrator.post("/first/cluster", {"name": "newer", "primary": "east", "backup": ""})
    assert [one.name for one in new.routers.all()] == ["east"]
    assert models.Cluster.objects.get().name == "newer"

    set_up(administrator)
    administrator.post("/first/apply", fields_of(administrator, "/first/review"))
    administrator.post("/first/cluster", {"name": "other", "primary": "x"})
    assert models.Cluster.objects.get().name == "newer"
    assert "its name and those of its routers stay" in text_of(administrator.get("/first/cluster"))


def test_names_that_others_have_are_refused(
    administrator: Client, new: models.Cluster, redis_server: RedisServer
) -> None:
    store.create_cluster("taken", "t1")
    for fields, field in (
        ({"name": "taken", "primary": "r1"}, "name"),
        ({"name": "new", "primary": "t1"}, "primary"),
        ({"name": "new", "primary": "r1", "backup": "r1"}, "backup"),
    ):
        assert field in administrator.post("/first/cluster", fields).context["form"].errors


def test_giving_up_the_second_router_switches_redundancy_off(
    administrator: Client, new: models.Cluster, redis_server: RedisServer
) -> None:
    administrator.post("/first/cluster", {"name": "new", "primary": "r1", "backup": "r2"})
    network = {"primary": "192.168.26.9", "backup": "192.168.26.8", "forwarding": "direct"}
    administrator.post("/first/network", fields_of(administrator, "/first/network") | network)
    administrator.post("/first/pair", fields_of(administrator, "/first/pair"))
    assert store.load(new).redundancy.backup_active

    administrator.post("/first/cluster", {"name": "new", "primary": "r1", "backup": ""})

    second = store.load(new).redundancy
    assert (second.backup_active, second.backup) == (False, None)
    assert administrator.get("/first/pair")["Location"] == "/first/service"


def test_an_empty_cluster_cannot_be_applied_and_is_told_what_is_missing(
    administrator: Client, new: models.Cluster, redis_server: RedisServer
) -> None:
    page = text_of(administrator.get("/first/review"))
    assert 'href="/first/network">network</a> is not filled in yet' in page
    assert "would serve anybody" in page

    administrator.post("/first/network", {"primary": "192.168.26.9"})
    assert administrator.post("/first/apply", {"edition": "0"})["Location"] == "/first/review"
    assert not new.revisions.exists()


def test_the_last_page_goes_from_nothing_to_a_balanced_request(
    administrator: Client, new: models.Cluster, redis_server: RedisServer
) -> None:
    assert "Nothing was applied yet" in text_of(administrator.get("/first/works"))
    set_up(administrator)
    administrator.post("/first/apply", fields_of(administrator, "/first/review"))

    page = text_of(administrator.get("/first/works"))
    assert "no router reports of it yet" in page
    assert "None was balanced yet" in page
    assert "Set up this machine" in page
    assert 'href="http://192.168.26.10/"' in page

    quiet = status()
    service = quiet["virtual_servers"][0]
    service["counters"] = {**service["counters"], "connections": 0}
    report("r1", quiet)
    page = text_of(administrator.get("/first/works/live"))
    assert 'hx-swap-oob="true"' in page  # the line of all pages goes on with it
    assert "healthy" in page
    assert "None was balanced yet" in page

    report("r1", status())
    page = text_of(administrator.get("/first/works/live"))
    assert "12 connections balanced" in page
    assert "It works:" in page
    assert "a request to http://192.168.26.10/ was balanced" in page

    for one in service["real_servers"]:
        one["weight"] = 0
    service["counters"]["connections"] = 12
    report("r1", quiet)
    page = text_of(administrator.get("/first/works/live"))
    assert "It works:" not in page
    assert "no real server takes new connections of" in page


@pytest.mark.parametrize(
    ("port", "link"),
    [
        (80, "http://192.168.26.10/"),
        (443, "https://192.168.26.10/"),
        (8080, "http://192.168.26.10:8080/"),
        (25, ""),
    ],
)
def test_a_link_is_offered_where_a_browser_can_follow_it(port: int, link: str) -> None:
    assert first.link_of(replace(SHOP, port=port)) == link


def test_the_steps_say_which_are_done(
    administrator: Client, new: models.Cluster, redis_server: RedisServer
) -> None:
    set_up(administrator)
    page = text_of(administrator.get("/first/review"))
    found = re.search(r'<nav class="first-steps".*?</nav>', page, re.DOTALL)
    assert found is not None
    items = [re.sub(r"<[^>]+>", "", one).split() for one in found[0].split("<li")[1:]]
    assert [("done" in " ".join(one)) for one in items] == [True, True, True, False, False]
    assert 'aria-current="step"' in found[0]
    assert "Second router" not in found[0]


def test_empty_pages_offer_the_set_up_to_whoever_may_change_something(
    administrator: Client, redis_server: RedisServer
) -> None:
    assert 'href="/first"' in text_of(administrator.get("/clusters/new"))
    store.create_cluster("new", "r1")
    for page in ("/", "/virtual-servers", "/help/first-steps"):
        assert 'href="/first"' in text_of(administrator.get(page)), page


def test_a_cluster_that_serves_is_not_offered_it(
    administrator: Client, cluster: models.Cluster, redis_server: RedisServer
) -> None:
    store.freeze(cluster, author="anna", message="")
    report("r1", status())
    for page in ("/", "/virtual-servers"):
        assert 'href="/first"' not in text_of(administrator.get(page)), page
