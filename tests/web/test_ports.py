"""Several ports in one virtual server: how they are typed, the mark that they get, usual sets, FTP."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from lvs import models, store
from lvs.config.model import Protocol
from tests.web.pages import fields_of, text_of


def value(shop: models.VirtualServer) -> Any:
    return next(one for one in store.load(shop.cluster).virtual_servers if one.name == "shop")


def saved(client: Client, shop: models.VirtualServer, **changes: Any) -> str:
    address = f"/virtual-servers/{shop.pk}"
    return text_of(client.post(address, fields_of(client, address) | changes, follow=True))


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("443", "443"),
        ("443, udp/443, 10000-20000", "443 udp/443 10000:20000"),
        ("UDP/443;8000 - 8080", "udp/443 8000:8080"),
        ("tcp/20000:20010 https", "tcp/20000:20010 443"),
    ],
)
def test_further_ports_are_typed_as_people_write_them(
    administrator: Client, shop: models.VirtualServer, typed: str, read: str
) -> None:
    saved(administrator, shop, ports=typed)
    assert " ".join(map(str, value(shop).ports)) == read
    # What the page shows then is read as the same again.
    saved(administrator, shop)
    assert " ".join(map(str, value(shop).ports)) == read


@pytest.mark.parametrize("typed", ["443, icmp/1", "70000", "5:", "9-5"])
def test_further_ports_that_are_none_are_refused_at_the_field(
    administrator: Client, shop: models.VirtualServer, typed: str
) -> None:
    address = f"/virtual-servers/{shop.pk}"
    response = administrator.post(address, fields_of(administrator, address) | {"ports": typed})
    assert "ports" in response.context["form"].errors
    assert value(shop).ports == ()


def test_further_ports_without_a_mark_get_a_free_one_and_the_page_says_so(
    administrator: Client, shop: models.VirtualServer
) -> None:
    page = saved(administrator, shop, ports="443")
    assert value(shop).fwmark == 80
    assert "Saved shop. Firewall mark 80 gathers its ports." in page


def test_a_mark_that_another_virtual_server_has_is_not_allotted(
    administrator: Client, shop: models.VirtualServer
) -> None:
    shop.fwmark = 80
    shop.save()
    fields = fields_of(administrator, "/virtual-servers/add")
    fields |= {"name": "new", "address": "192.168.26.11", "device": "eth0:2", "ports": "443"}
    page = text_of(administrator.post("/virtual-servers/add", fields, follow=True))
    assert shop.cluster.virtual_servers.get(name="new").fwmark == 81
    assert "Firewall mark 81 gathers its ports." in page


def test_a_mark_that_was_allotted_stays_when_its_field_is_blanked(
    administrator: Client, shop: models.VirtualServer
) -> None:
    saved(administrator, shop, ports="443", fwmark="7")
    saved(administrator, shop, fwmark="", port="8080")
    assert value(shop).fwmark == 7


def test_another_mark_of_a_service_in_use_warns_of_its_connections(
    administrator: Client, shop: models.VirtualServer
) -> None:
    page = saved(administrator, shop, ports="443")
    assert "shop goes from its own port to firewall mark 80" in page
    page = saved(administrator, shop, fwmark="81")
    assert "from firewall mark 80 to firewall mark 81" in page
    assert "are cut when this is applied" in page
    assert "are cut" not in saved(administrator, shop, ports="443, 8443")
    shop.refresh_from_db()
    shop.deactivate()
    assert "are cut" not in saved(administrator, shop, fwmark="82")


@pytest.mark.parametrize(
    ("preset", "port", "ports"),
    [
        ("web", "80", "443"),
        ("web3", "80", "443, udp/443"),
        ("ftp", "21", "10000:20000"),
        ("all", "80", "1:65535"),
    ],
)
def test_a_usual_set_of_ports_is_filled_in_and_saves_nothing_before_it_is_accepted(
    administrator: Client, shop: models.VirtualServer, preset: str, port: str, ports: str
) -> None:
    address = f"/virtual-servers/{shop.pk}"
    fields = fields_of(administrator, address) | {"name": "renamed", "scheduler": "rr"}
    edition = shop.cluster.edition

    response = administrator.post(address, fields | {"preset": preset})

    page = text_of(response)
    assert "Nothing is saved yet" in page
    shown = response.context["form"]
    typed = {name: shown[name].value() for name in ("name", "scheduler", "port", "ports", "persistence")}
    assert typed == {
        "name": "renamed",
        "scheduler": "rr",
        "port": port,
        "ports": ports,
        "persistence": "300",
    }
    shop.cluster.refresh_from_db()
    assert shop.cluster.edition == edition

    fields |= {name: shown[name].value() for name in ("port", "ports", "persistence")}
    administrator.post(address, fields)
    assert store.load(shop.cluster).virtual_servers[0].fwmark == int(port)


def test_a_set_of_ports_leaves_a_persistence_and_the_hash_options_alone(
    administrator: Client, shop: models.VirtualServer
) -> None:
    address = f"/virtual-servers/{shop.pk}"
    fields = fields_of(administrator, address)
    fields |= {"persistence": "60", "scheduler_flags": ["sh-port", "mh-port"], "preset": "web"}
    shown = administrator.post(address, fields).context["form"]
    assert shown["persistence"].value() == "60"
    assert shown["scheduler_flags"].value() == ["sh-port", "mh-port"]


def test_a_set_of_ports_is_filled_into_a_new_virtual_server_too(
    administrator: Client, cluster: models.Cluster
) -> None:
    fields = fields_of(administrator, "/virtual-servers/add") | {"preset": "ftp"}
    response = administrator.post("/virtual-servers/add", fields)
    assert response.context["form"]["port"].value() == "21"
    assert not response.context["form"].errors
    assert cluster.virtual_servers.count() == 1


def test_of_ftp_the_page_says_what_its_method_needs(
    administrator: Client, shop: models.VirtualServer
) -> None:
    assert "<strong>FTP:</strong>" not in text_of(administrator.get(f"/virtual-servers/{shop.pk}"))
    page = saved(administrator, shop, port="21")
    assert "FTP helper (ip_vs_ftp)" in page
    assert "No passive range is among its ports" in page
    page = saved(administrator, shop, ports="20, 10000-20000")
    assert "Passive data connections use ports 10000:20000" in page
    assert "They must also name the virtual address (pasv_address)" in page
    page = saved(administrator, shop, forwarding="direct")
    assert "FTP helper" not in page
    assert "Set a persistence" in page
    assert "Set a persistence" not in saved(administrator, shop, persistence="300")


def test_all_protocols_of_a_port_are_one_service(administrator: Client, shop: models.VirtualServer) -> None:
    saved(administrator, shop, ports="443, udp/443")
    assert [one.protocol for one in value(shop).ports] == [None, Protocol.UDP]


def test_list_and_head_name_all_ports(administrator: Client, shop: models.VirtualServer) -> None:
    page = saved(administrator, shop, ports="443, udp/443, 10000-20000")
    assert "ports 80, 443, udp/443, 10000:20000, TCP" in page
    assert ":80</span>, 443, udp/443, 10000:20000" in text_of(administrator.get("/virtual-servers"))
    many = ",".join(map(str, range(1000, 1020, 2)))
    assert "1008, 1010 and 4 more" in saved(administrator, shop, ports=many)
