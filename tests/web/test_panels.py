"""GLOBAL SETTINGS, REDUNDANCY and MONITORING SCRIPTS."""

from __future__ import annotations

import importlib
from ipaddress import IPv4Address

import pytest
from django import forms
from django.test import Client

from lvs import models, store
from lvs.config.model import FloatingAddress, Forwarding, HealthCheck
from piranha_web.forms.fields import SecondsField, WholeField
from piranha_web.forms.panel import PanelForm
from tests.web.pages import fields_of, text_of


def test_an_unchanged_form_saves_what_was_there(administrator: Client, shop: models.VirtualServer) -> None:
    before = store.load(shop.cluster)
    server = shop.real_servers.get(name="web1")

    for address in (
        "/global-settings",
        "/redundancy",
        f"/virtual-servers/{shop.pk}",
        f"/virtual-servers/{shop.pk}/monitoring",
        f"/real-servers/{server.pk}",
    ):
        fields = fields_of(administrator, address)
        fields.pop("verb", None)
        response = administrator.post(address, fields)
        assert response.status_code == 302, text_of(response)

    after = store.load(shop.cluster)
    assert after.global_settings == before.global_settings
    assert after.virtual_servers == before.virtual_servers


def test_global_settings_are_saved(administrator: Client, cluster: models.Cluster) -> None:
    fields = fields_of(administrator, "/global-settings")
    fields |= {
        "primary_private": "10.11.12.9",
        "forwarding": "direct",
        "tcp_timeout": "900",
        "nat_mask": "255.255.254.0",
    }

    response = administrator.post("/global-settings", fields, follow=True)

    assert "Saved the global settings" in text_of(response)
    settings = store.load(cluster).global_settings
    assert settings.primary_private == IPv4Address("10.11.12.9")
    assert (settings.forwarding, settings.tcp_timeout, settings.nat_mask) == (Forwarding.DIRECT, 900, 23)


def test_another_network_type_keeps_the_nat_router(administrator: Client, cluster: models.Cluster) -> None:
    for forwarding in ("direct", "nat"):
        fields = fields_of(administrator, "/global-settings") | {"forwarding": forwarding}
        assert administrator.post("/global-settings", fields).status_code == 302

    gateway = FloatingAddress(address=IPv4Address("10.11.12.10"), device="eth1:1")
    assert store.load(cluster).global_settings.nat_router == gateway


@pytest.mark.parametrize("mask", ["/31", "31", "255.255.255.254"])
def test_a_mask_is_taken_in_every_usual_form(
    administrator: Client, cluster: models.Cluster, mask: str
) -> None:
    fields = fields_of(administrator, "/global-settings") | {"nat_mask": mask}

    assert administrator.post("/global-settings", fields).status_code == 302
    assert store.load(cluster).global_settings.nat_mask == 31


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("primary", "192.168.26", "not a whole IPv4 address"),
        ("primary", "router.example", "host names are not looked up"),
        ("nat_mask", "255.0.255.0", "not a netmask"),
        ("nat_router_device", "", "An address needs a device"),
        ("nat_router_device", "eth1 1", "Linux cannot have"),
        ("tcp_timeout", "-1", "tcp_timeout -1"),
        ("tcp_timeout", "soon", "whole number"),
        ("forwarding", "carrier pigeon", "not one of the available choices"),
    ],
)
def test_a_senseless_global_setting_is_refused_at_its_field(
    administrator: Client, cluster: models.Cluster, field: str, value: str, says: str
) -> None:
    before = store.load(cluster)
    fields = fields_of(administrator, "/global-settings") | {field: value}

    response = administrator.post("/global-settings", fields)

    assert response.status_code == 200
    assert field in response.context["form"].errors
    assert says in " ".join(response.context["form"].errors[field])
    assert store.load(cluster) == before


def test_the_backup_router_is_enabled_with_the_panels_own_times(
    administrator: Client, cluster: models.Cluster
) -> None:
    fields = fields_of(administrator, "/redundancy")
    assert (fields["keepalive"], fields["deadtime"], fields["heartbeat_port"]) == ("6", "18", "539")

    administrator.post("/redundancy", fields | {"backup": "192.168.26.8", "verb": "enable"})

    redundancy = store.load(cluster).redundancy
    assert redundancy.backup_active
    assert (redundancy.backup, redundancy.keepalive, redundancy.deadtime) == (
        IPv4Address("192.168.26.8"),
        6,
        18,
    )


def test_a_backup_router_without_an_address_is_not_enabled(
    administrator: Client, cluster: models.Cluster
) -> None:
    fields = fields_of(administrator, "/redundancy") | {"verb": "enable"}

    response = administrator.post("/redundancy", fields)

    assert "backup" in response.context["form"].errors
    assert not store.load(cluster).redundancy.backup_active


def test_a_dead_time_below_the_interval_is_refused(administrator: Client, cluster: models.Cluster) -> None:
    fields = fields_of(administrator, "/redundancy")
    fields |= {"backup": "192.168.26.8", "verb": "enable", "keepalive": "30", "deadtime": "18"}

    response = administrator.post("/redundancy", fields)

    assert "not above keepalive" in " ".join(response.context["form"].errors["deadtime"])


