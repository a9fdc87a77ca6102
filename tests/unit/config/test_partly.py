"""One object of a configuration put back to what it was."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from lvs.config.diff import differences
from lvs.config.model import GlobalSettings, LvsConfig, RealServer, VirtualServer
from lvs.config.partly import restored, takes_back

WEB = tuple(RealServer(name=name, address=IPv4Address(f"10.0.0.{n}")) for n, name in enumerate("abc", 1))
SHOP = VirtualServer(name="shop", real_servers=WEB)
MAIL = VirtualServer(name="mail", port=25)
OLD = LvsConfig(virtual_servers=(SHOP, MAIL), failover_services=(MAIL,))
NEW = LvsConfig(
    global_settings=GlobalSettings(primary=IPv4Address("192.0.2.1")),
    virtual_servers=(
        replace(SHOP, port=8080, real_servers=(replace(WEB[0], weight=7), WEB[2])),
        VirtualServer(name="dns", port=53),
    ),
    failover_services=(replace(MAIL, port=26),),
)


@pytest.mark.parametrize("place", sorted({one.place for one in differences(OLD, NEW) if takes_back(one)}))
def test_what_is_put_back_differs_no_more_and_all_else_as_before(place: tuple[str, ...]) -> None:
    before = differences(OLD, NEW)

    after = differences(OLD, restored(NEW, OLD, place))

    assert set(after) == {one for one in before if one.place != place}


def test_with_all_of_it_put_back_nothing_differs_not_even_the_order() -> None:
    config = NEW
    for one in differences(OLD, NEW):
        config = restored(config, OLD, one.place)
    assert config == OLD


def test_an_order_belongs_to_no_object_alone() -> None:
    turned = replace(OLD, virtual_servers=(MAIL, replace(SHOP, real_servers=WEB[::-1])))
    found = differences(OLD, turned)
    assert len(found) == 2
    assert not any(map(takes_back, found))
