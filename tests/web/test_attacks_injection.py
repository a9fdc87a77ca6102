"""What is typed into the forms: lvs.cf has exactly that, or nothing is saved; and names of downloads."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from lvs import models, store
from lvs.config.model import Severity
from lvs.config.reader import read
from lvs.config.rules import problems
from lvs.config.writer import write
from tests.web.pages import fields_of, text_of

pytestmark = pytest.mark.thorough

TYPED = ['x"\nactive_cmd = /evil', "x'\n}\nvirtual evil {", "x' # \"y", "x # y", "x\\", "x\0y\u2028"]
# The fields whose words are free; the others are numbers, addresses and choices.
FREE = {
    "name",
    "device",
    "nat_router_device",
    "nat_router6_device",
    "syncd_iface",
    "active_cmd",
    "send",
    "expect",
}
FREE |= {"send_program", "http_path", "http_host", "tls_name", "dns_name", "load_monitor", "agent_send"}


def pages_of(shop: models.VirtualServer, web1: models.RealServer) -> list[str]:
    """Every form that changes the candidate."""
    return [
        "/global-settings",
        "/redundancy",
        "/virtual-servers/add",
        f"/virtual-servers/{shop.pk}",
        f"/virtual-servers/{shop.pk}/monitoring",
        f"/virtual-servers/{shop.pk}/real-servers/add",
        f"/real-servers/{web1.pk}",
    ]


def is_exact(cluster: models.Cluster, before: Any) -> bool:
    """Whether the candidate has no new error, and its lvs.cf reads back as it is."""
    config = store.load(cluster)
    known = set(problems(before))
    errors = [one for one in problems(config) if one.severity is Severity.ERROR and one not in known]
    return errors == [] and read(write(config)).config == config


@pytest.mark.parametrize("typed", TYPED, ids=repr)
def test_what_is_typed_into_any_field_is_that_in_lvs_cf_or_is_refused(
    administrator: Client,
    cluster: models.Cluster,
    shop: models.VirtualServer,
    web1: models.RealServer,
    typed: str,
) -> None:
    tried = set()
    before = store.load(cluster)
    for page in pages_of(shop, web1):
        fields = fields_of(administrator, page)
        for name in FREE & set(fields):
            with transaction.atomic():
                administrator.post(page, fields | {name: typed})
                after = store.load(cluster)
                assert is_exact(cluster, before), (page, name)
                transaction.set_rollback(True)
            assert "evil" not in {each.name for each in after.virtual_servers}, (page, name)
            assert after.global_settings.active_cmd != "/evil", (page, name)
            assert after.global_settings.serial_no == before.global_settings.serial_no
            tried.add(name)
    assert len(tried) > 6, tried


@pytest.mark.parametrize(
    "name", ['a"; filename="evil.exe', "a\r\nSet-Cookie: a=b", "../../evil", "a\\", "ä😀", ";"]
)
def test_no_name_breaks_the_head_of_a_download(
    administrator: Client, cluster: models.Cluster, web1: models.RealServer, name: str
) -> None:
    models.RealServer.objects.filter(pk=web1.pk).update(name=name)  # past all rules
    page = text_of(administrator.get(f"/real-servers/{web1.pk}/set-up"))
    ways = set(re.findall(r"/script\?way=([a-z-]+)", page))
    assert ways
    for way in ways:
        answer = administrator.get(f"/real-servers/{web1.pk}/script", {"way": way})
        found = re.fullmatch(r'attachment; filename="([A-Za-z0-9._-]+)"', answer["Content-Disposition"])
        assert found
        assert found[1].endswith(".sh")
        assert "Set-Cookie" not in answer.headers
        assert answer["Content-Type"].startswith("text/x-shellscript")