def test_disable_keeps_the_fields_and_reset_forgets_them(
    administrator: Client, cluster: models.Cluster
) -> None:
    fields = fields_of(administrator, "/redundancy") | {"backup": "192.168.26.8", "verb": "enable"}
    administrator.post("/redundancy", fields)

    fields = fields_of(administrator, "/redundancy") | {"verb": "disable", "keepalive": "0.5"}
    administrator.post("/redundancy", fields)
    redundancy = store.load(cluster).redundancy
    assert (redundancy.backup_active, redundancy.keepalive) == (False, 0.5)
    assert redundancy.backup is not None

    administrator.post("/redundancy/reset")
    redundancy = store.load(cluster).redundancy
    assert (redundancy.backup, redundancy.keepalive, redundancy.deadtime) == (None, 6, 18)


def test_an_empty_monitoring_field_really_clears(administrator: Client, shop: models.VirtualServer) -> None:
    address = f"/virtual-servers/{shop.pk}/monitoring"
    fields = fields_of(administrator, address) | {"send": "", "expect": ""}

    administrator.post(address, fields)

    assert shop.monitoring_script.__class__.objects.get(virtual_server=shop).value() == HealthCheck()


@pytest.mark.parametrize("field", ["send", "expect", "send_program"])
def test_a_clear_button_empties_its_field_and_saves_the_rest(
    administrator: Client, shop: models.VirtualServer, field: str
) -> None:
    address = f"/virtual-servers/{shop.pk}/monitoring"
    full = {"send": "a", "expect": "b", "send_program": "/bin/check %h"}
    fields = fields_of(administrator, address) | full

    administrator.post(address, fields | {"clear": field})

    saved = models.MonitoringScript.objects.get(virtual_server=shop)
    assert {name: getattr(saved, name) for name in full} == full | {field: None}


def test_backslashes_blanks_and_signs_of_a_check_stay_as_typed(
    administrator: Client, shop: models.VirtualServer
) -> None:
    address = f"/virtual-servers/{shop.pk}/monitoring"
    text = r" GET /<a>?b=%20&c=\\x HTTP/1.0\r\n\r\n "
    fields = fields_of(administrator, address) | {"send": text}

    administrator.post(address, fields)

    assert models.MonitoringScript.objects.get(virtual_server=shop).send == text
    assert fields_of(administrator, address)["send"] == text


def test_a_broken_regular_expression_is_refused_at_its_field(
    administrator: Client, shop: models.VirtualServer
) -> None:
    address = f"/virtual-servers/{shop.pk}/monitoring"
    fields = fields_of(administrator, address) | {"expect": "(", "use_regex": "on"}

    response = administrator.post(address, fields)

    assert "not a regular expression" in " ".join(response.context["form"].errors["expect"])


def test_odd_but_possible_settings_are_saved_with_a_warning(
    administrator: Client, shop: models.VirtualServer
) -> None:
    address = f"/virtual-servers/{shop.pk}/monitoring"
    fields = fields_of(administrator, address) | {"send_program": "/bin/check"}

    response = administrator.post(address, fields, follow=True)

    assert "send has no effect beside send_program" in text_of(response)
    assert models.MonitoringScript.objects.get(virtual_server=shop).send_program == "/bin/check"


@pytest.mark.parametrize(
    "panel", ["/global-settings", "/redundancy", "/virtual-servers/{}", "/virtual-servers/{}/monitoring"]
)
def test_a_stale_form_is_told_so_and_overwrites_nothing(
    administrator: Client, shop: models.VirtualServer, panel: str
) -> None:
    address = panel.format(shop.pk)
    mine = fields_of(administrator, address)
    changes = {
        "/global-settings": {"tcp_timeout": "100"},
        "/redundancy": {"heartbeat_port": "1539"},
        "/virtual-servers/{}": {"timeout": "7"},
        "/virtual-servers/{}/monitoring": {"expect": "theirs"},
    }
    assert administrator.post(address, mine | changes[panel]).status_code == 302
    theirs = store.load(shop.cluster)

    response = administrator.post(address, mine)

    assert response.status_code == 200
    assert "Somebody changed this after you opened it" in text_of(response)
    assert store.load(shop.cluster) == theirs


def test_somebody_elses_change_elsewhere_makes_no_form_stale(
    administrator: Client, shop: models.VirtualServer
) -> None:
    mine = fields_of(administrator, f"/virtual-servers/{shop.pk}")
    administrator.post(
        "/global-settings", fields_of(administrator, "/global-settings") | {"tcp_timeout": "100"}
    )

    assert administrator.post(f"/virtual-servers/{shop.pk}", mine).status_code == 302


@pytest.mark.parametrize(
    "name", ["virtual_servers", "global_settings", "redundancy", "real_servers", "monitoring"]
)
def test_every_field_of_a_panel_has_help_and_every_number_says_what_may_be_written(name: str) -> None:
    module = importlib.import_module(f"piranha_web.forms.{name}")
    forms_here = [
        one
        for one in vars(module).values()
        if isinstance(one, type) and issubclass(one, PanelForm) and one.__module__ == module.__name__
    ]
    for form in forms_here:
        for label, field in form.base_fields.items():
            assert label == "seen" or field.help_text, f"{label}: no help"
            if isinstance(field, forms.IntegerField | forms.FloatField):
                assert isinstance(field, WholeField | SecondsField), f"{label}: Django's own words"
