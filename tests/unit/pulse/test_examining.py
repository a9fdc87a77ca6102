"""The call `examine`: what it takes from lvs.cf, when it refuses, and one at a time."""

from __future__ import annotations

import asyncio
import json
import threading
from ipaddress import ip_address
from types import SimpleNamespace
from typing import Any, cast

import dns.message
import pytest

from lvs.config.check import load
from lvs.config.model import LvsConfig, Protocol
from lvs.errors import RouterError
from lvs.pulse import examining
from lvs.pulse.examining import examine, subject_of
from lvs.pulse.keeping import Keeper
from lvs.router.examination.subject import Examination, Port, Subject, Tried
from lvs.router.seen import About, Level, Remark
from lvs.router.state import Role

LVS_CF = """\
serial_no = 1
primary = 192.168.26.9
backup_active = 1
backup = 192.168.26.8
service = lvs
network = nat
nat_router = 10.11.12.10 eth1:1
nat_nmask = 255.255.255.0
virtual shop {
  active = 1
  address = 192.168.26.10 eth0:1
  vip_nmask = 255.255.255.0
  port = 80
  fwmark = 7
  ports = 443,2000:2010
  server web1 {
    address = 10.11.12.1
    active = 1
    port = 8080
  }
  server web2 {
    address = 10.11.12.2
    active = 1
  }
}
virtual names {
  active = 0
  network = direct
  address = 192.168.26.20 eth0:2
  port = 53
  protocol = udp
  check = dns
  dns_name = example.org
  server dns1 {
    address = 192.168.26.11
    active = 1
  }
}
virtual old {
  port = 81
  server gone {
    active = 0
  }
}
"""


@pytest.fixture(scope="module")
def config() -> LvsConfig:
    return load(LVS_CF)


def test_nat_real_servers_are_asked_at_their_own_port(config: LvsConfig) -> None:
    found = subject_of(config, "shop", "web1", Role.STANDBY)
    assert found.ports == (Port(Protocol.TCP, 8080),)
    assert (found.gateway, found.interface, found.active) == (ip_address("10.11.12.10"), "eth0", False)
    assert found.others == {ip_address("10.11.12.2"): "web2"}
    assert {ip_address("192.168.26.10"), ip_address("192.168.26.20"), found.gateway} <= found.floating
    assert found.peers == {ip_address("192.168.26.9"), ip_address("192.168.26.8")}


def test_the_single_ports_of_several_are_asked_and_ranges_are_not(config: LvsConfig) -> None:
    found = subject_of(config, "shop", "web2", Role.ACTIVE)
    assert [str(port) for port in found.ports] == ["tcp 80", "tcp 443"]


def test_without_nat_packets_keep_the_virtual_servers_port(config: LvsConfig) -> None:
    found = subject_of(config, "names", "dns1", Role.ACTIVE)
    assert [str(port) for port in found.ports] == ["udp 53"]
    assert found.gateway is None


def test_a_datagram_service_is_sent_what_its_check_sends(config: LvsConfig) -> None:
    question = dns.message.from_wire(subject_of(config, "names", "dns1", Role.ACTIVE).payload)
    assert str(question.question[0].name) == "example.org."


@pytest.mark.parametrize(
    ("names", "words"), [(("shop", "web9"), "no real server"), (("old", "gone"), "no address")]
)
def test_what_is_not_there_is_refused(config: LvsConfig, names: tuple[str, str], words: str) -> None:
    with pytest.raises(RouterError, match=words):
        subject_of(config, *names, Role.ACTIVE)


def keeper(config: LvsConfig | None, *, planning: bool = False) -> Keeper:
    """As far as an examination looks at it."""
    running = None if config is None else SimpleNamespace(config=config)
    return cast(
        Keeper, SimpleNamespace(locator=SimpleNamespace(planning=planning), running=running, role=Role.ACTIVE)
    )


REMARK = Remark(Level.ERROR, About.REAL_SERVER, "what", "why", "remedy", "evidence")
FOUND = Examination((REMARK,), (Tried("knocked", None, "silence"),))


def test_the_answer_has_remarks_and_what_was_tried(
    config: LvsConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Subject] = []
    monkeypatch.setattr(examining, "examined", lambda subject: asked.append(subject) or FOUND)
    answer = asyncio.run(call(keeper(config), "web1"))
    assert json.loads(json.dumps(answer)) == answer
    assert answer["remarks"] == [REMARK.document()]
    assert answer["remarks"][0]["about"] == "real server"
    assert answer["tried"] == [{"what": "knocked", "good": None, "said": "silence"}]
    assert answer["seconds"] >= 0
    assert [one.real_server for one in asked] == ["web1"]


async def call(keeper: Keeper, name: str, turn: asyncio.Lock | None = None) -> dict[str, Any]:
    return await examine(keeper, turn or asyncio.Lock(), "shop", name)


def test_a_pulse_that_only_plans_sends_nothing(config: LvsConfig) -> None:
    with pytest.raises(RouterError, match="only plans"):
        asyncio.run(call(keeper(config, planning=True), "web1"))


def test_without_a_configuration_there_is_nothing_to_examine() -> None:
    with pytest.raises(RouterError):
        asyncio.run(call(keeper(None), "web1"))


def test_one_is_examined_at_a_time_and_who_waits_too_long_is_told(
    config: LvsConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    going_on = threading.Event()
    monkeypatch.setattr(examining, "TURN_SECONDS", 0.05)
    monkeypatch.setattr(examining, "examined", lambda subject: going_on.wait(10) and FOUND)

    async def story() -> None:
        turn = asyncio.Lock()
        first = asyncio.create_task(call(keeper(config), "web1", turn))
        while not turn.locked():
            await asyncio.sleep(0)
        with pytest.raises(RouterError, match="try again in a few seconds"):
            await call(keeper(config), "web2", turn)
        going_on.set()
        await first
        assert (await call(keeper(config), "web2", turn))["remarks"]

    asyncio.run(story())


def test_who_asked_and_went_away_keeps_the_turn_until_the_examination_is_over(
    config: LvsConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    going_on = threading.Event()
    monkeypatch.setattr(examining, "examined", lambda subject: going_on.wait(10) and FOUND)

    async def story() -> None:
        turn = asyncio.Lock()
        first = asyncio.create_task(call(keeper(config), "web1", turn))
        while not turn.locked():
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert turn.locked()
        going_on.set()
        async with asyncio.timeout(5), turn:
            assert turn.locked()

    asyncio.run(story())
