"""VIRTUAL SERVERS and REAL SERVER."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import pytest
from django.test import Client

from lvs import models, store
from lvs.config.model import (
    FloatingAddress,
    Forwarding,
    LvsConfig,
    PortRange,
    Protocol,
    Scheduler,
    SchedulerFlag,
)
from piranha_web.forms.virtual_servers import free_device
from tests.web.conftest import SHOP
from tests.web.pages import fields_of, text_of


def test_a_new_virtual_server_offers_the_familiar_defaults(
    administrator: Client, cluster: models.Cluster
) -> None:
    fields = fields_of(administrator, "/virtual-servers/add")

    assert {
        name: fields[name] for name in ("port", "timeout", "reentry", "device", "scheduler", "protocol")
    } == {
        "port": "80",
        "timeout": "6",
        "reentry": "15",
        "device": "eth0:2",  # the next beside eth0:1 of shop
        "scheduler": "wlc",
        "protocol": "tcp",
    }
    assert "active" not in fields


def test_a_new_virtual_server_is_offered_the_first_free_label_of_the_interface_that_most_addresses_are_on():
    assert free_device(LvsConfig()) == "eth0:1"
    devices = ("eth0:1", "bond0:1", "bond0:3")
    several = [
        replace(
            SHOP, name=device, address=FloatingAddress(address=IPv4Address("192.168.26.10"), device=device)
        )
        for device in devices
    ]
    assert free_device(LvsConfig(virtual_servers=tuple(several))) == "bond0:2"


def test_a_virtual_server_is_added_and_its_real_servers_come_next(
    administrator: Client, cluster: models.Cluster
) -> None:
    fields = fields_of(administrator, "/virtual-servers/add")
    fields |= {"name": "my web shop", "address": "192.168.26.11", "device": "eth0:2", "persistence": "300"}

    response = administrator.post("/virtual-servers/add", fields)

    row = cluster.virtual_servers.get(name="my web shop")
    assert response["Location"] == f"/virtual-servers/{row.pk}/real-servers"
    value = store.load(cluster).virtual_servers[-1]
    assert value.address == FloatingAddress(address=IPv4Address("192.168.26.11"), device="eth0:2")
    assert (value.check.send, value.check.expect) == (r"GET / HTTP/1.0\r\n\r\n", "HTTP")
    assert (value.persistence, value.active) == (300, False)


def test_every_field_of_a_virtual_server_is_saved(administrator: Client, shop: models.VirtualServer) -> None:
    address = f"/virtual-servers/{shop.pk}"
    fields = fields_of(administrator, address) | {
        "name": "shop two",
        "address": "2001:db8::10",
        "device": "eth0",
        "address_mask": "64",
        "port": "443",
        "protocol": "sctp",
        "scheduler": "mh",
        "scheduler_flags": ["mh-port"],
        "forwarding": "tunnel",
        "persistence": "60",
        "persistence_mask": "/48",
        "timeout": "3",
        "reentry": "30",
        "failures": "2",
        "quiesce": "on",
        "sorry_server": "2001:db8::99",
        "fwmark": "7",
        "ports": "8443, 10000-20000",
        "load_monitor": "uptime",
    }

    response = administrator.post(address, fields)

    assert response.status_code == 302, response.context["form"].errors
    value = store.load(shop.cluster).virtual_servers[0]
    assert value == replace(
        SHOP,
        name="shop two",
        address=FloatingAddress(address=IPv6Address("2001:db8::10"), device="eth0"),
        address_mask=64,
        port=443,
        protocol=Protocol.SCTP,
        scheduler=Scheduler.MH,
        scheduler_flags=(SchedulerFlag.MH_PORT,),
        forwarding=Forwarding.TUNNEL,
        persistence=60,
        persistence_mask=48,
        timeout=3,
        reentry=30,
        failures=2,
        quiesce=True,
        sorry_server=IPv6Address("2001:db8::99"),
        fwmark=7,
        ports=(PortRange(8443, 8443), PortRange(10000, 20000)),
        load_monitor="uptime",
    )


@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        ({"name": ""}, "name", "needs a name"),
        ({"name": 'a"b'}, "name", "contains a quote"),
        ({"address": "300.1.1.1"}, "address", "not a whole IPv4 address"),
        ({"address": ""}, "address", "active but has no address"),
        ({"device": ""}, "device", "needs a device"),
        ({"port": "0"}, "port", "0 is out of range: write 1 to 65535"),
        ({"port": "70000"}, "port", "70000 is out of range: write 1 to 65535"),
        ({"timeout": "0"}, "timeout", "timeout 0"),
        ({"ports": "443, 443"}, "ports", "overlap"),
        ({"ports": "x:y", "fwmark": "1"}, "ports", "not a"),
        ({"one_packet": "on"}, "one_packet", "for udp"),
        ({"scheduler_flags": ["sh-port"]}, "scheduler_flags", "is not for wlc"),
        ({"address_mask": "/40"}, "address_mask", "does not fit"),
    ],
)
def test_a_senseless_virtual_server_is_refused_at_its_field(
    administrator: Client, shop: models.VirtualServer, changes: dict[str, object], field: str, says: str
) -> None:
    before = store.load(shop.cluster)
    address = f"/virtual-servers/{shop.pk}"

    response = administrator.post(address, fields_of(administrator, address) | changes)

    assert response.status_code == 200
    assert says in " ".join(response.context["form"].errors[field])
    assert store.load(shop.cluster) == before


def test_a_port_that_another_virtual_server_has_is_refused(
    administrator: Client, cluster: models.Cluster
) -> None:
    fields = fields_of(administrator, "/virtual-servers/add")
    fields |= {"name": "other", "address": "192.168.26.10", "active": "on"}

    response = administrator.post("/virtual-servers/add", fields)

    assert "belongs to virtual server" in str(response.context["form"].errors)
    assert cluster.virtual_servers.count() == 1


def test_a_taken_name_is_refused_at_the_name(administrator: Client, cluster: models.Cluster) -> None:
    fields = fields_of(administrator, "/virtual-servers/add") | {"name": "shop", "port": "81"}

    response = administrator.post("/virtual-servers/add", fields)

    assert "taken already" in " ".join(response.context["form"].errors["name"])


def test_an_old_fault_elsewhere_does_not_keep_a_good_change_from_being_saved(
    administrator: Client, cluster: models.Cluster
) -> None:
    broken = replace(SHOP, name="broken", address=None, real_servers=())
    store.save(cluster, LvsConfig(virtual_servers=(broken, SHOP)))
    row = cluster.virtual_servers.get(name="shop")

    response = administrator.post(
        f"/virtual-servers/{row.pk}",
        fields_of(administrator, f"/virtual-servers/{row.pk}") | {"timeout": "9"},
    )

    assert response.status_code == 302


def test_activate_and_deactivate_are_posts(administrator: Client, shop: models.VirtualServer) -> None:
    for verb, active in (("deactivate", False), ("activate", True)):
        address = f"/virtual-servers/{shop.pk}/{verb}"
        assert administrator.get(address).status_code == 405
        assert administrator.post(address).status_code == 302
        shop.refresh_from_db()
        assert shop.active is active


def test_a_virtual_server_without_address_is_not_activated(
    administrator: Client, cluster: models.Cluster
) -> None:
    row = store.add_virtual_server(cluster, replace(SHOP, name="empty", active=False, address=None, port=81))

    response = administrator.post(f"/virtual-servers/{row.pk}/activate", follow=True)

    assert "Nothing was changed." in text_of(response)
    assert "has no address" in text_of(response)
    row.refresh_from_db()
    assert not row.active


def test_delete_asks_first_and_names_what_goes(administrator: Client, shop: models.VirtualServer) -> None:
    page = text_of(administrator.get(f"/virtual-servers/{shop.pk}/delete"))
    assert "2 real servers" in page
    assert "web1, web2" in page
    assert models.VirtualServer.objects.filter(pk=shop.pk).exists()

    response = administrator.post(f"/virtual-servers/{shop.pk}/delete")

    assert response["Location"] == "/virtual-servers"
    assert not models.VirtualServer.objects.filter(pk=shop.pk).exists()
    assert not models.RealServer.objects.exists()


def test_names_are_text_and_never_markup(administrator: Client, cluster: models.Cluster) -> None:
    name = "<script>alert(1)</script>"
    row = store.add_virtual_server(cluster, replace(SHOP, name=name, active=False))
    server = row.real_servers.get(name="web1")
    server.name = name
    server.save()

    for address in (
        "/virtual-servers",
        f"/virtual-servers/{row.pk}",
        f"/virtual-servers/{row.pk}/real-servers",
        f"/virtual-servers/{row.pk}/monitoring",
        f"/virtual-servers/{row.pk}/delete",
        f"/real-servers/{server.pk}",
        f"/real-servers/{server.pk}/delete",
        "/review",
    ):
        page = text_of(administrator.get(address))
        assert name not in page, address
        assert "&lt;script&gt;alert(1)" in page, address


def test_a_changed_virtual_server_is_marked_in_the_list(
    administrator: Client, shop: models.VirtualServer
) -> None:
    store.freeze(shop.cluster, author="anna", message="")
    assert not administrator.get("/virtual-servers").context["rows"][0].is_changed

    shop.real_servers.get(name="web1").deactivate()

    assert administrator.get("/virtual-servers").context["rows"][0].is_changed


def test_a_real_server_is_added_edited_and_deleted(administrator: Client, shop: models.VirtualServer) -> None:
    add = f"/virtual-servers/{shop.pk}/real-servers/add"
    fields = fields_of(administrator, add)
    assert fields["weight"] == "1"
    administrator.post(
        add, fields | {"name": "web 3", "address": "10.11.12.3", "port": "8080", "active": "on"}
    )
    row = shop.real_servers.get(name="web 3")
    assert (row.address, row.port, row.weight, row.active) == ("10.11.12.3", 8080, 1, True)

    address = f"/real-servers/{row.pk}"
    administrator.post(address, fields_of(administrator, address) | {"weight": "5", "upper_threshold": "100"})
    row.refresh_from_db()
    assert (row.weight, row.upper_threshold) == (5, 100)

    assert "it drains first" in text_of(administrator.get(f"{address}/delete"))
    administrator.post(f"{address}/delete")
    assert not shop.real_servers.filter(name="web 3").exists()


@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        ({"address": "10.11.12.2"}, "address", "same address and port"),
        ({"address": ""}, "address", "no address"),
        ({"address": "2001:db8::1"}, "address", "use one family"),
        ({"weight": "-1"}, "weight", "-1 is out of range: write 0 to 65535"),
        ({"name": "web2"}, "name", "taken already"),
        ({"lower_threshold": "5"}, "lower_threshold", "above upper_threshold"),
    ],
)
def test_a_senseless_real_server_is_refused_at_its_field(
    administrator: Client, web1: models.RealServer, changes: dict[str, str], field: str, says: str
) -> None:
    address = f"/real-servers/{web1.pk}"

    response = administrator.post(address, fields_of(administrator, address) | changes)

    errors = response.context["form"].errors
    assert says in " ".join(errors.get(field, []) + errors.get("__all__", []))


def test_another_port_is_refused_where_direct_routing_cannot_change_it(
    administrator: Client, shop: models.VirtualServer, web1: models.RealServer
) -> None:
    shop.forwarding = "direct"
    shop.save()
    address = f"/real-servers/{web1.pk}"

    response = administrator.post(address, fields_of(administrator, address) | {"port": "8080"})

    assert "cannot change ports" in " ".join(response.context["form"].errors["port"])


def test_a_real_server_is_activated_and_deactivated_by_post(
    administrator: Client, web1: models.RealServer
) -> None:
    for verb, active in (("deactivate", False), ("activate", True)):
        assert administrator.get(f"/real-servers/{web1.pk}/{verb}").status_code == 405
        administrator.post(f"/real-servers/{web1.pk}/{verb}")
        web1.refresh_from_db()
        assert web1.active is active


def test_another_clusters_servers_are_not_found(administrator: Client, shop: models.VirtualServer) -> None:
    other = store.create_cluster("other", "x1")
    row = store.add_virtual_server(other, replace(SHOP, name="theirs"))

    for address in (
        f"/virtual-servers/{row.pk}",
        f"/virtual-servers/{row.pk}/delete",
        f"/real-servers/{row.real_servers.get(name='web1').pk}",
    ):
        assert administrator.get(address).status_code == 404
        assert administrator.post(address).status_code == 404
