"""The picture of the cluster on CONTROL/MONITORING: what it shows of reports, and what it leaves out."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from lvs import models
from piranha_web.drawing import Scene, Thing, drawn
from piranha_web.picture import MOST_ADDRESSES, MOST_MACHINES
from tests.conftest import RedisServer
from tests.web.pages import text_of
from tests.web.reports import real_server, report, status

pytestmark = pytest.mark.usefixtures("cluster")
LARGEST = 150_000  # bytes of the live part, whatever the routers run


def boxes(page: str) -> list[str]:
    """The links of the picture in words."""
    return re.findall(r'id="picture-[^"]*" aria-label="([^"]*)"', page)


def services(count: int, reals: int, health: str = "healthy") -> list[dict[str, object]]:
    """So many virtual servers, each at an address of its own with real servers of its own."""
    (one,) = status()["virtual_servers"]
    return [
        {
            **one,
            "name": f"vs{place}",
            "key": f"tcp 10.1.{place // 250}.{place % 250 + 1}:80",
            "real_servers": [
                real_server(f"rs{place}-{each}", f"10.{each + 2}.{place // 250}.{place % 250 + 1}", health)
                for each in range(reals)
            ],
        }
        for place in range(count)
    ]


def test_each_part_of_the_cluster_is_a_box_with_its_state_that_leads_to_its_page(
    administrator: Client, redis_server: RedisServer, shop: models.VirtualServer
) -> None:
    report("r1", status())
    report("r2", status("standby"))
    page = text_of(administrator.get("/"))
    said = boxes(page)
    # Neither runs a revision of this cluster, which the boxes point to.
    roles = ["r1: active, look at it", "r2: standby, look at it"]
    assert [one.partition(".")[0] for one in said if one.startswith("r")] == roles
    assert "192.168.26.10: some failed: shop. shop (tcp 192.168.26.10:80): some failed" in said
    assert "web2: failed, 10.11.12.2. shop / web2: failed, connect: refused" in said
    assert "web1: healthy, 10.11.12.1. shop / web1: healthy, connected" in said
    assert f'<a href="/virtual-servers/{shop.pk}/real-servers" id="picture-vip-' in page
    assert '<a href="/real-servers/explained?target=shop%2Fweb2" id="picture-rs-' in page
    assert "picture-alarm" not in page


def test_a_narrow_screen_gets_the_same_as_stages_with_the_same_links_and_the_reasons(
    administrator: Client, redis_server: RedisServer, shop: models.VirtualServer
) -> None:
    report("r1", status())
    page = text_of(administrator.get("/"))
    drawing, _, stages = page.partition('<ol class="stages')
    stages = stages.partition("</ol>")[0]
    links = re.compile(r'<a href="([^"]*)" id="(?:picture|stage)-([^"]*)"')
    assert links.findall(stages) == links.findall(drawing)
    assert len(links.findall(stages)) == 5
    heads = re.findall(r'class="stage-head">([^<]*)<', stages)
    assert heads == ["Clients", "Virtual addresses", "Routers", "Real servers"]
    assert re.findall(r"stage-way (\w+)", stages) == ["flow", "flow", "flow"]
    assert (
        'web2</span> <span class="word">failed, 10.11.12.2</span> <span class="word">connect: refused'
        in stages
    )
    assert 'web1</span> <span class="word">healthy, 10.11.12.1</span></a>' in stages
    assert 'class="stage-box secondary hatched"' in stages  # r2, which is not heard


def test_no_way_is_drawn_as_in_use_while_no_router_is_active(
    administrator: Client, redis_server: RedisServer
) -> None:
    report("r1", status("standby"))
    report("r2", status("standby"))
    page = text_of(administrator.get("/"))
    assert re.findall(r"stage-way (\w+)", page) == ["idle", "idle", "idle"]


@pytest.mark.parametrize(
    ("head", "is_wide"), [("192.168.26.10", False), ("2001:db8:1234:5678:9abc:def0:1:2", True)]
)
def test_long_addresses_get_the_whole_width_of_a_phone(head: str, is_wide: bool) -> None:
    thing = Thing(key="a", head=head, word="healthy", state="healthy", sign="✔", colour="success")
    addresses, routers, machines = drawn(Scene(addresses=[thing])).stages
    assert addresses.is_wide == is_wide
    assert (routers.things, machines.things) == ((), ())


def test_nobody_active_is_seen_at_a_glance_and_nothing_keeps_its_colour(
    administrator: Client, redis_server: RedisServer
) -> None:
    report("r1", status("standby"))
    report("r2", status("standby"))
    page = text_of(administrator.get("/"))
    assert "No router is active." in page
    assert 'class="box success' not in page
    assert "web1: unknown" in page


def test_that_nobody_is_known_to_be_active_is_not_said_to_be_so(
    administrator: Client, redis_server: RedisServer
) -> None:
    report("r2", status("standby"))
    assert "No router is known to be active." in text_of(administrator.get("/"))


def test_two_active_routers_are_seen_at_a_glance(administrator: Client, redis_server: RedisServer) -> None:
    report("r1", status())
    report("r2", status())
    assert "More than one router is active." in text_of(administrator.get("/"))


def test_of_many_the_worst_are_drawn_the_rest_is_counted_and_the_part_stays_small(
    administrator: Client, redis_server: RedisServer
) -> None:
    many = services(300, 2)
    many[233]["real_servers"] = [real_server("bad", "10.9.9.9", "failed", "connect: refused")]
    report("r1", status(virtual_servers=many))
    part = text_of(administrator.get("/live"))
    said = boxes(part)
    vips = [one for one in said if one.startswith("10.1.")]
    assert len(vips) == MOST_ADDRESSES
    assert vips[0].startswith("10.1.0.234: failed: no real server serves it: vs233") or "failed" in vips[0]
    machines = [one for one in said if one.startswith(("rs", "bad"))]
    assert len(machines) == MOST_MACHINES
    assert machines[0].startswith("bad: failed")
    assert "and 288 more virtual servers" in part
    assert "and 575 more real servers" in part
    assert len(part.encode()) < LARGEST


def test_a_machine_behind_several_virtual_servers_is_one_box_in_its_worst_state(
    administrator: Client, redis_server: RedisServer
) -> None:
    two = services(2, 0)
    two[0]["real_servers"] = [real_server("web", "10.9.9.9")]
    two[1]["real_servers"] = [real_server("web", "10.9.9.9", "failed", "connect: refused")]
    report("r1", status(virtual_servers=two))
    assert [one for one in boxes(text_of(administrator.get("/"))) if one.startswith("web")] == [
        "web: failed, 10.9.9.9. vs0 / web: healthy, connected. vs1 / web: failed, connect: refused"
    ]


@pytest.mark.parametrize("count", [0, 1, 9, 10, 24])
def test_no_box_lies_on_another_and_all_lie_in_the_picture(count: int) -> None:
    things = [
        Thing(key=str(place), head="web", word="healthy", state="healthy", sign="✔", colour="success")
        for place in range(count)
    ]
    picture = drawn(Scene(addresses=things[:MOST_ADDRESSES], routers=things[:2], machines=things))
    places = [(box.x, box.y, box.x + box.width, box.y + 46) for box in picture.boxes]
    for at, (left, top, right, bottom) in enumerate(places):
        assert left >= 0
        assert top >= 12
        assert right <= picture.width
        assert bottom <= picture.height
        for other in places[at + 1 :]:
            assert right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top
